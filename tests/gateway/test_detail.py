import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.answer import Answer
from gateway.decoder import decode
from gateway.detail import Detail, clean, scrubbed
from gateway.events import Event, Failed, Raw
from gateway.links import absolute_links
from gateway.protocols import classic
from gateway.protocols.native import reply
from gateway.protocols.native.reply import Form
from gateway.protocols.protocol import Streamed
from gateway.view import View
from gateway.wire import json_text
from tests.gateway.mutations import SHAPES, broken_dicts, json_values
from tests.gateway.recorded import HANDMADE, RUNS, Recording

NEVER: Final = 99
"""A level that no setting reaches."""

NODE: Final = "node_started node_finished node_retry"
ROUNDS: Final = "iteration_started iteration_next iteration_completed loop_started loop_next loop_completed"
FORM: Final = "human_input_required"


@dataclass(frozen=True)
class Member:
    """A member of Dify's events, and the first level that shows it. path: `[]` means each item of a list."""

    about: str
    events: str
    path: str
    level: int


TABLE: Final = (
    Member("text", "message agent_message message_replace", "answer", Detail.ANSWER),
    Member("text of a workflow", "text_chunk", "data.text", Detail.ANSWER),
    Member("reasoning", "reasoning_chunk", "data.reasoning", Detail.ANSWER),
    Member("workflow outputs", "workflow_finished", "data.outputs", Detail.ANSWER),
    Member("files", "message_end", "files", Detail.ANSWER),
    Member("a file's address", "message_file", "url", Detail.ANSWER),
    Member("tokens", "message_end", "metadata.usage.total_tokens", Detail.ANSWER),
    Member("a source's title", "message_end", "metadata.retriever_resources[].document_name", Detail.ANSWER),
    Member("a node's title", NODE, "data.title", Detail.PROGRESS),
    Member("a round's title", ROUNDS, "data.title", Detail.PROGRESS),
    Member("a node's state", "node_finished", "data.status", Detail.PROGRESS),
    Member("an agent's log line", "agent_log", "data.label", Detail.PROGRESS),
    Member("a tool's name", "agent_thought", "tool", Detail.PROGRESS),
    Member("a waiting node", FORM, "data.node_title", Detail.PROGRESS),
    Member("waiting nodes", "workflow_paused", "data.paused_nodes", Detail.PROGRESS),
    Member("the step that a text comes from", "message text_chunk", "from_variable_selector", Detail.PROGRESS),
    Member("the step that a text chunk comes from", "text_chunk", "data.from_variable_selector", Detail.PROGRESS),
    Member("the step that thinks", "reasoning_chunk", "data.node_id", Detail.PROGRESS),
    Member("a step's error", f"{NODE} {ROUNDS} agent_log", "data.error", Detail.PROGRESS),
    Member("a run's error", "workflow_finished", "data.error", Detail.PROGRESS),
    Member("the error event's text", "error", "message", Detail.PROGRESS),
    Member("a run's inputs", "workflow_started", "data.inputs", Detail.FULL),
    Member("a node's inputs", NODE, "data.inputs", Detail.FULL),
    Member("a round's inputs", ROUNDS, "data.inputs", Detail.FULL),
    Member("a node's outputs", NODE, "data.outputs", Detail.FULL),
    Member("a round's outputs", ROUNDS, "data.outputs", Detail.FULL),
    Member("a round's metadata", ROUNDS, "data.metadata", Detail.FULL),
    Member("what a round before gave", ROUNDS, "data.pre_loop_output", Detail.FULL),
    Member("a node's files", NODE, "data.files", Detail.FULL),
    Member("prompts", NODE, "data.process_data", Detail.FULL),
    Member("prices of a node", f"{NODE} {ROUNDS}", "data.execution_metadata", Detail.FULL),
    Member("tool arguments", "agent_thought", "tool_input", Detail.FULL),
    Member("tool results", "agent_thought", "observation", Detail.FULL),
    Member("tool arguments of an agent node", "agent_log", "data.data", Detail.FULL),
    Member("prices of an agent node", "agent_log", "data.metadata", Detail.FULL),
    Member("retrieved text", "message_end", "metadata.retriever_resources[].content", Detail.FULL),
    Member("a summary of retrieved text", "message_end", "metadata.retriever_resources[].summary", Detail.FULL),
    *(
        Member(name, "message_end", f"metadata.usage.{name}", Detail.FULL)
        for name in ("prompt_price", "prompt_unit_price", "completion_price", "completion_unit_price", "total_price")
    ),
    Member("a form's text", FORM, "data.form_content", Detail.FULL),
    Member("a form's fields", FORM, "data.inputs", Detail.FULL),
    Member("a form's values", FORM, "data.resolved_default_values", Detail.FULL),
    Member("a form's text, again", "workflow_paused", "data.reasons[].form_content", Detail.FULL),
    Member("a form's fields, again", "workflow_paused", "data.reasons[].inputs", Detail.FULL),
    Member("what a human wrote", "human_input_form_filled", "data.submitted_data", Detail.FULL),
    Member("the form as a human saw it", "human_input_form_filled", "data.rendered_content", Detail.FULL),
    Member("who ran it", "workflow_finished", "data.created_by", Detail.FULL),
    Member("an event that nobody knows", "something_new", "data", Detail.FULL),
    Member("a form token", FORM, "data.form_token", NEVER),
    Member("channels of approval", FORM, "data.approval_channels", NEVER),
    Member("a form token, again", "workflow_paused", "data.reasons[].form_token", NEVER),
    Member("channels of approval, again", "workflow_paused", "data.reasons[].approval_channels", NEVER),
    Member("a form token of an event that nobody knows", "something_new", "data.form_token", NEVER),
    Member("a tenant's id", "workflow_started message_end node_finished", "tenant_id", NEVER),
    Member("a tenant's id in data", f"workflow_started workflow_finished {NODE}", "data.tenant_id", NEVER),
    Member("moderation settings", "message_end", "metadata.sensitive_word_avoidance", NEVER),
)
"""The table of DESIGN section 3, over the members of Dify's events (wire section 2)."""

