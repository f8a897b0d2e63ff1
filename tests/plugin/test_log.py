"""The plugin's log: a line for each request, and never what a caller has sent or got."""

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest

from tests.plugin.conftest import Endpoints, Serve, listed, sent
from workbench.apps import DEMO_APPS

KEY: Final = "planted-key-0123456789abcdef"
OTHER_KEY: Final = "planted-other-key-0123456789"
WRONG_KEY: Final = "planted-wrong-key-0123456789"
JSON: Final = {"Accept": "application/json"}
PAGE: Final = "https://planted.example.com"

SETTINGS: Final = {
    "access_keys": f"ann={KEY}, bob={OTHER_KEY}, short=planted",
    "apps": listed("echo", "workflow", "failing", "broken", "form"),
    "cors_origins": PAGE,
}
WORKSPACES: Final = {
    "one": {
        "main": {**SETTINGS, "detail": "full"},
        "open": {**SETTINGS, "access": "open", "conversation_ids": "plain"},
        "workspace": {**SETTINGS, "exposure": "workspace", "conversation_ids": "plain"},
        "limited": {**SETTINGS, "rate_limit": "1/day", "conversation_ids": "plain"},
        "masked": {"access_keys": "planted****0123456789abcdef"},
    },
    "failing": {"failing": SETTINGS},
}

FIELDS: Final = ("request", "route", "caller", "app", "status", "events", "bytes", "first_ms", "ms", "error")
"""In this order; `route`, `caller`, `app` and `error` only where there is one."""


@pytest.fixture(scope="module")
def ends(serve: Serve) -> Endpoints:
    started = serve(WORKSPACES, "--control")
    started.disturb("failing", fault="failing")
    return started


def line_of(ends: Endpoints, request_id: str) -> dict[str, str]:
    """The request's line, without what differs from run to run."""
    ends.workbench.wait_for(rf"request={request_id} .*\n")
    (line,) = re.findall(rf"request={request_id} .*", ends.workbench.log())
    said = dict(part.split("=", 1) for part in line.split(" "))
    assert list(said) == [name for name in FIELDS if name in said]
    assert int(said.pop("first_ms")) <= int(said.pop("ms"))
    return {name: value for name, value in said.items() if name not in ("request", "bytes")}


@dataclass(frozen=True)
class Call:
    """A request, and what its line must say. sent: arguments of httpx."""

    hook: str
    method: str
    path: str
    said: dict[str, str]
    key: str | None = KEY
    sent: dict[str, Any] = field(default_factory=dict)


QUERY: Final[dict[str, Any]] = {"json": {"query": "planted question"}}
ANN: Final = {"caller": "ann"}

CALLS: Final = {
    "stream": Call("main", "POST", "/chat/echo", {"route": "chat", **ANN, "app": "echo", "status": "200"}, sent=QUERY),
    "body": Call(
        "main",
        "POST",
        "/chat/echo",
        {"route": "chat", **ANN, "app": "echo", "status": "200"},
        sent={**QUERY, "headers": JSON},
    ),
    "page": Call(
        "main",
        "GET",
        "/duck/echo",
        {"route": "duck", "caller": "bob", "app": "echo", "status": "200"},
        key=None,
        sent={"params": {"query": "planted question"}, "auth": ("planted-user", OTHER_KEY)},
    ),
    "alias": Call(
        "main",
        "POST",
        f"/chat/{DEMO_APPS['echo']}",
        {"route": "chat", **ANN, "app": "echo", "status": "200"},
        sent=QUERY,
    ),
    "id": Call(
        "workspace",
        "POST",
        f"/chat/{DEMO_APPS['agent'].upper()}",
        {"route": "chat", **ANN, "app": DEMO_APPS["agent"], "status": "200"},
        sent=QUERY,
    ),
    "anonymous": Call(
        "open",
        "POST",
        "/chat/echo",
        {"route": "chat", "caller": "anonymous", "app": "echo", "status": "200"},
        key=None,
        sent=QUERY,
    ),
    "in-stream": Call(
        "main",
        "POST",
        "/chat/broken",
        {"route": "chat", **ANN, "app": "broken", "status": "200", "error": "provider_error"},
        sent=QUERY,
    ),
    "app-failed": Call(
        "main",
        "POST",
        "/workflow/failing",
        {"route": "workflow", **ANN, "app": "failing", "status": "502", "error": "app_failed"},
        sent={"json": {"inputs": {"text": "planted input"}}, "headers": JSON},
    ),
    "bad-input": Call(
        "main",
        "POST",
        "/workflow/form",
        {"route": "workflow", **ANN, "app": "form", "status": "400", "error": "invalid_input"},
        sent={"json": {"inputs": {"name": "planted input", "color": "planted color"}}, "headers": JSON},
    ),
    "bad-json": Call(
        "main",
        "POST",
        "/chat/echo",
        {"route": "chat", **ANN, "app": "echo", "status": "400", "events": "0", "error": "invalid_request"},
        sent={"content": b'{"query": "planted question'},
    ),
    "member": Call(
        "main",
        "POST",
        "/chat/echo",
        {"route": "chat", **ANN, "app": "echo", "status": "400", "events": "0", "error": "invalid_request"},
        sent={"json": {"planted member": "planted"}},
    ),
    "conversation": Call(
        "main",
        "POST",
        "/chat/echo",
        {"route": "chat", **ANN, "app": "echo", "status": "404", "events": "0", "error": "conversation_not_found"},
        sent={"json": {"query": "x", "conversation_id": "planted conversation"}},
    ),
    "wrong-key": Call(
        "main",
        "POST",
        "/chat/echo",
        {"route": "chat", "status": "401", "events": "0", "error": "unauthorized"},
        key=WRONG_KEY,
        sent=QUERY,
    ),
    "foreign": Call(
        "open",
        "POST",
        "/chat/echo",
        {"route": "chat", "status": "403", "events": "0", "error": "origin_not_allowed"},
        key=None,
        sent={**QUERY, "headers": {"Origin": "https://planted-foreign.example"}},
    ),
    "app": Call(
        "main",
        "POST",
        "/chat/planted-app",
        {"route": "chat", **ANN, "status": "404", "events": "0", "error": "app_not_found"},
        sent=QUERY,
    ),
    "path": Call("main", "POST", "/planted/path", {"status": "404", "events": "0", "error": "not_found"}, sent=QUERY),
    "method": Call(
        "main",
        "PUT",
        "/chat/echo?query=planted",
        {"status": "405", "events": "0", "error": "method_not_allowed"},
    ),
    "preflight": Call(
        "main",
        "OPTIONS",
        "/chat/echo",
        {"status": "204", "events": "0"},
        key=None,
        sent={
            "headers": {
                "Origin": PAGE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x-planted-header",
            }
        },
    ),
    "health": Call("main", "GET", "/healthz", {"route": "healthz", "status": "200", "events": "0"}, key=None),
    "token": Call(
        "main",
        "POST",
        "/tokens",
        {"route": "tokens", **ANN, "app": "echo", "status": "200", "events": "0"},
        sent={"json": {"app": "echo", "user": "planted-user"}},
    ),
    "storage": Call(
        "failing",
        "POST",
        "/chat/echo",
        {"route": "chat", **ANN, "app": "echo", "status": "503", "error": "storage_unavailable"},
        sent={**QUERY, "headers": JSON},
    ),
    "misconfigured": Call(
        "masked",
        "POST",
        "/chat/echo",
        {"route": "chat", "status": "500", "events": "0", "error": "misconfigured"},
        sent=QUERY,
    ),
}
"""By the request's id."""


