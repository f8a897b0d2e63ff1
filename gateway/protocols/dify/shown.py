"""One of Dify's dicts as it leaves: what `detail` holds back is there and empty, so that Dify's clients can read it.

Which members are held back is `gateway.detail`'s to say; an event of which nothing may leave is None, and left out.
Here is only what a reader of Dify's own shape needs beside:

1. What was emptied is of the type that it was: a number is 0, a flag false, a price the text `"0"`. Clients with
   declared types break at a null where Dify never sends one.
2. `form_token` and `approval_channels`, which never leave, are there and empty.
3. A failed run says why. Where its own words may not leave, or can't be read, it says so in Duck's.
4. Members stand in Dify's order, which is lost on the reverse path: the daemon sorts them by name (wire 14.8).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.diagnosis import from_run_error
from gateway.events import TEXT_EVENTS, Raw
from gateway.view import View

_NEVER: Final[Raw] = MappingProxyType({"form_token": None, "approval_channels": []})
"""What Dify itself sends where there is none (wire section 2, `human_input_required`)."""

_PRICE: Final = ("_price", "_price_unit")
"""How the names of prices end; Dify sends them as decimal texts, `"0"` for a model without a price."""

_OF_A_MESSAGE: Final = (
    "event", "conversation_id", "message_id", "created_at", "task_id", "workflow_run_id",
    "id", "type", "position", "thought", "observation", "tool", "tool_labels", "tool_input", "message_files",
    "belongs_to", "url", "answer", "from_variable_selector", "reason", "metadata", "files", "code", "status", "message",
)  # fmt: skip
_OF_A_RUN: Final = ("event", "workflow_run_id", "task_id")
"""Dify's order, for events of a message and for those of a workflow; what is not named comes behind."""


def shown(raw: Raw, view: View) -> Raw | None:
    """The dict at this view's level of detail; None when nothing of it may leave."""
    seen = view.of_raw(raw)
    if seen is None:
        return None
    if str(raw.get("event")) not in TEXT_EVENTS:
        seen = _with_reason(_of_same_types(seen, raw), raw, view)
    return _in_order(seen)


def _in_order(raw: Raw) -> Raw:
    if next(iter(raw), "event") == "event":
        return raw
    order = _OF_A_MESSAGE if "message_id" in raw else _OF_A_RUN
    return {**{name: raw[name] for name in order if name in raw}, **raw}


def _of_same_types(seen: Any, raw: Any) -> Any:
    """`seen`, which was made of `raw`, with nothing where `raw` had something of another type."""
    match seen, raw:
        case Mapping(), Mapping():
            return {
                **{name: _member(name, value, raw.get(name)) for name, value in seen.items()},
                **{name: empty for name, empty in _NEVER.items() if name in raw},
            }
        case list(), list() if len(seen) == len(raw):
            return [_of_same_types(item, whole) for item, whole in zip(seen, raw, strict=True)]
        case None, bool():
            return False
        case None, int() | float():
            return 0
        case _:
            return seen


def _member(name: str, seen: Any, raw: Any) -> Any:
    return "0" if seen == "" and raw and str(name).endswith(_PRICE) else _of_same_types(seen, raw)


def _with_reason(seen: Raw, raw: Raw, view: View) -> Raw:
    data, whole = seen.get("data"), raw.get("data")
    if not is_failed_run(raw) or not isinstance(data, Mapping) or not isinstance(whole, Mapping) or data.get("error"):
        return seen
    error = from_run_error(str(whole.get("error") or ""))
    return {**seen, "data": {**data, "error": error.sentence(with_cause=view.with_progress)}}


def is_failed_run(raw: Raw) -> bool:
    """Whether this event says that a chatflow or a workflow has failed."""
    return run_status(raw) == "failed"


def run_status(raw: Raw) -> object:
    """What a `workflow_finished` says of the run; None of any other event."""
    data = raw.get("data")
    return data.get("status") if raw.get("event") == "workflow_finished" and isinstance(data, Mapping) else None
