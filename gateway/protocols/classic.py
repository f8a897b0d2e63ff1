"""`/duck`: Dify's events as a live page, as Dify's documentation shows it for its endpoint example.

Each event is its JSON and ` <br>`. The page shares its origin with Dify's console, so it is sandboxed, and no character
of an event can become markup (law 18).
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from werkzeug import Request

from gateway.call import Asked
from gateway.errors import DuckError
from gateway.events import Event, Failed, Silence
from gateway.protocols.native.request import read_native
from gateway.protocols.protocol import Reply, Shaped, Streamed
from gateway.view import View
from gateway.wire import json_bytes

CONTENT_TYPE: Final = "text/html; charset=utf-8"

HEADERS: Final[Mapping[str, str]] = MappingProxyType({"Content-Security-Policy": "sandbox; default-src 'none'"})

_PING: Final = b"\n"
"""White space shows nothing in a page, and JSON readers skip it."""


def read(request: Request) -> tuple[Asked, Callable[[View], Reply]]:
    """A native request, in the body or the query string, and the page.

    The page has Dify's events, each once and in order, and an `error` event of Duck's own at the end of a failed run.
    """
    return read_native(request).asked(), _page


def _page(view: View) -> Streamed:
    return Streamed(CONTENT_TYPE, lambda events: write(events, view), HEADERS)


def shape(error: DuckError, known: Mapping[str, Any], *, with_cause: bool) -> Shaped:
    """An error before the stream: the page shows it as its only event."""
    return Shaped(CONTENT_TYPE, _failure(error, known, with_cause=with_cause), HEADERS)


def _failure(error: DuckError, known: Mapping[str, Any], *, with_cause: bool) -> bytes:
    message = error.sentence(with_cause=with_cause)
    return _line({"event": "error", "code": error.code, "status": error.status, "message": message, **known})


def write(events: Iterator[Event], view: View) -> Iterator[bytes]:
    for event in events:
        match event:
            case Silence():
                yield _PING
            case Failed(error=error):
                yield _failure(error, {}, with_cause=view.with_progress)
            case _:
                raw = getattr(event, "raw", None)
                is_error = raw is not None and raw.get("event") == "error"  # said in Duck's words at the end
                shown = None if raw is None or is_error else view.of_raw(raw)
                yield b"" if shown is None else _line(shown)


def _line(value: Mapping[str, Any]) -> bytes:
    """JSON that is inert in HTML: `<`, `>` and `&` can stand only inside its strings, where they may be escaped."""
    text = json_bytes(value)
    return text.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026") + b" <br>"
