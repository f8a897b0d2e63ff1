"""Events that tell text, as bytes: nearly every event of a stream is one, and like the one before but for its text."""

from collections.abc import Mapping
from typing import Final

from gateway.events import Raw
from gateway.links import with_text
from gateway.protocols.dify.shown import shown
from gateway.view import View
from gateway.wire import json_bytes

_MARK: Final = "\0"
"""Stands for the text. It is no member of any event of Dify's: its database takes no NUL."""

_MARKED: Final = json_bytes(_MARK)


class Texts:
    """Makes what stands before and behind a text anew only where it differs from the event before."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._last: Raw | None = None
        self._head = self._tail = b""

    def json(self, raw: Raw) -> bytes | None:
        """An event as it leaves; None for one whose text is not where Dify has it, or of which nothing may leave."""
        text = _text_in(raw)
        if text is None:
            return None
        marked = with_text(raw, _MARK)
        if marked != self._last:
            seen = shown(marked, self._view)
            parts = json_bytes(seen).split(_MARKED)
            if len(parts) != 2:  # noqa: PLR2004 - before and behind the text
                return None
            self._last, (self._head, self._tail) = marked, parts
        return self._head + json_bytes(text) + self._tail


def _text_in(raw: Raw) -> str | None:
    """The text where `with_text` puts it."""
    data = raw.get("data")
    text = raw["answer"] if "answer" in raw else data.get("text") if isinstance(data, Mapping) else None
    return text if isinstance(text, str) else None
