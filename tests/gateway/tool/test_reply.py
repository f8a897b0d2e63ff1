import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event as Signal

from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Event, Failed, File, Finished, Kind, Started, Text, TextReplaced, Usage
from gateway.limits import Limits
from gateway.streaming import Run
from gateway.tool.reply import GATHERED_FOR, reply
from gateway.view import View

LONG = 60.0
VIEW = View(Detail.ANSWER, "", "")
STARTED = Started(Kind.WORKFLOW, "", "", "r", "t", 0, None)


def run_of(events: Iterator[Event]) -> Run:
    return Run(events, Limits(LONG, LONG, LONG, LONG), lambda: None, "a-request-id")


def finished(outputs: dict[str, Any] | None = None, usage: Usage | None = None) -> Finished:
    return Finished("succeeded", outputs, usage, "")


def said(*events: Event, view: View = VIEW) -> list[tuple[str, Any]]:
    """Type and content of each message of a run that has these events."""
    run = run_of(iter(events))
    return [shown(message) for message in reply(run, run.events(), view)]


def shown(message: Any) -> tuple[str, Any]:
    content = message.message.model_dump()
    match message.type.value:
        case "variable":
            return "variable", (content["variable_name"], content["variable_value"])
        case "json":
            return "json", content["json_object"]
        case kind:
            return kind, content["text"]


def told(messages: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(messages)["json"]
    return found


def text_of(messages: list[tuple[str, Any]]) -> str:
    return "".join(content for kind, content in messages if kind == "text")


def test_what_is_not_streamed_is_said_at_the_end() -> None:
    outputs = {"summary": "short", "words": 2}
    messages = said(STARTED, finished(outputs))
    assert messages[0] == ("text", "short")
    assert told(messages) == {
        "status": "succeeded",
        "conversation_id": "",
        "outputs": outputs,
        "files": [],
        "sources": [],
        "usage": {},
    }


def test_the_answer_is_told_beside_a_text_that_is_another() -> None:
    messages = said(
        STARTED, Text("long\nshort", None), finished({"a": "long", "b": "short"}), view=View(Detail.ANSWER, "", "b")
    )
    assert (text_of(messages), told(messages)["answer"]) == ("long\nshort", "short")


def test_a_replacement_before_any_text_is_said_alone() -> None:
    messages = said(STARTED, TextReplaced("instead", None), finished())
    assert (text_of(messages), told(messages)["answer"]) == ("instead", "instead")


def test_a_replacement_of_what_was_said_is_marked_and_what_was_to_follow_is_not_said() -> None:
    has_left = Signal()

    def events() -> Iterator[Event]:
        yield Text("said", None)
        has_left.wait(LONG)
        yield Text(" never said", None)
        yield TextReplaced("instead", None)
        yield finished()

    run = run_of(events())
    messages = reply(run, run.events(), VIEW)
    assert shown(next(messages)) == ("text", "said")
    has_left.set()
    rest = [shown(message) for message in messages]
    assert (text_of(rest), told(rest)["answer"]) == ("\n\n[The app replaced the text above:]\ninstead", "instead")


def test_a_link_stands_on_a_line_of_its_own() -> None:
    link = File("f", "document", "/files/a.pdf", "a.pdf", "", None, None)
    messages = said(STARTED, Text("Here:", None), link, finished())
    assert messages[:3] == [("text", "Here:"), ("text", "\n"), ("link", link.url)]


def test_a_file_without_an_address_is_told_in_the_json_alone() -> None:
    nowhere = File("f", "document", "", "a.pdf", "", None, None)
    messages = said(STARTED, Text("Here.", None), nowhere, finished())
    assert [kind for kind, _ in messages] == ["text", "variable", "variable", "variable", "json"]
    assert told(messages)["files"] == [{"id": "f", "type": "document", "filename": "a.pdf"}]


def test_a_failure_is_raised_after_what_was_said() -> None:
    run = run_of(iter((STARTED, Text("so far", None), Failed(DuckError("app_failed", "It failed.")))))
    messages = reply(run, run.events(), VIEW)
    assert shown(next(messages)) == ("text", "so far")
    with pytest.raises(DuckError) as raised:
        next(messages)
    assert raised.value.code == "app_failed"


def test_the_first_text_leaves_before_there_is_another() -> None:
    more = Signal()

    def events() -> Iterator[Event]:
        yield Text("first", None)
        more.wait(LONG)
        yield finished()

    run = run_of(events())
    messages = reply(run, run.events(), VIEW)
    assert shown(next(messages)) == ("text", "first")
    more.set()
    assert [shown(message)[0] for message in messages][-1] == "json"


def test_texts_that_follow_soon_leave_together_and_in_their_order() -> None:
    def events() -> Iterator[Event]:
        for number in range(200):
            yield Text(f"{number} ", None)
            gevent.sleep(0.001)
        yield finished()

    run = run_of(events())
    began = time.monotonic()
    messages = [shown(message) for message in reply(run, run.events(), VIEW)]
    took = time.monotonic() - began
    texts = [content for kind, content in messages if kind == "text"]
    assert "".join(texts) == "".join(f"{number} " for number in range(200))
    assert len(texts) <= 3 + took / GATHERED_FOR
