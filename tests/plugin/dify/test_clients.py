"""Dify's own clients and one more, unmodified: what an app's own key makes possible, and what is left without it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.clients.node import run_script
from tests.clients.python import run_module
from tests.plugin.dify.conftest import ALICE, ServiceApi

type Outcomes = Mapping[str, dict[str, Any]]
"""A scenario's name to what it `gave`, or what was `raised`."""


@dataclass(frozen=True, slots=True)
class Client:
    """user: whom it names as its user. lacks: the scenarios that it has no methods for."""

    script: str
    user: str
    lacks: frozenset[str]


_ONLY_OF_OAPI: Final = frozenset({"info", "workflow_detail", "suggested"})
CLIENTS: Final = {
    "dify-client of PyPI": Client(
        "sdk",
        "ann",
        _ONLY_OF_OAPI | {"workflow", "workflow_streamed", "stop", "stop_of_a_workflow"},
    ),
    "dify-oapi2 of PyPI": Client("oapi", "bea", frozenset()),
    "dify-client of npm": Client("sdk.mjs", "cleo", _ONLY_OF_OAPI),
}

HELLO: Final = "You said: Hello (turn 1)"
PICTURE_BYTES: Final = 32
UPLOADED: Final = [["local_file", "cat.png", PICTURE_BYTES]]

EITHER_WAY: Final[Mapping[str, Any]] = {
    "parameters": [["text-input", "text"]],
    "info": "echo",
    "blocking": ["message", "chat", HELLO],
    "streamed": {"names": ["message", "message_end"], "answer": HELLO},
    "turns": ["You said: one (turn 1)", "You said: two (turn 2)", True],
    "turns_of_a_stream": ["You said: two This answer went from node to node. (turn 2)", True],
    "workflow": ["succeeded", {"text": "You wrote: Hello"}],
    "workflow_streamed": {
        "names": ["workflow_started", "node_started", "node_finished", "text_chunk", "workflow_finished"],
        "outputs": {"text": "You wrote: Hello"},
    },
}
"""Only the same conversation in Dify counts two turns."""

WITH_A_KEY: Final[Mapping[str, Any]] = {
    "completion": "You wrote: Hello",
    "completion_streamed": "You wrote: Hello",
    "workflow_detail": [True, "succeeded"],
    "uploaded_picture": UPLOADED,
    "uploaded_picture_in_a_chatflow": UPLOADED,
    "linked_picture": [["remote_url", "cat.png", -1]],
    "stop": ["success", "message_end"],
    "stop_of_a_workflow": ["success", "workflow_finished", "stopped"],
    "feedback": ["success", {"rating": "like"}],
    "suggested": True,
}

CONVERSATIONS: Final[Mapping[str, Any]] = {
    "listed": True,
    "messages": [["one", "You said: one (turn 1)"]],
    "page": ["two"],
    "pages": [["two"], ["one"]],
    "renamed": ["Ducks", "two"],
    "left": True,
}
"""Of which a client shows what it has methods for."""

NO_CONVERSATION: Final = (404, "not_found", "There is no conversation with this conversation_id")
REFUSED: Final = {
    "bad_key": (401, "unauthorized", "The key is not valid."),
    "unknown_conversation": NO_CONVERSATION,
    "conversation_of_another_app": NO_CONVERSATION,
    "no_query": (400, "invalid_param", "This is a chat app, and the call has no query."),
}


def _no_key(path: str) -> tuple[int, str, str]:
    return 404, "not_found", f"Dify's path {path} needs the app's own API key, and this app has none"


NO_COMPLETION: Final = (
    400,
    "app_unavailable",
    "Dify can't run a text generator (completion app) for a plugin: its reverse invocation fails on them.",
)
WITHOUT_A_KEY: Final = {
    "completion": NO_COMPLETION,
    "completion_streamed": NO_COMPLETION,
    "uploaded_picture": _no_key("/files/upload"),
    "uploaded_picture_in_a_chatflow": _no_key("/files/upload"),
    "linked_picture": (400, "invalid_param", "'files[0]' is an image, and the app mirror has no free file input"),
    "stop": _no_key("/chat-messages/<task_id>/stop"),
    "stop_of_a_workflow": _no_key("/workflows/tasks/<task_id>/stop"),
    "conversations": _no_key("/conversations"),
    "feedback": _no_key("/messages/<message_id>/feedbacks"),
    "suggested": _no_key("/messages/<message_id>/suggested"),
}
"""`workflow_detail` is left out: dify-oapi2 can't read an error there, for it takes its `status` for a run's."""


