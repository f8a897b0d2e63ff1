"""Law 13: Duck ends a run a little before the platform would, and raising the platform's limit lifts Duck's."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import RunningWorkbench
from tests.plugin import sse
from tests.plugin.conftest import caller, hooks_file, listed

KEY = RunningWorkbench.key
LONG_QUERY = {"query": "word " * 60}
"""At a pace of 0.1 s the echo app takes some 6 s for it."""

ROOMY = {
    "DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT": "60000",
    "MAX_INVOCATION_TIMEOUT": "60",
    "PLUGIN_MAX_EXECUTION_TIMEOUT": "60",
}


def _start(
    start_workbench: Callable[..., RunningWorkbench], environment: dict[str, str], *arguments: str
) -> RunningWorkbench:
    pairs = {"WORKBENCH_PACE": "0.1", "WORKBENCH_SLOW_SECONDS": "6", **ROOMY, **environment}
    flags = [part for name, value in pairs.items() for part in ("--env", f"{name}={value}")]
    return start_workbench(*flags, *arguments)


@pytest.mark.parametrize(
    ("variable", "value", "app", "code"),
    [
        ("DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT", "3000", "echo", "run_timeout"),
        ("PLUGIN_MAX_EXECUTION_TIMEOUT", "3", "echo", "response_timeout"),
        ("MAX_INVOCATION_TIMEOUT", "3", "slow", "silence_timeout"),
    ],
)
def test_each_limit_ends_the_stream_in_ducks_words_and_names_its_variable(
    start_workbench: Callable[..., RunningWorkbench], variable: str, value: str, app: str, code: str
) -> None:
    duck = _start(start_workbench, {variable: value})
    with caller(duck.url) as client:
        reply = client.post(f"/chat/{app}", json=LONG_QUERY)
        last = reply.json() if reply.status_code != 200 else json.loads(reply.text.rpartition("data: ")[2])
        assert (last["code"], last["status"]) == (code, 504)
        assert variable in (last.get("message") or last["detail"])
        assert "killed by timeout" not in reply.text
        if code == "run_timeout":
            whole = client.post(f"/chat/{app}", json=LONG_QUERY, headers={"Accept": "application/json"})
            assert (whole.status_code, whole.json()["code"]) == (504, code)
            assert whole.json()["conversation_id"]


def test_raised_limits_let_the_same_runs_end(start_workbench: Callable[..., RunningWorkbench]) -> None:
    duck = _start(start_workbench, {})
    with caller(duck.url) as client:
        assert sse.events(client, "/chat/echo", LONG_QUERY)[-1][0] == "end"
        assert sse.events(client, "/chat/slow", {"query": "x"})[-1][0] == "end"


def test_run_timeout_ends_a_run_where_the_daemons_environment_is_not_seen(
    start_workbench: Callable[..., RunningWorkbench], tmp_path: Path
) -> None:
    hooks = hooks_file(tmp_path, duck={"access_keys": KEY, "run_timeout": "2s", "apps": listed("echo")})
    duck = _start(start_workbench, {}, "--remote", "--hooks", hooks)
    with caller(duck.url) as client:
        name, data = sse.events(client, "/chat/echo", LONG_QUERY)[-1]
        assert (name, data["code"]) == ("error", "run_timeout")
        assert "run_timeout" in data["message"]


def test_a_one_body_reply_is_kept_alive_with_white_space(
    start_workbench: Callable[..., RunningWorkbench], tmp_path: Path
) -> None:
    hooks = hooks_file(tmp_path, duck={"access_keys": KEY, "keep_alive": "on", "apps": listed("slow")})
    duck = _start(start_workbench, {"WORKBENCH_SLOW_SECONDS": "23"}, "--hooks", hooks)
    began = time.monotonic()
    pieces: list[tuple[float, bytes]] = []
    with (
        caller(duck.url) as client,
        client.stream("POST", "/chat/slow", json={"query": "x"}, headers={"Accept": "application/json"}) as reply,
    ):
        assert reply.status_code == 200
        pieces.extend((time.monotonic() - began, piece) for piece in reply.iter_bytes())
    assert pieces[0][1] == b" "
    assert 19.5 < pieces[0][0] < 22.9  # before the answer
    assert json.loads(b"".join(piece for _, piece in pieces))["answer"]


def test_a_silent_stream_is_kept_alive_from_ten_seconds_on(start_workbench: Callable[..., RunningWorkbench]) -> None:
    duck = _start(start_workbench, {"WORKBENCH_SLOW_SECONDS": "14"})
    began = time.monotonic()
    with caller(duck.url) as client, client.stream("POST", "/chat/slow", json={"query": "x"}) as reply:
        assert 9.5 < time.monotonic() - began < 13.9  # before the answer
        assert reply.read().startswith(b": ping\n\n")


def test_a_failure_within_ten_seconds_is_a_true_status(start_workbench: Callable[..., RunningWorkbench]) -> None:
    duck = _start(start_workbench, {"MAX_INVOCATION_TIMEOUT": "3"})
    with caller(duck.url) as client:
        reply: httpx.Response = client.post("/chat/slow", json={"query": "x"})
        assert (reply.status_code, reply.headers["content-type"]) == (504, "application/problem+json")
