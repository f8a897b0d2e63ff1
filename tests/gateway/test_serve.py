import base64
import gc
import json
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request, Response
from werkzeug.test import EnvironBuilder

from gateway import routes, running, serve
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.routes import TABLE, Match, Route
from gateway.slots import take_slot
from tests.gateway.fake_dify import RUN_OF, FakeApp, FakeDify, refusal, variable
from tests.gateway.recorded import RECORDINGS

KEY: Final = "a-long-enough-key"
IDS: Final = {name: f"{number:08}-1111-4111-8111-111111111111" for number, name in enumerate("abcdefghijkl")}
CHAT, AGENT, CHATFLOW, WORKFLOW, COMPLETION, FORM, FAILING, BROKEN, PAUSED, REFUSED, NOWHERE, FILES = IDS.values()
CONVERSATION: Final = "fbd966e1-9f06-4fa8-9e4a-59100c620363"
"""Of the run that `chat` gives."""

HANDLE: Final = base64.urlsafe_b64encode(UUID(CONVERSATION).bytes).decode().rstrip("=") + "."
"""How its handle begins, whoever it is for."""

APPS: Final = {
    CHAT: FakeApp(Kind.CHAT),
    AGENT: FakeApp(Kind.AGENT),
    CHATFLOW: FakeApp(Kind.CHATFLOW),
    WORKFLOW: FakeApp(Kind.WORKFLOW, dicts=RECORDINGS["workflow-two-strings"].dicts),
    COMPLETION: FakeApp(Kind.COMPLETION, (variable("paragraph", "query", is_typed=False),)),
    FORM: FakeApp(Kind.WORKFLOW, (variable("text-input", "city", required=True),)),
    FAILING: FakeApp(Kind.WORKFLOW, dicts=RECORDINGS["workflow-fail"].dicts),
    BROKEN: FakeApp(Kind.CHAT, dicts=RECORDINGS["chat-err0"].dicts),
    PAUSED: FakeApp(Kind.WORKFLOW, dicts=RECORDINGS["workflow-human"].dicts),
    REFUSED: FakeApp(Kind.CHAT, dicts=(refusal("unexpected app type"),)),
    FILES: FakeApp(Kind.CHATFLOW, dicts=RECORDINGS["chatflow-png"].dicts),
}
ALIASES: Final = {
    "chat": CHAT,
    "agent": AGENT,
    "chatflow": CHATFLOW,
    "workflow": WORKFLOW,
    "completion": COMPLETION,
    "form": FORM,
    "failing": FAILING,
    "broken": BROKEN,
    "paused": PAUSED,
    "refused": REFUSED,
    "nowhere": NOWHERE,
    "files": FILES,
}
SETTINGS: Final[Mapping[str, Any]] = {
    "apps": ", ".join(f"{alias}={app_id}" for alias, app_id in ALIASES.items()),
    "access_keys": KEY,
}


class Answer:
    """A response, read to its end."""

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.type = response.headers.get("Content-Type", "")
        chunks: Iterable[Any] = response.response
        self.is_streamed = not isinstance(chunks, list | tuple)
        self.body = b"".join(chunk if isinstance(chunk, bytes) else chunk.encode() for chunk in chunks)

    def json(self) -> Any:
        return json.loads(self.body)


def respond(
    method: str = "POST",
    path: str = "/chat/chat",
    *,
    data: bytes = b'{"query": "hi"}',
    headers: Mapping[str, str] = MappingProxyType({}),
    settings: Mapping[str, Any] = MappingProxyType({}),
    dify: FakeDify | None = None,
    match: Match | None = None,
    key: str = KEY,
) -> Response:
    """The response to a request, its body not yet begun.

    Without `match` it comes as through a catch-all route; with an empty `key`, without one. `settings` are added to
    those that list the apps.
    """
    path, _, query_string = path.partition("?")
    sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **headers}
    if method != "GET":
        sent.setdefault("Content-Type", "application/json")
    builder = EnvironBuilder(
        method=method,
        path=path,
        query_string=query_string,
        data=data if method != "GET" else None,
        headers=list(sent.items()),
    )
    session = (dify or FakeDify(dict(APPS))).session()
    return serve.handle(session, Request(builder.get_environ()), {**SETTINGS, **settings}, match)


