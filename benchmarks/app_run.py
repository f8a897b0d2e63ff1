"""Runs of an app, made of events as a real Dify sent them, each already as the part of a line that all calls share.

Owns what a run looks like and what a reader of its stream must have got at the end. Knows nothing of how it reaches a
plugin.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_RECORDING: Final = Path(__file__).parent.parent / "recordings" / "plugin" / "chatflow.jsonl"
"""What a plugin got from a chatflow with one model, of Dify 1.16.0: messages of 300 bytes, nodes of 500 to 1,900."""

_RESPONSE: Final = b'"event":"response","message":"","data":%b}}\n'
_END: Final = b'"event":"end","message":"","data":null}}\n'


@dataclass(frozen=True, slots=True)
class AppRun:
    """Ends of lines; what comes before each is one call's own.

    opening: up to the first token. tokens: the rest of them, one an event. closing: the end of the nodes, the run and
    the call. answer: all tokens, each `t<number>.<place> `.
    """

    opening: tuple[bytes, ...]
    tokens: tuple[bytes, ...]
    closing: tuple[bytes, ...]
    answer: bytes

    @property
    def rest(self) -> tuple[bytes, ...]:
        """What follows the opening."""
        return self.tokens + self.closing

    @property
    def rest_events(self) -> int:
        """How many events that is: the call's end is none."""
        return len(self.tokens) + len(self.closing) - 1


@cache
def app_run(number: int, tokens: int) -> AppRun:
    """A run whose answer has so many tokens, no two of them alike, within it or among the runs of other numbers."""
    events = _recorded()
    texts = [f"t{number}.{place} " for place in range(tokens)]
    answer = "".join(texts)
    first = next(place for place, event in enumerate(events) if event["event"] == "message")
    message = events[first]
    closing = [event for event in events[first:] if event["event"] != "message"]
    first_token, *others = (_response({**message, "answer": text}) for text in texts)
    return AppRun(
        (*map(_response, events[:first]), first_token),
        tuple(others),
        (*(_response(_with_answer(event, answer)) for event in closing), _END),
        answer.encode(),
    )


def _with_answer(event: dict[str, Any], answer: str) -> dict[str, Any]:
    """The event of a node or a run that has ended, with this answer where it had the recorded one."""
    data = event.get("data", {})
    outputs = data.get("outputs") or {}
    replaced = {name: answer if name in {"text", "answer"} else value for name, value in outputs.items()}
    return {**event, "data": {**data, "outputs": replaced}} if outputs else event


@cache
def _recorded() -> list[dict[str, Any]]:
    """The recording's first line describes it."""
    lines = _RECORDING.read_text("utf-8").split("\n")[1:]
    return [json.loads(line) for line in lines if line]


def _response(event: dict[str, Any]) -> bytes:
    """As the daemon, which is written in Go, serialises it."""
    return _RESPONSE % json.dumps(event, separators=(",", ":")).encode()
