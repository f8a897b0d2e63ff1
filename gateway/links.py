"""Relative links to Dify's files, made absolute: a stage between the decoder and the writers.

Dify without `FILES_URL` names its files by path only (`/files/tools/<uuid>.png?…`), in file events, in outputs and
inside the Markdown of an answer, where a link may be cut between two events. Only what has the form of Dify's own
links is touched: a path that an answer merely mentions stays as it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.events import Event, File, Finished, Passed, Raw, Text, TextReplaced

_FILE: Final = r"/files/(?:tools/)?[0-9a-f]{8}-"
"""How the path of each of Dify's files begins: a tool's file, or an upload (Dify: controllers/files)."""

_PATH: Final = re.compile(_FILE)
_LINK: Final = re.compile(rf"\]\((?={_FILE})")
"""Where a relative link begins in Markdown, with its path behind."""

_BEGINNINGS: Final = ("](/files/tools/", "](/files/")
"""Such a link up to the file's id, whose first eight digits and dash follow."""


def absolute_links(events: Iterator[Event], origin: str) -> Iterator[Event]:
    """`events` with every relative link to a file prefixed by `origin`, which has no slash at its end.

    The end of a text that may be the beginning of a link waits for the next event, so that a link is found also where
    it is cut. No text is lost, and none changes places with another event. Without an origin nothing is touched.
    """
    return _absolute_links(events, origin) if origin else events


def _absolute_links(events: Iterator[Event], origin: str) -> Iterator[Event]:
    held = ""
    last: Raw | None = None
    for event in events:
        if isinstance(event, Text):
            if not held and "]" not in event.text:
                yield event
                continue
            text, held = _split(_LINK.sub(f"]({origin}", held + event.text))
            last = event.raw
            raw = _with_text(event.raw, text)
            if text:
                yield Text(text, raw)
            elif raw is not None:
                yield Passed(raw)
            continue
        if held and not isinstance(event, TextReplaced):
            yield Text(held, _with_text(last, held))
        held = ""
        yield _absolute_event(event, origin)


def _absolute_event(event: Event, origin: str) -> Event:
    match event:
        case TextReplaced():
            return replace(event, text=absolute(event.text, origin))
        case File(url=url) if _PATH.match(url):
            return replace(event, url=origin + url)
        case Finished():
            return replace(event, outputs=absolute(event.outputs, origin))
        case _:
            return event


def absolute(value: Any, origin: str) -> Any:
    """A JSON value with the links in its strings made absolute."""
    match value:
        case str():
            return origin + value if _PATH.match(value) else _LINK.sub(f"]({origin}", value)
        case dict():
            return {key: absolute(item, origin) for key, item in value.items()}
        case list():
            return [absolute(item, origin) for item in value]
        case _:
            return value


def _split(text: str) -> tuple[str, str]:
    """What may leave now, and the end that could still become a link."""
    bracket = text.rfind("]")
    if bracket < 0 or not _may_become_link(text[bracket:]):
        return text, ""
    return text[:bracket], text[bracket:]


def _may_become_link(tail: str) -> bool:
    for beginning in _BEGINNINGS:
        if beginning.startswith(tail):
            return True
        digits = tail.removeprefix(beginning)
        if tail.startswith(beginning) and re.fullmatch("[0-9a-f]{0,8}", digits):
            return True
    return False


def _with_text(raw: Raw | None, text: str) -> Raw | None:
    """Dify's dict with the text that its event now has."""
    if raw is None or raw.get("answer") == text:
        return raw
    if "answer" in raw:
        return {**raw, "answer": text}
    data = raw.get("data")
    return {**raw, "data": {**data, "text": text}} if isinstance(data, Mapping) else raw
