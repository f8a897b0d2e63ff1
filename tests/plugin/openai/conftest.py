"""One endpoint with all demo apps, for unmodified clients of OpenAI's API, and what each client's scenarios came to.

The app `form` has what a client can't send as its defaults, so that a picture is all that a caller adds.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import FAST, hooks_file
from workbench.apps import DEMO_APPS

KEY: Final = "a-key-of-sixteen-or-more"
ORIGIN: Final = "https://app.example"

FORM: Final = {
    "type": "app-selector",
    "app_id": DEMO_APPS["form"],
    "inputs": {"name": "Duck", "age": 41, "color": "red", "agree": True, "config": {"a": 1}},
    "files": [],
}
APPS: Final = {**DEMO_APPS, "form": {"query": "about"}}

HOOKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "all": {
        "access_keys": KEY,
        "detail": "progress",
        "app": FORM,
        "aliases": "form",
        "apps": json.dumps(APPS),
        "cors_origins": ORIGIN,
    },
    "limited": {"access_keys": KEY, "rate_limit": "1/min", "apps": f"echo={DEMO_APPS['echo']}"},
}

MODELS: Final = ("form", *(alias for alias in DEMO_APPS if alias != "form"))
"""As `/v1/models` lists them: the picked ones first."""

type Outcomes = Mapping[str, dict[str, Any]]
"""A scenario's name to what it `gave`, or what was `raised`."""


@pytest.fixture(scope="session")
def endpoints(start_workbench: Callable[..., RunningWorkbench], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The workbench's address, up to the hook's name."""
    path = hooks_file(tmp_path_factory.mktemp("hooks"), **HOOKS)
    started = start_workbench(*FAST, "--env", "WORKBENCH_SLOW_SECONDS=0.5", "--hooks", path)
    return started.url.rpartition("/")[0]


@pytest.fixture(scope="session")
def base_url(endpoints: str) -> str:
    """What a client is pointed at."""
    return f"{endpoints}/all/v1"


def outcomes(lines: Iterable[dict[str, Any]]) -> Outcomes:
    """What a client's script printed, by scenario."""
    return {line.pop("scenario"): line for line in lines}


def without_message(raised: Mapping[str, Any]) -> dict[str, Any]:
    """An error without its wording, which is Duck's own and has its tests."""
    return {name: value for name, value in raised.items() if name != "message"}


# What all clients are given, and must show.

HELLO: Final = "You said: Hello (turn 1)"
SECOND_TURN: Final = "You said: two (turn 2)"
"""Only the same conversation counts two, and only the last message was asked."""

TWO_TURNS: Final = ["You said: one (turn 1)", SECOND_TURN]
THOUGHT: Final = "The user says 'Hello'. A short answer will do."
AFTER_THOUGHT: Final = "After some thought: you said Hello"
BROKEN_AFTER: Final = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 "
FAILED_AFTER: Final = "This much was done before it failed. "
PROVIDER_SAID: Final = "fake mid-stream provider error"
NODE_SAID: Final = "Connection refused"


def assert_pictures_arrived(text: str) -> None:
    """The app's outputs name both pictures, each in the input that takes it, and the words beside them."""
    outputs = json.loads(text)
    found = (outputs["about"], outputs["document"]["remote_url"], [file["remote_url"] for file in outputs["pictures"]])
    assert found == ("Look", "https://files.example/dog.png", ["https://files.example/cat.png"])
