import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import gevent
import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import INVALID_PARAMS, INVALID_REQUEST
from mcp_types.methods import validate_server_result
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway import mcp, serve, titles
from gateway.events import Kind
from tests.gateway.fake_dify import FakeApp, FakeDify, variable
from tests.gateway.protocols.mcp.replies import messages
from tests.gateway.protocols.openai.calls import (
    CHAT,
    CONVERSATION,
    KEY,
    ONE_APP,
    TWO_APPS,
    WORKFLOW,
    Reply,
    call,
    sent_to,
    workspace,
)
from tests.gateway.recorded import RECORDINGS

MODERN: Final = "2026-07-28"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
BOTH: Final = "application/json, text/event-stream"
META: Final = {PROTOCOL_VERSION_META_KEY: MODERN, CLIENT_CAPABILITIES_META_KEY: {}}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies end at once; the pauses at their end are tests' of the streaming."""
    monkeypatch.setattr("gateway.streaming.MIN_STREAM", 0.0)
    monkeypatch.setattr("gateway.streaming.HOLD_SHARE", 0.0)


def ask(
    method: str,
    params: Mapping[str, Any] = MappingProxyType({}),
    dify: FakeDify | None = None,
    *,
    revision: str = MODERN,
    headers: Mapping[str, str] = MappingProxyType({}),
    path: str = "/mcp",
    **more: Any,
) -> Reply:
    """A request of the id 1 as a client of this revision sends it. more: `settings` and `key`."""
    sent = {"Accept": BOTH, "MCP-Protocol-Version": revision}
    if revision == MODERN:
        params = {**params, "_meta": {**META, **params.get("_meta", {})}}
        sent |= {"Mcp-Method": method, **({"Mcp-Name": str(params["name"])} if "name" in params else {})}
    members = {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params)}
    return call("POST", path, dify, members=members, headers={**sent, **headers}, **more)


def tool(name: str, arguments: Mapping[str, Any], dify: FakeDify | None = None, **more: Any) -> dict[str, Any]:
    """The result of a tool that was called; the reply is one body."""
    reply = ask("tools/call", {"name": name, "arguments": arguments}, dify, **more)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json"), reply.body
    return result(reply)


def result(reply: Reply) -> dict[str, Any]:
    body = reply.json()
    assert (reply.status, body["jsonrpc"], body["id"]) == (200, "2.0", 1), body
    found: dict[str, Any] = body["result"]
    return found


def error(reply: Reply) -> tuple[int, int]:
    """Its HTTP status and its code."""
    assert reply.headers["Content-Type"] == "application/json"
    return reply.status, reply.json()["error"]["code"]


def tools(dify: FakeDify | None = None, **more: Any) -> dict[str, dict[str, Any]]:
    return {tool["name"]: tool for tool in result(ask("tools/list", dify=dify, **more))["tools"]}


# -- Methods -------------------------------------------------------------------------------------------------------

SERVER: Final = {"name": "duck", "title": "Duck", "version": "0.1.0"}


def test_discover_says_what_is_served() -> None:
    found = result(ask("server/discover"))
    assert found.pop("instructions")
    assert found == {
        "resultType": "complete",
        "supportedVersions": [MODERN],
        "capabilities": {"tools": {}},
        "ttlMs": 60_000,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": SERVER},
    }
    validate_server_result("server/discover", MODERN, result(ask("server/discover")))


@pytest.mark.parametrize(
    ("wanted", "agreed"),
    [*((version, version) for version in LEGACY), ("2024-11-05", LEGACY[0]), (MODERN, LEGACY[0]), (3, LEGACY[0])],
)
def test_initialize_agrees_on_a_revision_and_begins_no_session(wanted: object, agreed: str) -> None:
    members = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": wanted}}
    reply = call("POST", "/mcp", members=members)
    found = result(reply)
    assert found.pop("instructions")
    assert found == {"protocolVersion": agreed, "capabilities": {"tools": {}}, "serverInfo": SERVER}
    assert "Mcp-Session-Id" not in reply.headers


