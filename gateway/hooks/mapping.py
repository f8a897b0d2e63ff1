"""From what a sender has sent to what its app is asked, as the operator has said, or in the way that fits the app.

Where the operator says nothing: a workflow, or a text generator, gets the members of a JSON object and the fields of a
form that have an input's name, or, where none has, the whole body as its query; any other app is asked the whole body.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from werkzeug.datastructures import Headers

from gateway.call import Asked
from gateway.events import Kind
from gateway.hooks.content import Content
from gateway.hooks.entry import Hook
from gateway.kinds import Variable
from gateway.wire import json_text

_TEXT_TYPES: Final = frozenset({"text-input", "paragraph", "select"})
"""Types of inputs that Dify refuses anything but a text for (wire section 7)."""

_WITHOUT_QUERY: Final = frozenset({Kind.WORKFLOW, Kind.COMPLETION})


def asked_of(hook: Hook, content: Content, headers: Headers, kind: Kind | None, form: Iterable[Variable]) -> Asked:
    """What the app is asked. kind, form: as far as they are known. Raises `DuckError` for a path that does not fit."""
    declared = {variable.name: variable for variable in form}
    inputs = _mapped(hook, content, headers, declared) if hook.is_mapped else {}
    if not hook.is_mapped and kind in _WITHOUT_QUERY:
        inputs = _fields(content, declared)
    query = "" if kind in _WITHOUT_QUERY and (hook.is_mapped or inputs) else content.text
    if hook.query:
        query = _text(hook.query.found_in(_searched(content)))
    fitted = {name: _fitted(value, declared.get(name)) for name, value in inputs.items()}
    return Asked(query, fitted, "", "", files=content.files)


def _mapped(hook: Hook, content: Content, headers: Headers, declared: Mapping[str, Variable]) -> dict[str, Any]:
    """The inputs that the operator has named; one for which there is nothing is left out."""
    found: dict[str, Any] = _fields(content, declared) if hook.takes_fields else {}
    if hook.body:
        found[hook.body] = content.text
    found |= {name: headers.get(header) for name, header in hook.headers.items()}
    found |= {name: path.found_in(_searched(content)) for name, path in hook.inputs.items()}
    return {name: value for name, value in found.items() if value is not None}


def _fields(content: Content, declared: Mapping[str, Variable]) -> dict[str, Any]:
    """The members that have an input's name."""
    members = content.value if isinstance(content.value, dict) else {}
    return {name: members[name] for name in declared if members.get(name) is not None}


def _searched(content: Content) -> Any:
    """What a path begins at: of a body of plain text, the text."""
    return content.text if content.value is None else content.value


def _fitted(value: Any, variable: Variable | None) -> Any:
    """The value as the input takes it: a number, an object or a list goes to an input for text as its JSON."""
    return _text(value) if variable and variable.type in _TEXT_TYPES else value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)
