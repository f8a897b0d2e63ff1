"""Strategies for JSON as text: what clients send, what no client should, and what is hardly JSON at all.

Made as text and not as values, since a name twice, NaN, half a surrogate pair and a number of a thousand digits can't
all be had from a value that is written by a library.
"""

import json
import types
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

type Text = st.SearchStrategy[str]
"""The text of one JSON value."""

_DEPTHS: Final = st.sampled_from((10, 98, 99, 100, 101, 199, 3000))
"""Around Duck's own limit of 100 levels, the platform's of some 200, and what makes parsers run out of stack."""

_SHAPES: Final = st.sampled_from((("[", "", "]"), ('{"a":', "1", "}"), ('[{"a":', "1", "}]")))

_LENGTHS: Final = st.sampled_from((400, 4300, 4301, 5000))
"""Python reads whole numbers of 4,300 digits, and no more (sys.int_info)."""

STRINGS: Final[Text] = st.one_of(
    st.builds(json.dumps, st.text(max_size=30), ensure_ascii=st.booleans()),
    st.sampled_from(
        (
            '""',
            '"\\ud800"',
            '"\\udc00\\ud800"',
            '"\\u0000"',
            '"\\u202e\\u2028"',
            '"\r\n"',
            '"\\x41"',
            '"<script>alert(1)</script>"',
            '"\\r\\nX-Planted: 1"',
            '"__class__"',
            "'single'",
        )
    ),
    _LENGTHS.map(lambda length: '"' + "x" * length + '"'),
)

NUMBERS: Final[Text] = st.one_of(
    st.integers().map(str),
    st.sampled_from(("0", "-0", "00", "1.", ".5", "1e999", "-1e999", "1e-999", "9007199254740993")),
    _LENGTHS.map(lambda length: "9" * length),
    st.sampled_from(("NaN", "Infinity", "-Infinity", "0x10", "1_000")),
)

_NESTED: Final[Text] = st.builds(lambda shape, depth: shape[0] * depth + shape[1] + shape[2] * depth, _SHAPES, _DEPTHS)

_PLAIN: Final = st.sampled_from(("null", "true", "false", "[]", "{}", "True", "undefined", "/**/1"))


def _array(items: list[str]) -> str:
    return f"[{','.join(items)}]"


def _object(members: list[tuple[str, str]]) -> str:
    """members: names and values, each already JSON; a name may come twice."""
    return f"{{{','.join(f'{name}:{value}' for name, value in members)}}}"


ANY: Final[Text] = st.recursive(
    st.one_of(STRINGS, NUMBERS, _PLAIN, _NESTED),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(_array), st.lists(st.tuples(STRINGS, inner), max_size=4).map(_object)
    ),
    max_leaves=8,
)


def body_of(model: type[BaseModel], samples: Mapping[str, Text]) -> Text:
    """A JSON object for this model: as it asks for, or with members of any type, some twice and some unknown.

    samples: values for members of these names, wherever they stand.
    """
    good = _as_model(model, samples)
    names = st.one_of(st.sampled_from([json.dumps(name) for name in model.model_fields]), STRINGS)
    bad = st.lists(st.tuples(names, ANY), max_size=3)
    return st.one_of(good.map(_object), st.tuples(good, bad).map(lambda both: _object([*both[0], *both[1]])))


def _as_model(model: type[BaseModel], samples: Mapping[str, Text]) -> st.SearchStrategy[list[tuple[str, str]]]:
    members = {
        json.dumps(field.alias or name): st.one_of(samples.get(name, st.nothing()), _of_type(field.annotation, samples))
        for name, field in model.model_fields.items()
    }
    return st.fixed_dictionaries({}, optional=members).map(lambda chosen: list(chosen.items()))


def _of_type(annotation: Any, samples: Mapping[str, Text]) -> Text:
    """A value that this type takes."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _as_model(annotation, samples).map(_object)
    if annotation in _OF_TYPE:
        return _OF_TYPE[annotation]
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        return _of_type(arguments[0], samples)
    if origin is Literal:
        return st.sampled_from([json.dumps(value) for value in arguments])
    if origin in (Union, types.UnionType):
        return st.one_of(*(_of_type(argument, samples) for argument in arguments))
    if origin in (list, tuple):
        return st.lists(_of_type(arguments[0], samples), max_size=3).map(_array)
    if origin is dict:
        return st.lists(st.tuples(STRINGS, _of_type(arguments[1], samples)), max_size=3).map(_object)
    return ANY


_OF_TYPE: Final[Mapping[Any, Text]] = {
    str: STRINGS,
    int: NUMBERS,
    float: NUMBERS,
    bool: st.sampled_from(("true", "false")),
    type(None): st.just("null"),
}
