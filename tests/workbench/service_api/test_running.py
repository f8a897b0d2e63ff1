"""Runs of scripted apps: as recorded in all but values, and refused word for word as recorded."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from workbench.service_api import frames

if TYPE_CHECKING:
    from tests.workbench.service_api.conftest import Service

type Events = Callable[[httpx.Response], list[dict[str, Any]]]

UNKNOWN = "00000000-0000-4000-8000-000000000000"

FREE = frozenset({"inputs", "outputs", "process_data", "tool_labels", "reasoning"})
"""What an app's author or caller names, so that only the value's being an object is a matter of form."""

SAME_FORM = [
    ("echo", {}, "chat"),
    ("broken", {}, "chat-errmid"),
    ("agent", {}, "agent-chat"),
    ("completion", {"inputs": {"query": "hi"}}, "completion"),
    ("chatflow", {}, "chatflow"),
    ("workflow", {"inputs": {"text": "hi"}}, "workflow"),
    ("workflow", {}, "workflow-missing"),
    ("paused", {}, "workflow-human"),
]


def _form(value: Any, name: str = "") -> Any:
    """Member names in their order, with the kinds of the values."""
    if isinstance(value, dict):
        return "object" if name in FREE else [(key, _form(member, key)) for key, member in value.items()]
    if isinstance(value, list):
        return [_form(item) for item in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _pieces(content: bytes) -> Iterator[tuple[str, Any]]:
    for piece in content.decode().split("\n\n"):
        if piece.startswith("data: "):
            event = json.loads(piece.removeprefix("data: "))
            yield event["event"], _form(event)
        else:
            yield piece, None


@pytest.mark.parametrize(("alias", "body", "case"), SAME_FORM, ids=[f"{row[0]} as {row[2]}" for row in SAME_FORM])
def test_a_stream_has_the_recorded_form_down_to_the_order_of_members(
    service: "Service", recording: Callable[[str], bytes], alias: str, body: dict[str, Any], case: str
) -> None:
    answer = service.run(alias, **body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    own, real = list(_pieces(answer.content)), list(_pieces(recording(f"{case}.streaming.sse")))
    # Answers differ in length, so a run of like pieces counts once.
    assert list(dict.fromkeys(map(repr, own))) == list(dict.fromkeys(map(repr, real)))


def test_each_event_is_one_line_of_compact_json(service: "Service") -> None:
    first = service.run("echo", query="<é /\u2028>").content.split(b"\n\n")[2]
    assert first.startswith(b'data: {"event":"message","conversation_id":"')
    assert '"answer":"<é "'.encode() in first
    assert b"\n" not in first


@pytest.mark.parametrize(
    ("alias", "body", "case"),
    [
        ("echo", {}, "chat"),
        ("completion", {"inputs": {"query": "hi"}}, "completion"),
        ("chatflow", {}, "chatflow"),
        ("workflow", {"inputs": {"text": "hi"}}, "workflow"),
        ("failing", {}, "workflow-fail"),
        ("paused", {}, "workflow-human"),
    ],
)
def test_a_blocking_run_has_the_recorded_form(
    service: "Service", recording: Callable[[str], bytes], alias: str, body: dict[str, Any], case: str
) -> None:
    answer = service.run(alias, response_mode="blocking", **body)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.content == json.dumps(answer.json()).encode()
    assert _form(answer.json()) == _form(json.loads(recording(f"{case}.blocking.json")))


def test_a_run_without_a_response_mode_is_blocking(service: "Service") -> None:
    assert service.run("echo", response_mode=None).json()["answer"] == "You said: hi (turn 1)"


REFUSED = [
    ("echo", "/chat-messages", {"user": "u1", "query": "x"}, None, "chat.badkey"),
    ("echo", "/chat-messages", b'{"query": ', "echo", "chat.badjson"),
    ("echo", "/chat-messages", {"inputs": {}, "user": "u1"}, "echo", "chat.noquery"),
    ("echo", "/chat-messages", {"query": "x", "inputs": {}}, "echo", "chat.nouser"),
    (
        "echo",
        "/chat-messages",
        {"query": "hi", "inputs": {}, "user": "u1", "conversation_id": "abc"},
        "echo",
        "chat-nonuuid-conversation.streaming",
    ),
    *(
        (
            alias,
            "/chat-messages",
            {"query": "hi", "inputs": {}, "user": "u1", "conversation_id": UNKNOWN},
            alias,
            f"{case}-unknown-conversation.streaming",
        )
        for alias, case in (("echo", "chat"), ("chatflow", "chatflow"))
    ),
    (
        "agent",
        "/chat-messages",
        {"query": "hi", "inputs": {}, "user": "u1", "response_mode": "blocking"},
        "agent",
        "agent-chat.blocking",
    ),
    ("echo", "/workflows/run", {"inputs": {}, "user": "u1"}, "echo", "chat-via-workflows-run.streaming"),
    (
        "workflow",
        "/chat-messages",
        {"query": "hi", "inputs": {}, "user": "u1"},
        "workflow",
        "workflow-via-chat-messages.streaming",
    ),
    (f"{'echo'}", f"/workflows/tasks/{UNKNOWN}/stop", {"user": "u1"}, "echo", "stop-chat-key-on-workflow"),
    ("workflow", f"/chat-messages/{UNKNOWN}/stop", {"user": "u1"}, "workflow", "stop-workflow-key-on-chat"),
    ("echo", f"/chat-messages/{UNKNOWN}/stop", {}, "echo", "stop-no-user"),
    ("echo", f"/chat-messages/{UNKNOWN}/stop", {"user": "u1"}, "echo", "stop-unknown-task.chat"),
    ("workflow", f"/workflows/tasks/{UNKNOWN}/stop", {"user": "u1"}, "workflow", "stop-unknown-task.workflow"),
]


@pytest.mark.parametrize(
    ("alias", "path", "body", "key", "case"), REFUSED, ids=[f"{row[4]}-{row[0]}" for row in REFUSED]
)
def test_what_dify_answers_at_once_is_answered_to_the_byte(
    service: "Service", recording: Callable[[str], bytes], alias: str, path: str, body: Any, key: str | None, case: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({} if key else {"Authorization": "Bearer app-expired"})}
    answer = service.post(alias, path, content=content, headers=headers)
    head = json.loads(recording(f"{case}.meta.json"))
    assert answer.content == recording(f"{case}.json")
    assert answer.status_code == head["status"]
    assert answer.headers.get("www-authenticate") == head["headers"].get("www-authenticate")


@pytest.mark.parametrize(
    ("alias", "body", "sentence"),
    [
        ("workflow", {}, "text is required in input form"),
        ("completion", {"inputs": {}}, "query is required in input form"),
        ("echo", {"query": ""}, "query is required"),
    ],
)
def test_a_blocking_run_that_cannot_start_is_refused(
    service: "Service", alias: str, body: dict[str, Any], sentence: str
) -> None:
    answer = service.run(alias, response_mode="blocking", **body)
    assert (answer.status_code, answer.json()) == (
        400,
        {"code": "invalid_param", "message": sentence, "status": 400},
    )


def test_a_failing_chat_is_a_refused_blocking_run(service: "Service") -> None:
    answer = service.run("broken", response_mode="blocking")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert "fake mid-stream provider error" in answer.json()["message"]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Authorization": ""}, "Authorization header must be provided and start with 'Bearer'"),
        ({"Authorization": "app-demo-key-echo"}, "Authorization header must be provided and start with 'Bearer'"),
        ({"Authorization": "Basic app-demo-key-echo"}, "Authorization scheme must be 'Bearer'"),
        ({"Authorization": "Bearer app-demo-key-none"}, "Access token is invalid"),
    ],
    ids=["no header", "no scheme", "another scheme", "an unknown key"],
)
def test_who_has_no_key_is_told_so(service: "Service", headers: dict[str, str], message: str) -> None:
    answer = service.request("GET", "echo", "/info", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"code": "unauthorized", "message": message, "status": 401})


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("GET", "/chat-messages", 405, "method_not_allowed")],
)
def test_what_is_not_served_is_refused_in_difys_form(
    service: "Service", method: str, path: str, status: int, code: str
) -> None:
    answer = service.request(method, "echo", path)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)


@pytest.mark.parametrize("alias", ["mirror", "gallery"])
def test_user_inputs_and_files_arrive(service: "Service", events: Events, alias: str) -> None:
    image = b"\x89PNG"
    upload = service.post(
        alias, "/files/upload", files={"file": ("cat.png", image, "image/png")}, data={"user": "bob"}
    ).json()
    sent = [
        {"type": "image", "transfer_method": "remote_url", "url": "https://files.example/dog.png"},
        {"type": "image", "transfer_method": "local_file", "upload_file_id": upload["id"]},
    ]
    got = events(service.run(alias, query="look", inputs={"a": [1]}, files=sent, user="bob"))
    said = "".join(event["answer"] for event in got if event["event"] == "message")
    assert json.loads(said) == {
        "user": "bob",
        "query": "look",
        "turn": 1,
        "inputs": {"a": [1]},
        "files": [
            {
                "type": "image",
                "transfer_method": "remote_url",
                "url": "https://files.example/dog.png",
                "upload_file_id": None,
                "name": "dog.png",
                "size": -1,
            },
            {
                "type": "image",
                "transfer_method": "local_file",
                "url": upload["source_url"],
                "upload_file_id": upload["id"],
                "name": "cat.png",
                "size": 4,
            },
        ],
    }
    if alias == "gallery":
        inputs = got[0]["data"]["inputs"]
        assert inputs["sys.user_id"] == "bob"
        assert [file["filename"] for file in inputs["sys.files"]] == ["dog.png", "cat.png"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([{"type": "image", "transfer_method": "local_file", "upload_file_id": UNKNOWN}], "Invalid upload file"),
        (
            [{"type": "document", "transfer_method": "remote_url", "url": "https://h/a.pdf"}],
            "File validation failed for file: a.pdf",
        ),
        (
            [{"type": "image", "transfer_method": "remote_url", "url": "https://h/a.png"}] * 4,
            "Number of image files exceeds the maximum limit 3",
        ),
    ],
    ids=["an unknown upload", "no image", "too many"],
)
def test_a_file_that_an_app_does_not_take_is_refused(
    service: "Service", files: list[dict[str, str]], sentence: str
) -> None:
    answer = service.run("mirror", files=files)
    assert (answer.status_code, answer.json()["message"]) == (400, sentence)


def test_an_upload_is_known_to_its_user_only(service: "Service") -> None:
    png = {"file": ("a.png", b"x", "image/png")}
    upload_id = service.post("mirror", "/files/upload", files=png, data={"user": "owner"}).json()["id"]
    file = {"type": "image", "transfer_method": "local_file", "upload_file_id": upload_id}
    assert service.run("mirror", files=[file], user="owner").status_code == 200
    answer = service.run("mirror", files=[file], user="thief")
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid upload file")


def test_an_app_without_the_feature_leaves_files_out(service: "Service") -> None:
    assert service.run("echo", files=[{"type": "nonsense"}]).status_code == 200


def test_an_uploaded_file_is_an_input_as_recorded(
    service: "Service", events: Events, recording: Callable[[str], bytes]
) -> None:
    text = {"file": ("doc.txt", b"hello world", "text/plain")}
    upload_id = service.post("form", "/files/upload", files=text, data={"user": "ann"}).json()["id"]
    document = {"type": "document", "transfer_method": "local_file", "upload_file_id": upload_id}
    form = {"name": "A", "about": "b", "age": 1, "color": "red", "agree": True, "pictures": [], "config": {"a": 1}}
    own = events(service.run("form", inputs={**form, "document": document}))[0]["data"]["inputs"]["document"]
    real = json.loads(recording("workflow-inputs-localfile.streaming.sse").split(b"\n\n")[1].removeprefix(b"data: "))
    varying = dict.fromkeys(("reference", "related_id", "url"))
    assert list(own) == list(real["data"]["inputs"]["doc"])
    assert own | varying == real["data"]["inputs"]["doc"] | varying


def test_a_conversation_goes_on_for_its_user_and_is_unknown_to_others(service: "Service", events: Events) -> None:
    first = events(service.run("echo", user="talker"))[0]["conversation_id"]
    second = service.run("echo", user="talker", conversation_id=first, response_mode="blocking").json()
    assert (second["conversation_id"], second["answer"]) == (first, "You said: hi (turn 2)")
    assert service.run("echo", user="listener", conversation_id=first).status_code == 404


STOPPED = [
    ("endless", "/chat-messages/{}/stop", "chat-stop"),
    ("endless-completion", "/completion-messages/{}/stop", "completion-stop"),
    ("endless-chatflow", "/chat-messages/{}/stop", "chatflow-stop"),
    ("endless-workflow", "/workflows/tasks/{}/stop", "workflow-stop"),
]


@pytest.mark.parametrize(("alias", "path", "case"), STOPPED, ids=[row[2] for row in STOPPED])
def test_a_stop_ends_a_run_as_recorded(
    service: "Service", recording: Callable[[str], bytes], alias: str, path: str, case: str
) -> None:
    run = service.begin(alias, inputs={"query": "x"})
    first = run.next_event()
    stopped = service.post(alias, path.format(first["task_id"]), json={"user": "ann"})
    again = service.post(alias, path.format(first["task_id"]), json={"user": "ann"})
    assert [stopped.content, again.content] == [recording(f"{case}.stop-{which}.json") for which in ("reply", "again")]
    last = run.rest()[-1]
    run.leave()
    real = list(_pieces(recording(f"{case}.streaming.sse")))
    assert (last["event"], _form(last)) == [piece for piece in real if piece[0]][-1]
    assert service.wait_until(lambda shown: shown["runs"][0]["state"] == "stopped")["busy"] == 0


@pytest.mark.parametrize(
    ("alias", "user"), [("endless", "mallory"), ("echo", "ann")], ids=["another user", "another app's key"]
)
def test_a_run_of_someone_else_goes_on_though_the_stop_is_a_success(service: "Service", alias: str, user: str) -> None:
    run = service.begin("endless")
    task_id = run.next_event()["task_id"]
    answer = service.post(alias, f"/chat-messages/{task_id}/stop", json={"user": user})
    assert answer.json() == {"result": "success"}
    assert [run.next_event()["event"] for _ in range(5)] == ["message"] * 5
    assert service.control()["runs"][0]["state"] == "running"
    run.leave()


def test_a_run_ends_when_its_client_leaves(service: "Service") -> None:
    run = service.begin("endless")
    run.next_event()
    run.leave()
    service.wait_until(lambda shown: shown["runs"][0]["state"] == "abandoned" and shown["busy"] == 0)


def test_silence_is_filled_with_pings(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "PING_SECONDS", 0.001)
    run = service.begin("endless")
    lines = run.response.iter_lines()
    assert "event: ping" in [next(lines) for _ in range(20)]
    run.leave()