@pytest.mark.parametrize("revision", LEGACY)
def test_a_legacy_ping_is_answered(revision: str) -> None:
    assert result(ask("ping", revision=revision)) == {}


@pytest.mark.parametrize("method", ["initialize", "ping", "prompts/list", "subscriptions/listen", "tools", ""])
def test_a_modern_method_that_is_not_served_is_a_404(method: str) -> None:
    reply = ask(method)
    assert (error(reply), reply.json()["id"]) == ((404, -32601), 1)


@pytest.mark.parametrize("method", ["server/discover", "prompts/list", "resources/list", "logging/setLevel"])
def test_a_legacy_method_that_is_not_served_is_told_in_a_200(method: str) -> None:
    reply = ask(method, revision=LEGACY[0])
    assert (error(reply), reply.json()["id"]) == ((200, -32601), 1)


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/cancelled", "tools/call"])
def test_a_notification_is_taken_and_nothing_is_run(method: str) -> None:
    dify = workspace()
    members = {"jsonrpc": "2.0", "method": method, "params": {"name": "support", "requestId": 1}}
    reply = call("POST", "/mcp", dify, members=members)
    assert (reply.status, reply.body, "Content-Type" in reply.headers) == (202, b"", False)
    assert (dify.calls, dify.asked) == ([], [])


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
@pytest.mark.parametrize("path", ["/mcp", "/apps/support/mcp"])
def test_another_method_of_http_is_a_405(method: str, path: str) -> None:
    reply = call(method, path, key="")
    assert (error(reply), reply.headers["Allow"]) == ((405, -32000), "OPTIONS, POST")


# -- Who calls -----------------------------------------------------------------------------------------------------


def test_without_a_key_it_is_a_401_that_leads_to_no_oauth() -> None:
    reply = ask("tools/list", key="")
    assert (error(reply), reply.json()["id"]) == ((401, -32000), None)
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="duck"'


ORIGINS: Final = {**TWO_APPS, "cors_origins": "https://app.example"}


@pytest.mark.parametrize(
    ("origin", "settings", "status"),
    [
        pytest.param("", ORIGINS, 200, id="none"),
        pytest.param("https://app.example", ORIGINS, 200, id="listed"),
        pytest.param("https://evil.example", ORIGINS, 403, id="not listed"),
        pytest.param("null", ORIGINS, 403, id="null"),
        pytest.param("https://app.example", TWO_APPS, 403, id="none are listed"),
        pytest.param("https://evil.example", {**TWO_APPS, "cors_origins": "*"}, 200, id="all are listed"),
    ],
)
def test_a_page_must_be_listed_also_with_a_key(origin: str, settings: Mapping[str, Any], status: int) -> None:
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"} if origin else {}
    reply = ask("tools/list", headers=headers, settings=settings)
    assert reply.status == status
    if status == 403:
        assert (error(reply), reply.json()["id"]) == ((403, -32000), None)


def test_the_origin_is_looked_at_before_the_key() -> None:
    assert ask("tools/list", key="", headers={"Origin": "https://evil.example"}, settings=ORIGINS).status == 403


