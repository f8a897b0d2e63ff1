"""The reply of Responses: a sequence of events, or one body (protocols section 4, "Event sequence")."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from werkzeug import Request

from gateway.answer import Answer
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Paused, Reasoning, Silence, Started, Text, TextReplaced
from gateway.protocols.openai.chat.reply import PING, REPLACED
from gateway.protocols.openai.errors import failure
from gateway.protocols.openai.responses.request import ResponsesRequest, read_responses
from gateway.protocols.openai.responses.wire import (
    Envelope,
    message_item,
    reasoning_item,
    summary_part,
    text_part,
)
from gateway.protocols.openai.text import rest_of, whole_text
from gateway.protocols.openai.usage import responses_usage
from gateway.protocols.protocol import Reply, Streamed, Whole
from gateway.view import View
from gateway.wire import json_bytes


def read(request: Request) -> tuple[Asked, Callable[[View], Reply]]:
    """What was asked, and the reply. Raises `DuckError` as `read_responses` does."""
    asked = read_responses(request)
    return asked.asked(), lambda view: _reply(asked, view)


def _reply(asked: ResponsesRequest, view: View) -> Reply:
    if not asked.stream:
        return Whole("application/json", lambda answer: json_bytes(whole(answer, asked, view)))
    return Streamed("text/event-stream", lambda events: write(events, asked, view), {})


def whole(answer: Answer, asked: ResponsesRequest, view: View) -> dict[str, Any]:
    """The one body."""
    envelope = Envelope(asked, view, answer.started)
    text = whole_text(answer)
    output = []
    if answer.reasoning:
        thought = summary_part(answer.reasoning)
        output.append(reasoning_item(envelope.item_id(_REASONING.prefix, 0), "completed", [thought]))
    item_id = envelope.item_id(_MESSAGE.prefix, len(output))
    output.append(message_item(item_id, "completed", [text_part(text)]))
    return _completed(envelope, output, answer)


def _completed(envelope: Envelope, output: list[dict[str, Any]], answer: Answer) -> dict[str, Any]:
    usage = responses_usage(answer.usage, envelope.view)
    return envelope.response("completed", output, completed_at=envelope.ended_at, usage=usage)


def write(events: Iterator[Event], asked: ResponsesRequest, view: View) -> Iterator[bytes]:
    """One frame per event; the ending's holds all that a stream ends with."""
    stream = _Stream(asked, view)
    answer = view.new_answer()
    for event in events:
        answer.add(event)
        match event:
            case Text(text=text):
                yield stream.text(text)
            case Reasoning(text=text):
                yield stream.reasoning(text)
            case Silence():
                yield PING
            case Started():
                yield stream.begin(event)
            case TextReplaced(text=text):
                yield stream.text((REPLACED if stream.has_text else "") + text)
            case Failed(error=error):
                yield stream.fail(error)
            case Finished() | Paused():
                yield stream.end(answer)
            case _:
                yield b""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of output item, and what its events are called."""

    prefix: str
    item: Callable[[str, str, list[dict[str, Any]]], dict[str, Any]]
    part: Callable[[str], dict[str, Any]]
    part_event: str
    part_index: str
    text_event: str
    logprobs: bytes


_MESSAGE: Final = _Kind(
    "msg_",
    message_item,
    text_part,
    "response.content_part",
    "content_index",
    "response.output_text",
    b',"logprobs":[]',
)
_REASONING: Final = _Kind(
    "rs_",
    reasoning_item,
    summary_part,
    "response.reasoning_summary_part",
    "summary_index",
    "response.reasoning_summary_text",
    b"",
)


_FAILED: Final = "server_error"
"""Code of a failed response; the API has a closed set of them, and all but two are about images and prompts."""


@dataclass(slots=True)
class _Item:
    """An item of the output that is open. place: the members that all events of its text share."""

    kind: _Kind
    id: str
    index: int
    place: bytes
    texts: list[str]


class _Stream:
    """The state of one stream: which items are open, and what is behind them.

    A response has one message, which stays open while the app thinks in between: some clients take the last message for
    the whole answer (openai-agents).
    """

    def __init__(self, asked: ResponsesRequest, view: View) -> None:
        self._envelope = Envelope(asked, view, None)
        self._asked = asked
        self._view = view
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._message: _Item | None = None
        self._reasoning: _Item | None = None
        self._has_begun = False
        self.has_text = False
        self.has_reasoning = False

    def begin(self, started: Started | None) -> bytes:
        """The two events that a sequence begins with, once, for readers refuse one without, failures too."""
        if self._has_begun:
            return b""
        self._has_begun = True
        self._envelope = Envelope(self._asked, self._view, started)
        response = self._envelope.response("in_progress", [])
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def text(self, text: str) -> bytes:
        """More of the message, which ends what was thought before it."""
        self.has_text = self.has_text or bool(text)
        opening = self._close_reasoning()
        if self._message is None:
            self._message, added = self._open(_MESSAGE)
            opening += added
        return opening + self._delta(self._message, text)

    def reasoning(self, text: str) -> bytes:
        """More of what is thought."""
        self.has_reasoning = True
        opening = b""
        if self._reasoning is None:
            self._reasoning, opening = self._open(_REASONING)
        return opening + self._delta(self._reasoning, text)

    def fail(self, error: DuckError) -> bytes:
        told = failure(error, with_cause=self._view.with_progress)
        closing = self.begin(None) + self._close_all("incomplete")
        code = "rate_limit_exceeded" if told["code"] == "rate_limit_exceeded" else _FAILED
        cause = {"code": code, "message": told["message"]}
        response = self._envelope.response("failed", self._output, error=cause)
        return closing + self._event("response.failed", response=response)

    def end(self, answer: Answer) -> bytes:
        """What has not been told yet, in items of their own, and the whole response."""
        rest = rest_of(answer)
        frames = self.begin(None)
        if answer.reasoning and not self.has_reasoning:
            frames += self.reasoning(answer.reasoning)
        if rest or not self.has_text:
            frames += self.text(rest)
        frames += self._close_all()
        return frames + self._event("response.completed", response=_completed(self._envelope, self._output, answer))

    def _open(self, kind: _Kind) -> tuple[_Item, bytes]:
        opening = self.begin(None)
        index = len(self._output)
        item_id = self._envelope.item_id(kind.prefix, index)
        place = json_bytes({"item_id": item_id, "output_index": index, kind.part_index: 0})[1:-1]
        item = _Item(kind, item_id, index, place, [])
        begun = kind.item(item_id, "in_progress", [])
        self._output.append(begun)
        added = self._event("response.output_item.added", output_index=index, item=begun)
        return item, opening + added + self._part_event(item, "added", "")

    def _close_reasoning(self, status: str = "completed") -> bytes:
        item, self._reasoning = self._reasoning, None
        return self._close(item, status) if item else b""

    def _close_all(self, status: str = "completed") -> bytes:
        closing = self._close_reasoning(status)
        item, self._message = self._message, None
        return closing + (self._close(item, status) if item else b"")

    def _close(self, item: _Item, status: str) -> bytes:
        kind, text = item.kind, "".join(item.texts)
        done = kind.item(item.id, status, [kind.part(text)])
        self._output[item.index] = done
        return (
            self._raw_event(f"{kind.text_event}.done", item.place + b',"text":' + json_bytes(text) + kind.logprobs)
            + self._part_event(item, "done", text)
            + self._event("response.output_item.done", output_index=item.index, item=done)
        )

    def _delta(self, item: _Item, text: str) -> bytes:
        item.texts.append(text)
        kind = item.kind
        return self._raw_event(f"{kind.text_event}.delta", item.place + b',"delta":' + json_bytes(text) + kind.logprobs)

    def _part_event(self, item: _Item, verb: str, text: str) -> bytes:
        part = json_bytes(item.kind.part(text))
        return self._raw_event(f"{item.kind.part_event}.{verb}", item.place + b',"part":' + part)

    def _event(self, name: str, **members: Any) -> bytes:
        return self._raw_event(name, json_bytes(members)[1:-1])

    def _raw_event(self, name: str, members: bytes) -> bytes:
        number = self._number
        self._number += 1
        text = name.encode()
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n' % (text, text, number, members)
