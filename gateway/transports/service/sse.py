"""Dify's event stream, bytes to dicts; no I/O.

Policy: pings, comments, and events that hold no object are none of a run's (on the reverse path Dify drops what is no
object, wire section 1.4); an object that can't be read is a failure. An event without the empty line at its end has
not come (WHATWG, "Event stream interpretation"), so a stream that ends in one has just ended.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import httpx
import pydantic_core
from httpx_sse import EventSource

from gateway.events import Raw
from gateway.transports.service.failures import unreadable_event
from gateway.wire import json_bytes

MAX_EVENT: Final = 30 * 1024 * 1024
"""Bytes of one event, as the daemon allows on the reverse path (RESPONSE_MAX_BUFFER_SIZE, wire section 1.5)."""

_UTF_8: Final = {"Content-Type": "text/event-stream; charset=utf-8-sig"}
"""The standard knows no other encoding, whatever a header says, and skips a byte order mark; invalid bytes become
U+FFFD."""


def dicts_of(chunks: Iterable[bytes]) -> Iterator[Raw]:
    """The events that hold an object. Raises `DuckError` for one that can't be read, or is over `MAX_EVENT`."""
    limited = _Limited(chunks)
    for event in EventSource(httpx.Response(200, headers=_UTF_8, stream=limited)).iter_sse():
        limited.unread = 0
        if event.event != "ping" and event.data.lstrip().startswith("{"):
            yield _object_in(event.data)


class _Limited(httpx.SyncByteStream):
    """The bytes of a stream. unread: how many have come since it was set to 0."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.unread = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.unread += len(chunk)
            if self.unread > MAX_EVENT:
                raise unreadable_event()
            yield chunk


def _object_in(text: str) -> Raw:
    try:
        return _parsed(text.encode())
    except ValueError:
        pass
    try:
        return _parsed(json_bytes(json.loads(text)))  # with whole characters for a lone surrogate
    except (ValueError, RecursionError) as error:
        raise unreadable_event() from error


def _parsed(text: bytes) -> Raw:
    value: dict[str, Any] = pydantic_core.from_json(text)  # it begins with a brace
    return value
