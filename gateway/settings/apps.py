"""The apps of an endpoint: those picked in the form, named by `aliases`, and those of `apps`."""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import yaml

from gateway.events import Kind
from gateway.hooks.entry import Hook
from gateway.settings.form import Form, split
from gateway.settings.hook_entry import BadHook, read_hook
from gateway.settings.values import PLACEHOLDERS, App, Fault, canonical_id

APP_SELECTORS: Final = ("app", "app_2", "app_3", "app_4", "app_5")

RESERVED: Final = frozenset({"completions"})
"""`/chat/completions` is OpenAI's, also where a client forgot the `/v1` (DESIGN section 3)."""

_ALIAS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ENTRY_MEMBERS: Final = ("app_id", "kind", "query", "answer", "user", "transcript", "instructions", "title", "about")

_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "chat": Kind.CHAT,
        "agent": Kind.AGENT,
        "agent-chat": Kind.AGENT,
        "chatflow": Kind.CHATFLOW,
        "advanced-chat": Kind.CHATFLOW,
        "workflow": Kind.WORKFLOW,
        "completion": Kind.COMPLETION,
    }
)
"""Dify's names for people, and its own for `app.mode`."""


def read_apps(form: Form) -> tuple[tuple[App, ...], App | None]:
    """All listed apps, the picked ones first, and the default one: the first that is picked."""
    selected = _selected_apps(form)
    apps = {app.alias: app for app in selected}
    seen: set[str] = set()
    for place, (alias, entry) in enumerate(_entries(form), 1):
        problem = _alias_problem(alias) or ("names two apps" if alias in seen else "")
        seen.add(alias)
        if problem:
            form.fault("apps", problem, place)
        else:
            apps[alias] = _app(form, alias, entry, apps.get(alias), place)
    return tuple(apps.values()), apps[selected[0].alias] if selected else None


def _selected_apps(form: Form) -> list[App]:
    """The apps picked in the form, in order, named by `aliases` in order."""
    aliases = form.items("aliases")
    picked = [name for name in APP_SELECTORS if form.raw.get(name)]
    for place, _ in aliases[len(picked) :]:
        form.fault("aliases", "names more apps than are picked", place)
    apps: list[App] = []
    for index, name in enumerate(picked):
        app = _selected_app(form, name)
        if index < len(aliases):
            app = _named(form, app, *aliases[index], taken=[known.alias for known in apps])
        apps.append(app)
    return apps


def _selected_app(form: Form, name: str) -> App:
    value = form.raw[name]
    members = value if isinstance(value, dict) else {}
    app_id = canonical_id(str(members.get("app_id") or ""))
    inputs = members.get("inputs")
    fault = None if app_id else form.fault(name, "does not hold an app; pick it again")
    return App(name, app_id, inputs=inputs if isinstance(inputs, dict) else {}, fault=fault)


def _named(form: Form, app: App, place: int, alias: str, taken: list[str]) -> App:
    """The app under its alias; under the selector's name where that can't be one."""
    problem = _alias_problem(alias) or ("names two apps" if alias in taken else "")
    if problem:
        form.fault("aliases", problem, place)
        return app
    return replace(app, alias=alias)


def _entries(form: Form) -> list[tuple[str, object]]:
    """`alias=app_id` pairs, spaces around the sign allowed; a bare id is its own alias. Or YAML, JSON included."""
    text = form.text("apps")
    if text.startswith("{"):
        return _mapping(form, text)
    pairs = (item.partition("=") for item in split(re.sub(r"\s*=\s*", "=", text)))
    return [(alias, app_id if sign else alias) for alias, sign, app_id in pairs]


def _mapping(form: Form, text: str) -> list[tuple[str, object]]:
    try:
        # Every scalar as text: YAML 1.1 would take the alias "on" for a truth value.
        entries = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - it builds nothing but text, lists and mappings
    except (yaml.YAMLError, ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict):
        form.fault("apps", "is neither alias=app_id pairs nor YAML or JSON that maps aliases to apps")
        return []
    return [(str(alias), entry) for alias, entry in entries.items()]


def _app(form: Form, alias: str, entry: object, known: App | None, place: int) -> App:
    """One entry of `apps`; with its fault where it has one, so that whoever calls the app is told."""
    members = {"app_id": entry} if isinstance(entry, str) else entry
    app = known or App(alias, "")
    hook, hook_fault = _hook(form, members, place)
    problem = _entry_problem(members, app) if isinstance(members, dict) else "expected an app id, or members in braces"
    if problem or not isinstance(members, dict):
        return replace(app, fault=form.fault("apps", problem, place))
    return replace(
        app,
        app_id=canonical_id(members.get("app_id") or "") or app.app_id,
        kind=_KINDS[members["kind"]] if members.get("kind") else app.kind,
        query=members.get("query") or "",
        answer=members.get("answer") or "",
        user=members.get("user") or "",
        transcript=members.get("transcript") or "",
        instructions=members.get("instructions") or "",
        title=members.get("title") or "",
        about=members.get("about") or "",
        hook=hook,
        hook_fault=hook_fault,
    )


def _hook(form: Form, members: object, place: int) -> tuple[Hook, Fault | None]:
    """An entry's `hook`; its fault concerns nobody but webhooks."""
    entry = members.get("hook") if isinstance(members, dict) else None
    try:
        return (read_hook(entry) if entry else Hook()), None
    except BadHook as problem:
        return Hook(), form.fault("apps", str(problem), place)


def _alias_problem(alias: str) -> str:
    if not _ALIAS.fullmatch(alias):
        return "an alias is 1 to 64 letters, digits, _ or -"
    if alias in RESERVED:
        return f"{alias} is a part of OpenAI's own paths, not an alias"
    return "is a placeholder, not an alias" if alias in PLACEHOLDERS else ""


def _entry_problem(members: Mapping[Any, Any], app: App) -> str:
    """The first fault of one app's members; `""` for none."""
    texts = {name: value for name, value in members.items() if name != "hook"}
    if not all(name in _ENTRY_MEMBERS and isinstance(value, str) for name, value in texts.items()):
        return f"takes {', '.join(_ENTRY_MEMBERS)}, each a text, and hook"
    given = members.get("app_id") or ""
    if given.startswith("app-"):
        return "an app's API key does not belong here, for this setting is not encrypted"
    if not canonical_id(given or app.app_id):
        return "app_id is not an app's id (a UUID, as in the address of its page in Dify)"
    if app.app_id and given and canonical_id(given) != app.app_id:
        return "names an app that is picked above already, with another id"
    if members.get("kind") and members["kind"] not in _KINDS:
        return f"kind must be one of {', '.join(_KINDS)}"
    return ""
