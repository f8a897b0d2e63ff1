"""Each protocol once, and each law that depends on it once, in every way of running the plugin and on either wire.

What a protocol's reply is, the other tests hold of the plugin as the daemon runs it, on the faster wire. Here it is the
same one everywhere else.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.conftest import RunningWorkbench
from tests.gateway.hooks.senders import SENDERS
from tests.plugin.conftest import FAST, StartWorkbench, caller, hooks_file, listed, sent
from workbench.apps import DEMO_APPS

pytestmark = pytest.mark.ways

SILENCE: Final = 11
"""Seconds that the app `slow` says nothing: more than the 10 after which a reply begins without it (law 6)."""

GITHUB: Final = SENDERS["github"]
SETTINGS: Final = {"access_keys": RunningWorkbench.key, "apps": listed(*DEMO_APPS)}
HOOKS: Final = {
    "duck": {**SETTINGS, "detail": "progress", "webhook_secrets": f"echo={GITHUB.setting}"},
    "hurried": {**SETTINGS, "run_timeout": "1s"},
}

WAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "local, fast": (),
    "local, sdk": ("--env", "DUCK_RUNTIME=sdk"),
    "remote, fast": ("--remote",),
    "remote, sdk": ("--remote", "--env", "DUCK_RUNTIME=sdk"),
    "serverless, fast": ("--serverless",),
    "serverless, sdk": ("--serverless", "--env", "DUCK_RUNTIME=sdk"),
}
"""The workbench's options for each. The first is what the rest of the suite runs, and what the others are held to."""

OTHERS: Final = tuple(WAYS)[1:]


@dataclass(frozen=True)
class Running:
    """A way, up. silent: the whole reply of an app that is silent for long, asked for when the tests began."""

    workbench: RunningWorkbench
    silent: Future[str]


