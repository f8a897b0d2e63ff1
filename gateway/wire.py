"""JSON as Duck reads and writes it."""

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import pydantic_core

from gateway.errors import DuckError

MAX_JSON_DEPTH: Final = 100
"""Levels of a body (own choice; the platform's own parsers give up at some 200, and an app echoes what it was sent)."""

MAX_JSON_VALUES: Final = 100_000
"""Values of a body (own choice: they are read in some 50 ms)."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def json_bytes(value: object) -> bytes:
    """Compact UTF-8 on one line; non-ASCII text stays as it is, a newline is only ever in it escaped.

    A lone surrogate, which no UTF-8 can hold, becomes U+FFFD; NaN and infinity, which no JSON can hold, become null.
    """
    try:
        return pydantic_core.to_json(value, inf_nan_mode="null")
    except pydantic_core.PydanticSerializationError:
        return pydantic_core.to_json(_with_whole_characters(value), inf_nan_mode="null")


def json_text(value: object) -> str:
    """`json_bytes` as text."""
    return json_bytes(value).decode()


def read_json(text: bytes, what: str) -> Any:
    """The JSON value in `text`; a byte order mark is skipped.

    what: how the error's sentence calls it. Raises `DuckError` `payload_too_large` for more than `MAX_JSON_VALUES`, and
    `invalid_request` for what is no JSON in UTF-8 (NaN, a lone surrogate and trailing text included; the sentence says
    where), for more than `MAX_JSON_DEPTH` levels, for an object with a name twice, where readers differ in which one
    counts (RFC 8259, 4), and for a number that would be infinite.
    """
    if _has_too_many_values(text):
        raise DuckError("payload_too_large", f"{what} has more than {MAX_JSON_VALUES:,} values.", "Send fewer.")
    try:
        value = pydantic_core.from_json(text.removeprefix(codecs.BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        if "recursion" in str(error):
            raise _too_deep(what) from error
        raise DuckError(
            "invalid_request", f"{what} is not valid JSON: {error}.", "Send one JSON object in UTF-8."
        ) from error
    if _depth(value) > MAX_JSON_DEPTH:
        raise _too_deep(what)
    if isinstance(value, dict | list):
        _check_strictly(text, what)
    return value


def _has_too_many_values(text: bytes) -> bool:
    """Counted in the text, for reading millions of values would take seconds, and all streams wait meanwhile."""
    if _count_of_values(text) <= MAX_JSON_VALUES:
        return False
    return _count_of_values(_STRING.sub(b"", text)) > MAX_JSON_VALUES


def _count_of_values(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _check_strictly(text: bytes, what: str) -> None:
    """Refuses what the fast parser lets pass, so the text is read once more: a name twice, an infinite number."""

    def refuse_twice(members: list[tuple[str, Any]]) -> None:
        if len(members) > 1 and len({name for name, _ in members}) < len(members):
            raise DuckError("invalid_request", f"{what} has an object with the same name twice.", "Send it once.")

    def refuse_infinite(number: str) -> None:
        if math.isinf(float(number)):
            raise DuckError("invalid_request", f"{what} has a number that is too large.", "Send it as a string.")

    json.loads(text, object_pairs_hook=refuse_twice, parse_float=refuse_infinite, parse_int=len)  # of any length


def _too_deep(what: str) -> DuckError:
    return DuckError("invalid_request", f"{what} is nested deeper than {MAX_JSON_DEPTH} levels.", "Send it flatter.")


def _depth(value: object) -> int:
    """Levels of objects and lists, counted level by level and no further than one beyond the limit."""
    level, depth = [value], 0
    while depth <= MAX_JSON_DEPTH:
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return depth
        depth += 1
        level = [item for outer in level for item in _items(outer)]
    return depth


def _items(value: object) -> Iterable[object]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case _:
            return ()


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each of its strings changed; the names of members stay."""
    match value:
        case str():
            return change(value)
        case dict():
            return {name: with_texts(item, change) for name, item in value.items()}
        case list():
            return [with_texts(item, change) for item in value]
        case _:
            return value


def _with_whole_characters(value: object) -> object:
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case dict():
            return {_with_whole_characters(key): _with_whole_characters(item) for key, item in value.items()}
        case list() | tuple():
            return [_with_whole_characters(item) for item in value]
        case _:
            return value