def test_calls_are_counted() -> None:
    settings, dify = {**ONE_APP, "rate_limit": "1/day"}, workspace()
    replies = [ask("tools/list", dify=dify, settings=settings) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert error(replies[1]) == (429, -32000)
    assert "Retry-After" in replies[1].headers


def send(members: Mapping[str, Any], dify: FakeDify | None = None) -> Reply:
    headers = {"Accept": BOTH, "MCP-Protocol-Version": LEGACY[0]}
    return call("POST", "/mcp", dify, members=members, headers=headers)


def test_an_id_that_no_client_would_send_is_refused_and_not_repeated() -> None:
    """The daemon kills a plugin that says a line of 5 MiB (law 7)."""
    reply = send({"jsonrpc": "2.0", "id": "x" * 5_000_000, "method": "ping"})
    assert (*error(reply), reply.json()["id"]) == (400, INVALID_REQUEST, None)
    assert len(reply.body) < 1_000
    assert send({"jsonrpc": "2.0", "id": "x" * 256, "method": "ping"}).json() == {
        "jsonrpc": "2.0",
        "id": "x" * 256,
        "result": {},
    }


def test_a_progress_token_that_no_client_would_send_is_refused() -> None:
    params = {"name": "support", "arguments": {"query": "hi"}, "_meta": {"progressToken": "x" * 257}}
    dify = workspace()
    assert error(ask("tools/call", params, dify)) == (400, INVALID_PARAMS)
    assert dify.calls == []


@pytest.mark.parametrize(
    "members",
    [
        {"jsonrpc": "1.0", "id": 5, "method": "ping"},
        {"id": 5},
        {"jsonrpc": "2.0", "id": 5, "method": "ping", "params": []},
    ],
    ids=["another version", "no method", "params as a list"],
)
def test_what_is_no_message_is_answered_with_its_id_where_it_has_one(members: dict[str, Any]) -> None:
    reply = send(members)
    assert (*error(reply), reply.json()["id"]) == (400, INVALID_REQUEST, 5)


@pytest.mark.parametrize("arguments", [False, 0, "", []], ids=repr)
def test_arguments_of_another_type_are_no_arguments(arguments: object) -> None:
    dify = workspace()
    assert error(ask("tools/call", {"name": "report", "arguments": arguments}, dify)) == (400, INVALID_PARAMS)
    assert dify.calls == []


@pytest.mark.parametrize(("detail", "is_told"), [("answer", False), ("progress", True)])
def test_what_an_app_says_of_its_failure_leaves_from_progress_on(detail: str, is_told: bool) -> None:
    dicts = RECORDINGS["workflow-fail"].dicts
    dify = FakeDify({WORKFLOW: FakeApp(Kind.WORKFLOW, dicts=dicts)})
    told = tool("report", {}, dify, settings={**TWO_APPS, "detail": detail})
    assert told["isError"] is True
    assert (dicts[-1]["data"]["error"] in json.dumps(told)) is is_told


def test_a_failure_keeps_its_headers() -> None:
    dify = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=RECORDINGS["chat-errmid"].dicts)})
    reply = ask("tools/call", {"name": "support", "arguments": {"query": "hi"}}, dify, settings=ONE_APP)
    assert reply.headers["X-Conversation-Id"]


def test_a_call_without_a_query_is_told_as_a_model_can_mend_it() -> None:
    dify = workspace()
    tool("support", {"query": "hi"}, dify)
    told = tool("support", {}, dify)
    assert told["isError"] is True
    assert "/chat" not in json.dumps(told)


def test_under_workspace_the_apps_of_a_scope_are_tools() -> None:
    settings = {"access_keys": f"web={KEY}", "exposure": "workspace", "callers": f"web({CHAT})"}
    assert list(tools(settings=settings)) == [CHAT]


def test_an_error_after_the_message_was_read_repeats_its_id() -> None:
    assert ask("nothing", revision=LEGACY[0]).json()["id"] == 1
    assert ask("tools/list", path="/apps/nowhere/mcp").json()["id"] == 1


def test_an_app_that_is_not_there_has_no_tools() -> None:
    for path, headers in (("/apps/nowhere/mcp", {}), ("/mcp", {"X-Duck-App": "nowhere"})):
        assert error(ask("tools/list", path=path, headers=headers)) == (404, -32000)


# -- tools/list ----------------------------------------------------------------------------------------------------


def test_each_app_in_the_callers_scope_is_a_tool_in_the_order_of_the_settings() -> None:
    assert list(tools()) == ["support", "report"]
    assert list(tools(settings={**TWO_APPS, "callers": "web(report)"})) == ["report"]


@pytest.mark.parametrize("revision", [MODERN, *LEGACY])
def test_the_list_is_what_the_official_types_take(revision: str) -> None:
    found = result(ask("tools/list", revision=revision))
    validate_server_result("tools/list", revision, found)
    assert ("ttlMs" in found, "resultType" in found) == (revision == MODERN,) * 2


