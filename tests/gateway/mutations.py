"""Dify's dicts, broken in every way: what hypothesis feeds to all that reads or writes them."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gateway.events import Raw
from tests.gateway.recorded import RUNS


def _shape(value: object, depth: int = 4) -> object:
    """What a dict looks like: names and types down to some depth, without its texts and numbers."""
    match value:
        case dict() if depth:
            return tuple((name, _shape(inner, depth - 1)) for name, inner in sorted(value.items()))
        case list() if depth and value:
            return ("list of", _shape(value[0], depth - 1))
        case _:
            return type(value).__name__


SHAPES: Final[Mapping[object, Raw]] = {
    (recording.mode, raw["event"], _shape(raw)): raw for recording in RUNS.values() for raw in recording.dicts
}
"""One dict for each kind of event in each mode, and each shape that it was seen in."""

_TEXTS: Final = (
    "",
    "http://[",
    "/files/tools/x.png",
    "Traceback (most recent call last):\n  File",
    '{"message": "',
    "{'a': [",
    "</script><!--",
    "\ud800",
    "message_end",
    "failed",
)
_NAMES: Final = ("event", "data", "answer", "metadata", "outputs", "error", "files", "url", "inputs", "id", "usage")

json_values: Final[SearchStrategy[Any]] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(_TEXTS)
    | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
"""What a JSON parser may give, lone surrogates included."""


@st.composite
def _broken(draw: DrawFn) -> dict[str, Any]:
    """A recorded dict, with up to three of its members dropped or replaced, at any depth."""
    raw: dict[str, Any] = copy.deepcopy(dict(draw(st.sampled_from(list(SHAPES.values())))))
    for _ in range(draw(st.integers(0, 3))):
        _break(draw, raw)
    return raw


def _break(draw: DrawFn, place: Any) -> None:
    while place:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and draw(st.booleans()):
            place = place[key]
            continue
        if draw(st.booleans()):
            del place[key]
        else:
            place[key] = draw(json_values)
        return


_arbitrary: Final = st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=5), json_values, max_size=5)

broken_dicts: Final[SearchStrategy[dict[str, Any]]] = _broken() | _arbitrary

broken_runs: Final = st.lists(broken_dicts, max_size=8)
"""Streams of them, in any order."""
