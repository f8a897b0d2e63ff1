"""A run of a chat app, made of events as a real Dify sent them, ready to be sent many times.

Owns what the events look like and what a reader of the stream must have got at its end. Knows nothing of how they
reach a plugin.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

RECORDING: Final = Path(__file__).parent.parent / "recordings" / "plugin" / "chat.jsonl"
"""What a plugin got from a basic chat app of Dify 1.16.0."""


@dataclass(frozen=True, slots=True)
class AppRun:
    """events: each a JSON object of about 300 bytes, the last one `message_end`. answer: the text that they carry."""

    events: tuple[bytes, ...]
    answer: str


@cache
def app_run(number: int, tokens: int) -> AppRun:
    """A run whose answer has so many tokens, no two of them alike, within it or among the runs of other numbers."""
    message, message_end = _recorded()
    answers = [f"{number}.{place} " for place in range(tokens)]
    messages = (_compact({**message, "answer": answer}) for answer in answers)
    return AppRun((*messages, _compact(message_end)), "".join(answers))


@cache
def _recorded() -> tuple[dict[str, Any], dict[str, Any]]:
    """A `message` of the recording, and its end. The first line describes the recording."""
    events = [json.loads(line) for line in RECORDING.read_text("utf-8").split("\n")[1:] if line]
    message = next(event for event in events if event["event"] == "message")
    return message, next(event for event in events if event["event"] == "message_end")


def _compact(event: dict[str, Any]) -> bytes:
    """As the daemon, which is written in Go, serialises it."""
    return json.dumps(event, separators=(",", ":")).encode()