def test_a_path_and_a_header_bind_to_one_app() -> None:
    assert list(tools(path="/apps/report/mcp")) == ["report"]
    assert list(tools(path=f"/apps/{WORKFLOW}/mcp")) == ["report"]
    assert list(tools(headers={"X-Duck-App": "report"})) == ["report"]


def test_an_app_with_a_fault_in_its_entry_is_no_tool() -> None:
    settings = {**TWO_APPS, "apps": json.dumps({"support": CHAT, "report": {"app_id": "no-id"}})}
    assert list(tools(settings=settings)) == ["support"]


def test_a_title_and_a_description_are_the_settings() -> None:
    entry = {"app_id": CHAT, "title": "Support desk", "about": "Answers questions on orders."}
    found = tools(settings={**TWO_APPS, "apps": json.dumps({"support": entry, "report": WORKFLOW})})
    assert (found["support"]["title"], found["support"]["description"]) == (
        "Support desk",
        "Answers questions on orders.",
    )
    assert ("title" in found["report"], found["report"]["description"]) == (False, "Asks the app report.")


def form_of(*items: dict[str, Any]) -> FakeDify:
    """A workflow with this form, and a chat."""
    return FakeDify({CHAT: FakeApp(Kind.CHAT), WORKFLOW: FakeApp(Kind.WORKFLOW, items)})


def test_a_tool_takes_what_the_apps_form_asks_for() -> None:
    found = tools(form_of(variable("text-input", "city", required=True)))["report"]["inputSchema"]
    assert found == {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }


def test_an_app_whose_form_cannot_be_read_is_listed_and_takes_anything() -> None:
    dify = workspace()
    del dify.apps[WORKFLOW]
    found = tools(dify)
    assert list(found) == ["support", "report"]
    assert found["report"]["inputSchema"]["additionalProperties"] is True
    assert found["support"]["inputSchema"]["additionalProperties"] is False


def test_a_form_is_asked_for_once() -> None:
    dify = workspace()
    tools(dify)
    tools(dify)
    assert sorted(dify.asked) == [CHAT, WORKFLOW]


def test_an_app_that_keeps_silent_holds_up_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "LOOK_UP_WAIT", 0.3)
    dify = workspace()
    told = dify._fetch_app

    def fetch(app_id: str) -> dict[str, Any]:
        if app_id == CHAT:
            gevent.sleep(600)
        return told(app_id)

    monkeypatch.setattr(dify, "_fetch_app", fetch)
    found = tools(dify)
    assert [tool["inputSchema"]["additionalProperties"] for tool in found.values()] == [True, False]


def test_no_more_forms_are_asked_for_at_once_than_dify_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"{number:08}-1111-4111-8111-111111111111" for number in range(12)]
    dify = FakeDify({app_id: FakeApp(Kind.CHAT) for app_id in ids})
    told, now, most = dify._fetch_app, [0], [0]

    def fetch(app_id: str) -> dict[str, Any]:
        now[0] += 1
        most[0] = max(most[0], now[0])
        gevent.sleep(0.001)
        now[0] -= 1
        return told(app_id)

    monkeypatch.setattr(dify, "_fetch_app", fetch)
    assert len(tools(dify, settings={"apps": " ".join(ids), "access_keys": f"web={KEY}"})) == len(ids)
    assert most == [titles.MOST_LOOK_UPS]


@pytest.mark.parametrize(("revision", "status"), [(MODERN, 400), (LEGACY[0], 200)])
def test_there_is_one_page_only(revision: str, status: int) -> None:
    assert error(ask("tools/list", {"cursor": "2"}, revision=revision)) == (status, -32602)


# -- tools/call ----------------------------------------------------------------------------------------------------