TENANT: Final = "4412c408-1a70-44a2-b27e-150406652fe9"
"""Of the workspace that was recorded; it stands in icon URLs."""

FORM_TOKEN: Final = "Rziad3pb4I1sCHOiKSRSse"
"""Of the form in `workflow-human`."""


def planted(raw: Raw, member: Member, text: str) -> Raw | None:
    """The dict with `text` in this member, whatever was there; None for another event, or without a place for it."""
    if raw["event"] not in member.events.split():
        return None
    changed: dict[str, Any] = copy.deepcopy(dict(raw))
    *parents, last = member.path.split(".")
    places: list[dict[str, Any]] = [changed]
    for name in parents:
        places = [inner for place in places for inner in _inner(place, name)]
    for place in places:
        place[last] = _of_the_same_type(place.get(last), text)
    return changed if places else None


def _inner(place: dict[str, Any], name: str) -> list[dict[str, Any]]:
    inner = place.get(name.removesuffix("[]"))
    return [item for item in (inner if isinstance(inner, list) else [inner]) if isinstance(item, dict)]


def _of_the_same_type(value: object, text: str) -> Any:
    match value:
        case dict():
            return {"member": text, "list": [{"member": text}]}
        case list():
            return [text]
        case _:
            return text


@pytest.mark.parametrize("level", Detail, ids=lambda level: level.name.lower())
@pytest.mark.parametrize("member", TABLE, ids=lambda member: member.about)
def test_a_member_leaves_from_its_level_on(member: Member, level: Detail) -> None:
    shapes = [
        shape for shape in SHAPES.values() if member.about != "workflow outputs" or "conversation_id" not in shape
    ]
    changed = [raw for shape in shapes if (raw := planted(shape, member, "PLANTED")) is not None]
    assert changed, "no recording has this member"
    shown = ["PLANTED" in json_text(scrubbed(raw, level)) for raw in changed]
    assert shown == [level >= member.level] * len(changed)


# -- Whole replies -------------------------------------------------------------------------------------------------

type Reply = Callable[[Iterator[Event], View], bytes]


def _streamed(form: Form) -> Reply:
    return lambda events, view: b"".join(reply.writer(form, view)(events))


def _whole(events: Iterator[Event], view: View) -> bytes:
    answer = Answer()
    for event in events:
        answer.add(event)
        if isinstance(event, Failed):
            return event.error.sentence(with_cause=view.with_progress).encode()
    return reply.whole(Form.JSON, answer, view)


def _duck(events: Iterator[Event], view: View) -> bytes:
    _, reply_in = classic.read(Request(EnvironBuilder(query_string="query=hi").get_environ()))
    page = reply_in(view)
    assert isinstance(page, Streamed)
    return b"".join(page.write(events))


REPLIES: Final[Mapping[str, Reply]] = {
    "SSE": _streamed(Form.SSE),
    "NDJSON": _streamed(Form.NDJSON),
    "text": _streamed(Form.TEXT),
    "JSON": _whole,
    "duck": _duck,
}


