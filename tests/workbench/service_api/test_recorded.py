"""Every recorded answer of a run, to the byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workbench.service_api.recorded import DESCRIPTIONS

if TYPE_CHECKING:
    from tests.workbench.service_api.conftest import Service

FOLDER = Path(__file__).parents[3] / "recordings" / "service"
RUNS = ("/v1/chat-messages", "/v1/completion-messages", "/v1/workflows/run")


def _heads(response_mode: str) -> dict[str, dict[str, Any]]:
    suffix = f".{response_mode}.meta.json"
    heads = {path.name.removesuffix(suffix): json.loads(path.read_bytes()) for path in FOLDER.glob(f"*{suffix}")}
    streamed = {path.name.partition(".")[0] for path in FOLDER.glob("*.streaming.meta.json")}
    return {
        case: head
        for case, head in sorted(heads.items())
        if head["path"] in RUNS and "-via-" not in case and case in streamed
    }


STREAMED, BLOCKED = _heads("streaming"), _heads("blocking")


def test_the_recordings_are_there() -> None:
    assert len(STREAMED) > 80
    assert len(BLOCKED) > 70


@pytest.mark.parametrize(
    ("case", "response_mode"),
    [*((case, "streaming") for case in STREAMED), *((case, "blocking") for case in BLOCKED)],
)
def test_an_answer_is_the_recorded_one_to_the_byte(service: "Service", case: str, response_mode: str) -> None:
    head = (STREAMED if response_mode == "streaming" else BLOCKED)[case]
    answer = service.post(f"recorded-{case}", head["path"].removeprefix("/v1"), json=head["json"])
    kind = "sse" if (FOLDER / f"{case}.{response_mode}.sse").exists() else "json"
    if "conversation_id must be a valid UUID" in answer.text:
        # Said before the app is looked at, by every app.
        assert case == "chat-nonuuid-conversation"
    assert answer.content == (FOLDER / f"{case}.{response_mode}.{kind}").read_bytes()
    assert answer.status_code == head["status"]
    varying = {"date", "transfer-encoding", "content-length"}
    assert head["headers"].items() - {(name, head["headers"].get(name)) for name in varying} <= answer.headers.items()


@pytest.mark.parametrize(
    ("case", "what"),
    [(case, what) for case in ("chat", "chatflow", "agent-chat", "completion", "workflow") for what in DESCRIPTIONS],
)
def test_an_app_is_described_as_recorded(
    service: "Service", recording: Callable[[str], bytes], case: str, what: str
) -> None:
    assert service.get(f"recorded-{case}", f"/{what}").content == recording(f"{what}.{case}.json")


def test_a_recording_is_kept_in_its_users_conversations(service: "Service") -> None:
    service.run("recorded-chat", query="asked", user="recorder")
    (conversation,) = service.get("recorded-chat", "/conversations", user="recorder").json()["data"]
    assert (conversation["id"], conversation["name"]) == ("540035b3-3188-457a-82a2-cf0c44ad5d87", "asked")


def test_a_response_mode_that_was_not_recorded_is_made_of_the_other(service: "Service") -> None:
    made = service.run("recorded-chat-wait20", response_mode="blocking").json()
    assert (made["mode"], made["answer"]) == ("chat", "".join(f"tok{number} " for number in range(10)))
