"""The native reply: which form a caller asked for, and how each form is written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from werkzeug import Request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from gateway.answer import Answer
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Paused, Silence, Text, TextReplaced, Writer
from gateway.protocols.native import members
from gateway.protocols.native.request import read_native
from gateway.protocols.protocol import Reply, Streamed, Whole
from gateway.view import View
from gateway.wire import json_bytes


class Form(Enum):
    """The forms of a reply, by content type."""

    SSE = "text/event-stream"
    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    TEXT = "text/plain; charset=utf-8"


_BY_TYPE: Final[Mapping[str, Form]] = {
    "text/event-stream": Form.SSE,
    "application/json": Form.JSON,
    "application/x-ndjson": Form.NDJSON,
    "application/ndjson": Form.NDJSON,
    "application/jsonl": Form.NDJSON,
    "text/plain": Form.TEXT,
}

_BY_RANGE: Final[Mapping[str, tuple[str, ...]]] = {
    "*/*": ("text/event-stream", "application/json", "application/x-ndjson", "text/plain"),
    "text/*": ("text/event-stream", "text/plain"),
    "application/*": ("application/json", "application/x-ndjson"),
}
"""What a range of types means, best first."""


def read(request: Request) -> tuple[Asked, Callable[[View], Reply]]:
    """What was asked, and the reply. Raises `DuckError` as `read_native` and `choose` do."""
    native = read_native(request)
    form, is_streamed = choose(native.response_mode or "", request.headers.get("Accept", ""))
    return native.asked(), lambda view: _reply(form, view, is_streamed=is_streamed)


def _reply(form: Form, view: View, *, is_streamed: bool) -> Reply:
    if is_streamed:
        return Streamed(form.value, writer(form, view), {})
    return Whole(form.value, lambda answer: whole(form, answer, view), is_json=form is Form.JSON)


def choose(response_mode: str, accept: str) -> tuple[Form, bool]:
    """The form, and whether it is streamed (DESIGN section 3, "Which reply").

    response_mode: `streaming`, `blocking`, or `""`: it decides stream or one body, `accept`, the header, the form.
    Without a header that names a form it is SSE. Raises `not_acceptable` when only other types are accepted.
    """
    form = _accepted(accept)
    if response_mode == "blocking":
        return (Form.TEXT if form is Form.TEXT else Form.JSON), False
    if response_mode == "streaming" and form is Form.JSON:
        return Form.NDJSON, True
    return form, form is not Form.JSON


def _accepted(accept: str) -> Form:
    """The best of the client's types that Duck knows, by `q`, then by the client's order; then by its ranges.

    axios sends `application/json, text/plain, */*`, n8n `application/json,text/html,…;q=0.9, image/*;q=0.8, */*;q=0.7`:
    both mean JSON. Java sends `q=.2`, which werkzeug would pass over with its type.
    """
    if not accept.strip():
        return Form.SSE
    parsed = parse_accept_header(accept.replace("q=.", "q=0."), MIMEAccept)
    wanted = [(name.partition(";")[0].strip().lower(), quality) for name, quality in parsed]
    wanted.sort(key=lambda item: -item[1])
    refused = {name for name, quality in wanted if quality <= 0}
    names = [name for name, _ in wanted if name not in refused]
    in_ranges = [name for range_ in names for name in _BY_RANGE.get(range_, ()) if name not in refused]
    chosen = next((name for name in [*names, *in_ranges] if name in _BY_TYPE), None)
    if chosen is None:
        raise DuckError(
            "not_acceptable",
            "This path can't answer in any of the types that Accept names.",
            f"Ask for one of {', '.join(_BY_RANGE['*/*'])}, or for */*.",
        )
    return _BY_TYPE[chosen]


def writer(form: Form, view: View) -> Writer:
    """The stream of this form."""
    match form:
        case Form.SSE:
            return lambda events: _objects(events, view, _SSE)
        case Form.TEXT:
            return lambda events: _text(events, view)
        case _:
            return lambda events: _objects(events, view, _NDJSON)


def whole(form: Form, answer: Answer, view: View) -> bytes:
    """The one body of this form."""
    if form is not Form.TEXT:
        return json_bytes(members.end(answer, view))
    return (answer.text + (_PAUSED if answer.status == "paused" else "")).encode("utf-8", "replace")


_PAUSED: Final = "\n\n[paused: the app waits for a human]\n"
"""What plain text says of a pause."""


@dataclass(frozen=True, slots=True)
class _Encoding:
    """frame: of an event by its name and its members. text: of an event `text`, which nearly every event is."""

    frame: Callable[[str, Mapping[str, Any]], bytes]
    text: Callable[[str], bytes]
    ping: bytes


def _objects(events: Iterator[Event], view: View, encoding: _Encoding) -> Iterator[bytes]:
    """One frame per event. `Paused` and `Finished` are followed by `end`; `Failed` is `error`, and the last."""
    answer, encode, is_full = view.new_answer(), encoding.frame, view.is_full
    for event in events:
        match event:
            case Text(text=text) if not is_full:
                answer.add(event)
                yield encoding.text(text)
            case Silence():
                yield encoding.ping
            case Failed(error=error):
                yield encode("error", members.failure(error, view))
            case Finished() | Paused():
                answer.add(event)
                paused = members.named(event, view)
                yield (encode(*paused) if paused else b"") + encode("end", members.end(answer, view))
            case _:
                answer.add(event)
                shown = members.named(event, view)
                yield encode(*shown) if shown else b""


def _sse(name: str, content: Mapping[str, Any]) -> bytes:
    """WHATWG HTML 9.2. JSON has no raw newline, so one `data` line holds it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json_bytes(content))


def _sse_text(text: str) -> bytes:
    return b'event: text\ndata: {"text":%b}\n\n' % json_bytes(text)


def _ndjson(name: str, content: Mapping[str, Any]) -> bytes:
    return _line(json_bytes({"event": name, **content}))


def _ndjson_text(text: str) -> bytes:
    return _line(b'{"event":"text","text":%b}' % json_bytes(text))


def _line(line: bytes) -> bytes:
    """One line, also for readers that take Unicode's other line ends for ends (Python's `splitlines`)."""
    if line.isascii():
        return line + b"\n"
    for character in "\u0085\u2028\u2029":
        line = line.replace(character.encode(), b"\\u%04x" % ord(character))
    return line + b"\n"


_SSE: Final = _Encoding(_sse, _sse_text, b": ping\n\n")
_NDJSON: Final = _Encoding(_ndjson, _ndjson_text, b'{"event":"ping"}\n')


def _text(events: Iterator[Event], view: View) -> Iterator[bytes]:
    """Just the answer as it comes. What text can't carry, a replacement, an error or a pause, is said in brackets."""
    answer = view.new_answer()
    for event in events:
        answer.add(event)
        match event:
            case Text(text=text):
                yield text.encode("utf-8", "replace")
            case TextReplaced(text=text):
                yield f"\n\n[The app replaced the text above:]\n{text}".encode("utf-8", "replace")
            case Failed(error=error):
                yield f"\n\n[error {error.code}: {error.sentence(with_cause=view.with_progress)}]\n".encode()
            case Paused():
                yield _PAUSED.encode()
            case Finished():
                yield b"" if answer.streamed_text else answer.text.encode("utf-8", "replace")
            case _:
                yield b""
