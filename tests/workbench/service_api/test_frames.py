"""Runs recorded over reverse invocation, as frames of the Service API: they follow each other as it recorded them."""

import asyncio
import json
import math
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workbench.app import App, Invocation
from workbench.apps import recorded_apps, service_apps
from workbench.service_api.frames import scripted_frames

if TYPE_CHECKING:
    from tests.workbench.service_api.conftest import Service

RECORDINGS = Path(__file__).parents[3] / "recordings"

SAME_RUNS = [
    "agent-chat",
    "chat",
    "chat-errmid",
    "chatflow",
    "chatflow-errmid",
    "chatflow-fail-late",
    "workflow",
    "workflow-fail",
    "workflow-human",
]


@pytest.fixture(scope="module")
def apps() -> dict[str, App]:
    return recorded_apps(RECORDINGS, speed=math.inf)


async def _sent(app: App) -> bytes:
    call = Invocation("00000000-0000-4000-8000-0000000000aa", "hi", {}, "")
    return b"".join([frame.data async for frame in scripted_frames(app, call)])


def _sequence(stream: bytes) -> list[str]:
    pieces = [piece for piece in stream.decode().split("\n\n") if piece]
    named = [json.loads(piece[6:])["event"] if piece.startswith("data: ") else piece for piece in pieces]
    return [name for name, _ in groupby(named)]


@pytest.mark.parametrize("case", SAME_RUNS)
def test_a_reverse_run_is_put_as_the_service_api_puts_it(
    apps: dict[str, App], recording: Callable[[str], bytes], case: str
) -> None:
    assert _sequence(asyncio.run(_sent(apps[case]))) == _sequence(recording(f"{case}.streaming.sse"))


@pytest.mark.parametrize(("alias", "inputs"), [("echo", {}), ("chatflow", {}), ("workflow", {"text": "hi"})])
def test_another_workbench_may_have_these_apps_behind_its_own_reverse_path(
    service: "Service", alias: str, inputs: dict[str, Any]
) -> None:
    async def run(app: App) -> list[str]:
        call = Invocation("00000000-0000-4000-8000-0000000000aa", "hi", inputs, "")
        return [event["event"] async for event in app.run(call)]

    (own,) = [entry.app for entry in service.api.entries.values() if entry.alias == alias]
    (real,) = service_apps(service.api.url, {alias: f"app-demo-key-{alias}"}).values()
    assert (real.mode, real.parameters()) == (own.mode, own.parameters())
    assert asyncio.run(run(real)) == asyncio.run(run(own))
