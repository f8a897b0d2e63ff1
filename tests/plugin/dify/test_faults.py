"""What callers get when Dify's Service API misbehaves: in each protocol a clear error in its own shape, once and soon.

Every protocol is asked at the same time, each under a user of its own, so that what reached Dify can be told apart.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.plugin.dify.conftest import ServiceApi, caller

RUN: Final = "/chat-messages"
SOON: Final = 15.0
"""Seconds, on a machine with much else to do; an endpoint's `run_timeout` of 2 s is the longest wait of these."""

OPENAIS: Final = {"run_timeout": "timeout"}
DIFYS: Final = {
    "dify_unreachable": "bad_gateway",
    "dify_error": "internal_server_error",
    "misconfigured": "internal_server_error",
    "incomplete_run": "completion_request_error",
    "run_timeout": "gateway_timeout",
}
"""What the clients of OpenAI and of Dify know as another code."""

type Told = tuple[str, str]
"""An error's code and sentence."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and what a caller is told: Duck's code, and how the sentence begins.

    status: of a reply that has not begun. frames: whether a stream begins before. runs: how often the run is asked for.
    """

    wrong: Mapping[str, Any]
    code: str
    sentence: str
    status: int = 502
    begins: bool = False
    runs: int = 1
    hook: str = "keyed"


_BROKE: Final = "The connection to Dify's Service API broke before its reply was whole."
_NOT_DIFY: Final = "Duck's settings have a fault: dify_api_url: what answers there (HTTP {}) is not Dify's Service API."

FAULTS: Final = {
    "down": Fault({"kind": "down"}, "dify_unreachable", "Duck could not connect to Dify's Service API.", runs=0),
    "closing without an answer": Fault({"kind": "closing", "path": RUN}, "dify_unreachable", _BROKE),
    "500": Fault({"kind": "failing", "path": RUN}, "dify_error", "Dify failed with an error of its own"),
    "a key that has expired": Fault(
        {"kind": "unauthorized", "path": RUN},
        "misconfigured",
        "Duck's settings have a fault: dify_api_keys: Dify does not accept the key of echo.",
        status=500,
    ),
    "a proxy's error page": Fault(
        {"kind": "html", "path": RUN},
        "dify_unreachable",
        "The proxy before Dify's Service API says that the API does not answer (HTTP 502).",
    ),
    "a page to sign in at": Fault({"kind": "page", "path": RUN}, "misconfigured", _NOT_DIFY.format(200), status=500),
    "a redirect": Fault(
        {"kind": "redirect", "path": RUN},
        "misconfigured",
        "Duck's settings have a fault: dify_api_url: what answers there (HTTP 307) is a redirect",
        status=500,
    ),
    "a wrong content type": Fault(
        {"kind": "mislabelled", "path": RUN}, "misconfigured", _NOT_DIFY.format(200), status=500
    ),
    "closing in a stream": Fault({"kind": "cut", "after": 3, "path": RUN}, "dify_unreachable", _BROKE, begins=True),
    "half an event": Fault({"kind": "half", "after": 3, "path": RUN}, "dify_unreachable", _BROKE, begins=True),
    "a stream without its end": Fault(
        {"kind": "ending", "after": 3, "path": RUN},
        "incomplete_run",
        "Dify's stream ended before it said how the run went.",
        begins=True,
    ),
    "silence in a stream": Fault(
        {"kind": "hanging", "after": 3, "path": RUN},
        "run_timeout",
        "The run was ended after 2 s",
        status=504,
        begins=True,
        hook="hurried",
    ),
    "silence": Fault(
        {"kind": "hanging", "after": 0, "path": RUN},
        "run_timeout",
        "The run was ended after 2 s",
        status=504,
        hook="hurried",
    ),
}


def _problem(body: dict[str, Any]) -> Told:
    assert body["type"] == "about:blank"
    return body["code"], body["detail"]


def _event(body: dict[str, Any]) -> Told:
    return body["code"], body["message"]


def _openai(body: dict[str, Any]) -> Told:
    assert (body["error"]["type"], body["error"]["param"]) == ("api_error", None)
    return body["error"]["code"], body["error"]["message"]


