"""What a tool takes: an app's input form as JSON Schema, and a caller's arguments as the app's inputs.

Beside its form a chat takes `query` and `conversation_id`. A field of one of these names is called `…_input`. Files are
links. What the app's author demands of a JSON object is a part of the schema as far as it is plain; the rest is left to
Dify, for it could make Duck fetch or compute without an end.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from gateway.call import Asked, type_of_link
from gateway.events import TALKING, Kind
from gateway.kinds import Variable

QUERY: Final = "query"
CONVERSATION: Final = "conversation_id"

MOST_FAULTS: Final = 5
"""Faults of a call's arguments that are told at once (own choice: a model mends them together)."""

MOST_EXAMINED: Final = 50
"""Faults among which the first are looked for: of a list of thousands each item may be one (own choice)."""

MOST_ITEMS: Final = 500
"""Of a list among the arguments (own choice, as of a call's inputs): each one is held against the schema."""

MAX_NAME: Final = 100
"""Characters of a name that a sentence repeats (as in `gateway.body`)."""

_LINK: Final = r"^[hH][tT][tT][pP][sS]?://[^\s]+$"
_NO_INPUT: Final = frozenset({"external_data_tool"})
"""Fields that Dify fills itself (wire section 7)."""

_CONVERSATION_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "string",
    "description": "Goes on with a conversation: the conversation_id of an earlier result. Left out, a new one begins.",
}