def said(dicts: list[Raw], exception: str, level: Detail, write: Reply) -> str:
    """A whole reply, its escapes undone as a reader would."""
    events = absolute_links(decode(Recording("", "", tuple(dicts), exception).stream()), "https://dify.example.com")
    return write(events, View(level, "https://dify.example.com", "")).decode()


def _plant_everything(dicts: tuple[Raw, ...], level: Detail) -> list[Raw]:
    """The run with something planted in each member that may not leave at this level."""
    changed = list(dicts)
    for number, member in enumerate(TABLE):
        if member.level > level:
            changed = [planted(raw, member, f"PLANTED-{number}-") or raw for raw in changed]
    return changed


@pytest.mark.parametrize("run", [run for run in RUNS.values() if run.dicts], ids=lambda run: run.name)
def test_no_reply_holds_what_may_not_leave(run: Recording) -> None:
    for level in Detail:
        dicts = _plant_everything(run.dicts, level)
        for name, write in REPLIES.items():
            body = said(dicts, run.exception, level, write)
            leaked = {member.about for number, member in enumerate(TABLE) if f"PLANTED-{number}-" in body}
            assert (level, name, leaked) == (level, name, set())


@pytest.mark.parametrize("run", [run for run in RUNS.values() if run.dicts], ids=lambda run: run.name)
def test_no_reply_holds_what_never_leaves(run: Recording) -> None:
    never = (TENANT, FORM_TOKEN, "approval_channels", "Traceback", "/app/storage", "site-packages")
    for level in Detail:
        for name, write in REPLIES.items():
            body = said(list(run.dicts), run.exception, level, write)
            assert (level, name, [text for text in never if text in body]) == (level, name, [])


def test_the_recordings_hold_what_never_leaves() -> None:
    recorded = json_text([run.dicts for run in RUNS.values()])
    assert [
        text for text in (TENANT, FORM_TOKEN, "approval_channels", "Traceback", "/app/storage") if text not in recorded
    ] == []


@pytest.mark.parametrize("level", Detail, ids=lambda level: level.name.lower())
@pytest.mark.parametrize("name", ["SSE", "NDJSON", "JSON", "duck"])
def test_outputs_with_the_names_of_private_members_are_left_as_they_are(name: str, level: Detail) -> None:
    run = HANDMADE["outputs-with-private-names"]
    body = said(list(run.dicts), "", level, REPLIES[name])
    assert json.dumps(run.dicts[-1]["data"]["outputs"], separators=(",", ":")) in body
    scrubbed_end = scrubbed(run.dicts[-1], level)
    assert scrubbed_end is not None
    assert scrubbed_end["data"]["outputs"] == run.dicts[-1]["data"]["outputs"]


# -- One dict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", Detail, ids=lambda level: level.name.lower())
def test_a_known_dict_keeps_all_its_members_where_it_is_shown(level: Detail) -> None:
    for about, raw in SHAPES.items():
        shown = scrubbed(raw, level)
        gone = {"form_token", "approval_channels"}
        if shown is not None:
            assert (about, set(shown)) == (about, set(raw))
            assert not isinstance(raw.get("data"), dict) or set(shown["data"]) == set(raw["data"]) - gone


def test_what_may_not_leave_is_empty_and_of_the_same_type() -> None:
    raw = {
        "event": "node_finished",
        "data": {"title": "A", "inputs": {"a": 1}, "outputs": None, "files": [1], "process_data": "x", "index": 1},
    }
    assert scrubbed(raw, Detail.PROGRESS) == {
        "event": "node_finished",
        "data": {"title": "A", "inputs": {}, "outputs": None, "files": [], "process_data": "", "index": 1},
    }


@pytest.mark.parametrize("name", ["node_started", "agent_thought", "agent_log", "loop_next", FORM, "something_new"])
def test_of_progress_nothing_leaves_at_answer(name: str) -> None:
    assert scrubbed({"event": name, "data": {"title": "secret"}}, Detail.ANSWER) is None


def test_an_event_that_nobody_knows_leaves_from_full_on() -> None:
    raw = HANDMADE["unknown-event"].dicts[1]
    assert [scrubbed(raw, level) for level in Detail] == [None, None, raw]


