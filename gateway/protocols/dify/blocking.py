"""Dify's blocking bodies, put together from the stream of a run (wire section 3).

A failed chat, agent or chatflow has none: it is an error. A failed workflow has one, which says so. Deliberate
departures:

1. An agent has a body, a chat's, though Dify refuses to run agents in blocking mode.
2. A chat's `<think>` blocks stay where they are: Dify puts the first before the text, and loses others (wire 14.14).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from gateway.answer import Answer
from gateway.events import Event, Kind, Passed, Raw, Started
from gateway.protocols.dify.shown import is_failed_run, shown
from gateway.view import View

_CLOSING: Final = frozenset({"message_end", "workflow_finished", "workflow_paused"})

_SOURCE: Final[Raw] = MappingProxyType(
    dict.fromkeys(
        (
            "position", "dataset_id", "dataset_name", "document_id", "document_name", "data_source_type", "segment_id",
            "retriever_from", "score", "hit_count", "word_count", "segment_position", "index_node_hash", "content",
            "page", "doc_metadata", "title", "files", "summary",
        )
    )
)  # fmt: skip
_USAGE: Final[Raw] = MappingProxyType(
    dict.fromkeys(
        (
            "prompt_tokens", "prompt_unit_price", "prompt_price_unit", "prompt_price",
            "completion_tokens", "completion_unit_price", "completion_price_unit", "completion_price",
            "total_tokens", "total_price", "currency", "latency", "time_to_first_token", "time_to_generate",
        )
    )
)  # fmt: skip
"""All members, in Dify's order: a body has those without a value too, which the streams of chats leave out."""

_RUN: Final[tuple[str, ...]] = (
    "id", "workflow_id", "status", "outputs", "error", "elapsed_time", "total_tokens", "total_steps",
    "created_at", "finished_at",
)  # fmt: skip
_PAUSED_RUN: Final[tuple[str, ...]] = (*_RUN, "paused_nodes", "reasons")
_PAUSED_MESSAGE: Final = ("paused_nodes", "reasons", "status", "elapsed_time", "total_tokens", "total_steps")


_NOT_STARTED: Final = Started(Kind.CHAT, "", "", "", "", 0, None)
"""A run of which nothing is known but its end."""


@dataclass(slots=True)
class ClosedAnswer(Answer):
    """An answer that keeps Dify's closing dicts, by the event's name."""

    closing: dict[str, Raw] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        Answer.add(self, event)
        if isinstance(event, Passed):
            name = str(event.raw.get("event"))
            if name in _CLOSING:
                self.closing[name] = event.raw


def new_answer(view: View) -> ClosedAnswer:
    """What the events of a run are gathered in."""
    return ClosedAnswer(view.output, splits_thinking=view.splits_thinking)


def closing_of(answer: Answer) -> Mapping[str, Raw]:
    """Dify's closing dicts, as far as they were kept."""
    return answer.closing if isinstance(answer, ClosedAnswer) else {}


def body_of(answer: Answer, view: View) -> Raw:
    """The body of a run that has ended, or waits for a human."""
    started, closing = answer.started or _NOT_STARTED, closing_of(answer)
    if answer.is_workflow:
        return _run(started, closing, view)
    message = _message(started, answer.text, closing.get("message_end", {}), view)
    paused = closing.get("workflow_paused")
    return message if paused is None else _paused(message, started, _data(paused, view))


def body_of_failed(answer: Answer, view: View) -> Raw | None:
    """The body of a workflow that has failed by its own account; None for what is an error."""
    closing = closing_of(answer)
    is_told = answer.is_workflow and is_failed_run(closing.get("workflow_finished", {}))
    return _run(answer.started or _NOT_STARTED, closing, view) if is_told else None


def _run(started: Started, closing: Mapping[str, Raw], view: View) -> Raw:
    paused = closing.get("workflow_paused")
    if paused is None:
        names, known = _RUN, _data(closing.get("workflow_finished", {}), view)
    else:
        beginning = _data(started.raw or {}, view)  # which alone names the workflow
        known = {"id": started.run_id, "workflow_id": beginning.get("workflow_id"), **_data(paused, view)}
        names = _PAUSED_RUN
    data = {name: known.get(name) for name in names}
    return {"task_id": started.task_id, "workflow_run_id": started.run_id, "data": data}


def _message(started: Started, text: str, message_end: Raw, view: View) -> Raw:
    conversation = {"conversation_id": started.conversation_id} if started.conversation_id else {}
    return {
        "event": "message",
        "task_id": started.task_id,
        "id": started.message_id,
        "message_id": started.message_id,
        **conversation,
        "mode": _mode(started, message_end),
        "answer": text,
        "metadata": _metadata(shown(message_end, view) or {}),
        "created_at": started.created_at,
    }


def _paused(message: Raw, started: Started, data: Raw) -> Raw:
    """A chatflow's body while it waits; Dify says almost everything in it twice."""
    inner = ("id", "mode", "conversation_id", "message_id", "workflow_run_id", "answer", "metadata", "created_at")
    whole = {**message, "event": "workflow_paused", "workflow_run_id": started.run_id}
    again = {name: whole[name] for name in inner if name in whole}
    return {**whole, "data": {**again, **{name: data.get(name) for name in _PAUSED_MESSAGE}}}


def _mode(started: Started, message_end: Raw) -> str:
    """The app's kind. A chatflow whose input was moderated begins as a chat does; but only its end names a null."""
    metadata = message_end.get("metadata")
    is_chatflows = isinstance(metadata, Mapping) and metadata.get("annotation_reply", "") is None
    return str(Kind.CHATFLOW if is_chatflows else started.kind)


def _metadata(message_end: Raw) -> Raw:
    """A message's metadata, as whole as Dify's bodies have it."""
    given = message_end.get("metadata")
    known: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    usage, sources = known.get("usage"), known.get("retriever_resources")
    return {
        "annotation_reply": known.get("annotation_reply"),
        "retriever_resources": [{**_SOURCE, **item} for item in sources if isinstance(item, Mapping)]
        if isinstance(sources, list)
        else [],
        "usage": {**_USAGE, **usage} if isinstance(usage, Mapping) else None,
        "reasoning": known.get("reasoning") or {},
    }


def _data(raw: Raw, view: View) -> Raw:
    data = (shown(raw, view) or {}).get("data")
    return data if isinstance(data, Mapping) else {}