@dataclass(frozen=True, slots=True)
class ToolInput:
    """What a tool takes. variables: the app's fields by the argument that fills them. talks: whether `query` and
    `conversation_id` are none of them.
    """

    schema: Mapping[str, Any]
    variables: Mapping[str, Variable] = field(default_factory=dict)
    talks: bool = True

    def faults(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong with the arguments, as sentences for a model; none holds a value that was sent."""
        long = [name for name, value in arguments.items() if isinstance(value, list) and len(value) > MOST_ITEMS]
        if long:
            return [f"'{name[:MAX_NAME]}' must have at most {MOST_ITEMS} items." for name in long[:MOST_FAULTS]]
        errors = islice(Draft202012Validator(self.schema).iter_errors(dict(arguments)), MOST_EXAMINED)
        found = sorted(errors, key=lambda error: [str(part) for part in error.path])
        return list(dict.fromkeys(sentence for error in found for sentence in _sentences(error)))[:MOST_FAULTS]

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        """The call that the arguments mean; they have no faults."""
        inputs = dict(arguments)
        query = inputs.pop(QUERY, "") if self.talks else ""
        conversation_id = inputs.pop(CONVERSATION, "") if self.talks else ""
        named = {name: self.variables.get(name) for name in inputs}
        return Asked(
            query,
            {variable.name if variable else name: _value(variable, inputs[name]) for name, variable in named.items()},
            conversation_id,
            "",
        )

    def without_nulls(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that were given: for models a null is how to leave one out."""
        known = self.schema["properties"]
        return {name: value for name, value in arguments.items() if value is not None or name not in known}


def tool_input(kind: Kind | None, form: Iterable[Variable], filled: Iterable[str] = ()) -> ToolInput:
    """What an app takes. kind: None where it is not known. filled: fields that have a value without the caller's."""
    fields = [variable for variable in form if _is_shown(variable)]
    talks = kind not in (Kind.WORKFLOW, Kind.COMPLETION)
    variables = _arguments(fields, talks=talks)
    required = [name for name, variable in variables.items() if variable.is_required and variable.name not in filled]
    properties: dict[str, Any] = {name: _schema(variable) for name, variable in variables.items()}
    if talks:
        needs_query = kind in TALKING or (bool(fields) and not any(variable.is_typed for variable in fields))
        properties = {QUERY: _query_schema(is_needed=needs_query), **properties, CONVERSATION: _CONVERSATION_SCHEMA}
        required = [QUERY, *required] if needs_query else required
    return ToolInput(_object(properties, required, is_open=False), variables, talks)


def open_input(kind: Kind | None) -> ToolInput:
    """For an app whose form can't be read: anything goes, and Dify judges."""
    talks = kind not in (Kind.WORKFLOW, Kind.COMPLETION)
    known = {QUERY: _query_schema(is_needed=False), CONVERSATION: _CONVERSATION_SCHEMA} if talks else {}
    return ToolInput(_object(known, [], is_open=True), talks=talks)


def _object(properties: Mapping[str, Any], required: list[str], *, is_open: bool) -> dict[str, Any]:
    needed = {"required": required} if required else {}
    return {"type": "object", "properties": dict(properties), **needed, "additionalProperties": is_open}


def _is_shown(variable: Variable) -> bool:
    return variable.type not in _NO_INPUT and (variable.is_required or not variable.is_hidden)


def _arguments(fields: Iterable[Variable], *, talks: bool) -> dict[str, Variable]:
    """The fields by their arguments; each has one of its own, whatever the others are called."""
    listed = list(fields)
    reserved = {QUERY, CONVERSATION} if talks else set()
    taken = reserved | {variable.name for variable in listed}
    named: dict[str, Variable] = {}
    for variable in listed:
        name = variable.name
        if name in reserved:
            while name in taken:
                name += "_input"
            taken.add(name)
        named[name] = variable
    return named


def _query_schema(*, is_needed: bool) -> dict[str, Any]:
    told = {"type": "string", "description": "What to ask the app, or tell it."}
    return {**told, "minLength": 1} if is_needed else told


def _schema(variable: Variable) -> dict[str, Any]:
    """One field. Only what Dify holds a caller to is in it."""
    schema = _type_schema(variable)
    told = variable.description or (variable.label if variable.label != variable.name else "")
    if variable.takes_files:
        told = f"{told}: {_files(variable)}" if told else _files(variable)
    title = {"title": variable.label} if variable.label and variable.label != variable.name else {}
    default = _default(variable)
    return {
        **schema,
        **title,
        **({"description": told} if told else {}),
        **({} if default is None else {"default": default}),
    }


def _files(variable: Variable) -> str:
    """What to send for a file, or a list of them."""
    kinds = f" ({', '.join(variable.file_types)})" if variable.file_types else ""
    links = "link to a file" if variable.type == "file" else "links to files"
    return f"{links}{kinds} that Dify can reach"


def _type_schema(variable: Variable) -> dict[str, Any]:
    link = {"type": "string", "pattern": _LINK}  # some models refuse a tool whose schema has the format uri
    match variable.type:
        case "text-input" | "paragraph":
            return {"type": "string", **_limit("maxLength", variable)}
        case "select":
            return {"type": "string", **({"enum": list(variable.options)} if variable.options else {})}
        case "number":
            return {"type": "number"}
        case "checkbox":
            return {"type": "boolean"}
        case "file":
            return link
        case "file-list":
            return {"type": "array", "items": link, **_limit("maxItems", variable)}
        case "json_object":
            schema = variable.json_schema
            return _kept(schema, MOST_LEVELS) if schema.get("type") == "object" else {"type": "object"}
        case _:
            return {}


def _limit(name: str, variable: Variable) -> dict[str, int]:
    return {name: variable.max_length} if variable.max_length else {}


MOST_LEVELS: Final = 5
MOST_MEMBERS: Final = 50
"""Of what an author demands of an object: beyond them anything goes, and Dify judges (own choice)."""

MOST_NUMBER: Final = 1e15
"""Beyond it a number is none that a double holds to the unit."""


def _kept(schema: object, levels: int) -> dict[str, Any]:
    """Of an author's schema what is plain and well formed: keywords that take no more time than there are values."""
    if not isinstance(schema, Mapping) or levels == 0:
        return {}
    plain = {name: value for name, value in schema.items() if name in _PLAIN and _PLAIN[name](value)}
    properties, items = schema.get("properties"), _kept(schema.get("items"), levels - 1)
    if isinstance(properties, Mapping) and len(properties) <= MOST_MEMBERS:
        plain["properties"] = {str(name): _kept(item, levels - 1) for name, item in properties.items()}
    return {**plain, "items": items} if items else plain


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST_NUMBER


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MOST_MEMBERS and all(isinstance(item, str) for item in value)


def _are_values(value: object) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_MEMBERS:
        return False
    return all(item is None or isinstance(item, str | int | float) for item in value)


_PLAIN: Final[Mapping[str, Callable[[Any], bool]]] = {
    "type": lambda value: value in ("string", "number", "integer", "boolean", "object", "array", "null"),
    "enum": _are_values,
    "required": _are_names,
    "additionalProperties": lambda value: isinstance(value, bool),
    **dict.fromkeys(("title", "description"), _is_text),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
}
"""Keywords that stay, each where its value is what it must be (JSON Schema 2020-12, validation)."""


def _default(variable: Variable) -> object:
    """The field's default as its JSON type; None where it has none, which Dify often writes as an empty text."""
    value = variable.default
    match variable.type:
        case "text-input" | "paragraph":
            return value if isinstance(value, str) and value else None
        case "select":
            return value if value in variable.options else None
        case "checkbox":
            return value if isinstance(value, bool) else None
        case "number":
            return _number(value)
        case _:
            return None


def _number(value: object) -> int | float | None:
    """Dify writes a number's default as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _value(variable: Variable | None, value: Any) -> Any:
    """An argument as Dify takes it."""
    if variable is None or not variable.takes_files:
        return value
    return [_file(variable, url) for url in value] if isinstance(value, list) else _file(variable, value)


def _file(variable: Variable, url: str) -> dict[str, str]:
    type_ = type_of_link(url)
    if not variable.takes(type_):  # a link need not tell what is behind it
        type_ = variable.file_types[0]
    return {"type": variable.dify_type(type_), "transfer_method": "remote_url", "url": url}


_WORDS: Final[Mapping[str, str]] = {
    "type": "must be of the type {}",
    "enum": "must be one of: {}",
    "maxLength": "must have at most {} characters",
    "minLength": "must have at least {} characters",
    "maxItems": "must have at most {} items",
    "pattern": "must be an http(s) link",
}
"""What a keyword of the schema asks for."""


def _sentences(error: ValidationError) -> Iterable[str]:
    """A fault in words. A name may be the caller's own, so it is cut."""
    place = ".".join(str(part) for part in error.absolute_path)[:MAX_NAME]
    limit, value, schema = _parts(error)
    if error.validator == "required":
        missing = [name for name in limit if name not in value]
        return [f"'{f'{place}.{name}' if place else name}' must be given." for name in missing]
    if error.validator == "additionalProperties" and not place:
        taken = ", ".join(schema["properties"]) or "none"
        unknown = [name[:MAX_NAME] for name in value if name not in schema["properties"]]
        return [f"'{name}' is no argument of this tool, which takes: {taken}." for name in unknown]
    words = _WORDS.get(str(error.validator), f"is not what the app's form asks for ({error.validator})")
    listed = ", ".join(map(str, limit)) if isinstance(limit, list) else limit
    return [f"'{place}' {words.format(listed)}."]


def _parts(error: ValidationError) -> tuple[Any, Any, Any]:
    """What the keyword says, what it was held against, and the schema around it; typed as they are in any fault."""
    return error.validator_value, error.instance, error.schema
