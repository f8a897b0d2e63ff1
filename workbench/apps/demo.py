"""The demo apps: their aliases, their ids, and what stands behind each.

Tests and documentation rely on the aliases. The environment may set the pace (`WORKBENCH_PACE`) and how long `slow`
is silent (`WORKBENCH_SLOW_SECONDS`), both in seconds.
"""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from workbench.app import App
from workbench.apps import chatflows, chats, workflows
from workbench.apps.chatflows import chatflow
from workbench.apps.chats import chat
from workbench.apps.parameters import prompt_app_parameters, workflow_parameters
from workbench.apps.scripted import ScriptedApp
from workbench.apps.workflows import EVERY_TYPE_FORM, NO_FORM, OPTIONAL_TEXT_FORM, TEXT_FORM, workflow

PACE_SECONDS: Final = 0.03
"""Between two events of a demo app: slow enough that a human sees the answer come, about as fast as a model."""

SLOW_SECONDS: Final = 25.0
"""The silence of `slow`: longer than a first event is awaited (10 s) and than a heartbeat's distance (15 s)."""

DEMO_APPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "echo": "d1f70000-0000-4000-8000-000000000001",
        "agent": "d1f70000-0000-4000-8000-000000000002",
        "chatflow": "d1f70000-0000-4000-8000-000000000003",
        "workflow": "d1f70000-0000-4000-8000-000000000004",
        "form": "d1f70000-0000-4000-8000-000000000005",
        "completion": "d1f70000-0000-4000-8000-000000000006",
        "reasoning": "d1f70000-0000-4000-8000-000000000007",
        "slow": "d1f70000-0000-4000-8000-000000000008",
        "long": "d1f70000-0000-4000-8000-000000000009",
        "failing": "d1f70000-0000-4000-8000-00000000000a",
        "broken": "d1f70000-0000-4000-8000-00000000000b",
        "moderated": "d1f70000-0000-4000-8000-00000000000c",
        "paused": "d1f70000-0000-4000-8000-00000000000d",
        "nowhere": "d1f70000-0000-4000-8000-00000000000e",
        "fixed": "d1f70000-0000-4000-8000-00000000000f",
        "steps": "d1f70000-0000-4000-8000-000000000010",
    }
)
"""Alias to app id. `nowhere` is listed, but no such app exists."""

_COMPLETION_FORM: Final = ({"paragraph": {"default": "", "label": "Query", "required": True, "variable": "query"}},)


def demo_apps(pace: float | None = None) -> dict[str, App]:
    """App id to app, for all but `nowhere`, each with conversations of its own.

    `pace` is the wait between two events in seconds; None takes the environment's or the default.
    """
    if pace is None:
        pace = _seconds("WORKBENCH_PACE", PACE_SECONDS)
    silence = _seconds("WORKBENCH_SLOW_SECONDS", SLOW_SECONDS)
    prompt, graph = prompt_app_parameters(), workflow_parameters()
    moderation = prompt_app_parameters(moderation=dict(chats.MODERATION))
    text, optional_text = workflow_parameters(TEXT_FORM), workflow_parameters(OPTIONAL_TEXT_FORM)
    apps: dict[str, App] = {
        "echo": ScriptedApp(chat(chats.echo), prompt, pace),
        "agent": ScriptedApp(chat(chats.agent), prompt, pace),
        "chatflow": ScriptedApp(chatflow(chatflows.plain), graph, pace),
        "workflow": ScriptedApp(workflow(workflows.write_back, TEXT_FORM), text, pace),
        "form": ScriptedApp(
            workflow(workflows.say_inputs_back, EVERY_TYPE_FORM), workflow_parameters(EVERY_TYPE_FORM), pace
        ),
        "completion": ScriptedApp(chats.completion, prompt_app_parameters(_COMPLETION_FORM), pace),
        "reasoning": ScriptedApp(chatflow(chatflows.reasoned), graph, pace),
        "slow": ScriptedApp(chat(chats.slow), prompt, pace, silence=silence),
        "long": ScriptedApp(chat(chats.long), prompt, pace=0.0),
        "failing": ScriptedApp(workflow(workflows.fail_midway, OPTIONAL_TEXT_FORM), optional_text, pace),
        "broken": ScriptedApp(chat(chats.broken), prompt, pace),
        "moderated": ScriptedApp(chat(chats.moderated), moderation, pace),
        "fixed": ScriptedApp(workflow(workflows.say_the_same, NO_FORM), graph, pace),
        "steps": ScriptedApp(workflow(workflows.take_steps, NO_FORM), graph, pace),
        "paused": ScriptedApp(workflow(workflows.ask_a_human, OPTIONAL_TEXT_FORM), optional_text, pace),
    }
    return {DEMO_APPS[alias]: app for alias, app in apps.items()}


def _seconds(name: str, default: float) -> float:
    given = os.environ.get(name)
    if not given:
        return default
    try:
        return float(given)
    except ValueError:
        raise ValueError(f"{name} must be a number of seconds, got {given!r}") from None
