"""The writers' bytes for every recording: whole files for some, to be read; a digest of each for all.

After a change that is meant to change the bytes: `REWRITE_GOLDEN=1`, and read the difference before committing it.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from gateway.events import Event, Failed
from gateway.protocols.dify.blocking import body_of
from gateway.view import View
from gateway.wire import json_bytes
from tests.gateway.protocols.dify.dify_replies import ANSWER, FULL, PROGRESS, answer_to, staged, written
from tests.gateway.recorded import RUNS

GOLDEN: Final = Path(__file__).resolve().parent / "golden"
DIGESTS: Final = GOLDEN / "digests.txt"
REWRITE_GOLDEN: Final = os.environ.get("REWRITE_GOLDEN") == "1"

VIEWS: Final = {"answer": ANSWER, "progress": PROGRESS, "full": FULL}
WRITERS: Final[dict[str, Callable[[list[Event], View], bytes]]] = {
    "sse": written,
    "json": lambda events, view: json_bytes(body_of(answer_to(events, view), view)),
}
"""What is written, by the end of its file's name."""

SHOWN: Final = ("agent-boom", "chat-errmid", "chat-kb", "chatflow-mod-short", "workflow-fail", "workflow-human")
"""Recordings whose files are kept whole, at `detail: answer`."""


def bodies(name: str) -> dict[str, bytes]:
    """All that is made of a recording; a run that failed has no one body."""
    found = {}
    for detail, view in VIEWS.items():
        events = staged(RUNS[name].stream(), view)
        for kind, writer in WRITERS.items():
            if kind == "sse" or not isinstance(events[-1], Failed):
                found[f"{name}.{detail}.{kind}"] = writer(events, view)
    return found


FILES: Final = {
    file: body for name in SHOWN for file, body in bodies(name).items() if file.startswith(f"{name}.answer.")
}


@pytest.mark.parametrize("name", FILES)
def test_a_recording_is_written_as_before(name: str) -> None:
    file = GOLDEN / name
    if REWRITE_GOLDEN:
        file.write_bytes(FILES[name])
    assert file.read_bytes() == FILES[name]


def test_every_golden_file_is_of_a_recording() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {*FILES, DIGESTS.name}


def _digests() -> list[str]:
    written_bodies = {file: body for name in RUNS for file, body in bodies(name).items()}
    return [f"{hashlib.sha256(body).hexdigest()[:16]} {file}" for file, body in written_bodies.items()]


def test_every_recording_is_written_as_before() -> None:
    """A changed line names the recording to look at."""
    if REWRITE_GOLDEN:
        DIGESTS.write_text("\n".join(_digests()) + "\n", "utf-8")
    assert _digests() == DIGESTS.read_text("utf-8").splitlines()
