"""The native vocabulary: which event a typed event is called, and the members of its object.

Names: `start`, `text`, `replace`, `reasoning`, `tool`, `step`, `file`, `sources`, `paused`, `end`, `error`; at `detail:
full` also `dify`, for what has no name of its own. A member that is absent is unknown, or may not leave at this level.
"""

from collections.abc import Mapping
from typing import Any

from gateway.answer import Answer
from gateway.detail import clean, own_outputs
from gateway.errors import DuckError
from gateway.events import (
    Event,
    File,
    Form,
    Paused,
    Reasoning,
    Source,
    Sources,
    Started,
    Step,
    Text,
    TextReplaced,
    Tool,
    Usage,
)
from gateway.view import View

type Members = dict[str, Any]


def named(event: Event, view: View) -> tuple[str, Members] | None:
    """Name and members of an event; None when it is not shown. Endings beside `paused` are not events of the run."""
    shown = _named(event, view)
    raw = getattr(event, "raw", None)
    if view.is_full and raw is not None:
        name, members = shown or ("dify", {})
        return name, {**members, "dify": view.of_raw(raw)}
    return shown


def _named(event: Event, view: View) -> tuple[str, Members] | None:  # noqa: PLR0911 - one line per kind
    match event:
        case Text(text=text):
            return "text", {"text": text}
        case Reasoning(text=text):
            return "reasoning", {"text": text}
        case TextReplaced(text=text):
            return "replace", {"text": text}
        case Started():
            return "start", _present({"kind": str(event.kind), **ids(event), "created_at": event.created_at or None})
        case Step() if view.with_progress:
            return "step", _step(event, view)
        case Tool() if view.with_progress:
            return "tool", _tool(event, view)
        case File():
            return "file", file(event)
        case Sources(items=items):
            return "sources", {"items": [source(item, view) for item in items]}
        case Paused():
            return "paused", _present({"run_id": event.run_id, "forms": forms(event.forms, view)})
        case _:
            return None


def ids(started: Started | None) -> Members:
    """What names the run, for a caller who goes on with it."""
    if started is None:
        return {}
    return _present(
        {
            "conversation_id": started.conversation_id,
            "message_id": started.message_id,
            "run_id": started.run_id,
            "task_id": started.task_id,
        }
    )


def end(answer: Answer, view: View) -> Members:
    """What a one-body reply is, and what a stream ends with."""
    known = ids(answer.started)
    known.pop("task_id", None)
    members = {
        **known,
        "outputs": own_outputs(answer.outputs),
        "reasoning": answer.reasoning,
        "files": [file(item) for item in answer.files],
        "sources": [source(item, view) for item in answer.sources],
        "forms": forms(answer.forms, view),
        "usage": _usage(answer.usage, view),
    }
    return {"answer": answer.text, **_present(members), "status": answer.status}


def failure(error: DuckError, view: View) -> Members:
    """An error inside a stream."""
    return {"code": error.code, "status": error.status, "message": error.sentence(with_cause=view.with_progress)}


def file(item: File) -> Members:
    return _present(
        {
            "id": item.id,
            "type": item.type,
            "url": item.url,
            "filename": item.filename,
            "mime_type": item.mime_type,
            "size": item.size,
        }
    )


def source(item: Source, view: View) -> Members:
    more = {"dataset": item.dataset, "score": item.score, "content": item.content} if view.is_full else {}
    return _present({"position": item.position, "title": item.title, "url": item.url, **more})


def forms(items: tuple[Form, ...], view: View) -> list[Members]:
    """What a paused run asks; its text is the app's, and leaves at `full` only."""
    if not view.with_progress:
        return []
    return [
        _present({"title": item.title, "actions": list(item.actions), "content": item.content if view.is_full else ""})
        for item in items
    ]


def _step(event: Step, view: View) -> Members:
    members = {
        "id": event.id,
        "kind": event.kind,
        "type": event.type,
        "title": event.title,
        "status": event.status,
        "index": event.index,
        "parent_id": event.parent,
        "error": event.error,
        "elapsed": event.elapsed,
        "details": clean(event.details) if view.is_full else None,
    }
    return _present(members)


def _tool(event: Tool, view: View) -> Members:
    content = {"input": event.input, "output": event.output} if view.is_full else {}
    status = "finished" if event.output else "started"
    return _present({"id": event.id, "name": event.name, "status": status, **content})


def _usage(usage: Usage | None, view: View) -> Members | None:
    if usage is None:
        return None
    counted = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "latency": usage.latency,
    }
    return _present({**counted, **(usage.prices if view.is_full else {})})


def _present(members: Mapping[str, Any]) -> Members:
    """Without what is absent. A zero and a false are there."""
    return {name: value for name, value in members.items() if value not in (None, "", [])}