def made(ends: Endpoints, name: str, request_id: str) -> httpx.Response:
    call = CALLS[name]
    headers = {
        "X-Request-Id": request_id,
        "User-Agent": "planted-agent",
        "Cookie": "session=planted-cookie",
        "Referer": "https://planted.example/planted-referer",
        "X-Planted": "planted-header",
        **call.sent.get("headers", {}),
    }
    with ends.caller(call.hook, call.key) as client:
        client.headers["Accept"] = "*/*"
        return client.request(call.method, call.path, **{**call.sent, "headers": headers})


@pytest.mark.parametrize("request_id", CALLS)
def test_each_request_has_one_line_with_the_documented_fields(ends: Endpoints, request_id: str) -> None:
    reply = made(ends, request_id, request_id)
    said = line_of(ends, request_id)
    events = said.pop("events") if "events" not in CALLS[request_id].said else None
    assert said == CALLS[request_id].said
    assert events is None or int(events) > 0
    assert re.search(rf"request={request_id} .* bytes={len(reply.content)} ", ends.workbench.log())


def test_a_call_too_many_and_one_with_a_token_have_their_lines_too(ends: Endpoints) -> None:
    with ends.caller("limited", KEY) as client:
        for number in range(2):
            client.post("/chat/echo", headers={"X-Request-Id": f"limited-{number}"}, **QUERY)
    assert line_of(ends, "limited-1") == {
        "route": "chat",
        "caller": "ann",
        "status": "429",
        "events": "0",
        "error": "rate_limited",
    }


@pytest.fixture(scope="module")
def secrets(ends: Endpoints) -> list[str]:
    """All that was sent and all that came back in a run of all of the above, and of what is refused before Duck."""
    given = [KEY, OTHER_KEY, WRONG_KEY, base64.b64encode(f"planted-user:{OTHER_KEY}".encode()).decode()]
    for name in CALLS:
        made(ends, name, f"again-{name}")
    with ends.caller("main", KEY) as client:
        handle = client.post("/chat/echo", **QUERY).json()["conversation_id"]
        token = client.post("/tokens", json={"app": "echo", "user": "planted-user"}).json()["token"]
        client.post("/chat/echo", json={"query": "planted question", "conversation_id": handle})
        client.post("/chat/echo", json={"query": "x", "conversation_id": handle[:-1] + "A"})
        client.post("/chat/echo", content=f'{{"query": "{handle}'.encode())
    for wrong in (token + "x", f"duck-token-{WRONG_KEY}.x"):
        with ends.caller("main", wrong) as client:
            client.post("/chat/echo", **QUERY)
    with ends.caller("main", token) as client:
        of_token = client.post("/chat/echo", **QUERY).json()["conversation_id"]
        client.post("/tokens", json={"app": "echo", "user": "x"})
    for odd in (b"X_Planted: planted-header", b"X-Planted: planted-header\xff", b"X-Request-Id: planted id"):
        with sent(ends.url("main"), "POST /chat/planted%00", odd, b"X-API-Key: " + KEY.encode()) as connection:
            while connection.recv(65536):
                pass
    values = ends.storage("one")["values"].values()
    return [*given, handle, of_token, handle.partition(".")[2], token, token.removeprefix("duck-token-"), *values]


def test_nothing_that_was_sent_or_answered_is_in_any_output_of_a_run(ends: Endpoints, secrets: list[str]) -> None:
    log = ends.workbench.log()
    assert log.count("plugin | INFO request=") > len(CALLS)
    assert [secret for secret in secrets if secret in log] == []
    assert "planted" not in log
    assert "You said" not in log
    assert "Traceback" not in log


def test_a_fault_in_the_settings_is_told_once_and_without_its_content(ends: Endpoints, secrets: list[str]) -> None:
    log = ends.workbench.log()
    assert log.count("access_keys, entry 3: under 16 characters") == 1
    assert log.count("access_keys, entry 1: Dify's mask was edited") == 1
