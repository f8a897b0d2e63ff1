"""What the writer of tool calls makes of a run, and how a client reads it back."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from gateway.detail import Detail
from gateway.events import Event
from gateway.protocols.mcp.reply import ToolCall, write
from gateway.view import View

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
OLDEST: Final = "2025-03-26"

CALL: Final = ToolCall(7, MODERN, "p", takes_stream=True, elapsed=lambda: 15.2)
ANSWER: Final = View(Detail.ANSWER, "https://dify.example.com", "")
PROGRESS: Final = replace(ANSWER, detail=Detail.PROGRESS)


def written(events: Iterable[Event], call: ToolCall = CALL, view: View = PROGRESS) -> list[bytes]:
    """The frames, one for each event."""
    return list(write(iter(list(events)), call, view))


def messages(frames: Iterable[bytes]) -> list[dict[str, Any]]:
    """What a client reads of a stream (WHATWG HTML 9.2), comments left out."""
    *blocks, rest = b"".join(frames).decode().split("\n\n")
    assert rest == ""
    found = []
    for block in blocks:
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        assert name == "event: message"
        found.append(json.loads(data.removeprefix("data: ")))
    return found


def result(frames: Iterable[bytes]) -> dict[str, Any]:
    """The last message's result."""
    last = messages(frames)[-1]
    assert (last["jsonrpc"], last["id"]) == ("2.0", 7)
    found: dict[str, Any] = last["result"]
    return found


def notices(frames: Iterable[bytes]) -> list[tuple[int, str]]:
    """The progress that was told, each for the right token."""
    told = [message["params"] for message in messages(frames) if message.get("method") == "notifications/progress"]
    assert {params["progressToken"] for params in told} <= {"p"}
    return [(params["progress"], params["message"]) for params in told]
