"""`/duck`: Dify's events as a live page, as Dify's documentation shows it for its endpoint example.

Each event is its JSON and ` <br>`. The page shares its origin with Dify's console, so it is sandboxed, and no character
of an event can become markup (law 18).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.errors import DuckError
from gateway.events import Event, Failed, Silence
from gateway.streaming import Writer
from gateway.view import View
from gateway.wire import json_bytes

CONTENT_TYPE: Final = "text/html; charset=utf-8"

HEADERS: Final[Mapping[str, str]] = MappingProxyType({"Content-Security-Policy": "sandbox; default-src 'none'"})

_PING: Final = b"\n"
"""White space shows nothing in a page, and JSON readers skip it."""


def writer(view: View) -> Writer:
    """Dify's events, each once and in order, with an `error` event of Duck's own at the end of a failed run."""
    return lambda events: _write(events, view)


def failure(error: DuckError, *, with_cause: bool) -> bytes:
    """An error, before the stream or as its last visible event."""
    return _line(
        {"event": "error", "code": error.code, "status": error.status, "message": error.sentence(with_cause=with_cause)}
    )


def _write(events: Iterator[Event], view: View) -> Iterator[bytes]:
    for event in events:
        match event:
            case Silence():
                yield _PING
            case Failed(error=error):
                yield failure(error, with_cause=view.with_progress)
            case _:
                raw = getattr(event, "raw", None)
                is_error = raw is not None and raw.get("event") == "error"  # said in Duck's words at the end
                shown = None if raw is None or is_error else view.of_raw(raw)
                yield b"" if shown is None else _line(shown)


def _line(value: Mapping[str, Any]) -> bytes:
    """JSON that is inert in HTML: `<`, `>` and `&` can stand only inside its strings, where they may be escaped."""
    text = json_bytes(value)
    return text.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026") + b" <br>"