@pytest.mark.parametrize("level", Detail, ids=lambda level: level.name.lower())
@pytest.mark.parametrize("name", ["something_new", "workflow_paused", "message_end"])
def test_an_answer_beside_them_lets_no_private_members_out(name: str, level: Detail) -> None:
    private = {"form_token": "PLANTED-token", "approval_channels": ["PLANTED-channel"], "tenant_id": "PLANTED-tenant"}
    raw = {"event": name, "answer": "hi", **private, "data": {"inputs": {"a": "PLANTED-input"}, **private}}
    body = json_text(scrubbed(raw, level))
    assert [what for what in ("token", "channel", "tenant") if f"PLANTED-{what}" in body] == []
    assert ("PLANTED-input" in body) <= (level is Detail.FULL)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            f"http://x/icon?tenant_id={TENANT}&filename=a.svg", "http://x/icon?filename=a.svg", id="a tenant in a URL"
        ),
        pytest.param(f"http://x/icon?filename=a.svg&tenant_id={TENANT}", None, id="at the URL's end"),
        pytest.param([{"tenant_id": "x", "a": {"form_token": "y", "b": 1}}], [{"a": {"b": 1}}], id="members, anywhere"),
        pytest.param(
            {"data": "kept", "inputs": [1, None, True, 1.5]},
            {"data": "kept", "inputs": [1, None, True, 1.5]},
            id="else",
        ),
        pytest.param(
            'Traceback (most recent call last):\n  File "/app/x.py"\nValueError: no\n',
            "ValueError: no",
            id="a traceback",
        ),
    ],
)
def test_clean_takes_out_what_never_leaves(value: Any, expected: Any) -> None:
    assert TENANT not in json_text(clean(value))
    assert expected is None or clean(value) == expected


@pytest.mark.parametrize("level", [Detail.PROGRESS, Detail.FULL], ids=lambda level: level.name.lower())
def test_a_steps_error_is_told_in_plain_words(level: Detail) -> None:
    packed = json.dumps({"args": {"description": "model is down"}, "error_type": "InvokeError"})
    shown = scrubbed({"event": "node_finished", "data": {"error": f"req_id: a1 PluginInvokeError: {packed}"}}, level)
    assert shown == {"event": "node_finished", "data": {"error": "model is down"}}


def test_the_recorded_dict_itself_is_never_changed() -> None:
    before = copy.deepcopy(dict(SHAPES))
    for raw in SHAPES.values():
        for level in Detail:
            scrubbed(raw, level)
    assert before == SHAPES


@given(raw=broken_dicts, level=st.sampled_from(Detail))
@example(raw={"event": ["message"]}, level=Detail.ANSWER)
@example(raw={"event": {"a": 1}}, level=Detail.PROGRESS)
def test_any_dict_is_scrubbed_without_raising(raw: dict[str, Any], level: Detail) -> None:
    shown = scrubbed(raw, level)
    assert shown is None or set(shown) <= set(raw)


@given(inner=json_values, path=st.lists(st.sampled_from(["data", "metadata", "outputs", "x", "reasons"]), max_size=4))
@pytest.mark.parametrize("name", ["workflow_paused", FORM, "message_end", "workflow_finished", "something_new"])
def test_a_form_token_never_leaves_however_deep_it_is(name: str, inner: Any, path: list[str]) -> None:
    value: Any = {"form_token": "PLANTED", "beside": inner}
    if name == "workflow_finished":
        path = [member for member in path if member != "outputs"]  # they are the app's own
    for member in path:
        value = {member: [value]} if member == "reasons" else {member: value}
    for level in Detail:
        assert "PLANTED" not in json_text(scrubbed({**value, "event": name}, level))


@pytest.mark.parametrize(
    ("level", "shown"), [(Detail.ANSWER, {}), (Detail.PROGRESS, {}), (Detail.FULL, {"answer": "x"})]
)
def test_a_chatflows_outputs_may_be_what_a_moderation_withdrew(level: Detail, shown: dict[str, str]) -> None:
    raw = {"event": "workflow_finished", "conversation_id": "c", "data": {"outputs": {"answer": "x"}}}
    assert scrubbed(raw, level) == {**raw, "data": {"outputs": shown}}


def test_a_workflows_outputs_are_as_its_author_named_them_without_what_never_leaves() -> None:
    outputs = {"data": {"a": 1}, "error": "mine", "file": {"url": "/x", "tenant_id": "t"}, "content": "Traceback (most"}
    raw = {"event": "workflow_finished", "data": {"outputs": outputs}}
    shown = {**outputs, "file": {"url": "/x"}}
    assert [scrubbed(raw, level) for level in Detail] == [{**raw, "data": {"outputs": shown}}] * 3
