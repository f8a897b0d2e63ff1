"""JSON Schema as the description writes it: a few plain builders, and what a request's pydantic model says of itself.

Objects are open: a client ignores the members that it does not know (README, "The reply").
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

type Schema = Mapping[str, Any]
type Schemas = Mapping[str, Schema]

_COMPONENT: Final = "#/components/schemas/{model}"


def ref(name: str) -> Schema:
    """A schema that stands among the components."""
    return {"$ref": _COMPONENT.format(model=name)}


def text(about: str = "", **more: Any) -> Schema:
    return _typed("string", about, more)


def whole(about: str = "", **more: Any) -> Schema:
    return _typed("integer", about, more)


def number(about: str = "", **more: Any) -> Schema:
    return _typed("number", about, more)


def flag(about: str = "", **more: Any) -> Schema:
    return _typed("boolean", about, more)


def mapping(about: str = "", **more: Any) -> Schema:
    """An object whose members are not Duck's to name."""
    return _typed("object", about, {"additionalProperties": True, **more})


def items(of: Schema, about: str = "") -> Schema:
    return _typed("array", about, {"items": of})


def record(about: str, required: Schemas, optional: Schemas | None = None) -> Schema:
    """An object with these members."""
    needed = {"required": [*required]} if required else {}
    return _typed("object", about, {"properties": {**required, **(optional or {})}, **needed})


def constant(value: str, about: str = "") -> Schema:
    return text(about, const=value)


def word(about: str, *values: str) -> Schema:
    """One of these texts."""
    return text(about, enum=[*values])


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def any_of(about: str, *schemas: Schema) -> Schema:
    return {"anyOf": [*schemas], **({"description": about} if about else {})}


def anything(about: str = "") -> Schema:
    return {"description": about} if about else {}


def sse_event(data: Schema, name: str = "") -> Schema:
    """One of a stream's Server-Sent Events. name: `""` for events without one."""
    told = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return record("", {**({"event": constant(name)} if name else {}), "data": told})


def _typed(type_: str, about: str, more: Schema) -> Schema:
    return {"type": type_, **({"description": about} if about else {}), **more}


def of_model(
    model: type[BaseModel], name: str, about: str, members: Schemas, names: Mapping[str, str] | None = None
) -> dict[str, Schema]:
    """The components of a request's model, by name: what the model checks, and of each member what is said here.

    members: by name, a description, or a schema where the model leaves the member's form to a reader of its own; all of
    them and no others. names: what the models inside it are called; their members are said in the same way, as
    `Model.member`.
    """
    called = {**(names or {}), model.__name__: name}
    told = model.model_json_schema(ref_template=_COMPONENT)
    models = {**told.pop("$defs", {}), model.__name__: told}
    fields = {
        (member if of == model.__name__ else f"{of}.{member}"): schema
        for of, whole_schema in models.items()
        for member, schema in whole_schema["properties"].items()
    }
    if fields.keys() != members.keys():
        raise LookupError(f"{name} is not described as it is: {sorted(fields.keys() ^ members.keys())}")
    renamed = {
        called[of]: {
            **{key: value for key, value in whole_schema.items() if key not in ("title", "description")},
            "properties": {
                member: _said(schema, members[member if of == model.__name__ else f"{of}.{member}"], called)
                for member, schema in whole_schema["properties"].items()
            },
        }
        for of, whole_schema in models.items()
    }
    return {**renamed, name: {**renamed[name], "description": about}}


def _said(schema: Mapping[str, Any], told: Schema, called: Mapping[str, str]) -> Schema:
    """A member as the model checks it, with what is said of it beside."""
    plain = {key: value for key, value in schema.items() if key not in ("title", "description")}
    if plain.get("default", "") is None:
        del plain["default"]  # a missing member and null mean the same
    return {**_renamed(plain, called), **told}


def _renamed(value: Any, called: Mapping[str, str]) -> Any:
    match value:
        case {"$ref": str(target)}:
            return ref(called[target.rpartition("/")[2]])
        case dict():
            return {key: _renamed(item, called) for key, item in value.items()}
        case list():
            return [_renamed(item, called) for item in value]
        case _:
            return value


def says(about: str) -> Schema:
    """What is said of a member whose form its model knows."""
    return {"description": about}
