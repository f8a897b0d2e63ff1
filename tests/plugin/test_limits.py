"""Law 13: Duck ends a run a little before the platform would, and raising the platform's limit lifts Duck's.

All waits are done at once, when the first test begins; each test looks at what one of them came to.
"""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import StartWorkbench, caller, hooks_file, listed

LONG_QUERY: Final = "word " * 60
"""At a pace of 0.1 s the echo app takes some 6 s for it."""

SILENCE: Final = 23
"""Seconds that the app `slow` says nothing: beyond the 20 after which a JSON body is kept alive."""

ROOMY: Final = {
    "DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT": "60000",
    "MAX_INVOCATION_TIMEOUT": "60",
    "PLUGIN_MAX_EXECUTION_TIMEOUT": "60",
}
PLAIN: Final = {"access_keys": RunningWorkbench.key, "apps": listed("echo", "slow")}
HOOKS: Final = {"duck": PLAIN, "hurried": {**PLAIN, "run_timeout": "2s"}, "alive": {**PLAIN, "keep_alive": "on"}}

BENCHES: Final[Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]]] = {
    "reverse call": ({"DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT": "3000"}, ()),
    "response": ({"PLUGIN_MAX_EXECUTION_TIMEOUT": "3"}, ()),
    "silence": ({"MAX_INVOCATION_TIMEOUT": "3"}, ()),
    "roomy": ({}, ()),
    "remote": ({}, ("--remote",)),
}
"""Environment and options."""


@dataclass
class Heard:
    """A reply as it came. head: seconds until its status. pieces: seconds and bytes of each."""

    status: int
    type: str
    head: float
    pieces: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def body(self) -> str:
        return b"".join(piece for _, piece in self.pieces).decode()

    @property
    def last(self) -> dict[str, Any]:
        """The last event's data, or the body."""
        found: dict[str, Any] = json.loads(self.body.rpartition("data: ")[2])
        return found

    @property
    def end(self) -> str:
        """The last event's name."""
        return self.body.rpartition("event: ")[2].partition("\n")[0]


type Calls = dict[tuple[str, str, str, str], Heard]
"""By workbench, hook, app and `Accept`."""

STREAM: Final = "text/event-stream"
WHOLE: Final = "application/json"

CALLS: Final = (
    ("reverse call", "duck", "echo", STREAM),
    ("reverse call", "duck", "echo", WHOLE),
    ("response", "duck", "echo", STREAM),
    ("silence", "duck", "slow", STREAM),
    ("roomy", "duck", "echo", STREAM),
    ("roomy", "duck", "slow", STREAM),
    ("roomy", "alive", "slow", WHOLE),
    ("remote", "hurried", "echo", STREAM),
)


@pytest.fixture(scope="module")
def heard(start_workbench: StartWorkbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    hooks = hooks_file(tmp_path_factory.mktemp("hooks"), **HOOKS)
    benches = {}
    for name, (environment, options) in BENCHES.items():
        pairs = {"WORKBENCH_PACE": "0.1", "WORKBENCH_SLOW_SECONDS": str(SILENCE), **ROOMY, **environment}
        flags = [part for variable, value in pairs.items() for part in ("--env", f"{variable}={value}")]
        benches[name] = start_workbench(*flags, *options, "--quiet", "--hooks", hooks, wait=False)
    for bench in benches.values():
        bench.url = bench.wait_for(r"listening on (\S+)/\n")[1]
    with ThreadPoolExecutor(len(CALLS)) as pool:
        replies = list(pool.map(lambda call: _hear(benches[call[0]].url.rpartition("/")[0], *call[1:]), CALLS))
    yield dict(zip(CALLS, replies, strict=True))
    for bench in benches.values():
        bench.stop()


def _hear(base: str, hook: str, app: str, accept: str) -> Heard:
    began = time.monotonic()
    with (
        caller(f"{base}/{hook}") as client,
        client.stream("POST", f"/chat/{app}", json={"query": LONG_QUERY}, headers={"Accept": accept}) as reply,
    ):
        heard = Heard(reply.status_code, reply.headers["Content-Type"], time.monotonic() - began)
        heard.pieces.extend((time.monotonic() - began, piece) for piece in reply.iter_bytes())
    return heard


@pytest.mark.parametrize(
    ("bench", "app", "variable", "code"),
    [
        ("reverse call", "echo", "DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT", "run_timeout"),
        ("response", "echo", "PLUGIN_MAX_EXECUTION_TIMEOUT", "response_timeout"),
        ("silence", "slow", "MAX_INVOCATION_TIMEOUT", "silence_timeout"),
    ],
)
def test_each_limit_ends_the_stream_in_ducks_words_and_names_its_variable(
    heard: Calls, bench: str, app: str, variable: str, code: str
) -> None:
    reply = heard[bench, "duck", app, STREAM]
    assert (reply.last["code"], reply.last["status"]) == (code, 504)
    assert variable in (reply.last.get("message") or reply.last["detail"])
    assert "killed by timeout" not in reply.body


def test_a_one_body_reply_that_reaches_a_limit_is_a_504_with_the_conversation(heard: Calls) -> None:
    reply = heard["reverse call", "duck", "echo", WHOLE]
    assert (reply.status, reply.last["code"]) == (504, "run_timeout")
    assert reply.last["conversation_id"]


@pytest.mark.parametrize("app", ["echo", "slow"])
def test_raised_limits_let_the_same_runs_end(heard: Calls, app: str) -> None:
    assert heard["roomy", "duck", app, STREAM].end == "end"


def test_run_timeout_ends_a_run_where_the_daemons_environment_is_not_seen(heard: Calls) -> None:
    reply = heard["remote", "hurried", "echo", STREAM]
    assert (reply.end, reply.last["code"]) == ("error", "run_timeout")
    assert "run_timeout" in reply.last["message"]


def test_a_one_body_reply_is_kept_alive_with_white_space(heard: Calls) -> None:
    reply = heard["roomy", "alive", "slow", WHOLE]
    (came, first), *_ = reply.pieces
    assert (reply.status, first) == (200, b" ")
    assert 19.5 < came < SILENCE  # before the answer
    assert json.loads(reply.body)["answer"]


def test_a_silent_stream_is_kept_alive_from_ten_seconds_on(heard: Calls) -> None:
    reply = heard["roomy", "duck", "slow", STREAM]
    assert 9.5 < reply.head < SILENCE  # before the answer
    assert reply.body.startswith(": ping\n\n")


def test_a_failure_within_ten_seconds_is_a_true_status(heard: Calls) -> None:
    reply = heard["silence", "duck", "slow", STREAM]
    assert (reply.status, reply.type) == (504, "application/problem+json")
