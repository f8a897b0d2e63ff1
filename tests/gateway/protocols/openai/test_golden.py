"""Both writers' bytes for every recording: whole files for some, to be read; a digest of each for all."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from gateway.events import Event, Failed
from gateway.protocols.openai.chat import reply as chat
from gateway.protocols.openai.responses import reply as responses
from gateway.protocols.openai.responses.request import ResponsesRequest
from gateway.wire import json_bytes
from tests.gateway.protocols.openai.replies import FULL, VIEW, answer_to, staged
from tests.gateway.recorded import RUNS

GOLDEN: Final = Path(__file__).resolve().parents[2] / "golden" / "openai"
DIGESTS: Final = GOLDEN / "digests.txt"
REWRITE_GOLDEN: Final = os.environ.get("REWRITE_GOLDEN") == "1"
"""Writes the golden files anew, as golden/README.md says."""

ASKED: Final = ResponsesRequest(input="hi")

WRITERS: Final[dict[str, Callable[[list[Event]], bytes]]] = {
    "chat.sse": lambda events: b"".join(chat.write(iter(events), VIEW, with_usage=True)),
    "chat.full.sse": lambda events: b"".join(chat.write(iter(events), FULL, with_usage=True)),
    "chat.json": lambda events: json_bytes(chat.whole(answer_to(events), VIEW)),
    "responses.sse": lambda events: b"".join(responses.write(iter(events), ASKED, VIEW)),
    "responses.full.sse": lambda events: b"".join(responses.write(iter(events), ASKED, FULL)),
    "responses.json": lambda events: json_bytes(responses.whole(answer_to(events), ASKED, VIEW)),
}
"""What is written, by the end of its file's name."""

SHOWN: Final = (
    "agent-boom",
    "chat-echo-turn1",
    "chat-errmid",
    "chat-kb",
    "chatflow-mod-short",
    "chatflow-think-on-sep",
    "chatflow-think-on-tagged",
    "workflow-fail",
    "workflow-human",
    "workflow-objects",
    "workflow-png",
)
"""Recordings whose files are kept whole, at `detail: answer`."""


def written(name: str, kind: str) -> bytes | None:
    """None for the one body of a run that failed, which is an error."""
    events = staged(RUNS[name].stream())
    is_none = kind.endswith(".json") and isinstance(events[-1], Failed)
    return None if is_none else WRITERS[kind](events)


FILES: Final = {
    f"{name}.{kind}": body
    for name in SHOWN
    for kind in WRITERS
    if "full" not in kind and (body := written(name, kind)) is not None
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
    bodies = ((f"{name}.{kind}", written(name, kind)) for name in RUNS for kind in WRITERS)
    return [f"{hashlib.sha256(body).hexdigest()[:16]} {name}" for name, body in bodies if body is not None]


def test_every_recording_is_written_as_before() -> None:
    """A changed line names the recording to look at."""
    if REWRITE_GOLDEN:
        DIGESTS.write_text("\n".join(_digests()) + "\n", "utf-8")
    assert _digests() == DIGESTS.read_text("utf-8").splitlines()
