"""What leaves at `detail: answer` in Dify's shape, of every recording: nothing but what is documented.

Two questions to each stream and each body. Are all members that are not empty in the list of what leaves of Dify's own
events (`tests/gateway/test_what_leaves.py`, which says again what DESIGN section 3 does)? And is there any text in it
that was planted into a member of Dify's events that no caller may see?
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest

from gateway.detail import Detail
from gateway.events import Failed, Raw
from gateway.protocols.dify.blocking import body_of, body_of_failed
from gateway.view import View
from gateway.wire import json_bytes
from tests.gateway.protocols.dify.dify_replies import ANSWER, FULL, answer_to, objects, staged, view_at, written
from tests.gateway.recorded import RUNS, Recording
from tests.gateway.test_what_leaves import PAGE, PLANTED, PLANTS, Plant, leaves, planted

_ENVELOPE: Final = {"event", "conversation_id", "message_id", "task_id", "workflow_run_id", "id", "created_at"}

EVENTS: Final = {**PAGE, "workflow_finished": PAGE["workflow_finished"] | {"data.error"}}
"""Members that are not empty; of a failed run also why it failed, which is Duck's own sentence."""

BODY: Final = (
    _ENVELOPE
    | {"mode", "answer"}
    | PAGE["message_end"]
    | {f"data.{path}" for path in PAGE["message_end"] | _ENVELOPE | {"mode", "answer"}}
    | EVENTS["workflow_finished"]
)
"""Of a blocking body: the answer, a message's metadata, and the data of a run."""

EMPTY: Final = ("", None, 0, False, "0")
PROVIDERS: Final = "The app's model provider failed"
"""How a sentence begins that holds a provider's words at every level, for a caller can't guess them."""


def shown(run: Recording, view: View, plant: Plant | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object that a caller gets of a run, streamed and in one body, and the event that it is."""
    dicts: Iterable[Raw] = tuple(planted(raw, plant) for raw in run.dicts) if plant else run.stream()
    events = staged(dicts, view)
    yield from ((told["event"], told) for told in objects(written(events, view)))
    answer = answer_to(events, view)
    body = body_of_failed(answer, view) if isinstance(events[-1], Failed) else body_of(answer, view)
    if body is not None:
        yield "body", json.loads(json_bytes(body))


def undocumented(run: Recording, view: View) -> set[str]:
    """What leaves and is in no list; a workflow's outputs are its author's, whatever they hold."""
    return {
        f"{event}: {path}"
        for event, told in shown(run, view)
        for path, value in leaves(told)
        if value not in EMPTY
        and path not in (BODY if event == "body" else EVENTS.get(event, set()) | _ENVELOPE)
        and not path.startswith("data.outputs")
    }


def texts(run: Recording, view: View, plant: Plant) -> list[str]:
    """All texts that leave, but for the sentences that may hold a provider's words."""
    return [
        value
        for _, told in shown(run, view, plant)
        for _, value in leaves(told)
        if isinstance(value, str) and not value.startswith(PROVIDERS)
    ]


@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_every_member_that_leaves_is_documented(run: Recording) -> None:
    assert undocumented(run, ANSWER) == set()


@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_nothing_that_was_planted_where_nobody_may_look_leaves(run: Recording) -> None:
    for way, plant in PLANTS.items():
        assert (way, [text for text in texts(run, ANSWER, plant) if PLANTED in text]) == (way, [])


def test_what_is_shown_of_more_is_seen_by_these_tests() -> None:
    run = RUNS["chatflow-kb"]
    assert undocumented(run, FULL)
    assert any(PLANTED in text for text in texts(run, FULL, PLANTS["instead"]))


@pytest.mark.parametrize("detail", Detail)
@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_what_never_leaves_leaves_at_no_level(run: Recording, detail: Detail) -> None:
    for _, told in shown(run, view_at(detail)):
        held = {path: value for path, value in leaves(told) if path.endswith(("form_token", "approval_channels[]"))}
        assert [value for value in held.values() if value] == []
        assert "tenant_id" not in json.dumps(told)
        assert "Traceback" not in json.dumps({**told, "answer": ""})