def answer(method: str = "POST", path: str = "/chat/chat", **more: Any) -> Answer:
    """What a request is answered, read to its end."""
    return Answer(respond(method, path, **more))


def body(**members: Any) -> bytes:
    return json.dumps(members).encode()


# -- Routes --------------------------------------------------------------------------------------------------------


def test_the_root_says_what_duck_is_without_a_key() -> None:
    said = answer("GET", "/", key="")
    assert (said.status, said.type, said.json()["name"]) == (200, "application/json", "duck")
    assert not any(alias in said.body.decode() for alias in ("echo", CHAT, "failing"))


def test_health_is_told_without_asking_dify_and_whatever_the_settings_are() -> None:
    dify = FakeDify({})
    said = answer("GET", "/healthz", key="", dify=dify, settings={"detail": "nonsense"})
    assert (said.status, said.json()) == (200, {"status": "ok"})
    assert (dify.asked, dify.calls) == ([], [])


@pytest.mark.parametrize("path", ["/nowhere", "/chat/a/b", "/%ff", "/chat/\x00/x"])
def test_an_unknown_path_is_a_json_404(path: str) -> None:
    said = answer("GET", path, key="")
    assert (said.status, said.type, said.json()["code"]) == (404, "application/problem+json", "not_found")


def test_a_wrong_method_is_a_json_405_with_allow() -> None:
    said = answer("PUT", "/chat/chat", key="")
    assert (said.status, said.type, said.json()["code"]) == (405, "application/problem+json", "method_not_allowed")
    assert said.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("path", [listed.path.replace("<app_id>", "chat") for listed in TABLE])
def test_every_route_answers_options_without_a_key(path: str) -> None:
    said = answer("OPTIONS", path, key="")
    assert (said.status, said.body) == (204, b"")
    assert said.headers["Allow"] == ", ".join(routes.allowed_methods(path))


def test_options_of_an_unknown_path_are_a_404() -> None:
    assert answer("OPTIONS", "/nowhere", key="").status == 404


def test_head_never_runs_an_app() -> None:
    dify = FakeDify(dict(APPS))
    said = answer("HEAD", "/duck/chat?query=hi", dify=dify, data=b"")
    assert (said.status, said.body, dify.calls) == (200, b"", [])
    assert said.type == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/chat/<app_id>", "/chat/{app_id}", "/chat/:app_id"])
def test_the_literal_placeholder_is_answered_with_what_belongs_there(path: str) -> None:
    said = answer("POST", path)
    assert (said.status, said.json()["code"]) == (404, "app_not_found")
    assert "alias" in said.json()["detail"]


def test_without_an_app_in_the_path_it_is_the_default_one() -> None:
    dify = FakeDify(dict(APPS))
    said = answer("POST", "/chat", settings={"app": {"app_id": CHATFLOW}}, dify=dify)
    assert said.status == 200
    assert dify.calls[-1][1]["app_id"] == CHATFLOW


@pytest.mark.parametrize("path", ["/chat/chat", f"/chat/{CHAT}", "/chat//chat", "/chat/chat/"])
def test_an_app_is_reached_by_alias_and_id(path: str) -> None:
    assert answer("POST", path).status == 200


def test_a_visible_route_is_matched_by_the_sdk() -> None:
    assert answer("POST", "/chat/chat", match=Match(Route.CHAT, "chat")).status == 200


# -- Who gets in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/chat/chat", "/chat/unknown", "/duck/chat", "/workflow/<app_id>", "/chat"])
def test_without_a_key_it_is_the_same_401_whatever_is_asked(path: str) -> None:
    dify = FakeDify(dict(APPS))
    said = answer("POST", path, key="", dify=dify, data=b"\xff{")
    assert (said.status, said.headers["WWW-Authenticate"]) == (401, 'Bearer realm="duck"')
    assert (dify.asked, dify.calls) == ([], [])


