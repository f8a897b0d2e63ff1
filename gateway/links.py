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
from gateway.wire import with_texts

_FILE: Final = r"/files/(?:tools/)?[0-9a-f]{8}-"
"""How the path of each of Dify's files begins: a tool's file, or an upload (Dify: controllers/files)."""

_PATH: Final = re.compile(_FILE)
_LINK: Final = re.compile(rf"\]\((?={_FILE})")
"""Where a relative link begins in Markdown, with its path behind."""

_BEGINNINGS: Final = ("](/files/tools/", "](/files/")
"""Such a link up to the file's id, whose first eight digits and dash follow."""


def absolute_links(events: Iterator[Event], origin: str) -> Iterator[Event]:
    """`events` with every relative link to a file prefixed by `origin`, which has no slash at its end.

    A text whose end may be the beginning of a link waits for the next event, so that a link is found also where it is
    cut. No text is lost, and none changes places with another event. Without an origin nothing is touched.
    """
    return _absolute_links(events, origin) if origin else events


def _absolute_links(events: Iterator[Event], origin: str) -> Iterator[Event]:
    held: list[Text] = []
    for event in events:
        if not isinstance(event, Text):
            yield from _linked(held, origin)
            held = []
            yield _absolute_event(event, origin)
        elif held or "]" in event.text:
            held.append(event)
            if not _may_begin_link("".join(text.text for text in held)):
                yield from _linked(held, origin)
                held = []
        else:
            yield event


def _linked(held: list[Text], origin: str) -> Iterator[Event]:
    """The texts as they came; where links were found, all text in the last of them."""
    text = "".join(event.text for event in held)
    linked = _LINK.sub(f"]({origin}", text)
    if linked == text:
        yield from held
        return
    *emptied, last = held
    yield from (Passed(with_text(event.raw, "")) for event in emptied if event.raw is not None)
    yield Text(linked, None if last.raw is None else with_text(last.raw, linked))


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
    return with_texts(value, lambda text: origin + text if _PATH.match(text) else _LINK.sub(f"]({origin}", text))


def _may_begin_link(text: str) -> bool:
    """Whether the end of a text could still become a link."""
    bracket = text.rfind("]")
    tail = text[bracket:] if bracket >= 0 else ""
    if not tail:
        return False
    for beginning in _BEGINNINGS:
        digits = tail.removeprefix(beginning)
        if beginning.startswith(tail) or (tail.startswith(beginning) and re.fullmatch("[0-9a-f]{0,8}", digits)):
            return True
    return False


def with_text(raw: Raw, text: str) -> Raw:
    """Dify's dict with the text that its event now has."""
    if "answer" in raw:
        return {**raw, "answer": text}
    data = raw.get("data")
    return {**raw, "data": {**data, "text": text}} if isinstance(data, Mapping) else raw