@pytest.fixture(scope="module")
def running(start_workbench: StartWorkbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """All of them at once."""
    hooks = hooks_file(tmp_path_factory.mktemp("hooks"), **HOOKS)
    options = (*FAST, "--quiet", "--hooks", hooks, "--env", f"WORKBENCH_SLOW_SECONDS={SILENCE}")
    benches = {way: start_workbench(*options, *more, wait=False) for way, more in WAYS.items()}
    with ThreadPoolExecutor(len(WAYS)) as pool:
        for bench in benches.values():
            bench.url = bench.wait_for(r"listening on (\S+)/\n")[1]
        yield {way: Running(bench, pool.submit(_whole, bench.url, "/chat/slow")) for way, bench in benches.items()}
    for bench in benches.values():
        bench.stop()


def _whole(url: str, path: str, query: str = "x", accept: str = "text/event-stream") -> str:
    with caller(url) as client:
        return client.post(path, json={"query": query}, headers={"Accept": accept}).text


def _post(path: str, body: Mapping[str, Any], **headers: str) -> httpx.Request:
    key = {"Authorization": f"Bearer {RunningWorkbench.key}"}
    return httpx.Request("POST", f"http://host{path}", json=body, headers={**key, **headers})


def _delivery() -> httpx.Request:
    body = json.dumps({"text": f"hi {time.monotonic_ns()}"})  # the same once more would be a duplicate
    headers = {"Content-Type": "application/json", **GITHUB.headers(body, time.time())}
    return httpx.Request("POST", "http://host/hooks/echo", content=body, headers=headers)


NATIVE: Final = {"query": "hi"}
CHAT: Final = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
RESPONSES: Final = {"model": "echo", "input": "hi"}
DIFYS: Final = {"query": "hi", "inputs": {}, "user": "ann"}
MCPS: Final = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": NATIVE}}
BOTH_FORMS: Final = "application/json, text/event-stream"

PROTOCOLS: Final[Mapping[str, Callable[[], httpx.Request]]] = {
    "native SSE": lambda: _post("/chat/chatflow", NATIVE, Accept="text/event-stream"),
    "native NDJSON": lambda: _post("/chat/agent", NATIVE, Accept="application/x-ndjson"),
    "native text": lambda: _post("/workflow/workflow", NATIVE, Accept="text/plain"),
    "native JSON": lambda: _post("/chat/echo", NATIVE, Accept="application/json"),
    "the classic page": lambda: _post("/duck/echo", NATIVE),
    "Chat Completions, streamed": lambda: _post("/v1/chat/completions", {**CHAT, "stream": True}),
    "Chat Completions": lambda: _post("/v1/chat/completions", CHAT),
    "Responses, streamed": lambda: _post("/v1/responses", {**RESPONSES, "stream": True}),
    "Responses": lambda: _post("/v1/responses", RESPONSES),
    "Models": lambda: httpx.Request("GET", "http://host/v1/models", headers={"X-API-Key": RunningWorkbench.key}),
    "Dify's, streamed": lambda: _post("/apps/echo/v1/chat-messages", {**DIFYS, "response_mode": "streaming"}),
    "Dify's": lambda: _post("/apps/echo/v1/chat-messages", {**DIFYS, "response_mode": "blocking"}),
    "MCP": lambda: _post("/mcp", MCPS, **{"Accept": BOTH_FORMS, "MCP-Protocol-Version": "2025-06-18"}),
    "a webhook": _delivery,
    "a token": lambda: _post("/tokens", {"app": "echo", "user": "ann"}),
    "an app that fails (law 3)": lambda: _post("/chat/broken", NATIVE, Accept="text/event-stream"),
    "an app that Dify does not have (laws 4 and 5)": lambda: _post("/chat/nowhere", NATIVE),
    "no such path (law 4)": lambda: _post("/nowhere", NATIVE),
    "no JSON (law 4)": lambda: httpx.Request("POST", "http://host/chat/echo", content=b"{", headers={"X-API-Key": "x"}),
}

VARYING: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}"  # ids of Dify's
    r"|[\w-]{22,}(\.[\w-]+)*"  # handles and tokens
    r"|(?<=_)[0-9a-f]{24,}"
    r"|\d+(\.\d+)?(e-\d+)?"  # times
)


def _answer(url: str, request: httpx.Request) -> tuple[int, str, str]:
    """Status, type and body, without what differs from run to run."""
    with httpx.Client(timeout=60, verify=False) as client:
        request.url = httpx.URL(url + request.url.raw_path.decode())
        request.headers["Host"] = request.url.netloc.decode()
        reply = client.send(request)
    return reply.status_code, reply.headers.get("Content-Type", ""), VARYING.sub("*", reply.text)


@pytest.fixture(scope="module")
def known(running: dict[str, Running]) -> dict[str, tuple[int, str, str]]:
    """What each protocol's reply is where the other tests run."""
    url = running[next(iter(WAYS))].workbench.url
    return {protocol: _answer(url, request()) for protocol, request in PROTOCOLS.items()}