def _failed_response(body: dict[str, Any]) -> Told:
    """A failed response has few codes in OpenAI's own models, of which one fits all of this."""
    assert (body["type"], body["response"]["status"]) == ("response.failed", "failed")
    return body["response"]["error"]["code"], body["response"]["error"]["message"]


def _dify(body: dict[str, Any]) -> Told:
    return body["code"], body["message"]


def _tool(body: dict[str, Any]) -> Told:
    assert body["result"]["isError"] is True
    error: dict[str, str] = body["result"]["structuredContent"]["error"]
    assert body["result"]["content"][0]["text"] == error["message"]
    return error["code"], error["message"]


@dataclass(frozen=True, slots=True)
class Asking:
    """How a protocol asks for a run, and how it tells an error: of a reply that has not begun, and of a stream."""

    path: str
    body: Mapping[str, Any]
    before: Callable[[dict[str, Any]], Told]
    inside: Callable[[dict[str, Any]], Told] | None = None


_MESSAGES: Final = [{"role": "user", "content": "Hello"}]
_CALL: Final = {"name": "echo", "arguments": {"query": "Hello"}}

ASKING: Final = {
    "native": Asking("/chat/echo", {"query": "Hello", "response_mode": "blocking"}, _problem),
    "native, streamed": Asking("/chat/echo", {"query": "Hello", "response_mode": "streaming"}, _problem, _event),
    "Chat Completions": Asking("/v1/chat/completions", {"model": "echo", "messages": _MESSAGES}, _openai),
    "Chat Completions, streamed": Asking(
        "/v1/chat/completions", {"model": "echo", "messages": _MESSAGES, "stream": True}, _openai, _openai
    ),
    "Responses": Asking("/v1/responses", {"model": "echo", "input": "Hello"}, _openai),
    "Responses, streamed": Asking(
        "/v1/responses", {"model": "echo", "input": "Hello", "stream": True}, _openai, _failed_response
    ),
    "Dify": Asking("/apps/echo/v1/chat-messages", {"query": "Hello", "inputs": {}}, _dify),
    "Dify, streamed": Asking(
        "/apps/echo/v1/chat-messages",
        {"query": "Hello", "inputs": {}, "response_mode": "streaming"},
        _dify,
        _dify,
    ),
    "MCP": Asking("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": _CALL}, _tool),
}


def _user(name: str) -> str:
    """Of Dify's. MCP's calls name none."""
    return "alice:" if name == "MCP" else f"alice:{name}"


def _asked(url: str, name: str) -> httpx.Response:
    asking = ASKING[name]
    headers = {"Accept": "application/json, text/event-stream"} if name == "MCP" else {}
    body = asking.body if name == "MCP" else {**asking.body, "user": name}
    with caller(url) as alice:
        return alice.post(asking.path, json=body, headers=headers)


@dataclass(frozen=True, slots=True)
class Scene:
    """replies: to each protocol. state: what the Service API then had to show."""

    fault: Fault
    replies: Mapping[str, httpx.Response]
    seconds: float
    state: Mapping[str, Any]


@pytest.fixture(scope="module", params=FAULTS)
def scene(request: pytest.FixtureRequest, endpoints: str, service_api: ServiceApi) -> Scene:
    fault = FAULTS[request.param]
    url = f"{endpoints}/{fault.hook}"
    service_api.heal()
    _asked(url, "MCP")  # what is asked of Dify once only has been asked
    service_api.heal()
    service_api.misbehave(**fault.wrong)
    began = time.monotonic()
    with ThreadPoolExecutor(len(ASKING)) as pool:
        coming = {name: pool.submit(_asked, url, name) for name in ASKING}
        replies = {name: reply.result() for name, reply in coming.items()}
    seconds = time.monotonic() - began
    state = service_api.until(lambda state: state["busy"] == 0)
    service_api.heal()
    return Scene(fault, replies, seconds, state)


