"""The reply of Dify's Service API: its event stream, or one body.

A run that came by reverse invocation is told as the Service API would have told it. The two ways agree but for the ends
of some runs (wire 14.9, 14.13, 14.18; every recording that exists of both was compared):

1. A failed chatflow ends with `workflow_finished`; the `error` behind it, which only the reverse path has, is left out.
2. A chatflow that was stopped, by hand or by a moderation, ends with `workflow_finished`; the `message_end` behind it,
   which only the reverse path has, is left out.

Deliberate departures from the Service API:

3. A failure before anything else is an HTTP error, not a stream of one `error` event; so are inputs that the form of
   a workflow refuses, for which the Service API streams a run that has failed.
4. Behind the answer to a moderated input the Service API adds to a chatflow a run that has failed, without a
   conversation, out of an error of its own; the reverse path has none, and none is made up.
5. An `error` has Dify's code and status and Duck's sentence: Dify packs JSON in JSON, with tracebacks in it.
6. The stream's opening `event: ping` comes as every other: when there is nothing else to send.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from werkzeug import Request

from gateway.answer import Answer
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.events import TEXT_EVENTS, Event, Failed, Raw, Silence, Text
from gateway.protocols.dify.blocking import body_of, body_of_failed
from gateway.protocols.dify.errors import failure
from gateway.protocols.dify.request import Payload, read_payload
from gateway.protocols.dify.shown import is_failed_run, run_status, shown
from gateway.protocols.dify.texts import Texts
from gateway.protocols.protocol import Reply, Streamed, Whole
from gateway.view import View
from gateway.wire import json_bytes

SSE: Final = "text/event-stream; charset=utf-8"
JSON: Final = "application/json; charset=utf-8"
"""As Dify writes them (recordings/service)."""

PING: Final = b"event: ping\n\n"

_ERROR_IDS: Final = ("conversation_id", "message_id", "created_at")
"""What an `error` of Dify's says of a message; of a workflow it names the run."""


def reader(model: type[Payload]) -> Callable[[Request], tuple[Asked, Callable[[View], Reply]]]:
    """A route's way to read: what was asked, and the reply. It raises `DuckError` as `read_payload` does."""

    def read(request: Request) -> tuple[Asked, Callable[[View], Reply]]:
        payload = read_payload(request, model)
        return payload.asked(), lambda view: _reply(view, is_streamed=payload.is_streamed)

    return read


def _reply(view: View, *, is_streamed: bool) -> Reply:
    if is_streamed:
        return Streamed(SSE, lambda events: write(events, view), {})
    return Whole(
        JSON, lambda answer: json_bytes(body_of(answer, view)), write_failed=lambda answer: _failed(answer, view)
    )


def _failed(answer: Answer, view: View) -> bytes | None:
    body = body_of_failed(answer, view)
    return None if body is None else json_bytes(body)


def write(events: Iterator[Event], view: View) -> Iterator[bytes]:
    """One frame per event: Dify's own dicts, each once and in order."""
    run = _Told(view)
    for event in events:
        match event:
            case Text(raw=raw) if raw is not None:
                yield run.text(raw)
            case Silence():
                yield PING
            case Failed(error=error):
                yield b"" if run.has_failed else _frame(run.error(error))
            case _:
                raw = getattr(event, "raw", None)
                yield b"" if raw is None else _frame(run.next(raw))


def _frame(raw: Raw | None) -> bytes:
    if raw is None:
        return b""
    return PING if raw.get("event") == "ping" else b"data: %b\n\n" % json_bytes(raw)


class _Told:
    """What a stream has said so far, as far as its end depends on it."""

    def __init__(self, view: View) -> None:
        self.has_failed = False
        self._view = view
        self._texts = Texts(view)
        self._is_stopped = False
        self._last: Raw = {}
        self._error: Raw = {}

    def text(self, raw: Raw) -> bytes:
        """The frame of Dify's next dict, which tells text."""
        told = self._texts.json(raw) if raw.get("event") in TEXT_EVENTS else None
        if told is None:
            return _frame(self.next(raw))
        self._last = raw
        return b"data: " + told + b"\n\n"

    def next(self, raw: Raw) -> Raw | None:
        """Dify's next dict as it leaves; None for one that does not."""
        name = raw.get("event")
        if name == "error":  # said at the end, when it is known what it means
            self._error = raw
            return None
        if name == "message_end" and self._is_stopped:
            return None
        if "message_id" in raw or "workflow_run_id" in raw:
            self._last = raw
        self.has_failed = self.has_failed or is_failed_run(raw)
        self._is_stopped = self._is_stopped or run_status(raw) == "stopped"
        return shown(raw, self._view)

    def error(self, error: DuckError) -> Raw:
        """The `error` event of a run that failed without saying so otherwise."""
        told = failure(error, with_cause=self._view.with_progress)
        ids = _ERROR_IDS if "message_id" in self._last else ("workflow_run_id",)
        return {
            "event": "error",
            **{name: self._last[name] for name in ids if name in self._last},
            "code": _given(self._error, "code", str) or told["code"],
            "status": _given(self._error, "status", int) or told["status"],
            "message": told["message"],
        }


def _given(raw: Mapping[str, Any], name: str, type_: type) -> Any:
    value = raw.get(name)
    return value if isinstance(value, type_) else None