def _outcomes(lines: Iterable[dict[str, Any]]) -> Outcomes:
    return {line.pop("scenario"): line for line in lines}


def _run(client: Client, url: str) -> Outcomes:
    if client.script.endswith(".mjs"):
        return _outcomes(run_script(f"dify/{client.script}", url, ALICE, client.user))
    return _outcomes(run_module(client.script, url, ALICE, client.user, clients="dify"))


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def keyed(client: Client, endpoints: str) -> Outcomes:
    return _run(client, f"{endpoints}/keyed")


@pytest.fixture(scope="module")
def keyless(client: Client, endpoints: str) -> Outcomes:
    return _run(client, f"{endpoints}/keyless")


def _shown(expected: Mapping[str, Any], client: Client) -> dict[str, Any]:
    return {name: {"gave": gave} for name, gave in expected.items() if name not in client.lacks}


def _told(outcomes: Outcomes, refusals: Mapping[str, tuple[int, str, str]]) -> dict[str, tuple[int, str, str]]:
    """Status, code and the beginning of the message, of those of these scenarios that there are."""
    raised = {name: outcomes[name]["raised"] for name in refusals if name in outcomes}
    return {
        name: (error.get("status_code") or error["status"], error["code"], error["message"][: len(refusals[name][2])])
        for name, error in raised.items()
    }


def _expected(refusals: Mapping[str, tuple[int, str, str]], client: Client) -> dict[str, tuple[int, str, str]]:
    return {name: refusal for name, refusal in refusals.items() if name not in client.lacks}


def _of(outcomes: Outcomes, names: Iterable[str]) -> dict[str, Any]:
    return {name: outcomes[name] for name in names if name in outcomes}


def test_either_way_gives_chats_workflows_and_turns(client: Client, keyed: Outcomes, keyless: Outcomes) -> None:
    assert _of(keyed, EITHER_WAY) == _shown(EITHER_WAY, client)
    assert _of(keyless, EITHER_WAY) == _shown(EITHER_WAY, client)


def test_with_an_apps_key_all_that_the_client_can_do_works(client: Client, keyed: Outcomes) -> None:
    assert _of(keyed, WITH_A_KEY) == _shown(WITH_A_KEY, client)


def test_conversations_are_listed_read_renamed_and_deleted(keyed: Outcomes) -> None:
    said = keyed["conversations"]["gave"]
    assert {"listed", "messages", "renamed"} <= said.keys()
    assert said == {name: CONVERSATIONS[name] for name in said}


def test_without_it_the_client_is_told_in_a_sentence(client: Client, keyless: Outcomes) -> None:
    assert _told(keyless, WITHOUT_A_KEY) == _expected(WITHOUT_A_KEY, client)


def test_refusals_come_in_difys_shape_either_way(client: Client, keyed: Outcomes, keyless: Outcomes) -> None:
    assert _told(keyed, REFUSED) == _expected(REFUSED, client)
    assert _told(keyless, REFUSED) == _expected(REFUSED, client)


def test_every_scenario_is_expected_to_come_to_something(client: Client, keyed: Outcomes) -> None:
    every = EITHER_WAY.keys() | WITH_A_KEY.keys() | REFUSED.keys() | {"conversations"}
    assert keyed.keys() == every - client.lacks


def test_what_a_client_stops_is_stopped_in_dify(client: Client, keyed: Outcomes, service_api: ServiceApi) -> None:
    stopped = {("endless", "stopped"), ("endless-workflow", "stopped")} if "stop" in keyed else set()
    runs = [run for run in service_api.seen()["runs"] if run["user"] == f"alice:{client.user}"]
    assert {(run["app"], run["state"]) for run in runs if run["app"].startswith("endless")} == stopped
