from typing import Any, Final

import pytest

from gateway.events import Raw
from gateway.protocols.dify.shown import shown
from gateway.view import View
from gateway.wire import json_bytes
from tests.gateway.protocols.dify.dify_replies import ANSWER, FULL, PROGRESS, paths
from tests.gateway.recorded import RECORDINGS, RUNS, Recording

VIEWS: Final = {"answer": ANSWER, "progress": PROGRESS, "full": FULL}
HELD_BACK: Final = pytest.mark.parametrize("view", [ANSWER, PROGRESS], ids=["answer", "progress"])


def seen(raw: Raw, view: View) -> dict[str, Any]:
    told = shown(raw, view)
    assert told is not None
    return dict(told)


def event_of(name: str, event: str) -> Raw:
    """The first such event of a recording."""
    return next(raw for raw in RECORDINGS[name].dicts if raw["event"] == event)


LOOKED_INTO: Final = ("", ".data", ".metadata", ".metadata.usage")


def types_in(event: Raw) -> dict[str, str]:
    """Type of each member, and of those of `data`, `metadata` and its `usage`; a form's token may be null in Dify's."""
    found = {path: type_ for path, type_ in paths(event) if path.rpartition(".")[0] in LOOKED_INTO and "[" not in path}
    found.pop(".data.form_token", None)
    return found


@HELD_BACK
@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_what_is_held_back_is_there_and_of_the_type_that_it_was(run: Recording, view: View) -> None:
    for raw in run.dicts:
        told = shown(raw, view)
        if told is not None:
            assert types_in(told) == types_in(raw)


def test_a_flag_and_a_number_that_are_held_back_are_false_and_zero() -> None:
    """Whatever a later Dify adds."""
    data = {"id": "r", "new": {"a": 1}, "flag": True, "count": 3, "share": 0.5, "text": "x", "none": None}
    told = seen({"event": "workflow_started", "workflow_run_id": "r", "data": data}, ANSWER)["data"]
    emptied = {"new": {}, "flag": False, "count": 0, "share": 0, "none": None}
    assert json_bytes(told) == json_bytes({**data, **emptied})


@HELD_BACK
def test_prices_are_zero_below_full(view: View) -> None:
    raw = event_of("chatflow", "message_end")
    usage = seen(raw, view)["metadata"]["usage"]
    prices = {name: value for name, value in usage.items() if "price" in name}
    assert prices == dict.fromkeys(prices, "0")
    assert len(prices) == 7
    assert usage["total_tokens"] == raw["metadata"]["usage"]["total_tokens"]


def test_a_source_has_its_members_and_numbers_below_full() -> None:
    raw = event_of("chatflow-kb", "message_end")
    first = seen(raw, ANSWER)["metadata"]["retriever_resources"][0]
    assert first == {
        **dict.fromkeys("content data_source_type dataset_id dataset_name document_id".split(), ""),
        **dict.fromkeys("index_node_hash retriever_from segment_id".split(), ""),
        **dict.fromkeys("hit_count score segment_position word_count".split(), 0),
        **dict.fromkeys("doc_metadata files page summary title".split()),
        "document_name": "handbook 手册.txt",
        "position": 1,
    }


def test_steps_leave_from_progress_on() -> None:
    node = event_of("chatflow", "node_finished")
    assert [shown(node, view) is None for view in VIEWS.values()] == [True, False, False]


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_an_event_that_nobody_knows_leaves_from_full_on_only(view: View) -> None:
    assert (shown({"event": "tomorrow", "data": {"x": 1}}, view) is None) == (view is not FULL)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("name", ["workflow-human", "chatflow-human"])
def test_a_paused_run_has_no_token_but_its_place(name: str, view: View) -> None:
    paused = event_of(name, "workflow_paused")
    required = event_of(name, "human_input_required")
    items = [*seen(paused, view)["data"]["reasons"], (shown(required, view) or {}).get("data")]
    tokens = [(item["form_token"], item["approval_channels"]) for item in items if item]
    assert tokens == [(None, [])] * (0 if view is ANSWER else 2)


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (ANSWER, "The app failed while it was running. The app's log in Dify names the step that failed."),
        (PROGRESS, "[Errno 111] Connection refused"),
        (FULL, "[Errno 111] Connection refused"),
    ],
    ids=VIEWS,
)
def test_a_failed_run_says_why_in_ducks_words_where_its_own_may_not_leave(view: View, reason: str) -> None:
    assert seen(event_of("workflow-fail", "workflow_finished"), view)["data"]["error"] == reason


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_failed_run_whose_words_can_not_be_read_says_so_in_ducks(view: View) -> None:
    raw = event_of("chatflow-nel", "workflow_finished")
    assert seen(raw, view)["data"]["error"] == (
        "The app failed while it was running. The app's log in Dify names the step that failed."
    )


def test_a_run_that_did_not_fail_says_no_reason() -> None:
    assert seen(event_of("workflow", "workflow_finished"), ANSWER)["data"]["error"] is None


def test_a_workflows_outputs_leave_word_for_word() -> None:
    raw = event_of("workflow-objects", "workflow_finished")
    assert seen(raw, ANSWER)["data"]["outputs"] == raw["data"]["outputs"]


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ({"answer": "", "event": "message", "id": "m", "message_id": "m"}, ["event", "message_id", "id", "answer"]),
        (
            {"data": {}, "event": "x", "task_id": "t", "workflow_run_id": "r"},
            ["event", "workflow_run_id", "task_id", "data"],
        ),
        ({"event": "x", "data": {}, "task_id": "t"}, ["event", "data", "task_id"]),
        ({"a": 1, "b": 2, "event": "x"}, ["event", "a", "b"]),
    ],
    ids=["a message's", "a workflow's", "in Dify's order already", "unknown members behind"],
)
def test_members_stand_in_difys_order(raw: Raw, names: list[str]) -> None:
    assert list(seen(raw, FULL)) == names
