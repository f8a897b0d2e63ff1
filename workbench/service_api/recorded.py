"""What a real Dify's Service API sent, sent again: streams frame by frame, blocking bodies and refusals as they are.

Owns the reading of `recordings/service`. A frame keeps its recorded bytes; the file knows only how long all took, so
frames are spread evenly.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench.app import App, DifyEvent, Invocation
from workbench.apps.parameters import prompt_app_parameters, workflow_parameters
from workbench.service_api.frames import GRAPH_MODES, Frame

_RUNS: Final = ("/v1/chat-messages", "/v1/completion-messages", "/v1/workflows/run")
DESCRIPTIONS: Final = ("info", "meta", "parameters", "site")


@dataclass(frozen=True, slots=True)
class Reply:
    """One recorded answer. `seconds` is how long it took in all."""

    status: int
    content_type: str
    body: bytes
    seconds: float

    @property
    def is_stream(self) -> bool:
        return self.content_type.startswith("text/event-stream")


@dataclass(frozen=True, slots=True)
class RecordedService:
    """One recorded run, in up to two response modes. `descriptions` are the bodies of `/info` and the like.

    `scale` multiplies its times.
    """

    mode: str
    streaming: Reply | None
    blocking: Reply | None
    descriptions: Mapping[str, bytes]
    scale: float

    async def run(self, _call: Invocation) -> AsyncIterator[DifyEvent]:
        """The stream's events alone, for a response mode that was not recorded."""
        if self.streaming is not None:
            async for frame in replayed(self.streaming, self.scale):
                if frame.event is not None:
                    yield frame.event

    def parameters(self) -> dict[str, Any]:
        if "parameters" in self.descriptions:
            read: dict[str, Any] = json.loads(self.descriptions["parameters"])
            return read
        return workflow_parameters() if self.mode in GRAPH_MODES else prompt_app_parameters()


async def replayed(stream: Reply, scale: float) -> AsyncIterator[Frame]:
    """Each frame in its time."""
    # Not splitlines(): recorded answers hold U+2028 and U+0085.
    pieces = [piece + b"\n\n" for piece in stream.body.split(b"\n\n") if piece]
    start = asyncio.get_running_loop().time()
    for position, piece in enumerate(pieces, start=1):
        at = start + stream.seconds * scale * position / len(pieces)
        await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
        data = piece.removeprefix(b"data: ")
        yield Frame(piece, json.loads(data) if data != piece else None)


def recorded_services(directory: Path, speed: float) -> dict[str, App]:
    """Alias (the case's name) to app, one for each run of an app below `service/`.

    `speed` divides the waits; 0 and infinity leave them out.
    """
    folder = directory / "service"
    scale = 0.0 if speed in (0, math.inf) else 1 / speed
    cases = {path.name.partition(".")[0] for path in folder.glob("*.streaming.meta.json")}
    runs = {case: _read(folder, case, scale) for case in sorted(cases)}
    return {case: run for case, run in runs.items() if run is not None}


def _read(folder: Path, case: str, scale: float) -> RecordedService | None:
    """None for what is no run, or one on a route of another kind of app."""
    head = json.loads((folder / f"{case}.streaming.meta.json").read_text("utf-8"))
    if head["path"] not in _RUNS or "-via-" in case:
        return None
    bodies = {name: folder / f"{name}.{head['app']}.json" for name in DESCRIPTIONS}
    return RecordedService(
        mode=head["mode"],
        streaming=_reply(folder, f"{case}.streaming"),
        blocking=_reply(folder, f"{case}.blocking"),
        descriptions={name: path.read_bytes() for name, path in bodies.items() if path.exists()},
        scale=scale,
    )


def _reply(folder: Path, name: str) -> Reply | None:
    described = folder / f"{name}.meta.json"
    if not described.exists():
        return None
    head = json.loads(described.read_text("utf-8"))
    body = next(folder / f"{name}.{kind}" for kind in ("sse", "json") if (folder / f"{name}.{kind}").exists())
    return Reply(head["status"], head["headers"]["content-type"], body.read_bytes(), head["seconds"])
