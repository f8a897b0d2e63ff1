"""JSON as Duck reads and writes it."""

import codecs
import re
from typing import Any, Final

import pydantic_core

from gateway.errors import DuckError

MAX_JSON_DEPTH: Final = 200
"""Levels; pydantic_core's parser refuses what is nested deeper (jiter's recursion limit), said in the error."""


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


def read_json(body: bytes) -> Any:
    """The JSON value in `body`.

    Raises `DuckError` `invalid_request` for what is no JSON in UTF-8: NaN, a lone surrogate, a depth over
    `MAX_JSON_DEPTH` and trailing text included; its sentence says where. A byte order mark is skipped.
    """
    try:
        return pydantic_core.from_json(body.removeprefix(codecs.BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        raise DuckError(
            "invalid_request", f"The body is not valid JSON: {error}.", "Send one JSON object in UTF-8."
        ) from error


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
