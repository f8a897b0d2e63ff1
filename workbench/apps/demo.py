"""The demo apps: their aliases, their ids, and what stands behind each.

Tests and documentation rely on the aliases. The environment may set the pace (`WORKBENCH_PACE`) and how long `slow`
is silent (`WORKBENCH_SLOW_SECONDS`), both in seconds.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from workbench.app import App, DifyEvent
from workbench.apps import chatflows, chats, completions, workflows
from workbench.apps.chatflows import chatflow
from workbench.apps.chats import chat
from workbench.apps.completions import COMPLETION_FORM, completion
from workbench.apps.parameters import EVERY_FEATURE, Declaration, prompt_app_parameters, workflow_parameters
from workbench.apps.scripted import ScriptedApp
from workbench.apps.workflows import EVERY_TYPE_FORM, NO_FORM, OPTIONAL_TEXT_FORM, TEXT_FORM, Run, workflow

PACE_SECONDS: Final = 0.03
"""Between two events of a demo app: slow enough that a human sees the answer come, about as fast as a model."""

SLOW_SECONDS: Final = 25.0
"""The silence of `slow`: longer than a first event is awaited (10 s) and than a heartbeat's distance (15 s)."""

ENDLESS_PACE_SECONDS: Final = 0.05
"""Whatever the others' pace: an endless run must not take the machine from the rest."""

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

TEST_APPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mirror": "d1f70000-0000-4000-8000-000000000101",
        "gallery": "d1f70000-0000-4000-8000-000000000102",
        "endless": "d1f70000-0000-4000-8000-000000000103",
        "endless-chatflow": "d1f70000-0000-4000-8000-000000000104",
        "endless-workflow": "d1f70000-0000-4000-8000-000000000105",
        "endless-completion": "d1f70000-0000-4000-8000-000000000106",
    }
)
"""More of them, that no hook of `demo.yaml` lists: `mirror` (a chat) and `gallery` (a chatflow) take images and say
what has arrived; the others run until they are stopped."""


def demo_apps(pace: float | None = None) -> dict[str, App]:
    """App id to app, for all but `nowhere`, each with conversations of its own; those of `TEST_APPS` too.

    `pace` is the wait between two events in seconds; None takes the environment's or the default.
    """
    if pace is None:
        pace = _seconds("WORKBENCH_PACE", PACE_SECONDS)
    ids = {**DEMO_APPS, **TEST_APPS}
    apps = {**_prompt_apps(pace), **_chatflows(pace), **_workflows(pace)}
    return {ids[alias]: app for alias, app in apps.items()}


def _prompt_apps(pace: float) -> dict[str, App]:
    silence = _seconds("WORKBENCH_SLOW_SECONDS", SLOW_SECONDS)
    prompt, form = prompt_app_parameters(), prompt_app_parameters(COMPLETION_FORM)
    moderation = prompt_app_parameters(moderation=dict(chats.MODERATION))
    features = prompt_app_parameters(features=EVERY_FEATURE)
    return {
        "echo": ScriptedApp("chat", chat(chats.echo), prompt, pace),
        "agent": ScriptedApp("agent-chat", chat(chats.agent), prompt, pace),
        "completion": ScriptedApp("completion", completion(completions.complete), form, pace),
        "slow": ScriptedApp("chat", chat(chats.slow), prompt, pace, silence=silence),
        "long": ScriptedApp("chat", chat(chats.long), prompt, pace=0.0),
        "broken": ScriptedApp("chat", chat(chats.broken), prompt, pace),
        "moderated": ScriptedApp("chat", chat(chats.moderated), moderation, pace),
        "mirror": ScriptedApp("chat", chat(chats.mirror, takes_images=True), features, pace),
        "endless": ScriptedApp("chat", chat(chats.endless), prompt, ENDLESS_PACE_SECONDS),
        "endless-completion": ScriptedApp("completion", completion(completions.endless), form, ENDLESS_PACE_SECONDS),
    }


def _chatflows(pace: float) -> dict[str, App]:
    graph, features = workflow_parameters(), workflow_parameters(features=EVERY_FEATURE)
    mirrored = chatflow(chatflows.mirrored, takes_images=True)
    return {
        "chatflow": ScriptedApp("advanced-chat", chatflow(chatflows.plain), graph, pace),
        "reasoning": ScriptedApp("advanced-chat", chatflow(chatflows.reasoned), graph, pace),
        "gallery": ScriptedApp("advanced-chat", mirrored, features, pace),
        "endless-chatflow": ScriptedApp("advanced-chat", chatflow(chatflows.endless), graph, ENDLESS_PACE_SECONDS),
    }


def _workflows(pace: float) -> dict[str, App]:
    scripts: dict[str, tuple[Callable[[Run], Iterator[DifyEvent]], Sequence[Declaration], float]] = {
        "workflow": (workflows.write_back, TEXT_FORM, pace),
        "form": (workflows.say_inputs_back, EVERY_TYPE_FORM, pace),
        "failing": (workflows.fail_midway, OPTIONAL_TEXT_FORM, pace),
        "paused": (workflows.ask_a_human, OPTIONAL_TEXT_FORM, pace),
        "fixed": (workflows.say_the_same, NO_FORM, pace),
        "steps": (workflows.take_steps, NO_FORM, pace),
        "endless-workflow": (workflows.endless, OPTIONAL_TEXT_FORM, ENDLESS_PACE_SECONDS),
    }
    return {
        alias: ScriptedApp("workflow", workflow(speak, form), workflow_parameters(form), wait)
        for alias, (speak, form, wait) in scripts.items()
    }


def _seconds(name: str, default: float) -> float:
    given = os.environ.get(name)
    if not given:
        return default
    try:
        return float(given)
    except ValueError:
        raise ValueError(f"{name} must be a number of seconds, got {given!r}") from None
