"""What leaves the house at each level of the setting `detail` (the table of DESIGN section 3).

`scrubbed` decides over Dify's own dicts, where a protocol passes them on; over typed events each writer does, member
by member. What never leaves is taken out at every level: form tokens, channels of approval, tenant ids, tracebacks, and
the settings of a moderation.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from gateway.diagnosis import TRACEBACK, readable, without_traceback
from gateway.events import Raw


class Detail(IntEnum):
    """The levels, each showing all that the one before it shows."""

    ANSWER = 1
    PROGRESS = 2
    FULL = 3


_NEVER: Final = frozenset({"form_token", "approval_channels", "tenant_id", "sensitive_word_avoidance"})
"""Members of Dify's events that never leave (wire 14.8, 14.13)."""

_TENANT: Final = re.compile(r"tenant_id=[0-9a-fA-F-]+&?")
"""Icon URLs carry the tenant's id (wire 14.17)."""

_TEXTS: Final = frozenset({"message", "agent_message", "message_replace", "text_chunk", "text_replace"})
"""Events that hold text for every level to show, and at most the name of the step that it comes from: the frequent
ones, so they are not walked through."""

_STEP_NAMES: Final[Raw] = MappingProxyType({"from_variable_selector": [], "node_id": ""})
"""Where a text event names its step, emptied."""

_PROGRESS_EVENTS: Final = frozenset(
    {
        "agent_thought", "agent_log", "node_started", "node_finished", "node_retry",
        "iteration_started", "iteration_next", "iteration_completed", "loop_started", "loop_next", "loop_completed",
        "human_input_required", "human_input_form_filled", "human_input_form_timeout",
    }
)  # fmt: skip
"""Events that tell names and states of steps and tools: nothing of them leaves at `answer`."""

_CONTENT: Final = frozenset(
    {
        "inputs", "process_data", "execution_metadata", "created_by", "data", "metadata", "pre_loop_output",
        "tool_input", "observation", "message_files", "content", "form_content", "resolved_default_values",
        "submitted_data", "rendered_content", "remote_url", "reference", "upload_file_id",
        "annotation_reply", "extras", "doc_metadata", "summary",
        "prompt_price", "prompt_unit_price", "prompt_price_unit", "total_price",
        "completion_price", "completion_unit_price", "completion_price_unit",
    }
)  # fmt: skip
"""Members that are emptied below `full`: node inputs, prompts, tool arguments and results, retrieved text, prices."""

_STEP_OUTPUTS: Final = frozenset({"outputs", "files"})
"""The same, where they belong to a step and not to the run."""

_LOOKED_INTO: Final = frozenset({"data", "metadata"})
"""Where an event keeps its members; an agent's log line has the same names again for its content, one level down."""

_SOURCE: Final = frozenset({"position", "title", "document_name", "page", "url", "source_url"})
"""Members of a source that every level shows."""

_SHOWN_AT_ANSWER: Final = frozenset(
    {
        "event", "conversation_id", "message_id", "task_id", "workflow_run_id", "id", "created_at", "finished_at",
        "data", "metadata", "usage", "files", "outputs", "retriever_resources", "reasoning", "is_final", "reason",
        "status", "elapsed_time", "prompt_tokens", "completion_tokens", "total_tokens", "latency",
        "time_to_first_token", "time_to_generate", "answer", "text", "audio",
        "type", "url", "filename", "mime_type", "size", "extension", "transfer_method", "related_id", "belongs_to",
        "",
    }
)  # fmt: skip
"""All that leaves of the events below at `answer`, so that nothing leaves which a later Dify adds; `""` is an item of a
list."""

_PASSED_AT_ANSWER: Final = frozenset(
    {"workflow_started", "workflow_finished", "workflow_paused", "message_end", "message_file",
     "tts_message", "tts_message_end", "reasoning_chunk", "ping"}
)  # fmt: skip
"""Known events without progress in them; one that nobody knows yet leaves from `full` on only."""


def scrubbed(raw: Raw, detail: Detail) -> Raw | None:
    """Dify's dict as it may leave at this level; None when nothing of it may. A member that may not leave is empty."""
    name = raw.get("event")
    if not isinstance(name, str):
        name = ""
    if name == "error":
        return _error_event(raw, detail)
    if name in _TEXTS or (name == "message_file" and "answer" in raw):
        return raw if detail > Detail.ANSWER else _without_step_names(raw)
    if detail is Detail.FULL:
        return _with_own_outputs(_with_plain_error(clean(raw)), raw, is_full=True)
    if name in _PROGRESS_EVENTS:
        return (
            _with_plain_error(_emptied(raw, (_CONTENT | _STEP_OUTPUTS).__contains__))
            if detail is Detail.PROGRESS
            else None
        )
    if name not in _PASSED_AT_ANSWER:
        return None
    is_hidden = _is_hidden_at_answer if detail is Detail.ANSWER else _CONTENT.__contains__
    return _with_own_outputs(_with_plain_error(_emptied(raw, is_hidden)), raw, is_full=False)


