"""What OpenAI's writers make of a run, and how a client reads it back."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.answer import Answer
from gateway.decoder import decode
from gateway.detail import Detail
from gateway.events import Event, Raw
from gateway.links import absolute_links
from gateway.thinking import split_thinking
from gateway.view import View

NOW: Final = 1_790_000_000
ORIGIN: Final = "https://dify.example.com"
VIEW: Final = View(Detail.ANSWER, ORIGIN, "", model="support", now=NOW)
FULL: Final = View(Detail.FULL, ORIGIN, "", model="support", now=NOW)


def staged(dicts: Iterator[Raw]) -> list[Event]:
    """The events as a writer gets them, through all the stages before it."""
    return list(split_thinking(absolute_links(decode(dicts), ORIGIN)))


def answer_to(events: Iterable[Event], view: View = VIEW) -> Answer:
    answer = view.new_answer()
    for event in events:
        answer.add(event)
    return answer


def blocks(body: bytes) -> list[str]:
    """The events of a stream (WHATWG HTML 9.2), comments left out; each must end in one blank line."""
    *found, rest = body.decode().split("\n\n")
    assert rest == ""
    return [block for block in found if not block.startswith(":")]


def data_lines(body: bytes) -> list[str]:
    """What stands in the events of a stream that have one `data` line each, and nothing else."""
    found = blocks(body)
    assert all(block.startswith("data: ") and "\n" not in block for block in found)
    return [block.removeprefix("data: ") for block in found]


def chunks(body: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a chat's stream; the mark at its end must be the only one."""
    *objects, mark = data_lines(body)
    assert mark == "[DONE]"
    return [json.loads(line) for line in objects]


def content_of(body: bytes, name: str = "content") -> str:
    """What a client puts together of the deltas."""
    choices = [choice for chunk in chunks(body) for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get(name) or "" for choice in choices)


def sequence(body: bytes) -> list[dict[str, Any]]:
    """The objects of a stream of Responses; the `event` line of each must say its type."""
    found = []
    for block in blocks(body):
        name, data = block.split("\n")
        members = json.loads(data.removeprefix("data: "))
        assert name == f"event: {members['type']}"
        found.append(members)
    return found
