"""One call over a reader of the SDK; test_wires.py compares what comes of answers with the SDK's own path."""

import json
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from dify_plugin.core.entities.invocation import InvokeType
from dify_plugin.core.entities.plugin.io import PluginInStream
from dify_plugin.core.runtime import BackwardsInvocation
from dify_plugin.core.server.__base.request_reader import RequestReader
from dify_plugin.core.server.__base.response_writer import ResponseWriter
from pydantic import BaseModel

from runtime.calls import invoke, mailboxes_of
from runtime.mailbox import ANSWER

PATIENCE = 60


class Reader(RequestReader):
    def _read_stream(self) -> Generator[PluginInStream, None, None]:
        yield from ()


class Writer(ResponseWriter):
    def __init__(self) -> None:
        self.text = ""

    def write(self, data: str) -> None:
        self.text += data

    def done(self) -> None:
        pass


class Chunk(BaseModel):
    number: int


class Call:
    """A call that is being made, and the SDK's reader and writer of its session."""

    def __init__(self, data_type: type[Any] = dict, patience: int = PATIENCE, call_id: str = "id") -> None:
        self.reader, self.writer = Reader(), Writer()
        session = SimpleNamespace(
            session_id="s", reader=self.reader, writer=self.writer, max_invocation_timeout=patience
        )
        made = cast("BackwardsInvocation[Any]", SimpleNamespace(session=session))
        self.call_id = call_id
        self.answers = invoke(made, call_id, InvokeType.App, data_type, {"app_id": "a"})

    def collected(self) -> "gevent.Greenlet[..., list[Any]]":
        """Asks for all answers, in a greenlet that waits for the first of them when this returns."""
        greenlet = gevent.spawn(list, self.answers)
        gevent.sleep(0)
        return greenlet

    def hear(self, event: str, data: object = None, message: str = "") -> None:
        """As the SDK brings an answer."""
        said = {"backwards_request_id": self.call_id, "event": event, "message": message, "data": data}
        self.reader._process_line(
            PluginInStream(session_id="s", event=ANSWER, data=said, reader=self.reader, writer=self.writer)
        )

    @property
    def leftovers(self) -> int:
        return len(mailboxes_of(self.reader))


def test_nothing_is_said_before_the_first_answer_is_asked_for() -> None:
    call = Call()
    assert call.writer.text == ""
    call.collected()
    assert json.loads(call.writer.text) == {
        "event": "session",
        "session_id": "s",
        "data": {
            "type": "invoke",
            "data": {"type": "app", "backwards_request_id": "id", "request": {"app_id": "a"}},
        },
    }


def test_answers_become_what_the_call_promises() -> None:
    call = Call(Chunk)
    collecting = call.collected()
    call.hear("response", {"number": 1})
    call.hear("response", {"number": 2})
    call.hear("end")
    assert collecting.get(timeout=PATIENCE) == [Chunk(number=1), Chunk(number=2)]


def test_an_answer_that_is_not_what_the_call_promises_is_the_sdks_error() -> None:
    call = Call(Chunk)
    collecting = call.collected()
    call.hear("response", {"number": "none"})
    with pytest.raises(Exception, match=r"^Failed to parse response: 1 validation error for Chunk"):
        collecting.get(timeout=PATIENCE)


def test_a_call_that_is_not_answered_is_the_sdks_error() -> None:
    with pytest.raises(Exception, match=r"^invocation exited without response after 1 seconds$"):
        list(Call(patience=1).answers)


def end_well(call: Call) -> None:
    call.collected()
    call.hear("end")


def end_badly(call: Call) -> None:
    call.collected()
    call.hear("error", message="no such app")


def kill(call: Call) -> None:
    call.collected().kill()


def close_in_mid_stream(call: Call) -> None:
    waiting = gevent.spawn(next, call.answers)
    gevent.sleep(0)
    call.hear("response", {})
    waiting.join(PATIENCE)
    call.answers.close()


def forget_unbegun(call: Call) -> None:
    del call.answers


def close_the_plugin(call: Call) -> None:
    call.collected()
    call.reader.close()


@pytest.mark.parametrize(
    "end",
    [end_well, end_badly, kill, close_in_mid_stream, forget_unbegun, close_the_plugin],
    ids=lambda end: end.__name__,
)
def test_however_a_call_ends_nothing_of_it_is_left(end: Callable[[Call], None]) -> None:
    call = Call()
    end(call)
    gevent.sleep(0.01)
    assert call.leftovers == 0
    if end is not close_the_plugin:
        call.hear("response", {"late": True})
        assert call.leftovers == 0


def test_a_call_after_the_reader_was_closed_is_answered() -> None:
    call = Call()
    mailboxes_of(call.reader)
    call.reader.close()
    collecting = call.collected()
    call.hear("response", {"number": 1})
    call.hear("end")
    assert collecting.get(timeout=PATIENCE) == [{"number": 1}]


def test_many_calls_are_one_filter_for_the_sdk() -> None:
    reader = Reader()
    mailboxes = mailboxes_of(reader)
    assert mailboxes_of(reader) is mailboxes
    assert reader.readers == [mailboxes]
