"""The input form of an app: its declared variables, and Dify's checks of what a caller sends for them.

Owns the sentences of those checks (facts: wire section 4). Files are checked in `files.py`. Undeclared inputs are
ignored, as Dify ignores them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workbench.app import Upload
from workbench.apps.files import FileRules, build_file, build_files
from workbench.apps.parameters import Declaration
from workbench.apps.refusals import internal_server_error, invalid_param


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared input. `type` is the key of its declaration; a `max_length` of None or 0 is no limit."""

    name: str
    type: str
    required: bool
    default: Any = None
    max_length: int | None = None
    options: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    files: FileRules = field(default_factory=FileRules)


def read_form(declarations: Sequence[Declaration]) -> tuple[Variable, ...]:
    """The variables of a `user_input_form`, in order."""
    return tuple(_variable(kind, members) for item in declarations for kind, members in item.items())


def _variable(kind: str, members: Mapping[str, Any]) -> Variable:
    return Variable(
        name=members["variable"],
        type=kind,
        required=members["required"],
        default=members.get("default"),
        max_length=members.get("max_length"),
        options=tuple(members.get("options", ())),
        json_schema=members.get("json_schema"),
        files=FileRules(
            types=tuple(members.get("allowed_file_types", ())),
            extensions=tuple(members.get("allowed_file_extensions", ())),
            methods=tuple(members.get("allowed_file_upload_methods", ())),
        ),
    )


def validate(
    form: Sequence[Variable], inputs: Mapping[str, Any], uploads: Mapping[str, Upload] | None = None
) -> dict[str, Any]:
    """The values that a run starts with: one for each variable, in the form's order, None where none was given.

    `uploads` are the uploaded files, by id, that may be named; over reverse invocation there are none.

    Checks in Dify's order, the first failure is the refusal: each variable in turn (given at all? of its type? within
    its limits?), and only when all have passed, the files.
    """
    values = {variable.name: _checked(variable, inputs.get(variable.name)) for variable in form}
    for variable in form:
        value = values[variable.name]
        if isinstance(value, dict) and variable.type == "file":
            values[variable.name] = build_file(value, variable.files, uploads or {}, strict=True)
        elif isinstance(value, list) and variable.type == "file-list":
            values[variable.name] = build_files(value, variable.files, uploads or {})
    return values


def _checked(variable: Variable, value: Any) -> Any:
    if value is None and variable.required:
        raise invalid_param(f"{variable.name} is required in input form")
    if value is None:
        value = variable.default
    return None if value is None else _CHECKS[variable.type](variable, value)


def _text(variable: Variable, value: Any) -> str:
    text = _string(variable, value)
    if variable.max_length and len(text) > variable.max_length:
        raise invalid_param(f"{variable.name} in input form must be less than {variable.max_length} characters")
    return text


def _choice(variable: Variable, value: Any) -> str:
    text = _string(variable, value)
    if text not in variable.options:
        raise invalid_param(f"{variable.name} in input form must be one of the following: {list(variable.options)}")
    return text


def _string(variable: Variable, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid_param(f"(type '{variable.type}') {variable.name} in input form must be a string")
    # PostgreSQL stores no NUL, so Dify takes it out.
    return value.replace("\x00", "")


def _number(variable: Variable, value: Any) -> int | float | None:
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        raise internal_server_error()
    if not value.strip():
        return None
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        raise invalid_param(f"{variable.name} in input form must be a valid number") from None


def _checkbox(variable: Variable, value: Any) -> Any:
    """Texts and numbers that mean yes or no become so; any other passes as it is."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
        raise invalid_param(f"Invalid input type for {[variable.name]}")
    word = value.strip().lower() if isinstance(value, str) else value
    if word in ("true", "1", "yes", "on", 1):
        return True
    if word in ("false", "0", "no", "off", 0):
        return False
    return value


def _file(variable: Variable, value: Any) -> Any:
    if value == "" and not variable.required:
        return None
    if not isinstance(value, dict):
        raise invalid_param(f"{variable.name} in input form must be a file")
    return value


def _file_list(variable: Variable, value: Any) -> Any:
    if value == "" and not variable.required:
        return None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid_param(f"{variable.name} in input form must be a list of files")
    if variable.max_length and len(value) > variable.max_length:
        raise invalid_param(f"{variable.name} in input form must be less than {variable.max_length} files")
    return value


def _json_object(variable: Variable, value: Any) -> Any:
    """Anything empty passes, of whatever type."""
    if value and not isinstance(value, dict):
        raise invalid_param(f"{variable.name} in input form must be a dict")
    return value


_CHECKS: Final[Mapping[str, Callable[[Variable, Any], Any]]] = {
    "text-input": _text,
    "paragraph": _text,
    "select": _choice,
    "number": _number,
    "checkbox": _checkbox,
    "file": _file,
    "file-list": _file_list,
    "json_object": _json_object,
}


def schema_failure(form: Sequence[Variable], values: Mapping[str, Any]) -> str | None:
    """Why the start node fails on a JSON object, or None.

    Not a refusal: Dify starts the run first. Of JSON Schema only what the demo form declares is known: required
    members, and members that are numbers.
    """
    for variable in form:
        value = values[variable.name]
        if variable.json_schema and value:
            fault = _first_fault(variable.json_schema, value)
            if fault:
                return f"JSON object for '{variable.name}' does not match schema: {fault}"
    return None


def _first_fault(schema: Mapping[str, Any], value: Mapping[str, Any]) -> str | None:
    for name, rule in schema["properties"].items():
        member = value.get(name)
        if name in value and rule["type"] == "number" and not _is_number(member):
            return f"{member!r} is not of type 'number'"
    for name in schema["required"]:
        if name not in value:
            return f"{name!r} is a required property"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