def test_a_chat_is_asked_and_its_conversation_goes_on() -> None:
    dify = workspace()
    reply = ask("tools/call", {"name": "support", "arguments": {"query": "hi"}}, dify)
    first = result(reply)
    handle = first["structuredContent"]["conversation_id"]
    assert (first["isError"], reply.headers["X-Conversation-Id"], CONVERSATION in reply.body.decode()) == (
        False,
        handle,
        False,
    )
    tool("support", {"query": "more", "conversation_id": handle}, dify)
    assert (sent_to(dify)["query"], sent_to(dify)["conversation_id"]) == ("more", CONVERSATION)


def test_a_workflow_is_run_with_its_inputs() -> None:
    dify = form_of(variable("text-input", "city"), variable("file", "map"))
    link = "https://a.example/b.png"
    tool("report", {"city": "Oslo", "map": link}, dify)
    assert sent_to(dify)["inputs"] == {
        "city": "Oslo",
        "map": {"type": "image", "transfer_method": "remote_url", "url": link},
    }


@pytest.mark.parametrize(
    "arguments", [{}, {"city": 3}, {"city": "Oslo", "town": "x"}], ids=["missing", "of another type", "unknown"]
)
def test_bad_arguments_are_told_to_the_model_before_dify_is_asked(arguments: dict[str, Any]) -> None:
    dify = form_of(variable("text-input", "city", required=True))
    tools(dify)
    before = list(dify.calls)
    given = tool("report", arguments, dify)
    assert (given["isError"], given["structuredContent"]["error"]["code"]) == (True, "invalid_input")
    assert given["content"][0]["text"] == given["structuredContent"]["error"]["message"]
    assert dify.calls == before


def test_a_foreign_conversation_is_told_to_the_model() -> None:
    dify = workspace()
    given = tool("support", {"query": "hi", "conversation_id": CONVERSATION}, dify)
    assert (given["isError"], given["structuredContent"]["error"]["code"]) == (True, "conversation_not_found")
    assert dify.calls == []


@pytest.mark.parametrize(("revision", "status"), [(MODERN, 400), (LEGACY[0], 200)])
@pytest.mark.parametrize(
    ("params", "path"),
    [
        pytest.param({"name": "nowhere"}, "/mcp", id="unknown"),
        pytest.param({"name": "report"}, "/apps/support/mcp", id="another than the path is bound to"),
        pytest.param({"name": "<app_id>"}, "/mcp", id="a placeholder"),
        pytest.param({"name": ""}, "/mcp", id="no name"),
        pytest.param({"name": 3}, "/mcp", id="a number"),
        pytest.param({"name": "support", "arguments": [1]}, "/mcp", id="arguments that are a list"),
        pytest.param({"name": "support", "_meta": {"progressToken": True}}, "/mcp", id="a token that is true"),
        pytest.param({"name": "support", "_meta": {"progressToken": {}}}, "/mcp", id="a token that is an object"),
    ],
)
def test_what_is_no_call_of_a_tool_is_an_error_of_the_protocol(
    params: dict[str, Any], path: str, revision: str, status: int
) -> None:
    dify = workspace()
    expected = (400, -32020) if revision == MODERN and params["name"] == 3 else (status, -32602)
    assert error(ask("tools/call", params, dify, revision=revision, path=path)) == expected
    assert (dify.calls, dify.asked) == ([], [])


def test_out_of_scope_is_unknown() -> None:
    params = {"name": "support", "arguments": {"query": "hi"}}
    known, unknown = (
        ask("tools/call", {**params, "name": name}, settings={**TWO_APPS, "callers": "web(report)"}).json()["error"]
        for name in ("support", "nowhere")
    )
    for said in (known, unknown):
        said["data"].pop("request_id")
    assert known == unknown


def test_under_workspace_an_app_that_dify_does_not_know_is_unknown() -> None:
    params = {"name": "99999999-1111-4111-8111-111111111111", "arguments": {"query": "hi"}}
    assert error(ask("tools/call", params, settings={**TWO_APPS, "exposure": "workspace"})) == (400, -32602)


def test_a_failure_before_the_first_event_is_a_result_too() -> None:
    dify = workspace()
    dify.apps[CHAT] = FakeApp(Kind.CHAT, dicts=(Exception("invoke app failed: anything"),))
    given = tool("support", {"query": "hi"}, dify)
    assert (given["isError"], list(given["structuredContent"])) == (True, ["error"])


