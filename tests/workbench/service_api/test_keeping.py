"""Conversations, messages, files and speech: recorded answers to the byte where they hold no ids and times."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from workbench.service_api import keeping

if TYPE_CHECKING:
    from tests.workbench.service_api.conftest import Service

UNKNOWN = "00000000-0000-4000-8000-000000000000"

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def user() -> str:
    """Whom no other test knows."""
    return uuid4().hex


@pytest.fixture
def talk(service: "Service", user: str) -> tuple[str, list[str]]:
    """A conversation of two turns with `mirror`: its id and those of its messages."""
    first = service.run("mirror", user=user, query="Hello 你好 <b>", response_mode="blocking").json()
    again = {"conversation_id": first["conversation_id"], "response_mode": "blocking"}
    second = service.run("mirror", user=user, query="And now?", **again).json()
    return first["conversation_id"], [first["message_id"], second["message_id"]]


def _members(value: Any) -> Any:
    """Names in their order, at every depth."""
    if isinstance(value, dict):
        return [(name, _members(member)) for name, member in value.items()]
    return [_members(item) for item in value] if isinstance(value, list) else None


def _page(answer: httpx.Response) -> tuple[list[str], int, bool]:
    page = answer.json()
    return [item["id"] for item in page["data"]], page["limit"], page["has_more"]


def test_conversations_have_the_recorded_form(
    service: "Service", recording: Callable[[str], bytes], talk: tuple[str, list[str]], user: str
) -> None:
    own = service.get("mirror", "/conversations", user=user)
    real = json.loads(recording("chat-conv.conversations-after-delete.json"))
    assert own.headers["content-type"] == "application/json"
    assert _members(own.json()) == _members(real)
    assert own.json()["data"][0]["name"] == real["data"][0]["name"]
    assert rb"Hello \u4f60\u597d <b>" in own.content


def test_the_latest_conversation_comes_first_and_pages_follow_an_id(
    service: "Service", talk: tuple[str, list[str]], user: str
) -> None:
    other = service.run("mirror", user=user, response_mode="blocking").json()["conversation_id"]
    both, one = [other, talk[0]], {"user": user, "limit": 1}
    assert _page(service.get("mirror", "/conversations", user=user)) == (both, 20, False)
    assert _page(service.get("mirror", "/conversations", **one)) == ([other], 1, True)
    assert _page(service.get("mirror", "/conversations", **one, last_id=other)) == ([talk[0]], 1, False)
    assert service.get("mirror", "/conversations", **one, last_id=UNKNOWN).status_code == 404


@pytest.mark.parametrize("alias", ["mirror", "chatflow"])
def test_messages_have_the_recorded_form(
    service: "Service", recording: Callable[[str], bytes], user: str, alias: str
) -> None:
    first = service.run(alias, user=user, response_mode="blocking").json()["conversation_id"]
    service.run(alias, user=user, conversation_id=first)
    own = service.get(alias, "/messages", user=user, conversation_id=first).json()
    assert _members(own) == _members(json.loads(recording("chatflow-conv.messages.json")))
    assert own["data"][0]["parent_message_id"] == "00000000-0000-0000-0000-000000000000"
    assert own["data"][0]["total_price"] == "0E-7"


def test_messages_come_oldest_first_and_pages_go_back(
    service: "Service", talk: tuple[str, list[str]], user: str
) -> None:
    conversation_id, (first, second) = talk
    query = {"user": user, "conversation_id": conversation_id}
    assert _page(service.get("mirror", "/messages", **query)) == ([first, second], 20, False)
    assert _page(service.get("mirror", "/messages", **query, limit=1)) == ([second], 1, True)
    assert _page(service.get("mirror", "/messages", **query, limit=1, first_id=second)) == ([first], 1, False)
    assert service.get("mirror", "/messages", **query, first_id=UNKNOWN).status_code == 404


def test_a_failed_turn_is_kept_with_its_error(service: "Service", user: str) -> None:
    service.run("broken", user=user)
    (conversation,) = service.get("broken", "/conversations", user=user).json()["data"]
    (message,) = service.get("broken", "/messages", user=user, conversation_id=conversation["id"]).json()["data"]
    assert (message["status"], message["answer"]) == ("error", "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7")
    assert "fake mid-stream provider error" in message["error"]


type Sent = tuple[str, str, dict[str, str], dict[str, Any] | None]

SAME_BYTES: list[tuple[str, str, dict[str, str], dict[str, Any] | None, str]] = [
    ("GET", "/conversations", {"user": "nobody-yet"}, None, "chat-conv.conversations-otheruser"),
    ("GET", "/conversations", {}, None, "chat-conv.conversations-nouser"),
    ("GET", "/messages", {"user": "u9"}, None, "chat-conv.messages-noconv"),
    ("GET", "/messages", {"user": "u9", "conversation_id": UNKNOWN}, None, "chat-conv.messages-unknown"),
    ("GET", "/messages", {"user": "u8", "conversation_id": "{conversation}"}, None, "chat-conv.messages-otheruser"),
    ("POST", "/conversations/{conversation}/name", {}, {"name": "x", "user": "u8"}, "chat-conv.rename-otheruser"),
    ("POST", "/conversations/{conversation}/name", {}, {"name": "", "user": "u9"}, "chat-conv.rename-empty"),
    ("DELETE", "/conversations/{conversation}", {}, {"user": "u8"}, "chat-conv.delete-otheruser"),
    ("POST", f"/messages/{UNKNOWN}/feedbacks", {}, {"rating": "like", "user": "u9"}, "chat-conv.feedback-unknown"),
    ("POST", "/messages/{message}/feedbacks", {}, {"rating": "meh", "user": "u9"}, "chat-conv.feedback-bad"),
    (
        "POST",
        "/messages/{message}/feedbacks",
        {},
        {"rating": None, "user": "{user}"},
        "chat-conv.feedback-null-again",
    ),
    (
        "POST",
        "/messages/{message}/feedbacks",
        {},
        {"rating": "like", "user": "{user}", "content": "good 好"},
        "chat-conv.feedback-like",
    ),
    ("GET", "/messages/{message}/suggested", {"user": "{user}"}, None, "chat-conv.suggested"),
    ("GET", f"/messages/{UNKNOWN}/suggested", {"user": "u9"}, None, "chat-conv.suggested-unknown"),
]


@pytest.mark.parametrize(
    ("sent", "case"), [(row[:4], row[4]) for row in SAME_BYTES], ids=[row[4] for row in SAME_BYTES]
)
def test_an_answer_without_ids_is_the_recorded_one_to_the_byte(
    service: "Service",
    recording: Callable[[str], bytes],
    talk: tuple[str, list[str]],
    user: str,
    sent: Sent,
    case: str,
) -> None:
    method, path, params, body = sent

    def filled(value: Any) -> Any:
        return value.format(conversation=talk[0], message=talk[1][1], user=user) if isinstance(value, str) else value

    content = {} if body is None else {"json": {name: filled(value) for name, value in body.items()}}
    query = {name: filled(value) for name, value in params.items()}
    answer = service.request(method, "mirror", filled(path), params=query, **content)
    head = json.loads(recording(f"{case}.meta.json"))
    assert (answer.status_code, answer.content) == (head["status"], recording(f"{case}.json"))


def test_conversations_are_not_for_a_workflow(service: "Service", recording: Callable[[str], bytes]) -> None:
    answer = service.get("workflow", "/conversations", user="u1")
    assert answer.content == recording("conversations-on-workflow.json")


def test_a_conversation_is_renamed_by_hand_and_by_itself(
    service: "Service", recording: Callable[[str], bytes], talk: tuple[str, list[str]], user: str
) -> None:
    path = f"/conversations/{talk[0]}/name"
    own = service.post("mirror", path, json={"name": "My 名前 <b>", "user": user})
    assert _members(own.json()) == _members(json.loads(recording("chat-conv.rename.json")))
    assert own.json()["name"] == "My 名前 <b>"
    assert service.post("mirror", path, json={"auto_generate": True, "user": user}).json()["name"] == "Hello 你好 <b>"


def test_a_deleted_conversation_is_gone(
    service: "Service", recording: Callable[[str], bytes], talk: tuple[str, list[str]], user: str
) -> None:
    path = f"/conversations/{talk[0]}"
    deleted = service.request("DELETE", "mirror", path, json={"user": user})
    assert (deleted.status_code, deleted.content) == (204, b"")
    again = service.request("DELETE", "mirror", path, json={"user": user})
    assert again.content == recording("chat-conv.delete-again.json")
    inside = service.run("mirror", user=user, conversation_id=talk[0])
    assert inside.content == recording("chat-conv.chat-in-deleted.json")
    assert service.get("mirror", "/conversations", user=user).json()["data"] == []


def test_a_rating_shows_at_its_message_until_it_is_taken_back(
    service: "Service", talk: tuple[str, list[str]], user: str
) -> None:
    def rated(rating: str | None) -> Any:
        service.post("mirror", f"/messages/{talk[1][1]}/feedbacks", json={"rating": rating, "user": user})
        shown = service.get("mirror", "/messages", user=user, conversation_id=talk[0]).json()["data"]
        return [message["feedback"] for message in shown]

    assert [rated("like"), rated("dislike"), rated(None)] == [
        [None, {"rating": "like"}],
        [None, {"rating": "dislike"}],
        [None, None],
    ]


@pytest.mark.parametrize("what", ["suggested", "feedbacks"])
def test_a_message_of_someone_else_is_unknown(service: "Service", talk: tuple[str, list[str]], what: str) -> None:
    path = f"/messages/{talk[1][0]}/{what}"
    method, sent = (
        ("GET", {"params": {"user": "x"}})
        if what == "suggested"
        else (
            "POST",
            {"json": {"user": "x", "rating": "like"}},
        )
    )
    assert service.request(method, "mirror", path, **sent).status_code == 404


def test_an_app_that_suggests_nothing_says_so(service: "Service", user: str) -> None:
    message_id = service.run("echo", user=user, response_mode="blocking").json()["message_id"]
    answer = service.get("echo", f"/messages/{message_id}/suggested", user=user)
    assert (answer.status_code, answer.json()["message"]) == (400, "Suggested Questions Is Disabled.")


def test_a_workflow_run_has_the_recorded_form_and_belongs_to_its_app(
    service: "Service", recording: Callable[[str], bytes]
) -> None:
    run_id = service.run("workflow", inputs={"text": "x"}, response_mode="blocking").json()["workflow_run_id"]
    own = service.get("workflow", f"/workflows/run/{run_id}").json()
    real = json.loads(recording("workflow-run-detail.json"))
    assert list(own) == list(real)
    assert (own["status"], own["outputs"], own["error"]) == ("succeeded", {"text": "You wrote: x"}, None)
    assert json.loads(own["inputs"])["sys.user_id"] == "ann"
    for alias, unknown in (("workflow", UNKNOWN), ("form", run_id)):
        answer = service.get(alias, f"/workflows/run/{unknown}")
        assert (answer.status_code, answer.content) == (404, recording("workflow-run-detail-unknown.json"))


def test_an_upload_has_the_recorded_form(service: "Service", recording: Callable[[str], bytes], user: str) -> None:
    sent = {"file": ("doc.txt", b"hello world", "text/plain")}
    answer = service.post("mirror", "/files/upload", files=sent, data={"user": user})
    own, real = answer.json(), json.loads(recording("files-upload.json"))
    varying = dict.fromkeys(("id", "created_by", "created_at", "source_url", "tenant_id"))
    assert answer.status_code == 201
    assert list(own) == list(real)
    assert own | varying == real | varying
    assert own["source_url"].startswith(f"http://127.0.0.1:{service.api.port}/files/{own['id']}/file-preview?")
    assert rb"text\/plain" in answer.content


UPLOADS_REFUSED: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("no file", {"data": {"user": "ann"}, "files": {"other": (None, "x")}}, (400, "no_file_uploaded")),
    (
        "two files",
        {"files": [("file", ("a.png", b"x", "image/png")), ("file", ("b.png", b"x", "image/png"))]},
        (400, "too_many_files"),
    ),
    ("no name", {"files": {"file": ("", b"x", "image/png")}}, (400, "no_file_uploaded")),
    ("too large an image", {"files": {"file": ("a.png", b"12345", "image/png")}}, (413, "file_too_large")),
    ("too large a text", {"files": {"file": ("a.txt", b"123456789", "text/plain")}}, (413, "file_too_large")),
]


@pytest.mark.parametrize(
    ("sent", "expected"), [row[1:] for row in UPLOADS_REFUSED], ids=[row[0] for row in UPLOADS_REFUSED]
)
def test_an_upload_that_dify_does_not_take_is_refused(
    service: "Service", monkeypatch: pytest.MonkeyPatch, sent: dict[str, Any], expected: tuple[int, str]
) -> None:
    monkeypatch.setattr(keeping, "UPLOAD_LIMITS", {"png": 4})
    monkeypatch.setattr(keeping, "UPLOAD_LIMIT", 8)
    answer = service.post("mirror", "/files/upload", **sent)
    assert (answer.status_code, answer.json()["code"]) == expected


def test_the_limits_of_an_upload_are_those_of_the_parameters(service: "Service") -> None:
    told = service.get("mirror", "/parameters").json()["system_parameters"]
    limits = {name: keeping.UPLOAD_LIMITS[name] for name in ("png", "mp4", "mp3")}
    assert {name: limit // 1024**2 for name, limit in limits.items()} == {
        "png": told["image_file_size_limit"],
        "mp4": told["video_file_size_limit"],
        "mp3": told["audio_file_size_limit"],
    }
    assert told["file_size_limit"] == keeping.UPLOAD_LIMIT // 1024**2


def test_speech_is_heard(service: "Service") -> None:
    sent = {"file": ("a.mp3", b"ID3abc", "audio/mp3")}
    answer = service.post("mirror", "/audio-to-text", files=sent, data={"user": "ann"})
    assert answer.json() == {"text": "6 bytes of audio/mp3"}


@pytest.mark.parametrize(
    ("alias", "file", "expected"),
    [
        ("mirror", ("a.txt", b"x", "text/plain"), (415, "Audio type not allowed.")),
        ("mirror", ("a.mp3", b"12345", "audio/mp3"), (413, "Audio size larger than 30 mb")),
        ("echo", ("a.mp3", b"x", "audio/mp3"), (400, "Speech to text is not enabled")),
    ],
    ids=["another type", "too large", "an app that can't hear"],
)
def test_speech_that_is_not_taken_is_refused(
    service: "Service",
    monkeypatch: pytest.MonkeyPatch,
    alias: str,
    file: tuple[str, bytes, str],
    expected: tuple[int, str],
) -> None:
    monkeypatch.setattr(keeping, "AUDIO_LIMIT", 4)
    answer = service.post(alias, "/audio-to-text", files={"file": file})
    assert (answer.status_code, answer.json()["message"]) == expected


def test_a_text_and_a_message_are_spoken(service: "Service", talk: tuple[str, list[str]], user: str) -> None:
    spoken = service.post("mirror", "/text-to-audio", json={"text": "Grüße", "user": user})
    assert (spoken.headers["content-type"], spoken.content) == ("audio/mpeg", b"ID3\x04\x00" + "Grüße".encode())
    spoken = service.post("mirror", "/text-to-audio", json={"message_id": talk[1][1], "user": user})
    assert b"And now?" in spoken.content


@pytest.mark.parametrize(
    ("alias", "text", "sentence"),
    [("mirror", "", "Text is required"), ("echo", "hi", "TTS is not enabled")],
    ids=["nothing to say", "an app that can't speak"],
)
def test_what_can_not_be_spoken_is_refused(service: "Service", alias: str, text: str, sentence: str) -> None:
    answer = service.post(alias, "/text-to-audio", json={"text": text, "user": "ann"})
    assert (answer.status_code, answer.json()["message"]) == (400, sentence)


def test_a_scripted_app_describes_itself(service: "Service", recording: Callable[[str], bytes]) -> None:
    assert service.get("endless-workflow", "/info").json() == {
        "name": "endless-workflow",
        "description": "endless-workflow",
        "tags": [],
        "mode": "workflow",
        "author_name": "workbench",
    }
    assert service.get("echo", "/parameters").content == recording("parameters.chat.json")
    assert service.get("completion", "/parameters").content == recording("parameters.completion.json")
    assert service.get("chatflow", "/parameters").content == recording("parameters.chatflow-convvars.json")
    assert service.get("echo", "/meta").content == recording("meta.chat.json")
    assert service.get("echo", "/site").content == recording("site.chat.json").replace(b'"chat"', b'"echo"')


@pytest.mark.parametrize("path", ["/conversations/abc/name", "/messages/abc/feedbacks"])
def test_an_id_that_is_no_uuid_is_no_route(service: "Service", path: str) -> None:
    answer = service.post("mirror", path, json={"user": "ann", "rating": "like"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not UUID.search(answer.text)
