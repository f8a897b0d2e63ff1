"""`<think>` blocks of an answer, told apart as reasoning: a stage between the decoder and the writers (`think_tags`).

Dify leaves a model's thoughts in the text where the app does not separate them (wire 14.7), the tags cut anywhere.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

from gateway.events import Event, Failed, Finished, Passed, Paused, Raw, Reasoning, Text, TextReplaced

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"

_TEXT_ENDS: Final = (Reasoning, TextReplaced, Finished, Paused, Failed)
"""Events beyond which no text goes on."""


def split_thinking(events: Iterator[Event]) -> Iterator[Event]:
    """`events` with the text inside the tags as `Reasoning`, and without the tags.

    Text that may be the beginning of a tag waits for what follows, also beyond events that are no text (branches of an
    app that run at once); none is lost. An answer that ends inside a block was all reasoning from its tag on.
    """
    splitter = _Splitter()
    for event in events:
        if isinstance(event, Text):
            if splitter.is_plain and "<" not in event.text:  # nearly every event; the long way takes 3 µs
                yield event
                continue
            yield from _with_raw(splitter.feed(event.text), event.raw)
            continue
        if isinstance(event, _TEXT_ENDS):
            yield from splitter.rest()
        if isinstance(event, TextReplaced):
            splitter = _Splitter()
            yield replace(event, text=without_thinking(event.text))
            continue
        yield event


def without_thinking(text: str) -> str:
    """A whole text without its blocks."""
    splitter = _Splitter()
    pieces = chain(splitter.feed(text), splitter.rest())
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


def _with_raw(pieces: Iterator[Text | Reasoning], raw: Raw | None) -> Iterator[Event]:
    """The pieces, the last of them with Dify's dict, which is passed on once."""
    last: Text | Reasoning | None = None
    for piece in pieces:
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield replace(last, raw=raw)
    elif raw is not None:
        yield Passed(raw)


class _Splitter:
    """What must be remembered between two pieces of one answer."""

    def __init__(self) -> None:
        self._held = ""
        self._is_inside = False
        self._skips_lines = False

    @property
    def is_plain(self) -> bool:
        """Whether a text without the beginning of a tag would come out as it is."""
        return not (self._held or self._is_inside or self._skips_lines)

    def feed(self, text: str) -> Iterator[Text | Reasoning]:
        """The pieces that are certain now."""
        text, self._held = self._held + text, ""
        start = 0  # the text is not cut at each tag, for an answer of nothing but tags would take minutes
        while True:
            tag = _CLOSE if self._is_inside else _OPEN
            found = text.find(tag, start)
            if found < 0:
                self._held = _beginning_of(tag, text, start)
                yield from self._piece(text[start : len(text) - len(self._held)])
                return
            yield from self._piece(text[start:found])
            start = found + len(tag)
            self._skips_lines = True  # the line ends around a tag belong to it
            self._is_inside = not self._is_inside

    def rest(self) -> Iterator[Text | Reasoning]:
        """What was held, as it is no tag after all."""
        held, self._held = self._held, ""
        yield from self._piece(held)

    def _piece(self, text: str) -> Iterator[Text | Reasoning]:
        if self._skips_lines:
            text = text.lstrip("\r\n")
        if text:
            self._skips_lines = False
            yield Reasoning(text, None) if self._is_inside else Text(text, None)


def _beginning_of(tag: str, text: str, start: int) -> str:
    """The end of a text, from `start` on, that may be the beginning of the tag."""
    return next((tag[:size] for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size], start)), "")
