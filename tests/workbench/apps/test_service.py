import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from workbench.app import App, Broken, DifyEvent, Invocation, Refused, Unreachable
from workbench.apps import ServiceError, service_apps

type Outcome = tuple[list[DifyEvent], Exception | None]
type Run = Callable[..., Outcome]
type Recorded = Callable[[str], tuple[dict[str, Any], list[DifyEvent]]]

SERVICE = Path(__file__).parents[3] / "recordings" / "service"
APP_BY_PREFIX = {
    "completion-": "completion",
    "chat-": "chat",
    "agent-chat-": "agent-chat",
    "chatflow-": "chatflow",
    "workflow-": "workflow",
}
KNOWN = "7d8c8d20-e6d4-47a9-9acd-ece846000139"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@dataclass
class Dify:
    """A server that answers as the recorded Dify did. An app's key is the name of the recording it gives."""

    url: str
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    client_gone: threading.Event = field(default_factory=threading.Event)

    def app(self, case: str) -> App:
        return service_apps(self.url, {"it": case})["it"]


@pytest.fixture(scope="module")
def server() -> Iterator["_Server"]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dify(server: "_Server") -> Dify:
    server.dify = Dify(f"http://127.0.0.1:{server.server_port}")
    return server.dify


class _Server(ThreadingHTTPServer):
    dify: Dify


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        kind = next(app for prefix, app in APP_BY_PREFIX.items() if f"{self._case}-".startswith(prefix))
        name = self.path.partition("?")[0].removeprefix("/v1/")
        if self._case == "workflow-of-an-old-dify":
            self._answer(200, "application/json", b'{"name": "old"}')
        elif self._case == "chat-unauthorized":
            self._answer(401, "application/json", b'{"code": "unauthorized"}')
        else:
            self._answer(200, "application/json", (SERVICE / f"{name}.{kind}.json").read_bytes())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.dify.requests.append((self.path, body))
        if self._case == "chat-endless":
            self._stream_until_the_client_goes()
        elif self._case == "chat-cut":
            self._answer(200, "text/event-stream", (SERVICE / "chat.streaming.sse").read_bytes(), cut=10)
        elif self._case == "chat-gateway":
            self._answer(502, "text/html", b"<h1>Bad Gateway</h1>")
        elif body.get("conversation_id") == UNKNOWN:
            self._answer(404, "application/json", (SERVICE / "chat-unknown-conversation.streaming.json").read_bytes())
        elif (refusal := SERVICE / f"{self._case}.streaming.json").exists():
            self._answer(400, "application/json", refusal.read_bytes())
        else:
            self._answer(
                200, "text/event-stream; charset=utf-8", (SERVICE / f"{self._case}.streaming.sse").read_bytes()
            )

    def _stream_until_the_client_goes(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b'event: ping\n\ndata: {"event":"message","answer":"on and on "}\n\n')
        except OSError:
            self.server.dify.client_gone.set()

    @property
    def _case(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def _answer(self, status: int, content_type: str, body: bytes, *, cut: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body) + cut))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


SAME_RUNS = [
    "agent-chat",
    "chat",
    "chat-errmid",
    "chat-hostile",
    "chatflow",
    "chatflow-errmid",
    "chatflow-fail-late",
    "chatflow-mod",
    "chatflow-mod-input",
    "chatflow-stop",
    "workflow",
    "workflow-fail",
    "workflow-human",
]


@pytest.mark.parametrize("case", SAME_RUNS)
def test_a_service_run_looks_as_the_same_run_over_reverse_invocation(
    dify: Dify,
    outcome: Run,
    recorded: Recorded,
    sequence: Callable[[list[DifyEvent]], list[str]],
    shapes: Callable[[list[DifyEvent]], dict[str, set[str]]],
    case: str,
) -> None:
    events, error = outcome(dify.app(case))
    _, reverse = recorded(case)
    assert error is None
    assert sequence(events) == sequence(reverse)
    assert {name: _members(paths) for name, paths in shapes(events).items()} == {
        name: _members(paths) for name, paths in shapes(reverse).items()
    }


def _members(paths: set[str]) -> set[str]:
    """Without the kinds of values: the times of an added `message_end` are unknown."""
    return {path.partition(":")[0] for path in paths}


def test_hostile_text_arrives_as_the_service_sent_it(dify: Dify, outcome: Run, recorded: Recorded) -> None:
    events, _ = outcome(dify.app("chat-hostile"))
    _, reverse = recorded("chat-hostile")
    text = "".join(event.get("answer", "") for event in events)
    assert text == "".join(event.get("answer", "") for event in reverse)
    assert "\u2028" in text


def test_a_failed_chatflow_gets_the_error_event_that_the_service_leaves_out(
    dify: Dify, outcome: Run, recorded: Recorded
) -> None:
    events, _ = outcome(dify.app("chatflow-fail-late"))
    _, reverse = recorded("chatflow-fail-late")
    ids = ("conversation_id", "message_id", "created_at")
    assert events[-1] | dict.fromkeys(ids) == reverse[-1] | dict.fromkeys(ids)
    assert {events[-1][name] for name in ids} == {events[-2][name] for name in ids}