@pytest.mark.parametrize("way", OTHERS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_reply_is_the_same(
    running: dict[str, Running], known: dict[str, tuple[int, str, str]], way: str, protocol: str
) -> None:
    assert _answer(running[way].workbench.url, PROTOCOLS[protocol]()) == known[protocol]


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_says_what_the_app_says(running: dict[str, Running], way: str) -> None:
    body = {"credentials": {"apps": listed("echo")}, "parameters": {"alias": "echo", "query": "hi"}}
    url = running[way].workbench.url.partition("/e/")[0] + "/workbench/tools/run_app"
    with httpx.Client(verify=False, timeout=60) as client:
        lines = [json.loads(line)["data"] for line in client.post(url, json=body).text.split("\n") if line]
    texts = [line["message"]["text"] for line in lines if line["type"] == "text"]
    assert "".join(texts) == "You said: hi (turn 1)"


@pytest.mark.parametrize("way", WAYS)
def test_a_conversation_goes_on_by_its_handle_and_by_its_chat(running: dict[str, Running], way: str) -> None:
    """Laws 12 and 17: whose it is stands in the handle and in storage."""
    with caller(running[way].workbench.url) as client:
        begun = client.post("/chat/echo", json={"query": "a"}, headers={"Accept": "application/json"}).json()
        more = {"query": "b", "conversation_id": begun["conversation_id"]}
        gone_on = client.post("/chat/echo", json=more, headers={"Accept": "application/json"}).json()
        chats = [client.post("/v1/chat/completions", json=CHAT, headers={"X-OpenWebUI-Chat-Id": way}) for _ in "12"]
    assert (begun["answer"], gone_on["answer"]) == ("You said: a (turn 1)", "You said: b (turn 2)")
    assert [chat.json()["choices"][0]["message"]["content"][-8:] for chat in chats] == ["(turn 1)", "(turn 2)"]


@pytest.mark.parametrize("way", OTHERS)
def test_law_6_a_silent_stream_is_kept_alive(running: dict[str, Running], way: str) -> None:
    stream = running[way].silent.result()
    assert stream.startswith(": ping\n\n")
    assert stream.rpartition("event: ")[2].startswith("end\n")


@pytest.mark.parametrize("way", OTHERS)
def test_law_7_a_large_reply_is_whole(running: dict[str, Running], way: str) -> None:
    for accept in ("application/json", "text/event-stream"):
        body = _whole(running[way].workbench.url, "/chat/echo", "x" * 1_300_000, accept)
        assert ("x" * 1_300_000 in body, "(turn 1)" in body[-1000:]) == (True, True)


@pytest.mark.parametrize("way", OTHERS)
def test_law_8_a_long_stream_at_full_speed_is_whole(running: dict[str, Running], way: str) -> None:
    blocks = _whole(running[way].workbench.url, "/chat/long").split("\n\n")
    texts = [json.loads(block.partition("data: ")[2])["text"] for block in blocks if block.startswith("event: text")]
    assert len(texts) == 5000


@pytest.mark.alone  # a host that waits for the processor reads the end with the first chunk
@pytest.mark.parametrize("way", OTHERS)
def test_law_9_no_short_reply_loses_its_tail(running: dict[str, Running], way: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda _: _whole(running[way].workbench.url, "/chat/echo"), range(12)))
    assert [reply.rpartition("event: ")[2][:3] for reply in replies] == ["end"] * 12


@pytest.mark.parametrize("way", OTHERS)
def test_law_10_a_body_that_may_have_been_cut_is_refused(running: dict[str, Running], way: str) -> None:
    with caller(running[way].workbench.url) as client:
        reply = client.post("/chat/echo", content=b" " * (10 * 1024 * 1024))
    reaches_duck = "serverless" not in way
    assert reply.status_code == (413 if reaches_duck else 500)
    assert ("payload_too_large" if reaches_duck else "ServerlessPayloadTooLarge") in reply.text


@pytest.mark.parametrize("way", OTHERS)
def test_law_13_a_run_is_ended_before_the_platform_would(running: dict[str, Running], way: str) -> None:
    stream = _whole(running[way].workbench.url.replace("/e/duck", "/e/hurried"), "/chat/slow")
    said = json.loads(stream.rpartition("data: ")[2] or stream)
    assert said["code"] == "run_timeout"


@pytest.mark.parametrize("way", OTHERS)
def test_law_19_what_the_sdk_can_not_read_is_answered_on_the_faster_wire(running: dict[str, Running], way: str) -> None:
    with sent(running[way].workbench.url, "POST /chat/echo", b"X_Api_Key: 1", body=b"{}") as connection:
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    status = 400 if "fast" in way else 500
    assert reply.startswith(b"HTTP/1.1 %d " % status)
    assert (b"Traceback" in reply) is (status == 500)
