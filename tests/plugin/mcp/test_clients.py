"""The official clients, in Python and TypeScript, of the newest revision and of those before."""

from collections.abc import Iterable
from typing import Any, Final

import pytest

from tests.clients.node import run_script
from tests.clients.python import run_module
from tests.plugin.mcp.conftest import KEY
from workbench.apps import DEMO_APPS

type Outcomes = dict[str, dict[str, Any]]
"""A scenario's name to what it `gave`, or what was `raised`."""

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"

CLIENTS: Final = {
    "Python, newest": ("sdk", "auto", MODERN),
    "Python, legacy": ("sdk", "legacy", LEGACY),
    "TypeScript, newest": ("client.mjs", "auto", MODERN),
    "TypeScript, its default": ("client.mjs", "legacy", LEGACY),
    "TypeScript, the old SDK": ("sdk.mjs", "", LEGACY),
}
"""A client to its script, the script's argument, and the revision that it must speak."""

PROGRESS: Final = [
    [number, f"{step}: {state}"]
    for number, (step, state) in enumerate(
        ((step, state) for step in ("start1", "llm1", "end1") for state in ("started", "succeeded")), 1
    )
]
TURNS: Final = ["You said: one (turn 1)", "You said: two (turn 2)"]


def _outcomes(lines: Iterable[dict[str, Any]]) -> Outcomes:
    return {line.pop("scenario"): line for line in lines}


def _run(script: str, url: str, mode: str) -> Outcomes:
    arguments = [url, KEY, *([mode] if mode else [])]
    if script.endswith(".mjs"):
        return _outcomes(run_script(f"mcp/{script}", *arguments))
    return _outcomes(run_module(script, *arguments, clients="mcp"))


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest, endpoints: str) -> tuple[Outcomes, str]:
    """What each client's scenarios came to, and the revision that it must have spoken."""
    script, mode, revision = CLIENTS[request.param]
    return _run(script, f"{endpoints}/all/mcp", mode), revision


def test_it_connects_lists_calls_with_progress_and_goes_on_with_a_conversation(client: tuple[Outcomes, str]) -> None:
    said, revision = client
    assert said["connect"]["gave"] == {"version": revision, "server": "duck", "capabilities": {"tools": {}}}
    assert said["tools"]["gave"] == list(DEMO_APPS)
    assert said["bound"]["gave"] == ["echo"]
    progress = said["progress"]["gave"]
    assert (progress["text"], progress["progress"]) == ("You wrote: Hello", PROGRESS)
    assert said["conversation"]["gave"] == TURNS
    assert said["slow"]["gave"] == "Sorry for the wait. You said: Hello"


@pytest.fixture(scope="module", params=["auto", "legacy"])
def python(request: pytest.FixtureRequest, endpoints: str) -> Outcomes:
    return _run("sdk", f"{endpoints}/answer/mcp", request.param)


FAILED: Final = "The app failed while it was running. The app's log in Dify names the step that failed."
PYTHON_GIVES: Final[dict[str, Any]] = {
    "schema": {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 20_000}},
        "required": ["text"],
        "additionalProperties": False,
    },
    "files": [
        ["https://files.example/doc.txt", "doc.txt", "text/plain"],
        ["https://files.example/cat.png", "cat.png", "image/png"],
    ],
    "failing": {"is_error": True, "text": FAILED, "told": {"error": {"code": "app_failed", "message": FAILED}}},
    "paused": {
        "is_error": True,
        "text": "The app waits for a human, so it has given no answer yet. Someone has to answer it in Dify.",
    },
    "bad_arguments": {
        "is_error": True,
        "text": "'text' must be given. 'txt' is no argument of this tool, which takes: text. Call the tool again with "
        "other arguments.",
    },
    "foreign_conversation": {"is_error": True, "code": "conversation_not_found"},
    "unknown_tool": -32602,
}


@pytest.mark.parametrize("scenario", PYTHON_GIVES)
def test_python_is_given(python: Outcomes, scenario: str) -> None:
    assert python[scenario] == {"gave": PYTHON_GIVES[scenario]}


def test_at_answer_progress_names_no_steps(python: Outcomes) -> None:
    told = python["progress"]["gave"]["progress"]
    assert told == [[number, "The app is at work."] for number in range(1, 7)]


def test_a_wrong_key_lets_no_client_in(client: tuple[Outcomes, str]) -> None:
    assert "let in" not in str(client[0]["wrong_key"])
    assert client[1] not in str(client[0]["wrong_key"])