@pytest.mark.parametrize("name", ASKING)
def test_a_fault_is_told_in_the_protocols_own_shape(scene: Scene, name: str) -> None:
    fault, reply, asking = scene.fault, scene.replies[name], ASKING[name]
    if name == "MCP":
        assert reply.status_code == 200
        told = asking.before(reply.json())
    elif asking.inside and fault.begins:
        assert reply.status_code == 200
        told = asking.inside(_last_object(reply.text))
    else:
        assert reply.status_code == fault.status
        told = asking.before(reply.json())
    assert told[0] == _code(fault, asking.inside if fault.begins and asking.inside else asking.before)
    assert told[1].startswith(fault.sentence)


def _code(fault: Fault, read: Callable[[dict[str, Any]], Told]) -> str:
    """Duck's code, in the protocol's own word."""
    if read is _dify:
        return DIFYS[fault.code]
    if read is _failed_response:
        return "server_error"
    return OPENAIS.get(fault.code, fault.code) if read is _openai else fault.code


def _last_object(stream: str) -> dict[str, Any]:
    """The stream's last event, before the mark that OpenAI's have behind it."""
    lines = [line.removeprefix("data: ") for line in stream.split("\n") if line.startswith("data: ")]
    found: dict[str, Any] = json.loads(lines[-2] if lines[-1] == "[DONE]" else lines[-1])
    return found


def test_nothing_hangs(scene: Scene) -> None:
    assert scene.seconds < SOON
    assert scene.state["busy"] == 0


def test_nothing_is_sent_twice(scene: Scene) -> None:
    runs = [request["user"] for request in scene.state["requests"] if request["path"] == RUN]
    assert sorted(runs) == sorted(_user(name) for name in ASKING for _ in range(scene.fault.runs))


def test_no_reply_names_the_address_or_a_key(scene: Scene, service_api: ServiceApi) -> None:
    address = service_api.seen()["url"].removeprefix("http://").partition("/")[0]
    for reply in scene.replies.values():
        assert address not in reply.text
        assert "app-demo-key" not in reply.text


def test_a_redirect_is_not_followed(endpoints: str, service_api: ServiceApi) -> None:
    service_api.heal()
    service_api.misbehave(kind="redirect", path=RUN)
    assert _asked(f"{endpoints}/keyed", "Dify").status_code == 500
    assert {request["path"] for request in service_api.sent()} <= {RUN, "/info"}
    service_api.heal()


def test_a_slow_dify_is_waited_for(endpoints: str, service_api: ServiceApi) -> None:
    service_api.heal()
    service_api.misbehave(delay=1.0)
    with ThreadPoolExecutor(len(ASKING)) as pool:
        replies = list(pool.map(lambda name: _asked(f"{endpoints}/keyed", name), ASKING))
    service_api.heal()
    assert [reply.status_code for reply in replies] == [200] * len(ASKING)
    assert [name for name, reply in zip(ASKING, replies, strict=True) if "Hello" not in _answer(reply.text)] == []


def _answer(body: str) -> str:
    """The text of a reply, whatever its protocol: what stands in the members that hold texts, one behind the other."""
    members = re.findall(r'"(?:answer|text|content|delta)":\s?"((?:[^"\\]|\\.)*)"', body)
    return "".join(members)


LEAVING: Final = {
    "refused by the form": ("/workflow/workflow", {"inputs": {}}),
    "of the wrong kind": ("/apps/workflow/v1/chat-messages", {"query": "Hello", "inputs": {}}),
    "an unknown conversation": (
        "/apps/echo/v1/chat-messages",
        {"query": "Hello", "inputs": {}, "conversation_id": "d1f7ffff-0000-4000-8000-000000000001"},
    ),
    "failing midway": ("/workflow/failing", {"inputs": {}}),
    "whole": ("/chat/echo", {"query": "Hello"}),
}
"""Runs that end in every way that there is, beside those above."""


def test_no_connection_is_left_open(endpoints: str, service_api: ServiceApi) -> None:
    """Idle ones are closed when the next call finds them a second old, which leaves that call's own."""
    service_api.heal()
    with caller(f"{endpoints}/keyed") as alice:
        for _ in range(4):
            for path, body in LEAVING.values():
                alice.post(path, json=body)

        def is_one(state: Mapping[str, Any]) -> bool:
            alice.post("/chat/echo", json={"query": "Hello"})
            return bool(state["connections"] <= 1)

        state = service_api.until(is_one)
    assert (state["connections"], state["busy"]) == (1, 0)
