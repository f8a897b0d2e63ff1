"""A run's events, to a tool's messages: the answer as it comes, then files, variables, and one JSON object.

Each message costs Dify as much as a token of a model, and the daemon reads no other stream of the plugin while it waits
for Dify to take one. So texts that come within a moment leave together; the first leaves at once.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

from dify_plugin.entities.tool import ToolInvokeMessage

from gateway.answer import Answer
from gateway.events import Event, Failed, Finished, Paused, Text, TextReplaced
from gateway.protocols.native import members
from gateway.streaming import Run
from gateway.tool import messages
from gateway.view import View

GATHERED_FOR: Final = 0.1
"""Seconds between two texts (own choice: a reader sees no difference, and Dify has a tenth of the work)."""

PAUSED: Final = "The app waits for a human, so it has given no answer yet. Someone has to answer it in Dify."

_TOLD: Final = ("answer", "status", "conversation_id", "outputs", "files", "sources", "usage")
_EMPTY: Final[dict[str, Any]] = {"conversation_id": "", "outputs": {}, "files": [], "sources": [], "usage": {}}
"""What the object has of members that a run has nothing for, so that whoever reads it finds them all."""


def reply(run: Run, events: Iterator[Event], view: View) -> Iterator[ToolInvokeMessage]:
    """The messages. events: the run's. Raises `DuckError` for a run that has failed, after what it had said."""
    answer = view.new_answer()
    waiting = _Waiting()
    run.response_begins()  # the daemon counts from the call on, which was some milliseconds ago
    for event in events:
        answer.add(event)
        match event:
            case Text(text=text):
                waiting.texts.append(text)
            case TextReplaced(text=text):
                waiting.texts = [f"\n\n[The app replaced the text above:]\n{text}" if waiting.has_spoken else text]
            case Failed(error=error):
                yield from waiting.spoken()
                raise error
            case Finished() | Paused():
                yield from waiting.spoken()
                yield from _end(answer, view)
        if waiting.is_due(run):
            yield from waiting.spoken()


class _Waiting:
    """Texts that have come, and have not left."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._left_at = float("-inf")

    @property
    def has_spoken(self) -> bool:
        """Whether any text has left."""
        return self._left_at > float("-inf")

    def is_due(self, run: Run) -> bool:
        """Whether they leave now; lets more of them gather where the last ones left just before."""
        if not self.texts:
            return False
        early = self._left_at + GATHERED_FOR - time.monotonic()
        if early > 0 and not run.backlog:
            run.rest(early)
        is_overdue = early < -GATHERED_FOR or sum(map(len, self.texts)) >= messages.MAX_TEXT
        return is_overdue or not run.backlog

    def spoken(self) -> Iterator[ToolInvokeMessage]:
        text = "".join(self.texts)
        self.texts.clear()
        if text:
            self._left_at = time.monotonic()
        yield from messages.texts(text)


def _end(answer: Answer, view: View) -> Iterator[ToolInvokeMessage]:
    """What comes behind the text; the whole answer where nothing of it was streamed."""
    told = _told(answer, view)
    text = answer.streamed_text or answer.text
    if not answer.streamed_text:
        yield from messages.texts(PAUSED if isinstance(answer.ending, Paused) and not text else text)
    files = [file for file in answer.files if file.url]
    if files and text and not text.endswith("\n"):
        yield from messages.texts("\n")  # Dify writes a link right behind the text
    for file in files:
        yield messages.file(file)
    for name in ("conversation_id", "status", "outputs"):
        yield messages.variable(name, told[name])
    yield messages.json_object(told)


def _told(answer: Answer, view: View) -> dict[str, Any]:
    """The JSON object. An agent's model reads it and the text, so the answer is in it only where that was another one.

    Raises `DuckError` `payload_too_large`.
    """
    ended = members.end(answer, view)
    if answer.streamed_text in ("", ended["answer"]) and not answer.is_replaced:
        del ended["answer"]
    return messages.carried({**_EMPTY, **{name: ended[name] for name in _TOLD if name in ended}})
