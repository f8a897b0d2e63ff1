"""What Dify really sent: the recordings, and beside them shapes made by hand that nobody could record."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.diagnosis import from_platform
from gateway.events import Raw

_RECORDINGS: Final = Path(__file__).resolve().parents[2] / "recordings"
_HANDMADE: Final = Path(__file__).resolve().parent / "handmade"

_NOT_OF_AN_APP: Final = "chunks700s"
"""The chunks of an endpoint, recorded to measure a limit of the daemon."""

_RESULT: Final = {"answer", "data"}
"""One of these is in every blocking result (wire section 3)."""


@dataclass(frozen=True)
class Recording:
    """A streamed run. mode: Dify's `app.mode`, `""` where there was no app. exception: what the SDK raised in the end,
    `""` for a stream that just ended.
    """

    name: str
    mode: str
    dicts: tuple[Raw, ...]
    exception: str = ""

    def stream(self) -> Iterator[Raw]:
        """As a transport gives it."""
        yield from self.dicts
        if self.exception:
            raise from_platform(self.exception)


def _lines(path: Path) -> list[dict[str, Any]]:
    """Objects of a recording; those in `long/` stand behind their time and a tab."""
    lines = path.read_text("utf-8").split("\n")
    return [json.loads(line[line.index("{") :]) for line in lines if line]


def _recording(path: Path) -> Recording:
    lines = _lines(path)
    mode = lines[0].get("_mode") or {"cf": "advanced-chat", "wf": "workflow"}.get(path.stem[:2], "")
    exception = next((line["_text"] for line in lines if "_exception" in line), "")
    return Recording(path.stem, mode, tuple(line for line in lines if "event" in line), exception)


def _is_blocking(path: Path) -> bool:
    request = _lines(path)[0]["_request"]
    return "blocking" in (request.get("response_mode"), request.get("body", {}).get("response_mode"))


_PATHS: Final = [
    path
    for folder in ("plugin", "long")
    for path in sorted((_RECORDINGS / folder).glob("*.jsonl"))
    if path.stem != _NOT_OF_AN_APP
]

RECORDINGS: Final[Mapping[str, Recording]] = {path.stem: _recording(path) for path in _PATHS if not _is_blocking(path)}
"""Every streaming recording, by name."""

HANDMADE: Final[Mapping[str, Recording]] = {path.stem: _recording(path) for path in sorted(_HANDMADE.glob("*.jsonl"))}
"""Shapes that could not be recorded (recordings/README.md), from wire section 2."""

RUNS: Final[Mapping[str, Recording]] = {**RECORDINGS, **HANDMADE}


def blocking_lines() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and object of what each blocking call gave: a result, or an exception."""
    for path in _PATHS:
        if _is_blocking(path):
            yield from ((path.stem, line) for line in _lines(path) if "_exception" in line or line.keys() & _RESULT)


def input_form(app: str) -> dict[str, Any]:
    """What `fetch_app` returned for an app."""
    form: dict[str, Any] = json.loads((_RECORDINGS / "plugin" / f"fetch_app.{app}.json").read_text("utf-8"))
    return form
