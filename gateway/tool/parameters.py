"""What a call of the tool says: its parameters, read into one value, and the app that they mean.

A model fills some of them in, so all are read forgivingly where the meaning is plain: null and white space are nothing,
and `inputs` may be an object or its JSON text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.errors import DuckError
from gateway.settings import App, Settings, canonical_id
from gateway.wire import read_json

MAX_NAME: Final = 100
"""Characters of a name that a sentence repeats (as in `gateway.body`)."""


MOST_NAMES: Final = 20
"""Aliases that a sentence lists (own choice)."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Of each text, `""` means none."""

    app: App
    query: str
    inputs: Mapping[str, Any]
    conversation_id: str


def read_call(parameters: Mapping[str, Any], settings: Settings) -> ToolCall:
    """The call; an alias outranks the app that was picked. Raises `DuckError`."""
    return ToolCall(
        _app(parameters, settings),
        _text(parameters, "query"),
        _inputs(parameters.get("inputs")),
        _text(parameters, "conversation_id").strip(),
    )


def _app(parameters: Mapping[str, Any], settings: Settings) -> App:
    alias = _text(parameters, "alias").strip()
    picked = parameters.get("app")
    if alias:
        app = settings.app_named(alias)
    elif picked:
        app = _picked(picked, settings)
    else:
        app = settings.apps[0] if len(settings.apps) == 1 else None
    if app is None:
        raise _unknown(alias, settings) if alias else _unnamed(settings)
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
    if isinstance(value, str):
        text = value.strip().encode("utf-8", "replace")
        value = read_json(text, "The parameter 'inputs'") if text else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DuckError(
            "invalid_request",
            "The parameter 'inputs' is no JSON object.",
            'Give the app\'s inputs by name, such as {"topic": "ducks"}.',
        )
    return value


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DuckError("invalid_request", f"The parameter '{name}' is no text.", "Give it as text.")
    return value


def _unknown(alias: str, settings: Settings) -> DuckError:
    return DuckError("app_not_found", f"The tool knows no app '{alias[:MAX_NAME]}'.", _choice("Give", settings))


def _unnamed(settings: Settings) -> DuckError:
    return DuckError("invalid_request", "The call names no app.", _choice("Pick an app, or give", settings))


def _choice(give: str, settings: Settings) -> str:
    aliases = [app.alias for app in settings.apps if not app.fault]
    if not aliases:
        return "Pick an app, or list apps in the tool's authorization, under Tools."
    if len(aliases) > MOST_NAMES:
        return f"{give} one of the aliases that the tool list_apps tells, such as {aliases[0]}."
    return f"{give} one of these aliases: {', '.join(aliases)}."
