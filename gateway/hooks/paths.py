"""Paths into what a sender has sent: JMESPath, read once with the settings, and held to what costs little.

An operator writes them, and a sender's body of 10 MiB is run through them while all streams wait. JMESPath has no loops
and can't get back to the root from an item, so an expression costs its length times the body, but for what copies:
lists and objects that are built, and functions. Those are counted.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult

from gateway.errors import DuckError

MAX_LENGTH: Final = 256
"""Characters of an expression (own choice; it also bounds how deep one can be nested)."""

MAX_GROWTH: Final = 64
"""How many times larger than the body a result may be at most (own choice: `[@,@]|[@,@]|…` doubles with each part)."""

_FUNCTION_GROWTH: Final = 2
"""What `to_string` makes of a text full of quotes, which all are escaped."""


class BadPath(Exception):
    """An expression that is not taken; the message says why, without it."""


@dataclass(frozen=True, slots=True)
class Path:
    """An expression, ready to be used."""

    expression: str
    _parsed: ParsedResult = field(compare=False, repr=False)

    @classmethod
    def of(cls, expression: str) -> "Path":
        """Raises `BadPath`."""
        if len(expression) > MAX_LENGTH:
            raise BadPath(f"a path has more than {MAX_LENGTH} characters")
        try:
            parsed = jmespath.compile(expression)
        except (JMESPathError, ValueError, RecursionError) as error:
            raise BadPath("a path is not valid JMESPath") from error
        nodes = [*_nodes(parsed.parsed)]
        if any(not _is_known(node) for node in nodes):
            raise BadPath("a path uses a function that JMESPath does not have, or a slice of step 0")
        if math.prod(_growth(node) for node in nodes) > MAX_GROWTH:
            raise BadPath("a path makes too much of what it is given")
        return cls(expression, parsed)

    def found_in(self, value: Any) -> Any:
        """What the path leads to; None for nothing. Raises `invalid_request` where a function does not fit it."""
        try:
            found = self._parsed.search(value)
            json.dumps(found, allow_nan=False)  # jmespath reads a text `nan` as a number, which JSON has none of
        except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise DuckError(  # jmespath compares a text with a number, and counts, as Python does
                "invalid_request",
                "A path in the settings of this app's hook does not fit the body.",
                "Its operator mends the path, or the sender the body.",
            ) from error
        return found


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """The parts of an expression; a slice has numbers among its children."""
    if isinstance(node, dict):
        yield node
        for child in node["children"]:
            yield from _nodes(child)


def _is_known(node: dict[str, Any]) -> bool:
    match node["type"]:
        case "function_expression":
            return bool(node["value"] in Functions.FUNCTION_TABLE)
        case "slice":
            return bool(node["children"][2:] != [0])
        case _:
            return True


def _growth_of_join(arguments: list[dict[str, Any]]) -> int:
    """A separator stands where the body had `"",` at least; one out of the body could be as long as the body."""
    separator = arguments[0].get("value") if arguments and arguments[0]["type"] == "literal" else None
    if not isinstance(separator, str):
        return MAX_GROWTH + 1
    return max(_FUNCTION_GROWTH, len(separator) // 2 + 1)


def _growth(node: dict[str, Any]) -> int:
    match node["type"]:
        case "multi_select_list" | "multi_select_dict":
            return len(node["children"])
        case "function_expression" if node["value"] == "join":
            return _growth_of_join(node["children"])
        case "function_expression":
            return _FUNCTION_GROWTH
        case _:
            return 1
