"""The transport against the workbench's Service API, which is written from recordings and knows nothing of Duck."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from gateway.call import AppCall
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.settings import App, Service
from gateway.transports.service.client import Upload
from gateway.transports.service_api import ServiceApiTransport
from tests.conftest import RunningWorkbench

ID: Final = "11111111-1111-4111-8111-111111111111"
PROBE: Final = Path(__file__).resolve().parents[2] / "workbench" / "probe"
PATIENCE: Final = 60.0
"""Seconds for what takes a moment, on a machine with much else to do."""


class Face:
    """The Service API of a running workbench, and what tests may do to it."""

    def __init__(self, workbench: RunningWorkbench) -> None:
        self._control = workbench.url[: workbench.url.index("/e/")] + "/workbench/service-api"

    def shown(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(self._control, trust_env=False, timeout=PATIENCE).json()
        return state

    def disturb(self, alias: str, **fault: Any) -> None:
        params = {"app": alias} if alias else {}
        httpx.post(self._control, params=params, json=fault, trust_env=False, timeout=PATIENCE).raise_for_status()

    def heal(self) -> None:
        httpx.delete(self._control, trust_env=False, timeout=PATIENCE).raise_for_status()

    def requests(self) -> list[tuple[str, str]]:
        return [(request["method"], request["path"]) for request in self.shown()["requests"]]

    def wait_until_left(self) -> None:
        """Until no connection is open and no request is being answered."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.shown())["connections"] or state["busy"]:
            assert time.monotonic() < deadline, state
            time.sleep(0.02)

    def transport(self, alias: str, user: str = "web:ann") -> ServiceApiTransport:
        state = self.shown()
        service = Service(state["url"], {ID: state["keys"][alias]})
        return ServiceApiTransport(service, App(alias, ID), user, endpoint_id=alias, is_local=True)

    def run(self, alias: str, user: str = "web:ann", **call: Any) -> list[Raw]:
        return list(self.transport(alias, user).start(call_of(alias, **call), None))


def call_of(alias: str, query: str = "hi", conversation_id: str = "", **more: Any) -> AppCall:
    inputs = more.pop("inputs", {})
    return AppCall(App(alias, ID), query, inputs, conversation_id, **more)


def text_of(events: list[Raw]) -> str:
    return "".join(event.get("answer", "") for event in events if event["event"] == "message")


@pytest.fixture(scope="module")
def running(start_workbench: Callable[..., RunningWorkbench]) -> Face:
    return Face(start_workbench("--control", "--env", "WORKBENCH_PACE=0", "--plugin", str(PROBE)))


@pytest.fixture
def face(running: Face) -> Iterator[Face]:
    running.heal()
    yield running
    running.heal()


@pytest.mark.parametrize(
    ("alias", "kind", "inputs", "last"),
    [
        ("echo", Kind.CHAT, {}, "message_end"),
        ("agent", Kind.AGENT, {}, "message_end"),
        ("chatflow", Kind.CHATFLOW, {}, "workflow_finished"),
        ("workflow", Kind.WORKFLOW, {"text": "hi"}, "workflow_finished"),
        ("completion", Kind.COMPLETION, {"query": "hi"}, "message_end"),
    ],
)
def test_an_app_of_each_kind_runs_by_what_dify_tells_of_it(
    alias: str, kind: Kind, inputs: dict[str, Any], last: str, face: Face
) -> None:
    transport = face.transport(alias)
    assert transport.info().kind is kind
    assert "user_input_form" in transport.parameters(ID)
    events = list(transport.start(call_of(alias, inputs=inputs), None))
    assert events[-1]["event"] == last
    assert len(events) > 3


def test_user_and_files_arrive(face: Face) -> None:
    upload_id = face.transport("mirror").upload("a.png", b"\x89PNG\r\n\x1a\n", "image/png")
    files = (
        {"type": "image", "transfer_method": "local_file", "upload_file_id": upload_id},
        {"type": "image", "transfer_method": "remote_url", "url": "https://pictures.example/b.png"},
    )
    arrived = json.loads(text_of(face.run("mirror", dify_files=files)))
    assert (arrived["user"], arrived["query"]) == ("web:ann", "hi")
    assert [(file["transfer_method"], file["upload_file_id"], file["url"]) for file in arrived["files"]] == [
        ("local_file", upload_id, arrived["files"][0]["url"]),
        ("remote_url", None, "https://pictures.example/b.png"),
    ]


