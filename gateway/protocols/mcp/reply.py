"""The reply to `tools/call`: one JSON body, or a stream with progress whose last message is the result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from mcp_types.jsonrpc import RequestId
from werkzeug.datastructures import MIMEAccept

from gateway.answer import Answer
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Paused, Silence, Started
from gateway.protocols.mcp import results
from gateway.protocols.mcp.progress import notice
from gateway.protocols.protocol import Reply, Streamed, Whole
from gateway.view import View
from gateway.wire import json_bytes

JSON: Final = "application/json"
STREAM: Final = "text/event-stream"
PING: Final = b": ping\n\n"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a reply must know of its request.

    progress_token: None where no progress was asked for. takes_stream: whether the client reads one. elapsed: seconds
    since the call came.
    """

    id: RequestId | None
    revision: str
    progress_token: str | int | None
    takes_stream: bool
    elapsed: Callable[[], float]

    def reply(self, view: View) -> Reply:
        """A stream where progress was asked for; else one body, which becomes a stream when the run takes long."""
        stream = Streamed(STREAM, lambda events: write(events, self, view), {})
        if self.takes_stream and self.progress_token is not None:
            return stream
        late = stream if self.takes_stream else None
        return Whole(JSON, lambda answer: json_bytes(self.answered(answer, view)), late=late)

    def answered(self, answer: Answer, view: View) -> dict[str, Any]:
        result = results.answer_of_tool(answer, view, self.revision)
        return results.response(self.id, results.complete(result, self.revision))

    def failed(self, error: DuckError, started: Started | None, *, with_cause: bool) -> dict[str, Any]:
        result = results.failure_of_tool(error, started, with_cause=with_cause)
        return results.response(self.id, results.complete(result, self.revision))


def takes_stream(accept: MIMEAccept) -> bool:
    """Whether a client reads a stream, as it says itself. The protocol demands that each does; what takes anything, as
    curl does, would be surprised by one.
    """
    return any(name.lower() == STREAM and quality > 0 for name, quality in accept)


def write(events: Iterator[Event], call: ToolCall, view: View) -> Iterator[bytes]:
    """One frame per event; the text leaves as a whole in the ending's."""
    answer = view.new_answer()
    told = 0
    for event in events:
        answer.add(event)
        match event:
            case Failed(error=error):
                yield _message(call.failed(error, answer.started, with_cause=view.with_progress))
            case Finished() | Paused():
                yield _message(call.answered(answer, view))
            case _:
                words = notice(event, view, call.elapsed) if call.progress_token is not None else None
                if words is not None:
                    told += 1
                    yield _message(_progress(call, told, words))
                else:
                    yield PING if isinstance(event, Silence) else b""


def _progress(call: ToolCall, number: int, words: str) -> dict[str, Any]:
    """How far it is can't be told, so the number only grows (MCP, "Progress": it must with each)."""
    params = {"progressToken": call.progress_token, "progress": number, "message": words}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def _message(message: dict[str, Any]) -> bytes:
    """WHATWG HTML 9.2. JSON has no raw newline, so one `data` line holds it."""
    return b"event: message\ndata: %b\n\n" % json_bytes(message)
