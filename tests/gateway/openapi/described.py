"""The description, and what is wrong with a value that it describes."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gateway.openapi.document import document

DOCUMENT: Final = document()
SCHEMAS: Final[Mapping[str, Any]] = DOCUMENT["components"]["schemas"]


def closed(value: Any) -> Any:
    """The same with no members but those that are named, where an object is not open to any on purpose.

    What is put together by `allOf` stays open, for its parts know nothing of each other.
    """
    match value:
        case dict():
            inner = {
                name: item if name in ("allOf", "example", "examples") else closed(item) for name, item in value.items()
            }
            is_record = value.get("type") == "object" and "properties" in value and "additionalProperties" not in value
            return {**inner, "additionalProperties": False} if is_record else inner
        case list():
            return [closed(item) for item in value]
        case _:
            return value


def _with_place(content: Any) -> Any:
    """The same with references that hold wherever they stand."""
    return json.loads(json.dumps(content).replace('"#/components/', f'"{_PLACE}#/components/'))


def _registry(content: Any) -> Registry[Any]:
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource(_PLACE, Resource.from_contents(_with_place(content), DRAFT202012))
    return filled


_PLACE: Final = "urn:description"
_OPEN: Final = _registry(DOCUMENT)
_CLOSED: Final = _registry(closed(DOCUMENT))


@cache
def _validator(name: str, *, is_closed: bool) -> Draft202012Validator:
    schema = {"$ref": f"{_PLACE}#/components/schemas/{name}"}
    return Draft202012Validator(schema, registry=_CLOSED if is_closed else _OPEN)


def is_described(name: str, value: Any) -> bool:
    """Whether a request's body is one that the schema of this name allows."""
    return _validator(name, is_closed=False).is_valid(value)


def faults(name: str, value: Any) -> list[str]:
    """What is wrong with a reply, members that the schema of this name does not name among it."""
    return [
        f"{error.json_path}: {error.message[:300]}" for error in _validator(name, is_closed=True).iter_errors(value)
    ]


def faults_of(schema: Mapping[str, Any], value: Any) -> list[str]:
    """The same for a schema that has no name, which may refer to those that have one."""
    found = Draft202012Validator(_with_place(closed(dict(schema))), registry=_CLOSED).iter_errors(value)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Path, method and Operation Object."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                yield path, method, operation