def test_without_access_keys_nobody_gets_in() -> None:
    assert answer(settings={"access_keys": ""}).status == 401


def test_under_open_access_anyone_gets_in() -> None:
    assert answer(key="", settings={"access": "open"}).status == 200


def test_a_fault_that_governs_every_call_is_told_to_those_with_a_key_only() -> None:
    settings = {"detail": "nonsense"}
    assert answer(settings=settings, key="").status == 401
    said = answer(settings=settings)
    assert (said.status, said.json()["code"]) == (500, "misconfigured")
    assert "detail: must be one of answer, progress, full" in said.json()["detail"]


def test_an_unknown_app_is_a_404_without_asking_dify() -> None:
    dify = FakeDify(dict(APPS))
    said = answer("POST", "/chat/unknown", dify=dify)
    assert (said.status, said.json()["code"]) == (404, "app_not_found")
    assert (dify.asked, dify.calls) == ([], [])


# -- Replies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "type_", "is_streamed"),
    [
        ("*/*", "text/event-stream", True),
        ("text/event-stream", "text/event-stream", True),
        ("application/x-ndjson", "application/x-ndjson", True),
        ("text/plain", "text/plain; charset=utf-8", True),
        ("application/json", "application/json", False),
        ("application/json, text/plain, */*", "application/json", False),
    ],
)
def test_a_reply_is_in_the_form_that_was_asked_for(accept: str, type_: str, is_streamed: bool) -> None:
    said = answer(headers={"Accept": accept})
    assert (said.status, said.type, said.is_streamed) == (200, type_, is_streamed)
    assert b"echo[2 msgs]: first message" in said.body or b'"first "' in said.body


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/plain"])
def test_the_conversation_is_in_a_header_of_every_form(accept: str) -> None:
    assert answer(headers={"Accept": accept}).headers["X-Conversation-Id"].startswith(HANDLE)


def test_a_workflow_has_no_conversation_header() -> None:
    assert "X-Conversation-Id" not in answer("POST", "/workflow/workflow", data=b"{}").headers


@pytest.mark.parametrize(("path", "data"), [("/workflow/workflow", b"{}"), ("/chat/workflow", body(query="hi"))])
def test_a_workflow_answers_with_its_outputs(path: str, data: bytes) -> None:
    said = answer("POST", path, data=data, headers={"Accept": "application/json"}).json()
    assert said["outputs"] == RECORDINGS["workflow-two-strings"].dicts[-1]["data"]["outputs"]
    assert said["status"] == "succeeded"


def test_a_paused_run_is_a_reply_that_says_so() -> None:
    said = answer("POST", "/workflow/paused", data=b"{}", headers={"Accept": "application/json"})
    assert (said.status, said.json()["status"]) == (200, "paused")
    assert b"Rziad3pb4I1sCHOiKSRSse" not in said.body


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_duck_is_a_live_page_sandboxed(method: str) -> None:
    said = answer(method, "/duck/chat?query=hi", data=b"")
    assert (said.status, said.type) == (200, "text/html; charset=utf-8")
    assert said.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    events = [json.loads(part)["event"] for part in said.body.decode().split(" <br>")[:-1]]
    assert events == [raw["event"] for raw in RUN_OF[Kind.CHAT]]


def test_dify_is_asked_with_what_was_sent_and_the_defaults_of_the_picker() -> None:
    dify = FakeDify(dict(APPS))
    picker = {"app_id": CHAT, "inputs": {"city": "Oslo", "lang": "no"}}
    data = body(query="hi", inputs={"city": "Rome"}, user="someone")
    answer("POST", "/chat/app", data=data, settings={"app": picker, "apps": ""}, dify=dify)
    ((_, request),) = dify.calls
    assert (request["query"], request["inputs"]) == ("hi", {"city": "Rome", "lang": "no"})


@pytest.mark.parametrize(("inputs", "expected"), [({}, "someone"), ({"who": "other"}, "other")], ids=["free", "given"])
def test_user_goes_to_the_variable_that_is_configured_for_it(inputs: dict[str, str], expected: str) -> None:
    dify = FakeDify(dict(APPS))
    settings = {"apps": f"{{chat: {{app_id: {CHAT}, user: who}}}}"}
    answer(data=body(query="hi", user="someone", inputs=inputs), settings=settings, dify=dify)
    assert dify.calls[-1][1]["inputs"] == {"who": expected}


