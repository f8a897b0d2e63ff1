"""Runs of an app, made of events as a real Dify sent them, ready to be sent many times.

Owns what the events look like and what a reader of the stream must have got at its end. Knows nothing of how they
reach a plugin.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_RECORDINGS: Final = Path(__file__).parent.parent / "recordings" / "plugin"
"""What a plugin got from a basic chat app, and from a workflow with one model, of Dify 1.16.0."""


@dataclass(frozen=True, slots=True)
class AppRun:
    """events: each a JSON object of 200 to 300 bytes but for a workflow's first and last. answer: the text that they
    carry.
    """

    events: tuple[bytes, ...]
    answer: str


@cache
def app_run(number: int, tokens: int) -> AppRun:
    """A chat app's run whose answer has so many tokens, no two of them alike, within it or among the runs of other
    numbers. The last event is `message_end`.
    """
    message, message_end = _recorded("chat", "message", "message_end")
    answers = _answers(number, tokens)
    messages = (_compact({**message, "answer": answer}) for answer in answers)
    return AppRun((*messages, _compact(message_end)), "".join(answers))


@cache
def workflow_run(number: int, tokens: int) -> AppRun:
    """The same of a workflow, between `workflow_started` and `workflow_finished`, which has the whole answer again."""
    started, chunk, finished = _recorded("workflow", "workflow_started", "text_chunk", "workflow_finished")
    answers = _answers(number, tokens)
    chunks = (_compact({**chunk, "data": {**chunk["data"], "text": answer}}) for answer in answers)
    whole = {**finished, "data": {**finished["data"], "outputs": {"text": "".join(answers)}}}
    return AppRun((_compact(started), *chunks, _compact(whole)), "".join(answers))


def _answers(number: int, tokens: int) -> list[str]:
    return [f"{number}.{place} " for place in range(tokens)]


@cache
def _recorded(name: str, *kinds: str) -> list[dict[str, Any]]:
    """The first event of each kind in a recording. Its first line describes it."""
    lines = (_RECORDINGS / f"{name}.jsonl").read_text("utf-8").split("\n")[1:]
    events = [json.loads(line) for line in lines if line]
    return [next(event for event in events if event["event"] == kind) for kind in kinds]


def _compact(event: dict[str, Any]) -> bytes:
    """As the daemon, which is written in Go, serialises it."""
    return json.dumps(event, separators=(",", ":")).encode()
