import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.call import AppCall
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.settings import App, Service
from gateway.transports import service_api
from gateway.transports.service import client, info
from gateway.transports.service.client import Question, Upload
from gateway.transports.service_api import Reply, ServiceApiTransport
from tests.gateway.transports.loopback import (
    STREAM_END,
    STREAM_HEAD,
    Do,
    Loopback,
    Received,
    Step,
    chunk,
    event,
    json_reply,
    reply,
)

ROOT: Final = Path(__file__).resolve().parents[3]
ID: Final = "11111111-1111-4111-8111-111111111111"
KEY: Final = "app-secretkey42"
EVENTS: Final[list[Raw]] = [{"event": "message", "answer": "Hel"}, {"event": "message_end"}]
INFO: Final = {"name": "Support", "description": "It helps.", "tags": [], "mode": "workflow", "author_name": "Ann"}


def serving(*steps: Step) -> Loopback:
    """A server whose every reply is this."""
    return Loopback(lambda _: iter(steps))


def stream_of(*dicts: Any) -> Loopback:
    return serving(STREAM_HEAD, *(event(value) for value in dicts), STREAM_END)


def transport(server: Loopback, user: str = "web:ann", endpoint_id: str = "e") -> ServiceApiTransport:
    return ServiceApiTransport(
        Service(server.url, {ID: KEY}), App("support", ID), user, endpoint_id=endpoint_id, is_local=True
    )


def call(query: str = "hi", conversation_id: str = "", **more: Any) -> AppCall:
    return AppCall(App("support", ID), query, {"city": "Oslo"}, conversation_id, **more)


def run(server: Loopback, kind: Kind | None = Kind.CHAT, **more: Any) -> list[Raw]:
    return list(transport(server).start(call(**more), kind))


def failure(action: Callable[[], object]) -> DuckError:
    with pytest.raises(DuckError) as told:
        action()
    said = f"{told.value!r} {told.value.sentence(with_cause=True)}"
    assert KEY not in said
    assert "127.0.0.1" not in said
    return told.value


# -- What is sent --------------------------------------------------------------------------------------------------

COMMON: Final = {"inputs": {"city": "Oslo"}, "response_mode": "streaming", "user": "web:ann"}


