"""What a call of the tool says: its parameters, read into one value, and the app that they mean.

A model fills some of them in, so all are read forgivingly where the meaning is plain: null and white space are nothing,
and `inputs` may be an object, its JSON text, or its text as Python writes it. For that is what Dify makes of an object
for a parameter that is a string (Dify: core/plugin/entities/parameters.py), and as one that is an object, a text that
is no JSON would silently be an empty one.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.errors import DuckError
from gateway.settings import App, Settings, canonical_id
from gateway.wire import json_bytes, read_json

MAX_NAME: Final = 100
"""Characters of a name that a sentence repeats (as in `gateway.body`)."""


_INPUTS: Final = "The parameter 'inputs'"

MOST_WRITTEN: Final = 1_000_000
"""Characters of an object as Python writes it (own choice; Python's own reader takes a second for them)."""

MOST_NAMES: Final = 20
"""Aliases that a sentence lists (own choice)."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Of each text, `""` means none."""

    app: App
    query: str
    inputs: Mapping[str, Any]
    conversation_id: str


def read_call(parameters: Mapping[str, Any], settings: Settings, *, can_pick: bool) -> ToolCall:
    """The call; an alias outranks the app that was picked. can_pick: whether one counts at all. Raises `DuckError`."""
    return ToolCall(
        _app(parameters, settings, can_pick=can_pick),
        _text(parameters, "query") if _text(parameters, "query").strip() else "",
        _inputs(parameters.get("inputs")),
        _text(parameters, "conversation_id").strip(),
    )


def _app(parameters: Mapping[str, Any], settings: Settings, *, can_pick: bool) -> App:
    alias = _text(parameters, "alias").strip()
    picked = parameters.get("app") if can_pick else None
    if alias:
        app = settings.app_named(alias)
    elif picked:
        app = _picked(picked, settings)
    else:
        app = settings.apps[0] if len(settings.apps) == 1 else None
    if app is None:
        raise _unknown(alias, settings) if alias else _unnamed(settings, can_pick=can_pick)
    if app.fault:
        raise app.fault.as_error()
    return app


def _picked(value: object, settings: Settings) -> App:
    """The app of Dify's picker, with the inputs that were filled in there; as it is listed, if it is."""
    members = value if isinstance(value, dict) else {}
    app_id = canonical_id(str(members.get("app_id") or ""))
    if not app_id:
        raise DuckError("invalid_request", "The parameter 'app' does not hold an app.", "Pick it again.")
    inputs = members.get("inputs")
    app = settings.app_named(app_id) or App(app_id, app_id)
    return replace(app, inputs={**app.inputs, **inputs} if isinstance(inputs, dict) else app.inputs)


def _inputs(value: object) -> Mapping[str, Any]:
    if value is None or (isinstance(value, str) and not value.strip()):
        return {}
    value = _value_of(value.strip()) if isinstance(value, str) else read_json(_json(value), _INPUTS)
    if not isinstance(value, dict):
        raise DuckError(
            "invalid_request",
            f"{_INPUTS} is no JSON object.",
            'Give the app\'s inputs by name, such as {"topic": "ducks"}.',
        )
    return value


def _value_of(text: str) -> object:
    try:
        return read_json(text.encode("utf-8", "replace"), _INPUTS)
    except DuckError:
        written = _python_object(text)
        if written is None:
            raise
        return read_json(_json(written), _INPUTS)


def _python_object(text: str) -> dict[Any, Any] | None:
    """The object that Python has written so; None for any other text."""
    if not text.startswith("{") or len(text) > MOST_WRITTEN:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json(value: object) -> bytes:
    """Its JSON, which is then read by the rules for any JSON; nothing for what has none."""
    try:
        return json_bytes(value)
    except (ValueError, TypeError):
        return b""


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DuckError("invalid_request", f"The parameter '{name}' is no text.", "Give it as text.")
    return value


def _unknown(alias: str, settings: Settings) -> DuckError:
    return DuckError("app_not_found", f"The tool knows no app '{alias[:MAX_NAME]}'.", _choice("Give", settings))


def _unnamed(settings: Settings, *, can_pick: bool) -> DuckError:
    give = "Pick an app, or give" if can_pick else "Give"
    return DuckError("invalid_request", "The call names no app.", _choice(give, settings))


def _choice(give: str, settings: Settings) -> str:
    aliases = [app.alias for app in settings.apps if not app.fault]
    if not aliases:
        return f"{give} an alias, once apps are listed in the tool's authorization, under Tools."
    if len(aliases) > MOST_NAMES:
        return f"{give} one of the aliases that the tool list_apps tells, such as {aliases[0]}."
    return f"{give} one of these aliases: {', '.join(aliases)}."
