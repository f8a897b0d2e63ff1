"""The answer of a run, assembled in one place: what a one-body reply is, and what a stream ends with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.detail import own_outputs
from gateway.events import (
    Ending,
    Event,
    File,
    Finished,
    Form,
    Kind,
    Paused,
    Reasoning,
    Source,
    Sources,
    Started,
    Text,
    TextReplaced,
    Usage,
)
from gateway.thinking import without_thinking
from gateway.wire import json_text, with_texts


@dataclass(slots=True)
class Answer:
    """Grows with `add`, event by event; complete once the ending was added.

    output: name of the workflow output that is the answer; `""` for the rule of DESIGN section 3. splits_thinking:
    whether `<think>` blocks are no part of it.
    """

    output: str = ""
    splits_thinking: bool = True
    started: Started | None = None
    files: list[File] = field(default_factory=list)
    sources: tuple[Source, ...] = ()
    ending: Ending | None = None
    is_replaced: bool = False
    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        match event:
            case Text():
                self._text.append(event.text)
            case Reasoning():
                self._reasoning.append(event.text)
            case Started():
                self.started = event
            case TextReplaced():
                self._text, self.is_replaced = [event.text], True
            case File():
                self.files.append(event)
            case Sources():
                self.sources = event.items
            case Finished() | Paused():
                self.ending = event
            case _:
                pass

    @property
    def is_workflow(self) -> bool:
        return self.started is not None and self.started.kind is Kind.WORKFLOW

    @property
    def text(self) -> str:
        """The answer. A replacement outranks everything; a workflow's is read from its outputs, if it has any."""
        streamed = "".join(self._text)
        if self.is_replaced or not self.outputs:
            return streamed
        outputs = own_outputs(self.outputs)
        return answer_of(with_texts(outputs, without_thinking) if self.splits_thinking else outputs, self.output)

    @property
    def streamed_text(self) -> str:
        """What a reader of the stream has seen as text."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """As it was streamed; else as Dify sums it up at the end."""
        return "".join(self._reasoning) or (self.ending.reasoning if isinstance(self.ending, Finished) else "")

    @property
    def outputs(self) -> Mapping[str, Any] | None:
        """A workflow's outputs; None for the chat kinds, whose answer is their only output."""
        return self.ending.outputs if isinstance(self.ending, Finished) else None

    @property
    def usage(self) -> Usage | None:
        return self.ending.usage if isinstance(self.ending, Finished | Paused) else None

    @property
    def status(self) -> str:
        """`succeeded`, `partial-succeeded`, `stopped` or `paused`; `""` before the end."""
        match self.ending:
            case Finished(status=status):
                return status
            case Paused():
                return "paused"
            case _:
                return ""

    @property
    def forms(self) -> tuple[Form, ...]:
        return self.ending.forms if isinstance(self.ending, Paused) else ()


def answer_of(outputs: Mapping[str, Any], name: str) -> str:
    """A workflow's answer: the output `name` if there is one, else the only string output, else all as JSON."""
    if name in outputs:
        chosen = outputs[name]
        return chosen if isinstance(chosen, str) else json_text(chosen)
    strings = [value for value in outputs.values() if isinstance(value, str)]
    return strings[0] if len(strings) == 1 else json_text(outputs)
