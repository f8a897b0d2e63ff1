"""The bodies of `GET /parameters`, `/info`, `/site` and `/meta`: an app as Dify describes it to its clients.

Only named members leave, so that nothing does which a later Dify adds: a moderation's keywords and presets stand among
an app's parameters (wire 14.13), and a tool's own settings in its input form. What is not known is there, as Dify has
it for an app without: reverse invocation tells the parameters and nothing else.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.detail import clean
from gateway.events import Kind, Raw
from gateway.settings import App
from gateway.view import View

_SWITCHES: Final = frozenset(
    {
        "suggested_questions_after_answer", "speech_to_text", "text_to_speech", "retriever_resource",
        "annotation_reply", "more_like_this", "sensitive_word_avoidance",
    }
)  # fmt: skip
"""Features that can be on or off, each with settings of its own."""

_FEATURES: Final = (
    "opening_statement", "suggested_questions", "suggested_questions_after_answer", "speech_to_text",
    "text_to_speech", "retriever_resource", "annotation_reply", "more_like_this", "user_input_form",
    "sensitive_word_avoidance", "file_upload", "system_parameters",
)  # fmt: skip
"""In Dify's order."""

_SWITCH: Final = frozenset({"enabled", "language", "voice", "autoPlay"})
"""What a client must know of a feature."""

_FIELD: Final = frozenset(
    {
        "label", "variable", "type", "required", "options", "max_length", "default", "description", "placeholder",
        "unit", "hide", "allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods", "json_schema",
    }
)  # fmt: skip
"""What a client must know of a field of the input form."""

_SITE: Final[Mapping[str, Any]] = {
    "title": "",
    "chat_color_theme": None,
    "chat_color_theme_inverted": False,
    "icon_type": "emoji",
    "icon": "🤖",
    "icon_background": "#FFEAD5",
    "description": None,
    "copyright": None,
    "privacy_policy": None,
    "input_placeholder": None,
    "custom_disclaimer": "",
    "default_language": "en-US",
    "show_workflow_steps": True,
    "use_icon_as_answer_icon": False,
    "icon_url": None,
}
"""As Dify has it for a new app (recordings/service/site.chat.json)."""


def parameters(told: Raw) -> dict[str, Any]:
    """An app's features and input form. told: as Dify tells them, by either way."""
    return {name: _feature(name, told[name]) for name in _FEATURES if name in told}


def _feature(name: str, value: Any) -> Any:
    if name in _SWITCHES and isinstance(value, dict):
        return {member: item if member in _SWITCH else _nothing(item) for member, item in value.items()}
    if name == "user_input_form" and isinstance(value, list):
        return [_fields(item) for item in value if isinstance(item, dict)]
    return clean(value)


def _fields(item: Raw) -> Raw:
    """One item of the input form, `{type: {…}}`."""
    return {
        type_: {name: clean(value) for name, value in entry.items() if name in _FIELD}
        for type_, entry in item.items()
        if isinstance(entry, dict)
    }


def _nothing(value: Any) -> Any:
    match value:
        case str() | list() | dict():
            return type(value)()
        case _:
            return None


def info(app: App, kind: Kind | None, told: Raw, view: View) -> dict[str, Any]:
    """What the app is. kind: None where it is not known, for which Duck runs an app as a chat.

    told: the Service API's own answer, empty where there is none; the author's name leaves at `full`.
    """
    tags = told.get("tags")
    return {
        "name": _text(told, "name") or app.alias,
        "description": _text(told, "description"),
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        "mode": _text(told, "mode") or str(kind or Kind.CHAT),
        "author_name": _text(told, "author_name") if view.is_full else "",
    }


def site(app: App, told: Raw, view: View) -> dict[str, Any]:
    """How the app looks. told: as for `info`. A client is told to show steps where it is sent any."""
    known = {name: clean(told.get(name, value)) for name, value in _SITE.items()}
    shows_steps = bool(known["show_workflow_steps"]) and view.with_progress
    return {**known, "title": known["title"] or app.alias, "show_workflow_steps": shows_steps}


def meta(told: Raw, view: View) -> dict[str, Any]:
    """The icons of the app's tools, by the tools' names. told: as for `info`."""
    icons = told.get("tool_icons")
    return {"tool_icons": clean(icons) if view.with_progress and isinstance(icons, dict) else {}}


def _text(told: Raw, name: str) -> str:
    value = told.get(name)
    return clean(value) if isinstance(value, str) else ""
