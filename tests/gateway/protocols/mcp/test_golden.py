"""The writer's bytes for every recording: whole files for some, to be read; a digest of each for all."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from gateway.protocols.mcp.reply import ToolCall
from gateway.view import View
from tests.gateway.protocols.mcp.replies import ANSWER, CALL, LEGACY, OLDEST, PROGRESS, written
from tests.gateway.protocols.openai.replies import staged
from tests.gateway.recorded import RUNS

GOLDEN: Final = Path(__file__).resolve().parents[2] / "golden" / "mcp"
DIGESTS: Final = GOLDEN / "digests.txt"
REWRITE_GOLDEN: Final = os.environ.get("REWRITE_GOLDEN") == "1"
"""Writes the golden files anew, as golden/README.md says."""

CALLS: Final[dict[str, tuple[ToolCall, View]]] = {
    "answer": (CALL, ANSWER),
    "progress": (CALL, PROGRESS),
    "legacy": (replace(CALL, revision=LEGACY), ANSWER),
    "oldest": (replace(CALL, revision=OLDEST), ANSWER),
}

SHOWN: Final = ("agent-boom", "chat-echo-turn1", "chat-kb", "workflow-fail", "workflow-human", "workflow-png")
"""Recordings whose files are kept whole, at `answer` and `progress`."""


def body(name: str, kind: str) -> bytes:
    return b"".join(written(staged(RUNS[name].stream()), *CALLS[kind]))


FILES: Final = {f"{name}.{kind}.sse": (name, kind) for name in SHOWN for kind in ("answer", "progress")}


@pytest.mark.parametrize("name", FILES)
def test_a_recording_is_written_as_before(name: str) -> None:
    file = GOLDEN / name
    if REWRITE_GOLDEN:
        file.write_bytes(body(*FILES[name]))
    assert file.read_bytes() == body(*FILES[name])


def test_every_golden_file_is_of_a_recording() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {*FILES, DIGESTS.name}


def _digests() -> list[str]:
    return [f"{hashlib.sha256(body(name, kind)).hexdigest()[:16]} {name}.{kind}" for name in RUNS for kind in CALLS]


def test_every_recording_is_written_as_before() -> None:
    """A changed line names the recording to look at."""
    if REWRITE_GOLDEN:
        DIGESTS.write_text("\n".join(_digests()) + "\n", "utf-8")
    assert _digests() == DIGESTS.read_text("utf-8").splitlines()
