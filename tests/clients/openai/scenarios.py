"""Runs the scenarios of a client's script, and prints one line of JSON for each: what it gave, or what it raised.

Needs the standard library only, and knows no client: an error is told by its class and by the members that the clients
of OpenAI's API put on theirs.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

_MEMBERS: Final = ("status_code", "code", "type", "param")

type Scenario = Callable[..., Any]
"""A function, or one that gives a coroutine. Run without arguments."""


def by_name(*scenarios: Scenario) -> dict[str, Scenario]:
    """Functions under their own names."""
    return {scenario.__name__: scenario for scenario in scenarios}


def run(scenarios: Mapping[str, Scenario]) -> None:
    """Each scenario in turn; those that are coroutines share one event loop."""
    with asyncio.Runner() as runner:
        for name, scenario in scenarios.items():
            print(json.dumps({"scenario": name, **_outcome(scenario, runner)}), flush=True)


def _outcome(scenario: Scenario, runner: asyncio.Runner) -> dict[str, Any]:
    try:
        given = scenario()
        return {"gave": runner.run(given) if inspect.iscoroutine(given) else given}
    except Exception as error:  # noqa: BLE001 - what a client raises is what the test is about
        return {"raised": told(error)}


def told(error: Exception) -> dict[str, Any]:
    """The error as a client's user sees it."""
    members = {name: getattr(error, name) for name in _MEMBERS if hasattr(error, name)}
    return {"class": type(error).__name__, "message": str(error), **members}


def until_error[Item](items: Iterable[Item], text_of: Callable[[Item], str]) -> dict[str, Any]:
    """The text of a stream up to its error, and that error; None for one that ended without."""
    text = ""
    try:
        for item in items:
            text += text_of(item)
    except Exception as error:  # noqa: BLE001 - what a client raises is what the test is about
        return {"text": text, "raised": told(error)}
    return {"text": text, "raised": None}