@pytest.mark.parametrize(
    ("headers", "settings", "origin"),
    [
        ({"Dify-Hook-Url": "https://dify.example.com/e/hook/chat/files?a=1"}, {}, "https://dify.example.com"),
        ({"Dify-Hook-Url": "http://127.0.0.1:8787/e/duck"}, {}, "http://127.0.0.1:8787"),
        ({"Dify-Hook-Url": "https://forged.example"}, {"files_url": "https://files.example"}, "https://files.example"),
        ({"Dify-Hook-Url": 'https://x"><script>/e'}, {}, ""),
        ({"Dify-Hook-Url": "javascript:alert(1)//"}, {}, ""),
        ({"Dify-Hook-Url": "https://user:password@x.example/"}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_relative_links_lead_to_the_hooks_origin_or_to_files_url(
    headers: dict[str, str], settings: dict[str, str], origin: str
) -> None:
    url = "/files/tools/0b1c2d3e-1111-4111-8111-111111111111.png"
    ids = {"conversation_id": "c", "message_id": "m", "task_id": "t"}
    dicts = ({"event": "message", **ids, "answer": f"![a]({url})"}, {"event": "message_end", **ids, "metadata": {}})
    dify = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=dicts)})
    said = answer(headers={**headers, "Accept": "application/json"}, settings=settings, dify=dify)
    assert (said.status, said.json()["answer"]) == (200, f"![a]({origin}{url})")


def test_a_hook_url_that_is_none_is_no_failure() -> None:
    assert answer(headers={"Dify-Hook-Url": "http://["}).status == 200


def test_a_file_for_an_input_reaches_dify_as_it_was_sent() -> None:
    dify = FakeDify(dict(APPS))
    inputs = {"doc": {"type": "document", "transfer_method": "remote_url", "url": "https://x.example/a.pdf"}}
    answer("POST", "/workflow/workflow", data=body(inputs=inputs), dify=dify)
    assert dify.calls[-1][1]["inputs"] == inputs


def test_difys_cookies_are_never_forwarded_logged_or_sent_back(duck_log: pytest.LogCaptureFixture) -> None:
    dify = FakeDify(dict(APPS))
    headers = {"Cookie": "access_token=of-the-operators-session"}
    said = [answer("POST", path, headers=headers, dify=dify) for path in ("/chat/chat", "/duck/chat", "/chat/broken")]
    seen = repr((dify.calls, duck_log.text, [(reply.body, list(reply.headers)) for reply in said]))
    assert "of-the-operators-session" not in seen
    assert "Set-Cookie" not in seen