def _is_hidden_at_answer(name: str) -> bool:
    return name not in _SHOWN_AT_ANSWER


def _error_event(raw: Raw, detail: Detail) -> Raw:
    """An `error` with its message in plain words (Dify packs JSON in JSON), from `progress` on like a step's."""
    message = raw.get("message")
    said = readable(message) if isinstance(message, str) and detail > Detail.ANSWER else ""
    return {**_members(raw, frozenset[str]().__contains__), "message": said}


def _with_own_outputs(shown: Raw, raw: Raw, *, is_full: bool) -> Raw:
    """A workflow's outputs as its author named them.

    A chatflow's are its answer once more, and as it was before a moderation replaced it (wire 14.13): shown at `full`.
    """
    data, whole = shown.get("data"), raw.get("data")
    if raw.get("event") != "workflow_finished" or not isinstance(data, dict) or not isinstance(whole, dict):
        return shown
    outputs = {} if "conversation_id" in raw and not is_full else own_outputs(whole.get("outputs"))
    return {**shown, "data": {**data, "outputs": outputs}}


def own_outputs(outputs: Any) -> Any:
    """What a workflow's author chose to tell, word for word, but for the members that never leave (a file's)."""
    match outputs:
        case dict():
            return {name: own_outputs(value) for name, value in outputs.items() if name not in _NEVER}
        case list():
            return [own_outputs(item) for item in outputs]
        case _:
            return outputs


def _without_step_names(raw: Raw) -> Raw:
    shown = {**raw, **{name: empty for name, empty in _STEP_NAMES.items() if name in raw}}
    data = raw.get("data")
    if isinstance(data, dict):
        shown["data"] = {**data, **{name: empty for name, empty in _STEP_NAMES.items() if name in data}}
    return shown


def clean(value: Any) -> Any:
    """A JSON value without what never leaves."""
    match value:
        case str():
            return _clean_text(value)
        case dict() | MappingProxyType():
            return {key: clean(item) for key, item in value.items() if key not in _NEVER}
        case list():
            return [clean(item) for item in value]
        case _:
            return value


def _clean_text(text: str) -> str:
    if "tenant_id=" in text:
        text = _TENANT.sub("", text)
    return without_traceback(text) if TRACEBACK in text else text


def _with_plain_error(raw: Raw) -> Raw:
    """The event with its `data.error` in plain words: Dify packs JSON in text in JSON (wire 14.6)."""
    data = raw.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("error"), str):
        return raw
    return {**raw, "data": {**data, "error": readable(data["error"])}}


type _Hidden = Callable[[str], bool]
"""Whether a member of this name may not leave."""


def _emptied(raw: Raw, is_hidden: _Hidden) -> Raw:
    """The event with its hidden members emptied; its own `data` and `metadata` hold them, and are looked into."""
    return {
        name: _members(value, is_hidden)
        if name in _LOOKED_INTO and isinstance(value, dict)
        else _member(name, value, is_hidden)
        for name, value in raw.items()
        if name not in _NEVER
    }


def _members(values: Raw, is_hidden: _Hidden) -> Raw:
    return {name: _member(name, value, is_hidden) for name, value in values.items() if name not in _NEVER}


def _member(name: str, value: object, is_hidden: _Hidden) -> object:
    if is_hidden(name):
        return _empty(value)
    if name == "retriever_resources":
        return [_source(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else _empty(value)
    if name == "reasoning" and isinstance(value, dict):
        return dict(enumerate(value.values(), 1)) if is_hidden("node_id") else value
    match value:
        case dict():
            return _members(value, is_hidden)
        case list():
            return [_member("", item, is_hidden) for item in value]
        case _:
            return clean(value)


def _source(item: Raw) -> Raw:
    """Title and link of a source; of what else Dify says of it, the members without their content."""
    return {name: clean(value) if name in _SOURCE else _empty(value) for name, value in item.items()}


def _empty(value: object) -> object:
    """Nothing, of the same JSON type."""
    match value:
        case str():
            return ""
        case dict():
            return {}
        case list():
            return []
        case _:
            return None
