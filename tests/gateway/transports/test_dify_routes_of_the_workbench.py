"""Dify's routes against the workbench's Service API, by the transport that Duck has for it."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway import dify_routes
from gateway.conversations import Conversations
from gateway.detail import Detail
from gateway.dify_routes import DifyCall, user_of
from gateway.errors import DuckError
from gateway.events import Raw
from gateway.seals import Holder, Seals, opened_files, shown_ids
from gateway.secret import KEY, SIZE
from gateway.settings import App
from gateway.transports.storage import SessionStorage
from gateway.view import View
from tests.conftest import RunningWorkbench
from tests.gateway.fake_dify import FakeDify, FakeStorage
from tests.gateway.transports.test_service_api_of_the_workbench import ID, PROBE, Face, call_of, text_of


@pytest.fixture(scope="module")
def face(start_workbench: Callable[..., RunningWorkbench]) -> Face:
    return Face(start_workbench("--control", "--env", "WORKBENCH_PACE=0", "--plugin", str(PROBE)))


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint's secret is known yet."""
    monkeypatch.setattr("gateway.secret._known", {})


STORAGE: Final = FakeStorage({KEY: bytes(SIZE)})


class Client:
    """One caller with one of the workbench's apps."""

    def __init__(self, face: Face, alias: str, caller: str = "web") -> None:
        storage = SessionStorage(FakeDify({}, storage=STORAGE).session())
        holder = Holder("the-endpoint", caller, "", ID)
        self._face, self._alias, self._caller = face, alias, caller
        self.seals = Seals(holder, storage, "")
        self.conversations = Conversations(holder, storage, is_sealed=True)

    def run(self, user: str = "ann", **call: Any) -> Iterator[Raw]:
        """A run's events as this caller sees them."""
        transport = self._face.transport(self._alias, f"{self._caller}:{user}")
        dicts = transport.start(call_of(self._alias, **call), None)
        return shown_ids(self.conversations.shown_in(dicts), self.seals)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The body of a reply; its status where it has none."""
        request = Request(EnvironBuilder(method=method, path=f"/v1{path}", **more).get_environ())
        transport = self._face.transport(self._alias, f"{self._caller}:{user_of(request)}")
        view = View(Detail.FULL, "", "", splits_thinking=False)
        app = App(self._alias, ID)
        call = DifyCall(request, "e", app, True, transport, transport, self.seals, self.conversations, view)
        response = dify_routes.answer(call)
        body = b"".join(response.iter_encoded())
        is_json = response.mimetype == "application/json"
        return json.loads(body) if is_json else (response.status_code, body)


def test_what_a_caller_has_can_be_listed_named_rated_and_deleted(face: Face) -> None:
    client = Client(face, "echo")
    first, *_ = client.run()
    conversation, message = first["conversation_id"], first["message_id"]
    assert conversation in [item["id"] for item in client.ask("GET", "/conversations?user=ann")["data"]]
    named = client.ask("POST", f"/conversations/{conversation}/name", json={"name": "Mine", "user": "ann"})
    assert (named["id"], named["name"]) == (conversation, "Mine")
    listed = client.ask("GET", f"/messages?conversation_id={conversation}&user=ann")
    assert [(item["id"], item["conversation_id"]) for item in listed["data"]] == [(message, conversation)]
    rated = client.ask("POST", f"/messages/{message}/feedbacks", json={"rating": "like", "user": "ann"})
    assert rated == {"result": "success"}
    assert client.ask("DELETE", f"/conversations/{conversation}", json={"user": "ann"}) == (204, b"")
    with pytest.raises(DuckError, match="conversation_not_found"):
        client.ask("GET", f"/messages?conversation_id={conversation}&user=ann")


def test_two_callers_with_the_same_user_do_not_see_each_others_conversations(face: Face) -> None:
    web, mobile = Client(face, "mirror", "web"), Client(face, "mirror", "mobile")
    first, *_ = web.run()
    assert len(web.ask("GET", "/conversations?user=ann")["data"]) == 1
    assert mobile.ask("GET", "/conversations?user=ann")["data"] == []
    with pytest.raises(DuckError, match="conversation_not_found"):
        mobile.ask("GET", f"/messages?conversation_id={first['conversation_id']}&user=ann")


def test_a_user_does_not_see_the_conversations_of_another_user_of_the_same_caller(face: Face) -> None:
    client = Client(face, "echo")
    first, *_ = client.run("ann")
    assert client.ask("GET", "/conversations?user=bob")["data"] == []
    with pytest.raises(DuckError, match="conversation_not_found"):
        client.ask("GET", f"/messages?conversation_id={first['conversation_id']}&user=bob")


@pytest.mark.parametrize(
    ("alias", "path", "inputs"),
    [
        ("endless", "/chat-messages/{}/stop", {}),
        ("endless-workflow", "/workflows/tasks/{}/stop", {}),
        ("endless-completion", "/completion-messages/{}/stop", {"query": "hi"}),
    ],
)
def test_a_run_is_stopped_by_the_task_id_that_its_caller_saw(
    alias: str, path: str, inputs: dict[str, Any], face: Face
) -> None:
    client = Client(face, alias)
    events = client.run(inputs=inputs)
    task_id = next(events)["task_id"]
    assert client.ask("POST", path.format(task_id), json={"user": "ann"}) == {"result": "success"}
    assert list(events)[-1]["event"] in ("message_end", "workflow_finished")
    assert face.shown()["runs"][-1]["state"] == "stopped"


def test_an_uploaded_file_is_used_by_the_id_that_its_caller_saw(face: Face) -> None:
    client = Client(face, "mirror")
    data = {"file": (io.BytesIO(b"\x89PNG\r\n\x1a\n"), "a.png", "image/png"), "user": "ann"}
    uploaded = client.ask("POST", "/files/upload", data=data)
    file = {"type": "image", "transfer_method": "local_file", "upload_file_id": uploaded["id"]}
    run = list(client.run(dify_files=opened_files([file], client.seals)))
    (arrived,) = json.loads(text_of(run))["files"]
    assert client.seals.sealed("file", arrived["upload_file_id"]) == uploaded["id"]


def test_a_run_of_a_workflow_is_looked_up_by_the_id_that_its_caller_saw(face: Face) -> None:
    client = Client(face, "workflow")
    started, *_ = client.run(inputs={"text": "hi"})
    detail = client.ask("GET", f"/workflows/run/{started['workflow_run_id']}?user=ann")
    assert (detail["id"], detail["status"]) == (started["workflow_run_id"], "succeeded")


def test_sound_becomes_text_and_text_sound(face: Face) -> None:
    client = Client(face, "mirror")
    data = {"file": (io.BytesIO(b"\xff\xfb"), "a.mp3", "audio/mpeg"), "user": "ann"}
    assert client.ask("POST", "/audio-to-text", data=data)["text"]
    status, sound = client.ask("POST", "/text-to-audio", json={"text": "hi", "user": "ann"})
    assert (status, sound[:3]) == (200, b"ID3")


def test_what_an_app_is_is_told(face: Face) -> None:
    client = Client(face, "chatflow")
    told = {name: client.ask("GET", f"/{name}?user=ann") for name in ("parameters", "info", "site", "meta")}
    assert (told["info"]["mode"], "user_input_form" in told["parameters"], told["meta"]) == (
        "advanced-chat",
        True,
        {"tool_icons": {}},
    )