# -- Failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "data", "status", "code"),
    [
        ("/chat/broken", body(query="hi"), 502, "provider_error"),
        ("/chat/refused", body(query="hi"), 502, "app_not_published"),
        ("/chat/nowhere", body(query="hi"), 502, "app_unavailable"),
        ("/completion/completion", body(inputs={"query": "hi"}), 400, "completion_not_supported"),
        ("/workflow/form", b"{}", 400, "invalid_input"),
        ("/workflow/chat", body(inputs={}), 400, "wrong_app_kind"),
        ("/chat/chat", b"{}", 400, "wrong_app_kind"),
        ("/chat/chat", b"{", 400, "invalid_request"),
        ("/chat/chat", body(query="hi", conversation_id="x"), 404, "conversation_not_found"),
        ("/chat/chat", body(query="hi", files=[{}]), 400, "files_not_supported"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/plain"])
def test_an_early_failure_has_its_true_status(path: str, data: bytes, status: int, code: str, accept: str) -> None:
    said = answer("POST", path, data=data, headers={"Accept": accept})
    assert (said.status, said.type, said.is_streamed) == (status, "application/problem+json", False)
    assert {"code": code, "status": status} == {name: said.json()[name] for name in ("code", "status")}
    assert said.json()["request_id"] == said.headers["X-Request-Id"]


def test_a_failure_of_one_body_is_a_problem_with_the_ids_of_the_run() -> None:
    said = answer("POST", "/workflow/failing", data=b"{}", headers={"Accept": "application/json"})
    assert (said.status, said.type, said.json()["code"]) == (502, "application/problem+json", "app_failed")
    assert said.json()["run_id"] == "6d286b82-8cb3-4a1c-b59f-20525ec937ff"


def test_a_failure_in_a_stream_is_its_last_event() -> None:
    said = answer("POST", "/workflow/failing", data=b"{}")
    assert (said.status, said.type) == (200, "text/event-stream")
    assert said.body.rpartition(b"event: ")[2].startswith(b'error\ndata: {"code":"app_failed","status":502,')


@pytest.mark.parametrize(("detail", "is_shown"), [("answer", False), ("progress", True), ("full", True)])
@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_the_apps_own_words_are_shown_from_progress_on(detail: str, is_shown: bool, accept: str) -> None:
    headers = {"Accept": accept}
    said = answer("POST", "/workflow/failing", data=b"{}", headers=headers, settings={"detail": detail})
    assert (b"Connection refused" in said.body) is is_shown


def test_an_error_of_duck_is_a_page_with_the_request_id() -> None:
    said = answer("GET", "/duck/broken?query=hi", headers={"X-Request-Id": "mine"})
    assert (said.status, said.type) == (502, "text/html; charset=utf-8")
    assert said.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert json.loads(said.body.removesuffix(b" <br>"))["request_id"] == "mine"


def test_no_slot_is_a_503_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    dify = FakeDify(dict(APPS))
    slot = take_slot(dify.endpoint_id, 1, max_wait=0)
    monkeypatch.setattr("gateway.start.take_slot", lambda endpoint, most: take_slot(endpoint, most, max_wait=0.01))
    said = answer(dify=dify, settings={"max_streams": "1"})
    slot.release()
    assert (said.status, said.headers["Retry-After"], said.json()["code"]) == (503, "10", "too_many_streams")


# -- Headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-1.2_X", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("é", False), ("", False)],
)
def test_a_request_id_is_kept_where_it_is_one_and_made_where_it_is_not(given: str, is_kept: bool) -> None:
    said = answer("GET", "/healthz", headers={"X-Request-Id": given})
    assert (said.headers["X-Request-Id"] == given) is is_kept
    assert said.headers["X-Request-Id"].isascii()


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/chat/chat", "/duck/chat", "/chat/broken"])
def test_no_reply_is_cached_or_sniffed(path: str) -> None:
    said = answer("GET" if path in ("/", "/healthz") else "POST", path)
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in said.headers["Cache-Control"]


def test_a_stream_is_not_buffered_by_proxies() -> None:
    assert answer().headers["X-Accel-Buffering"] == "no"


# -- Law 1 and 2: what streams, and when it begins -----------------------------------------------------------------


def test_a_stream_begins_before_the_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_EVENT_WAIT", 0.02)
    dify = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=(lambda: gevent.sleep(0.1), *RUN_OF[Kind.CHAT]))})
    response = respond(dify=dify)
    chunks: Any = response.response
    assert response.status_code == 200
    assert next(chunks) == b": ping\n\n"
    assert b"".join(chunks).count(b"event: end") == 1


def test_a_stream_that_is_never_begun_gives_its_slot_back() -> None:
    dify = FakeDify(dict(APPS))
    response = respond(dify=dify)
    del response
    gc.collect()
    take_slot(dify.endpoint_id, 1, max_wait=0).release()


# -- keep_alive ----------------------------------------------------------------------------------------------------