def test_a_conversation_goes_on_for_its_user_only(face: Face) -> None:
    conversation_id = face.run("mirror")[0]["conversation_id"]
    second = json.loads(text_of(face.run("mirror", conversation_id=conversation_id)))
    assert second["turn"] == 2
    with pytest.raises(DuckError, match="conversation_not_found"):
        face.run("mirror", "web:bob", conversation_id=conversation_id)


@pytest.mark.parametrize(
    ("alias", "kind", "last"),
    [
        ("endless", Kind.CHAT, "message_end"),
        ("endless-chatflow", Kind.CHATFLOW, "workflow_finished"),
        ("endless-workflow", Kind.WORKFLOW, "workflow_finished"),
        ("endless-completion", Kind.COMPLETION, "message_end"),
    ],
)
def test_a_run_that_is_stopped_ends(alias: str, kind: Kind, last: str, face: Face) -> None:
    inputs = {"query": "hi"} if kind is Kind.COMPLETION else {}
    events = face.transport(alias).start(call_of(alias, inputs=inputs), kind)
    face.transport(alias).stop(kind, next(events)["task_id"])
    assert list(events)[-1]["event"] == last
    assert [run["state"] for run in face.shown()["runs"]] == ["stopped"]


def test_what_a_user_has_can_be_listed_named_rated_and_deleted(face: Face) -> None:
    ann, bob = face.transport("echo"), face.transport("echo", "web:bob")
    run = face.run("echo")
    conversation, message = run[0]["conversation_id"], run[0]["message_id"]
    listed = json.loads(ann.forward("GET", "/conversations", params={"limit": "100"}).body)
    assert conversation in [entry["id"] for entry in listed["data"]]
    assert json.loads(bob.forward("GET", "/conversations").body)["data"] == []
    named = ann.forward("POST", f"/conversations/{conversation}/name", members={"name": "Mine"})
    assert json.loads(named.body)["name"] == "Mine"
    got = json.loads(ann.forward("GET", "/messages", params={"conversation_id": conversation}).body)
    assert [entry["id"] for entry in got["data"]] == [message]
    rated = ann.forward("POST", f"/messages/{message}/feedbacks", members={"rating": "like"})
    assert json.loads(rated.body) == {"result": "success"}
    with pytest.raises(DuckError, match="conversation_not_found"):
        bob.forward("DELETE", f"/conversations/{conversation}")
    assert ann.forward("DELETE", f"/conversations/{conversation}").status == 204


def test_sound_becomes_text_and_text_sound(face: Face) -> None:
    transport = face.transport("mirror")
    text = transport.forward("POST", "/audio-to-text", file=Upload("a.mp3", b"\xff\xfb", "audio/mpeg"))
    assert json.loads(text.body)["text"]
    sound = transport.forward("POST", "/text-to-audio", members={"text": "hi"})
    assert (sound.content_type.partition("/")[0], bool(sound.body)) == ("audio", True)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("closing", "dify_unreachable"),
        ("failing", "dify_error"),
        ("unauthorized", "misconfigured"),
        ("html", "dify_unreachable"),
        ("page", "misconfigured"),
        ("redirect", "misconfigured"),
        ("mislabelled", "misconfigured"),
        ("cut", "dify_unreachable"),
        ("half", "dify_unreachable"),
    ],
)
def test_a_fault_is_an_error_and_nothing_is_sent_twice_or_left_open(kind: str, code: str, face: Face) -> None:
    face.disturb("echo", kind=kind, after=2)
    with pytest.raises(DuckError) as told:
        list(face.transport("echo").start(call_of("echo"), Kind.CHAT))
    assert told.value.code == code
    assert face.requests() == [("POST", "/chat-messages")]
    face.wait_until_left()


def test_a_dify_that_is_down_is_an_error_and_one_that_is_up_again_answers(face: Face) -> None:
    transport = face.transport("echo")
    face.disturb("", kind="down")
    with pytest.raises(DuckError, match="dify_unreachable"):
        list(transport.start(call_of("echo"), Kind.CHAT))
    face.heal()
    assert list(transport.start(call_of("echo"), Kind.CHAT))[-1]["event"] == "message_end"


def test_a_reader_that_leaves_early_leaves_nothing_open(face: Face) -> None:
    events = face.transport("endless").start(call_of("endless"), Kind.CHAT)
    next(events)
    del events
    face.wait_until_left()
