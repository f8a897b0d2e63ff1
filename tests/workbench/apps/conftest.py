"""How these tests call an app, and how they compare its events with recorded ones."""

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from workbench.app import App, DifyEvent, Invocation

RECORDINGS = Path(__file__).parents[3] / "recordings"

type Outcome = tuple[list[DifyEvent], Exception | None]

# What an app's author or caller names, so that only the value's being an object is a matter of shape.
FREE_MEMBERS = frozenset({"inputs", "outputs", "process_data", "tool_labels", "reasoning"})


@pytest.fixture
def recordings() -> Path:
    return RECORDINGS


@pytest.fixture
def outcome() -> Callable[..., Outcome]:
    return _outcome


@pytest.fixture
def recorded() -> Callable[[str], tuple[dict[str, Any], list[DifyEvent]]]:
    return _recorded


@pytest.fixture
def sequence() -> Callable[[list[DifyEvent]], list[str]]:
    return _sequence


@pytest.fixture
def shapes() -> Callable[[list[DifyEvent]], dict[str, set[str]]]:
    return _shapes


def _outcome(app: App, query: str = "hi", inputs: dict[str, Any] | None = None, conversation_id: str = "") -> Outcome:
    """All that one run gives: its events, and the exception that ended it, if any."""
    call = Invocation("00000000-0000-4000-8000-0000000000aa", query, inputs or {}, conversation_id)
    return asyncio.run(_collect(app, call))


async def _collect(app: App, call: Invocation) -> Outcome:
    events: list[DifyEvent] = []
    try:
        async for event in app.run(call):
            events.append(event)  # noqa: PERF401 - what came before an exception counts
    except Exception as error:  # noqa: BLE001 - it is what the tests look at
        return events, error
    return events, None


def _recorded(case: str) -> tuple[dict[str, Any], list[DifyEvent]]:
    """The description and the lines of a recording below `plugin/`, a closing exception among them."""
    text = (RECORDINGS / "plugin" / f"{case}.jsonl").read_text("utf-8")
    head, *lines = [json.loads(line) for line in text.split("\n") if line]
    return head, lines


def _sequence(events: list[DifyEvent]) -> list[str]:
    """The events' names, runs of one name taken together."""
    return [name for name, _ in groupby(event["event"] for event in events)]


def _shapes(events: list[DifyEvent]) -> dict[str, set[str]]:
    """For each event name, every path to a member with the kind of its value."""
    found: dict[str, set[str]] = {}
    for event in events:
        found.setdefault(event["event"], set()).update(_paths(event, ""))
    return found


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield f"{path}: object"
        if path.rpartition(".")[2] not in FREE_MEMBERS:
            for name, member in value.items():
                yield from _paths(member, f"{path}.{name}")
    elif isinstance(value, list):
        yield f"{path}: list"
        for item in value:
            yield from _paths(item, f"{path}[]")
    else:
        kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
        yield f"{path}: {kind}"