JSON_ONLY: Final = {"Accept": "application/json"}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time after which a reply begins, shortened."""
    monkeypatch.setattr(running, "KEEP_ALIVE_AFTER", 0.03)


def slowly(*dicts: Any) -> FakeDify:
    """A chat whose events come with a pause after the first."""
    first, *rest = dicts or RUN_OF[Kind.CHAT]
    return FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=(first, lambda: gevent.sleep(0.1), *rest))})


def test_a_reply_begins_after_20_seconds_at_the_latest() -> None:
    assert running.KEEP_ALIVE_AFTER == 20


def test_with_keep_alive_a_slow_body_begins_with_white_space(soon: None) -> None:
    said = answer(headers=JSON_ONLY, settings={"keep_alive": "on"}, dify=slowly())
    assert (said.status, said.type, said.is_streamed) == (200, "application/json", True)
    assert said.body.startswith(b" ")
    assert said.json()["answer"] == "echo[2 msgs]: first message"
    assert said.headers["X-Conversation-Id"].startswith(HANDLE)


def test_with_keep_alive_a_late_failure_is_the_error_body_under_200(soon: None) -> None:
    dify = slowly(RUN_OF[Kind.CHAT][0], refusal("unexpected app type"))
    said = answer(headers=JSON_ONLY, settings={"keep_alive": "on"}, dify=dify)
    assert (said.status, said.json()["code"], said.json()["status"]) == (200, "app_not_published", 502)


def test_with_keep_alive_a_fast_body_is_one_chunk() -> None:
    said = answer(headers=JSON_ONLY, settings={"keep_alive": "on"})
    assert (said.is_streamed, said.body[:1]) == (False, b"{")


def test_without_keep_alive_a_slow_failure_keeps_its_status(soon: None) -> None:
    said = answer(headers=JSON_ONLY, dify=slowly(RUN_OF[Kind.CHAT][0], refusal("unexpected app type")))
    assert (said.status, said.is_streamed) == (502, False)


def test_with_keep_alive_text_still_waits(soon: None) -> None:
    said = answer(
        data=body(query="hi", response_mode="blocking"),
        headers={"Accept": "text/plain"},
        settings={"keep_alive": "on"},
        dify=slowly(),
    )
    assert (said.is_streamed, said.body) == (False, b"echo[2 msgs]: first message")


def test_with_keep_alive_an_ending_that_comes_at_that_very_moment_is_not_lost(soon: None) -> None:
    *before, last = RUN_OF[Kind.CHAT]
    # The process is busy past the moment when the reply would have begun, and the ending is there after it.
    dicts = (*before, lambda: gevent.sleep(0.005), lambda: time.sleep(0.06), last)
    dify = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=dicts)})
    with gevent.Timeout(5):
        assert answer(headers=JSON_ONLY, settings={"keep_alive": "on"}, dify=dify).json()["status"] == "succeeded"


# -- Law 4: nothing escapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [ValueError("sk-secret"), KeyError("sk-secret"), RecursionError(), DuckError("dify_error", "x")]
)
def test_what_nobody_foresaw_is_a_500_that_names_no_details(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, duck_log: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise failure

    monkeypatch.setattr("gateway.settings.parse", broken)
    said = answer(headers={"X-Request-Id": "mine"})
    foreseen = isinstance(failure, DuckError)
    assert (said.status, said.json()["code"]) == ((502, "dify_error") if foreseen else (500, "internal_error"))
    assert "sk-secret" not in said.body.decode() + duck_log.text
    assert foreseen or f"request mine failed: {type(failure).__name__} at " in duck_log.text


_paths: Final = st.sampled_from(["/", "/chat/chat", "/duck/chat", "/workflow/form", "/x", "//", "/chat/"]) | st.text(
    max_size=12
)
_headers: Final = st.dictionaries(
    st.sampled_from(["Accept", "Authorization", "X-API-Key", "X-Request-Id", "Dify-Hook-Url", "Content-Type"]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=20),
    max_size=3,
)


@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
    path=_paths,
    data=st.binary(max_size=40) | st.sampled_from([b'{"query": "hi"}', b'{"query": 5}']),
    headers=_headers,
)
def test_any_request_is_answered_and_nothing_escapes(
    method: str, path: str, data: bytes, headers: dict[str, str]
) -> None:
    said = answer(method, path.replace("?", ""), data=data, headers=headers)
    assert said.status in (200, 204, 400, 401, 404, 405, 406, 415)
    assert b"Traceback" not in said.body