@pytest.mark.parametrize(
    ("kind", "path", "sent"),
    [
        (Kind.CHAT, "/v1/chat-messages", {"query": "hi", "conversation_id": "c"}),
        (Kind.AGENT, "/v1/chat-messages", {"query": "hi", "conversation_id": "c"}),
        (Kind.CHATFLOW, "/v1/chat-messages", {"query": "hi", "conversation_id": "c"}),
        (Kind.COMPLETION, "/v1/completion-messages", {"query": "hi"}),
        (Kind.WORKFLOW, "/v1/workflows/run", {}),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_each_kind_has_its_route_and_is_always_streamed(kind: Kind, path: str, sent: dict[str, Any]) -> None:
    server = stream_of(*EVENTS)
    assert run(server, kind, conversation_id="c") == EVENTS
    (request,) = server.requests
    assert (request.method, request.target, request.json()) == ("POST", path, {**COMMON, **sent})
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"


def test_what_a_call_does_not_have_is_left_out() -> None:
    server = stream_of()
    run(server)
    assert server.requests[0].json() == {**COMMON, "query": "hi"}


def test_the_files_in_difys_form_are_sent() -> None:
    server = stream_of()
    file = {"type": "image", "transfer_method": "local_file", "upload_file_id": "f"}
    run(server, dify_files=(file,))
    assert server.requests[0].json() == {**COMMON, "query": "hi", "files": [file]}


def test_a_query_of_any_characters_arrives_as_utf_8() -> None:
    server = stream_of()
    run(server, query="\u540d\u524d \U0001f44d \ud800 \0")
    assert server.requests[0].json()["query"] == "\u540d\u524d \U0001f44d \ufffd \0"


def test_nothing_is_sent_before_the_first_event_is_asked_for() -> None:
    server = stream_of(*EVENTS)
    events = transport(server).start(call(), Kind.CHAT)
    assert server.connections == 0
    next(events)
    assert server.connections == 1


def test_an_app_of_unknown_kind_is_called_by_the_mode_that_dify_names() -> None:
    def answer(request: Received) -> Iterator[Step]:
        yield from [json_reply(200, INFO)] if request.method == "GET" else [STREAM_HEAD, event(EVENTS[0]), STREAM_END]

    server = Loopback(answer)
    assert run(server, None) == EVENTS[:1]
    assert [request.target for request in server.requests] == ["/v1/info", "/v1/workflows/run"]


# -- What comes ----------------------------------------------------------------------------------------------------


def test_pings_are_no_events() -> None:
    ping = chunk(b"event: ping\n\n")
    assert run(serving(STREAM_HEAD, ping, event(EVENTS[0]), ping, STREAM_END)) == EVENTS[:1]


def test_an_error_inside_the_run_is_for_the_decoder() -> None:
    error = {"event": "error", "code": "invalid_param", "message": "It broke.", "status": 400}
    assert run(stream_of(error)) == [error]


def test_a_stream_that_is_closed_at_its_end_is_whole() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    assert run(serving(head, b'data: {"a": 1}\n\ndata: {"a', Do.CLOSE)) == [{"a": 1}]


def test_a_finished_stream_frees_its_connection() -> None:
    server = stream_of(*EVENTS)
    run(server)
    server.wait_until_open(0)


def test_a_connection_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "IDLE_CONNECTIONS", 10)
    monkeypatch.setattr(client, "IDLE", 600.0)
    server = stream_of(*EVENTS)
    for _ in range(3):
        assert run(server) == EVENTS
    assert (len(server.requests), server.connections) == (3, 1)


# -- Faults --------------------------------------------------------------------------------------------------------


def refusal(status: int, code: str, message: str) -> bytes:
    return json_reply(status, {"code": code, "message": message, "status": status})


PAGE: Final = b"<html><body><h1>502 Bad Gateway</h1>nginx at http://api:5001</body></html>"
HINT: Final = " You have requested this URI [/v1/chat-messages] but did you mean /v1/chat-messages ?"

FAULTS: Final[dict[str, tuple[tuple[Step, ...], str, int]]] = {
    "500 of Dify's own": (
        (json_reply(500, {"code": "internal_server_error", "message": "x", "status": 500}),),
        "dify_error",
        502,
    ),
    "500 with a page": ((reply(500, "text/html", PAGE),), "dify_error", 502),
    "502 with a page": ((reply(502, "text/html", PAGE),), "dify_unreachable", 502),
    "503 without a body": ((reply(503, "text/plain", b""),), "dify_unreachable", 502),
    "504 with a page": ((reply(504, "text/html", PAGE),), "dify_unreachable", 502),
    "a redirect": ((reply(302, "text/html", PAGE, "Location: https://elsewhere.example/"),), "misconfigured", 500),
    "a page in place of a stream": ((reply(200, "text/html", PAGE),), "misconfigured", 500),
    "JSON in place of a stream": ((json_reply(200, {"answer": "hi"}),), "misconfigured", 500),
    "a stream without a type": ((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\n\n",), "misconfigured", 500),
    "a page that says 404": ((reply(404, "text/html", PAGE),), "misconfigured", 500),
    "no such route": (
        (refusal(404, "not_found", "The requested URL was not found on the server."),),
        "misconfigured",
        500,
    ),
    "an expired key": ((refusal(401, "unauthorized", "Access token is invalid"),), "misconfigured", 500),
    "a 401 with a page": ((reply(401, "text/html", PAGE),), "misconfigured", 500),
    "the app's API is off": (
        (refusal(403, "forbidden", "The app's API service has been disabled."),),
        "app_unavailable",
        502,
    ),
    "a 403 with a page": ((reply(403, "text/html", PAGE),), "misconfigured", 500),
    "an unknown conversation": (
        (refusal(404, "not_found", f"Conversation Not Exists.{HINT}"),),
        "conversation_not_found",
        404,
    ),
    "a conversation's id that is none": (
        (
            refusal(
                400,
                "invalid_param",
                "1 validation error for ChatRequestPayload\nconversation_id\n  Value error, conversation_id must be a "
                "valid UUID [type=value_error, input_value='abc', input_type=str]",
            ),
        ),
        "conversation_not_found",
        404,
    ),
    "a body too large, by a proxy": ((reply(413, "text/html", PAGE),), "payload_too_large", 413),
    "an unknown type": (
        (refusal(415, "unsupported_file_type", "File type not allowed."),),
        "unsupported_media_type",
        415,
    ),
    "too many calls": ((refusal(429, "too_many_requests", "Too many requests."),), "dify_busy", 503),
    "too many calls, by a proxy": ((reply(429, "text/html", PAGE),), "dify_busy", 503),
    "another kind of app": (
        (refusal(400, "not_chat_app", "Please check if your app mode matches the right API route."),),
        "wrong_app_kind",
        400,
    ),
    "a missing input": ((refusal(400, "invalid_param", "city is required in input form"),), "invalid_input", 400),
    "no reply": ((Do.CLOSE,), "dify_unreachable", 502),
    "half a head": ((b"HTTP/1.1 200 OK\r\nContent-Ty", Do.CLOSE), "dify_unreachable", 502),
    "no HTTP": ((b"220 mail.example ESMTP\r\n\r\n", Do.CLOSE), "dify_unreachable", 502),
    "a stream that ends before its first event": ((STREAM_HEAD, Do.CLOSE), "dify_unreachable", 502),
    "a stream packed in a way that was not asked for": (
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\nno gzip", Do.CLOSE),
        "dify_unreachable",
        502,
    ),
    "an object that is none": ((STREAM_HEAD, chunk(b"data: {no\n\n"), STREAM_END), "dify_error", 502),
}
"""What Dify, or whoever answers in its place, does to a run; the error's code and its status."""


@pytest.mark.parametrize(("steps", "code", "status"), FAULTS.values(), ids=list(FAULTS))
def test_a_fault_is_told_and_nothing_is_sent_twice_or_left_open(
    steps: tuple[Step, ...], code: str, status: int
) -> None:
    server = serving(*steps)
    error = failure(lambda: run(server))
    assert (error.code, error.status) == (code, status)
    assert error.remedy
    assert not any(
        word in error.sentence(with_cause=True) for word in ("nginx", "html", "api:5001", "elsewhere", "URI")
    )
    assert len(server.requests) == 1
    server.wait_until_open(0)


@pytest.mark.parametrize(
    "steps",
    [(Do.CLOSE,), (b"5\r\ndata", Do.CLOSE), (b"no chunk\r\n", Do.CLOSE), (chunk(b'data: {"a": '), Do.CLOSE)],
    ids=["closed", "closed in a chunk", "no chunk", "half an event"],
)
def test_a_stream_that_breaks_off_is_an_error_behind_what_came(steps: tuple[Step, ...]) -> None:
    server = serving(STREAM_HEAD, event(EVENTS[0]), *steps)
    events = transport(server).start(call(), Kind.CHAT)
    assert next(events) == EVENTS[0]
    assert failure(lambda: next(events)).code == "dify_unreachable"
    assert len(server.requests) == 1
    server.wait_until_open(0)


@pytest.mark.parametrize("begun", [(), (STREAM_HEAD, event(EVENTS[0]))], ids=["before the head", "between events"])
def test_a_dify_that_says_nothing_is_given_up(begun: tuple[Step, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_api, "Question", partial(Question, max_silence=0.2))
    server = serving(*begun, Do.AWAIT_CLIENT)
    error = failure(lambda: run(server))
    assert (error.code, error.status) == ("silence_timeout", 504)
    assert len(server.requests) == 1
    server.wait_until_open(0)


def test_a_ping_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait is a small part of the limit, all together are more than it."""
    monkeypatch.setattr(service_api, "Question", partial(Question, max_silence=3.0))
    pings: list[Step] = [lambda: time.sleep(0.1), chunk(b"event: ping\n\n")] * 35
    assert run(serving(STREAM_HEAD, *pings, event(EVENTS[0]), STREAM_END)) == EVENTS[:1]


def test_a_dify_that_is_down_is_told_after_a_second_try() -> None:
    server = Loopback(lambda _: iter(()), listens=False)
    error = failure(lambda: run(server))
    assert (error.code, error.status) == ("dify_unreachable", 502)
    assert "dify_api_url" in error.remedy


def test_a_dify_that_is_back_at_the_second_try_runs_the_call_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Loopback(lambda _: iter([STREAM_HEAD, event(EVENTS[0]), STREAM_END]), listens=False)
    monkeypatch.setattr("gevent.sleep", lambda _: server.listen())
    assert run(server) == EVENTS[:1]
    assert len(server.requests) == 1


def test_a_key_that_is_not_valid_is_the_operators_fault_and_names_app_and_setting() -> None:
    error = failure(lambda: run(serving(refusal(401, "unauthorized", "Access token is invalid"))))
    assert error.message == ("Duck's settings have a fault: dify_api_keys: Dify does not accept the key of support.")


# -- What else can be asked ----------------------------------------------------------------------------------------


def test_the_input_form_is_asked_for() -> None:
    server = serving(json_reply(200, {"user_input_form": []}))
    assert transport(server).parameters(ID) == {"user_input_form": []}
    assert [(request.method, request.target) for request in server.requests] == [("GET", "/v1/parameters")]


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ((reply(200, "text/html", PAGE),), "misconfigured"),
        ((reply(200, "application/json", b"{"),), "misconfigured"),
        ((json_reply(200, ["no object"]),), "misconfigured"),
        (
            (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", Do.CLOSE),
            "dify_unreachable",
        ),
        ((reply(502, "text/html", PAGE),), "dify_unreachable"),
        ((refusal(401, "unauthorized", "Access token is invalid"),), "misconfigured"),
    ],
    ids=["a page", "no JSON", "no object", "half a body", "a proxy's error", "an expired key"],
)
def test_a_short_question_that_is_not_answered_is_an_error(steps: tuple[Step, ...], code: str) -> None:
    server = serving(*steps)
    assert failure(lambda: transport(server).parameters(ID)).code == code
    server.wait_until_open(0)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (INFO, ("Support", "It helps.", Kind.WORKFLOW)),
        ({**INFO, "mode": "advanced-chat"}, ("Support", "It helps.", Kind.CHATFLOW)),
        ({**INFO, "mode": "rag-pipeline"}, ("Support", "It helps.", None)),
        ({"name": None, "mode": ["chat"]}, ("", "", None)),
    ],
    ids=["a workflow", "a chatflow", "a mode that no route runs", "nothing of use"],
)
def test_what_dify_tells_of_an_app(told: dict[str, Any], expected: tuple[str, str, Kind | None]) -> None:
    found = transport(serving(json_reply(200, told))).info()
    assert (found.name, found.description, found.kind, found.raw) == (*expected, told)


def test_it_is_asked_once_for_each_endpoint_and_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(json_reply(200, INFO))
    assert transport(server).info() is transport(server).info()
    assert len(server.requests) == 1
    transport(server, endpoint_id="other").info()
    assert len(server.requests) == 2
    monkeypatch.setattr(info, "KNOWN_FOR", 0.0)
    transport(server).info()
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (Kind.CHAT, "/v1/chat-messages/t-1/stop"),
        (Kind.AGENT, "/v1/chat-messages/t-1/stop"),
        (Kind.CHATFLOW, "/v1/chat-messages/t-1/stop"),
        (Kind.COMPLETION, "/v1/completion-messages/t-1/stop"),
        (Kind.WORKFLOW, "/v1/workflows/tasks/t-1/stop"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_a_run_is_stopped_by_the_route_of_its_kind_and_as_its_user(kind: Kind, target: str) -> None:
    server = serving(json_reply(200, {"result": "success"}))
    transport(server).stop(kind, "t-1")
    (request,) = server.requests
    assert (request.method, request.target, request.json()) == ("POST", target, {"user": "web:ann"})


def test_the_numbers_are_those_of_the_platform() -> None:
    asked = transport(serving())
    assert (asked.max_silence, asked.is_local, client.SILENCE) == (1200.0, True, 60.0)


# -- Passing on ----------------------------------------------------------------------------------------------------

HOSTILE: Final = [
    "",
    "messages",
    "//elsewhere.example/x",
    "http://elsewhere.example/x",
    "/../../console/api",
    "/messages/..",
    "/messages/./x",
    "/messages/../apps",
    "/messages/%2e%2e/x",
    "/messages?user=other",
    "/messages#x",
    "/messages/a b",
    "/messages/",
    "/messages/\r\nX: y",
    "/messages/\u540d",
    "/messages\n",
    "/@elsewhere.example",
    "/messages/a\\b",
]


@pytest.mark.parametrize("path", HOSTILE, ids=repr)
def test_a_path_that_could_lead_elsewhere_is_a_404_and_is_never_asked_for(path: str) -> None:
    server = serving(json_reply(200, {}))
    assert failure(lambda: transport(server).forward("GET", path)).code == "not_found"
    assert server.connections == 0


@pytest.mark.parametrize("task_id", ["", "..", "a/b", "a?b", "%2e"], ids=repr)
def test_a_task_that_can_not_be_difys_is_a_404_and_is_never_asked_for(task_id: str) -> None:
    server = serving(json_reply(200, {}))
    assert failure(lambda: transport(server).stop(Kind.CHAT, task_id)).code == "not_found"
    assert server.connections == 0


def test_a_get_is_passed_on_for_the_own_user_only() -> None:
    server = serving(json_reply(200, {"data": []}))
    got = transport(server).forward("GET", "/conversations", params={"limit": "2", "user": "web:bob", "last_id": "a&b"})
    assert got == Reply(200, "application/json", b'{"data": []}')
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/v1/conversations?limit=2&user=web%3Aann&last_id=a%26b")


def test_an_object_is_passed_on_for_the_own_user_only() -> None:
    server = serving(json_reply(200, {"result": "success"}))
    transport(server).forward("POST", "/conversations/c-1/name", members={"name": "\u540d", "user": "web:bob"})
    (request,) = server.requests
    assert (request.target, request.json()) == ("/v1/conversations/c-1/name", {"name": "\u540d", "user": "web:ann"})


def test_a_deletion_that_is_answered_without_a_body() -> None:
    server = serving(b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n")
    assert transport(server).forward("DELETE", "/conversations/c-1") == Reply(204, "application/json", b"")
    (request,) = server.requests
    assert (request.method, request.json()) == ("DELETE", {"user": "web:ann"})


def test_sound_comes_as_it_is() -> None:
    sound = bytes(range(256)) * 1000
    server = serving(reply(200, "audio/mpeg", sound))
    got = transport(server).forward("POST", "/text-to-audio", members={"text": "hi"})
    assert got == Reply(200, "audio/mpeg", sound)


def form_of(request: Received) -> Request:
    """The request, as a server's form parser reads it."""
    builder = EnvironBuilder(method=request.method, data=request.body, content_type=request.headers["content-type"])
    return Request(builder.get_environ())


def test_a_file_is_uploaded_for_the_own_user_and_its_id_is_told() -> None:
    server = serving(json_reply(201, {"id": "f-1", "name": "a.png"}))
    content = bytes(range(256))
    assert transport(server).upload("a.png", content, "image/png") == "f-1"
    (request,) = server.requests
    form = form_of(request)
    file = form.files["file"]
    assert (request.method, request.target) == ("POST", "/v1/files/upload")
    assert (file.filename, file.mimetype, file.read(), form.form.to_dict()) == (
        "a.png",
        "image/png",
        content,
        {"user": "web:ann"},
    )


@pytest.mark.parametrize(
    ("filename", "mime_type"),
    [
        ('a"; name="user"\r\n\r\nweb:bob', "image/png"),
        ("a.png", 'image/png\r\nContent-Disposition: form-data; name="user"\r\n\r\nweb:bob'),
        ("\ud800.png", "image/png"),
        ("a\0.png", "none"),
        ("../../etc/passwd", "\u540d/\u540d"),
    ],
    ids=["a name that breaks out", "a type that breaks out", "a lone surrogate", "a NUL", "a path"],
)
def test_neither_name_nor_type_of_a_file_changes_the_form(filename: str, mime_type: str) -> None:
    server = serving(json_reply(201, {"id": "f-1"}))
    transport(server).upload(filename, b"content", mime_type)
    form = form_of(server.requests[0])
    assert (form.form.to_dict(), list(form.files), form.files["file"].read()) == (
        {"user": "web:ann"},
        ["file"],
        b"content",
    )
    assert form.files["file"].mimetype in ("image/png", "application/octet-stream")


def test_a_file_is_passed_on_with_the_forms_fields() -> None:
    server = serving(json_reply(200, {"text": "hello"}))
    members = {"user": "web:bob", "word": "x", "flags": {"a": 1}}
    got = transport(server).forward("POST", "/audio-to-text", members=members, file=Upload("a.mp3", b"s", "audio/mpeg"))
    assert json.loads(got.body) == {"text": "hello"}
    assert form_of(server.requests[0]).form.to_dict() == {"user": "web:ann", "word": "x", "flags": '{"a":1}'}


@pytest.mark.parametrize(
    ("steps", "code", "status", "message"),
    [
        (
            (refusal(404, "not_found", "Message Not Exists."),),
            "not_found",
            404,
            "Dify refused this: Message Not Exists.",
        ),
        (
            (
                refusal(
                    400,
                    "invalid_param",
                    "1 validation error for MessageFeedbackPayload\nrating\n  Input should be 'like' or 'dislike' "
                    "[type=literal_error, input_value='meh', input_type=str]\n    For further information visit "
                    "https://errors.pydantic.dev/2.12/v/literal_error",
                ),
            ),
            "invalid_request",
            400,
            "Dify refused this: rating: Input should be 'like' or 'dislike'.",
        ),
        (
            (refusal(413, "file_too_large", "File size exceeded. "),),
            "payload_too_large",
            413,
            "Dify refused this: File size exceeded.",
        ),
    ],
    ids=["a message that is not there", "a member of the wrong form", "a file too large"],
)
def test_a_refusal_of_what_is_passed_on_says_why(steps: tuple[Step, ...], code: str, status: int, message: str) -> None:
    error = failure(lambda: transport(serving(*steps)).forward("POST", "/messages/m-1/feedbacks", members={}))
    assert (error.code, error.status, error.message) == (code, status, message)


def test_an_upload_that_is_answered_without_an_id_is_an_error() -> None:
    assert failure(lambda: transport(serving(json_reply(201, {}))).upload("a", b"", "")).code == "misconfigured"


def test_a_reply_without_an_end_is_an_error_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_api, "MAX_REPLY", 1_000_000)

    def endless(_: Received) -> Iterator[Step]:
        yield STREAM_HEAD.replace(b"text/event-stream", b"audio/mpeg")
        while True:
            yield chunk(b"x" * 10_000)

    server = Loopback(endless)
    assert failure(lambda: transport(server).forward("GET", "/x")).code == "dify_error"
    server.wait_until_open(0)


# -- Under gevent, as in the plugin --------------------------------------------------------------------------------


def under_gevent(scenario: str) -> Any:
    """What came of a scenario of `under_gevent` in a process that the SDK has patched."""
    program = f"import dify_plugin; from tests.gateway.transports.under_gevent import main; main({scenario!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_hundred_streams_at_once_arrive_whole_through_one_client() -> None:
    assert under_gevent("streams") == {"whole": 100, "most_open": 100, "requests": 100}


@pytest.mark.parametrize("scenario", ["killed_before_the_head", "killed_between_events"])
def test_readers_that_are_killed_leave_no_connection_and_the_next_call_is_served(scenario: str) -> None:
    assert under_gevent(scenario) == {"after": [{"n": 2}], "connections": 11}


def test_a_reader_that_closes_the_stream_early_leaves_no_connection() -> None:
    assert under_gevent("closed_early") == {"first": {"n": 1}}


def test_a_run_that_is_given_up_leaves_no_connection() -> None:
    assert under_gevent("given_up") == {"first_is_there": True}


def test_a_short_question_whose_answer_never_ends_is_given_up() -> None:
    assert under_gevent("too_slow") == {"code": "silence_timeout"}
