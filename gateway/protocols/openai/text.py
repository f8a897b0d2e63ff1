"""The text of a reply, with what neither of OpenAI's APIs has a place for: links to files, a pause, a stop."""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.answer import Answer
from gateway.events import File

_UNFINISHED: Final[Mapping[str, str]] = {
    "paused": "[paused: the app waits for a human]",
    "stopped": "[stopped: the run was ended in Dify]",
}
"""What is said of a run that did not come to its end, by its status."""


def whole_text(answer: Answer) -> str:
    """The text of one body."""
    return answer.text + _behind(answer, answer.text)


def rest_of(answer: Answer) -> str:
    """What a stream, whose text has left, has still to say at its end; all of it where no text came."""
    streamed = answer.streamed_text
    return _behind(answer, streamed) if streamed else whole_text(answer)


def _behind(answer: Answer, text: str) -> str:
    unfinished = [_UNFINISHED[answer.status]] if answer.status in _UNFINISHED else []
    behind = "\n\n".join([*_links(answer.files, text), *unfinished])
    return f"\n\n{behind}" if behind and text else behind


def _links(files: Iterable[File], text: str) -> Iterable[str]:
    """Links to the files, in Markdown, that the text does not hold already. Dify signs each copy of a link anew."""
    return (_link(file) for file in files if file.url and file.url.partition("?")[0] not in text)


def _link(file: File) -> str:
    """A link in one line, whose brackets end where it does (CommonMark 6.3)."""
    name = " ".join((file.filename or file.type or "file").split()).translate({ord("["): "(", ord("]"): ")"})
    url = file.url.translate({ord("("): "%28", ord(")"): "%29"})
    return f"{'!' if file.type == 'image' else ''}[{name}]({url})"