REFUSALS: list[tuple[str, dict[str, Any], tuple[int, str, str]]] = [
    ("workflow-missing", {}, (400, "invalid_param", "query is required in input form")),
    ("workflow-full-badjson", {}, (400, "invalid_param", "cfg in input form must be a dict")),
    ("chat-form-missing", {}, (400, "invalid_param", "name is required in input form")),
    ("chat", {"query": ""}, (400, "invalid_param", "missing query")),
    ("chatflow", {"query": ""}, (400, "invalid_param", "missing query")),
    ("chat", {"conversation_id": "abc"}, (500, "unknown", "Internal Server Error")),
    ("chat", {"conversation_id": UNKNOWN}, (400, "invalid_param", "")),
    ("completion", {}, (500, "unknown", "Internal Server Error")),
    ("chat-gateway", {}, (502, "unknown", "<h1>Bad Gateway</h1>")),
]


@pytest.mark.parametrize(("case", "call", "expected"), REFUSALS, ids=[f"{row[0]}-{row[1]}" for row in REFUSALS])
def test_what_the_reverse_path_refuses_is_refused(
    dify: Dify, outcome: Run, case: str, call: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    events, error = outcome(dify.app(case), **call)
    assert events == []
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.message) == expected


def test_a_chatflow_starts_a_new_conversation_for_an_unknown_one(dify: Dify, outcome: Run) -> None:
    events, error = outcome(dify.app("chatflow"), conversation_id=UNKNOWN)
    assert error is None
    assert events[-1]["event"] == "workflow_finished"
    assert [body.get("conversation_id") for _, body in dify.requests] == [UNKNOWN, None]


SENT: list[tuple[str, dict[str, Any], tuple[str, dict[str, Any]]]] = [
    (
        "chat",
        {"query": "hi", "inputs": {"a": 1}, "conversation_id": KNOWN},
        (
            "/v1/chat-messages",
            {
                "query": "hi",
                "inputs": {"a": 1},
                "conversation_id": KNOWN,
                "response_mode": "streaming",
                "user": "workbench",
            },
        ),
    ),
    (
        "workflow",
        {"query": "hi", "inputs": {"query": "x"}, "conversation_id": "abc"},
        ("/v1/workflows/run", {"inputs": {"query": "x"}, "response_mode": "streaming", "user": "workbench"}),
    ),
]


@pytest.mark.parametrize(("case", "call", "expected"), SENT, ids=["chat", "workflow"])
def test_a_call_is_sent_as_the_service_api_wants_it(
    dify: Dify, outcome: Run, case: str, call: dict[str, Any], expected: tuple[str, dict[str, Any]]
) -> None:
    outcome(dify.app(case), **call)
    assert dify.requests == [expected]


def test_a_stream_that_breaks_off_is_broken_after_its_events(dify: Dify, outcome: Run, recorded: Recorded) -> None:
    events, error = outcome(dify.app("chat-cut"))
    assert len(events) == len(recorded("chat")[1])
    assert isinstance(error, Broken)


def test_a_dify_that_has_gone_is_unreachable(dify: Dify, outcome: Run) -> None:
    app = dify.app("chat")
    object.__setattr__(app, "origin", "http://127.0.0.1:9")
    events, error = outcome(app)
    assert events == []
    assert isinstance(error, Unreachable)
    assert str(error).startswith('Post "http://127.0.0.1:9/v1/chat-messages": ')


def test_closing_a_run_hangs_up(dify: Dify) -> None:
    async def take_one(app: App) -> DifyEvent:
        async with aclosing(cast("AsyncGenerator[DifyEvent]", app.run(Invocation("", "hi", {}, "")))) as events:
            return await anext(events)

    assert asyncio.run(take_one(dify.app("chat-endless"))) == {"event": "message", "answer": "on and on "}
    assert dify.client_gone.wait(timeout=10)


def test_parameters_are_fetched_at_the_start(dify: Dify) -> None:
    assert dify.app("chatflow").parameters() == json.loads((SERVICE / "parameters.chatflow.json").read_bytes())


def test_the_url_may_end_in_v1(dify: Dify, outcome: Run) -> None:
    app = service_apps(f"{dify.url}/v1/", {"it": "chat"})["it"]
    _, error = outcome(app)
    assert error is None


def test_a_dify_that_names_no_mode_is_refused_at_the_start(dify: Dify) -> None:
    with pytest.raises(ServiceError, match=r"app 'it': /v1/info of .* names no mode"):
        dify.app("workflow-of-an-old-dify")


def test_a_key_that_dify_does_not_know_is_refused_at_the_start(dify: Dify) -> None:
    with pytest.raises(ServiceError, match=r"app 'it': /v1/info of .* failed: Client error '401"):
        dify.app("chat-unauthorized")


def test_an_app_that_cannot_be_asked_is_named_without_its_key() -> None:
    with pytest.raises(ServiceError, match=r"app 'support': /v1/info of http://127\.0\.0\.1:9/? failed: ") as error:
        service_apps("http://127.0.0.1:9", {"support": "app-secret"})
    assert "app-secret" not in str(error.value)
