"""A run as the frames of a Service API stream: Dify's events, its pings between them, its end when it is stopped.

Owns the framing and the ways in which the Service API departs from reverse invocation for the same run, numbered as
in `apps/service_events.py` (facts: wire 14.9, 14.13, 14.18). Departure 4 is not needed: no script moderates inputs, and
recordings are of the Service API itself.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast

from workbench.app import App, Broken, DifyEvent, Invocation, Refused, Unreachable
from workbench.apps.events import new_id, unix_time
from workbench.dify_json import event_json
from workbench.runs import Run

PING_SECONDS: Final = 10.0
"""Dify's silence between two pings (facts: wire 14.18)."""

PING: Final = b"event: ping\n\n"

GRAPH_MODES: Final = ("workflow", "advanced-chat")


@dataclass(frozen=True, slots=True)
class Frame:
    """What leaves in one piece, and the event in it; None for a ping."""

    data: bytes
    event: DifyEvent | None = None


def framed(event: DifyEvent) -> Frame:
    return Frame(b"data: " + event_json(event) + b"\n\n", event)


async def scripted_frames(app: App, call: Invocation) -> AsyncIterator[Frame]:
    """An app's run without pings but the first. Raises what the app raises.

    Departure 1: of a graph's refusal the Service API makes a run that fails before its first step, for the request has
    been handed to a worker by then. Departure 2: it says no `error` after a failed chatflow.
    """
    is_graph = app.mode in GRAPH_MODES
    failed = False
    if is_graph:
        yield Frame(PING)
    try:
        async with aclosing(cast("AsyncGenerator[DifyEvent]", app.run(call))) as events:
            async for event in events:
                if is_graph and failed and event["event"] == "error":
                    continue
                failed = event["event"] == "workflow_finished" and event["data"]["status"] == "failed"
                yield framed(event)
    except Refused as refused:
        if not is_graph:
            raise
        for event in _never_ran(call, refused.message):
            yield framed(event)


def _never_ran(call: Invocation, error: str) -> list[DifyEvent]:
    """As recorded in `workflow-missing`."""
    run_id, workflow_id, now = new_id(), new_id(), unix_time()
    envelope = {"task_id": run_id, "workflow_run_id": run_id}
    begun = {"id": run_id, "workflow_id": workflow_id}
    started = {**begun, "inputs": call.inputs, "created_at": now, "reason": "initial"}
    finished: dict[str, Any] = {
        **begun,
        "status": "failed",
        "outputs": None,
        "error": error,
        "elapsed_time": 0.0,
        "total_tokens": 0,
        "total_steps": 0,
        "created_by": {},
        "created_at": now,
        "finished_at": now,
        "exceptions_count": 1,
        "files": [],
    }
    return [
        {"event": "workflow_started", **envelope, "data": started},
        {"event": "workflow_finished", **envelope, "data": finished},
    ]


def stopped_frames(run: Run) -> list[Frame]:
    """Departure 3: no `message_end` after a stopped chatflow."""
    return [framed(event) for event in run.ending.events()[:1]]


async def carried(frames: AsyncIterator[Frame], run: Run) -> AsyncGenerator[Frame]:
    """The frames as they come, with a ping in each silence; their end if the run is stopped.

    Raises what they raise. A run that breaks ends the stream: the client sees no more than that.
    """
    waiting: asyncio.Queue[Frame | Exception | None] = asyncio.Queue(maxsize=1)
    pump = asyncio.create_task(_pump(frames, run, waiting))

    def interrupt() -> None:
        pump.cancel()

    run.interrupt = interrupt
    try:
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    item = await waiting.get()
            except TimeoutError:
                yield Frame(PING)
                continue
            if isinstance(item, Exception):
                raise item
            if item is None:
                break
            yield item
    finally:
        while not pump.done():  # one that was just interrupted takes the first for that, and goes on to its last words
            pump.cancel()
            await asyncio.wait({pump}, timeout=0.01)
        run.closed()


async def _pump(frames: AsyncIterator[Frame], run: Run, waiting: asyncio.Queue[Frame | Exception | None]) -> None:
    try:
        async with aclosing(cast("AsyncGenerator[Frame]", frames)):
            async for frame in frames:
                if frame.event is not None:
                    run.observe(frame.event)
                await waiting.put(frame)
        run.ended()
    except asyncio.CancelledError:
        if run.state != "stopped":
            raise
        for frame in stopped_frames(run):
            await waiting.put(frame)
    except (Refused, Unreachable, Broken) as error:
        run.ended()
        await waiting.put(error)
    await waiting.put(None)
