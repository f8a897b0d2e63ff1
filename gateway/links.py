"""Relative links to Dify's files, made absolute: a stage between the decoder and the writers.

Dify without `FILES_URL` names its files by path only (`/files/tools/…`), in file events, in outputs and inside the
Markdown of an answer, where a link may be cut between two events.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.events import Event, Failed, File, Finished, Paused, Raw, Text, TextReplaced

_PATH: Final = "/files/"
"""Where Dify's API serves files, below its own origin (Dify: controllers/files)."""

_MARKS: Final = ("](/files/", '"/files/', "'/files/")
"""A relative link in Markdown or HTML: the character before the path tells it from prose and from an absolute URL."""


def absolute_links(events: Iterator[Event], origin: str) -> Iterator[Event]:
    """`events` with every relative link to a file prefixed by `origin` (no slash at its end).

    The end of a text that may be the beginning of a link, at most 8 characters, is held back until the next event, so
    that a link is found also where it is cut. No text is lost or reordered.
    """
    held = ""
    last: Raw | None = None
    for event in events:
        match event:
            case Text(text=text, raw=raw):
                text, held = _split(_absolute(held + text, origin))
                last = raw
                if text:
                    yield Text(text, _with_text(raw, text))
            case TextReplaced():
                held = ""
                yield replace(event, text=_absolute(event.text, origin), raw=event.raw)
            case File(url=url) if url.startswith(_PATH):
                yield replace(event, url=origin + url)
            case Finished() | Failed() | Paused():
                if held:
                    yield Text(held, _with_text(last, held))
                yield replace(event, outputs=absolute(event.outputs, origin)) if isinstance(event, Finished) else event
            case _:
                yield event


def absolute(value: Any, origin: str) -> Any:
    """A JSON value with the links in its strings made absolute."""
    match value:
        case str():
            return origin + value if value.startswith(_PATH) else _absolute(value, origin)
        case dict():
            return {key: absolute(item, origin) for key, item in value.items()}
        case list():
            return [absolute(item, origin) for item in value]
        case _:
            return value


def _split(text: str) -> tuple[str, str]:
    """What may leave now, and the end that could still become a link."""
    longest = max(map(len, _MARKS)) - 1
    for size in range(min(longest, len(text)), 0, -1):
        tail = text[-size:]
        if any(mark.startswith(tail) for mark in _MARKS):
            return text[:-size], tail
    return text, ""


def _absolute(text: str, origin: str) -> str:
    if _PATH not in text:
        return text
    for mark in _MARKS:
        text = text.replace(mark, mark[: -len(_PATH)] + origin + _PATH)
    return text


def _with_text(raw: Raw | None, text: str) -> Raw | None:
    """Dify's dict with the text that its event now has."""
    if raw is None or raw.get("answer") == text:
        return raw
    if "answer" in raw:
        return {**raw, "answer": text}
    data = raw.get("data")
    return {**raw, "data": {**data, "text": text}} if isinstance(data, Mapping) else raw
