import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pytest

from gateway.answer import Answer, answer_of
from gateway.decoder import decode
from gateway.errors import internal_error
from gateway.events import (
    Event,
    Failed,
    File,
    Finished,
    Form,
    Kind,
    Passed,
    Paused,
    Reasoning,
    Silence,
    Source,
    Sources,
    Started,
    Text,
    TextReplaced,
    Usage,
)
from tests.gateway.recorded import HANDMADE, RECORDINGS, blocking_lines

RESULTS: Final = {
    name.removesuffix(".blocking"): line
    for name, line in blocking_lines()
    if "_exception" not in line
    and line.get("data", {}).get("status") in (None, "succeeded", "partial-succeeded", "paused")
}
"""What Dify gave to a blocking call of the same app with the same input."""

OTHERWISE: Final[Mapping[str, str]] = {
    "chat-errmid": "Dify hides the failure from a blocking call and answers in full",
    "chat-hostile": "a blocking chat loses what is in <think> (wire 14.14)",
    "chat-think-on": "a blocking chat moves a line break at </think> (wire 14.14)",
    "chatflow-llm-errmid-branch": "the answer holds the id of a request",
    "workflow-kb": "the passages come in another order",
    "workflow-retry-ok": "the answer counts the calls of a server",
}
"""Runs whose two results differ, and why."""

_NEW_EACH_TIME: Final = re.compile(
    r"files/tools/[^)\"']*|dify-file-ref:[\w=]*|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4,12}){4}"
)


def answer_to(events: Iterable[Event], output: str = "") -> Answer:
    answer = Answer(output)
    for event in events:
        answer.add(event)
    return answer


def _same(value: Any) -> str:
    """A result without what Dify signs or names anew for every run (wire 14.17)."""
    return _NEW_EACH_TIME.sub("", str(value))


def finished(outputs: Mapping[str, Any] | None = None, status: str = "succeeded", reasoning: str = "") -> Finished:
    return Finished(status, outputs, None, reasoning)


WORKFLOW: Final = Started(Kind.WORKFLOW, "", "", "r", "t", 1, None)
CHAT: Final = Started(Kind.CHAT, "c", "m", "", "t", 1, None)


@pytest.mark.parametrize("name", [name for name in RESULTS if name not in OTHERWISE])
def test_a_streamed_run_adds_up_to_what_dify_gives_to_a_blocking_call(name: str) -> None:
    answer = answer_to(decode(RECORDINGS[name].stream()))
    result = RESULTS[name]
    if "answer" in result:
        assert _same(answer.text) == _same(result["answer"])
    else:
        assert _same(answer.outputs or {}) == _same(result["data"]["outputs"])
        assert answer.status == result["data"]["status"]


@pytest.mark.parametrize(
    ("outputs", "name", "expected"),
    [
        pytest.param({"a": "x", "b": "y"}, "b", "y", id="the output named in the settings"),
        pytest.param({"a": "x", "n": {"k": 1}}, "n", '{"k":1}', id="a named output that is no text"),
        pytest.param({"a": "x", "n": None}, "n", "null", id="a named output that is null"),
        pytest.param({"a": "x", "n": 1}, "", "x", id="the only text"),
        pytest.param({"a": "x"}, "missing", "x", id="a named output that is not there"),
        pytest.param({"a": "x", "b": "y"}, "", '{"a":"x","b":"y"}', id="several texts: all as JSON"),
        pytest.param({"n": 1}, "", '{"n":1}', id="no text: all as JSON"),
        pytest.param({"a": ""}, "", "", id="an empty text is a text"),
        pytest.param({"a": "é\ud800"}, "n", "é\ud800", id="a lone surrogate stays"),
    ],
)
def test_the_answer_of_a_workflow(outputs: Mapping[str, Any], name: str, expected: str) -> None:
    assert answer_of(outputs, name) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([CHAT, Text("a", None), Text("b", None), finished()], "ab", id="deltas of a chat"),
        pytest.param([WORKFLOW, Text("shown", None), finished({"a": "real"})], "real", id="outputs outrank the stream"),
        pytest.param([WORKFLOW, Text("half", None), finished({}, "stopped")], "half", id="stopped without outputs"),
        pytest.param([CHAT, Text("a", None), TextReplaced("b", None), finished()], "b", id="replaced"),
        pytest.param(
            [WORKFLOW, Text("a", None), TextReplaced("b", None), finished({"a": "a"})],
            "b",
            id="a replacement outranks outputs (wire 14.13)",
        ),
        pytest.param([CHAT, TextReplaced("b", None), Text("c", None), finished()], "bc", id="text goes on after it"),
        pytest.param([CHAT, Text("a", None), TextReplaced("", None), finished()], "", id="replaced by nothing"),
        pytest.param([CHAT, Text("a", None), Paused("r", (), None)], "a", id="paused"),
        pytest.param([], "", id="nothing"),
    ],
)
def test_the_answer_is(events: list[Event], expected: str) -> None:
    assert answer_to(events).text == expected


def test_a_moderated_chatflow_never_answers_with_the_text_that_was_withdrawn() -> None:
    for name in ("chatflow-mod", "chatflow-mod-short", "chat-mod", "agent-mod"):
        assert answer_to(decode(RECORDINGS[name].stream())).text == "OUTPUT BLOCKED by policy.", name


def test_streamed_text_is_what_a_reader_has_seen() -> None:
    answer = answer_to([WORKFLOW, Text("1\n", None), Text("x", None), finished({"n": 1, "a": "x"})])
    assert (answer.streamed_text, answer.text) == ("1\nx", "x")


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (finished(), "succeeded"),
        (finished(status="partial-succeeded"), "partial-succeeded"),
        (finished(status="stopped"), "stopped"),
        (Paused("r", (), None), "paused"),
        (Failed(internal_error()), ""),
        (Silence(), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_status_is_that_of_the_ending(ending: Event, status: str) -> None:
    assert answer_to([CHAT, ending]).status == status


def test_reasoning_is_as_streamed_else_as_summed_up() -> None:
    assert answer_to([CHAT, Reasoning("a", None), Reasoning("b", None), finished(reasoning="sum")]).reasoning == "ab"
    assert answer_to([CHAT, finished(reasoning="sum")]).reasoning == "sum"
    assert answer_to([CHAT, Paused("r", (), None)]).reasoning == ""


def test_everything_else_is_kept_as_it_came() -> None:
    file = File("f", "image", "/f", "f.png", "image/png", 1, None)
    source = Source(1, "T", "", "D", 0.5, "text")
    form = Form("Approve", "Please", ("OK",))
    usage = Usage(1, 2, 3, 0.1, {})
    answer = answer_to([CHAT, file, Sources((source,), None), Passed({}), Paused("r", (form,), usage)])
    assert (answer.started, answer.files, answer.sources, answer.forms, answer.usage, answer.outputs) == (
        CHAT,
        [file],
        (source,),
        (form,),
        usage,
        None,
    )


def test_an_answer_is_complete_with_its_ending() -> None:
    answer = answer_to([CHAT, Text("a", None)])
    assert (answer.ending, answer.usage, answer.outputs, answer.forms, answer.is_workflow) == (
        None,
        None,
        None,
        (),
        False,
    )
    assert answer_to([WORKFLOW]).is_workflow


def test_outputs_with_the_names_of_private_members_stay_as_they_are() -> None:
    run = HANDMADE["outputs-with-private-names"]
    assert answer_to(decode(run.dicts)).outputs == run.dicts[-1]["data"]["outputs"]