def test_progress_makes_the_reply_a_stream() -> None:
    params = {"name": "report", "_meta": {"progressToken": "p"}}
    reply = ask("tools/call", params, settings={**TWO_APPS, "detail": "progress"})
    assert (reply.headers["Content-Type"], reply.headers["X-Accel-Buffering"]) == ("text/event-stream", "no")
    *told, last = messages([reply.body])
    assert [message["params"]["progress"] for message in told] == list(range(1, len(told) + 1))
    assert (len(told) > 2, last["result"]["isError"]) == (True, False)


def test_a_client_that_reads_no_stream_gets_one_body() -> None:
    params = {"name": "report", "_meta": {"progressToken": "p"}}
    assert ask("tools/call", params, headers={"Accept": "application/json"}).headers["Content-Type"] == (
        "application/json"
    )


def slow_app(ids: Mapping[str, str]) -> FakeApp:
    say = {"event": "message", **ids, "answer": "late"}
    return FakeApp(Kind.CHAT, dicts=(say, lambda: gevent.sleep(0.3), {"event": "message_end", **ids, "metadata": {}}))


@pytest.mark.parametrize(
    ("accept", "content_type"), [(BOTH, "text/event-stream"), ("application/json", "application/json")]
)
def test_a_run_that_takes_long_makes_the_reply_a_stream(
    accept: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.running.STREAM_AFTER", 0.05)
    dify = FakeDify({CHAT: slow_app({"conversation_id": CONVERSATION, "message_id": "m", "task_id": "t"})})
    params = {"name": "support", "arguments": {"query": "hi"}}
    reply = ask("tools/call", params, dify, headers={"Accept": accept})
    assert reply.headers["Content-Type"] == content_type
    said = messages([reply.body])[-1] if accept == BOTH else reply.json()
    assert (said["id"], said["result"]["structuredContent"]["answer"]) == (1, "late")


def test_the_user_of_a_token_is_not_for_the_caller_to_change() -> None:
    dify = form_of(variable("text-input", "who", required=True), variable("text-input", "city"))
    entry = {"app_id": WORKFLOW, "user": "who"}
    settings = {"apps": json.dumps({"report": entry}), "access_keys": f"web={KEY}"}
    members = {"app": "report", "user": "ann"}
    asked = EnvironBuilder(method="POST", path="/tokens", headers=[("Authorization", f"Bearer {KEY}")], json=members)
    issued = serve.handle(dify.session(), Request(asked.get_environ()), settings, None)
    token = json.loads(issued.get_data())["token"]
    assert list(tools(dify, settings=settings, key=token)["report"]["inputSchema"]["properties"]) == ["city"]
    tool("report", {"city": "Oslo"}, dify, settings=settings, key=token)
    assert sent_to(dify)["inputs"] == {"city": "Oslo", "who": "ann"}
    given = tool("report", {"city": "Oslo", "who": "eve"}, dify, settings=settings, key=token)
    assert given["structuredContent"]["error"]["code"] == "invalid_input"


def test_inputs_that_the_operator_has_filled_may_be_left_out() -> None:
    dify = form_of(variable("text-input", "city", required=True))
    settings = {"app": {"app_id": WORKFLOW, "inputs": {"city": "Oslo"}}, "aliases": "report", "access_keys": KEY}
    tool("report", {}, dify, settings=settings)
    assert sent_to(dify)["inputs"] == {"city": "Oslo"}


def test_the_log_names_the_tools_app_and_what_failed(duck_log: pytest.LogCaptureFixture) -> None:
    with duck_log.at_level("INFO", "duck"):
        tool("report", {"unknown": 1}, workspace())
    (line,) = [record.getMessage() for record in duck_log.records if "route=" in record.getMessage()]
    for part in ("route=mcp", "caller=web", "app=report", "status=200", "error=invalid_input"):
        assert part in line
