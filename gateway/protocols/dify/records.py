"""What Dify keeps of a caller's conversations, messages, runs and files, each as it leaves.

Pure, over Dify's own bodies whose ids are sealed already. What the caller said and was answered leaves at every level;
of the rest, the machinery of the event streams decides (`shown`), and what it holds back is there and empty.
"""

from collections.abc import Mapping, Set
from typing import Any, Final

from gateway.detail import clean
from gateway.diagnosis import from_run_error
from gateway.events import Raw
from gateway.links import absolute
from gateway.protocols.dify.shown import shown
from gateway.view import View

_CONVERSATION: Final = frozenset({"id", "name", "status", "introduction", "created_at", "updated_at"})
_MESSAGE: Final = frozenset(
    {
        "id", "conversation_id", "parent_message_id", "query", "answer", "feedback", "created_at", "message_tokens",
        "answer_tokens", "total_tokens", "provider_response_latency", "status",
    }
)  # fmt: skip
_UPLOAD: Final = frozenset(
    {"id", "name", "size", "extension", "mime_type", "created_at", "preview_url", "source_url", "original_url"}
)
"""Members that every level shows."""

_NOT_TOLD: Final[Raw] = {"tenant_id": None, "user_id": None}
"""Of a file; Dify itself has no `user_id` there (recordings/service/files-upload.json)."""


def conversation(raw: Raw, view: View) -> dict[str, Any]:
    """One of `GET /conversations`, or the one that was named."""
    return _record(raw, _CONVERSATION, view)


def message(raw: Raw, view: View) -> dict[str, Any]:
    """One of `GET /messages`."""
    seen = _record(raw, _MESSAGE, view)
    if "query" in raw:
        seen["query"] = raw["query"]
    if "answer" in raw:
        seen["answer"] = _linked(raw["answer"], view)
    if "message_files" in raw:
        event = shown({"event": "message_end", "files": raw["message_files"]}, view) or {}
        seen["message_files"] = event.get("files") or []
    if raw.get("error"):
        seen["error"] = from_run_error(str(raw["error"])).sentence(with_cause=view.with_progress)
    return seen


def run(raw: Raw, view: View, *, is_chatflow: bool) -> dict[str, Any]:
    """The body of `GET /workflows/run/<id>`. is_chatflow: its outputs are its answer, as before a moderation."""
    of_a_message = {"conversation_id": ""} if is_chatflow else {}
    event = shown({"event": "workflow_finished", **of_a_message, "data": dict(raw)}, view) or {}
    data = dict(event.get("data") or {})
    if data.get("inputs") == "":
        data["inputs"] = "{}"  # Dify tells them as JSON in a text
    return data


def upload(raw: Raw, view: View) -> dict[str, Any]:
    """The body of `POST /files/upload`."""
    seen = {**_record(raw, _UPLOAD, view), **{name: _NOT_TOLD[name] for name in _NOT_TOLD if name in raw}}
    linked: dict[str, Any] = _linked(seen, view)
    return {name: linked[name] for name in raw if name in linked}


def _record(raw: Raw, known: Set[str], view: View) -> dict[str, Any]:
    """The members in Dify's order. known: those that every level shows."""
    rest = {name: value for name, value in raw.items() if name not in known}
    seen: Mapping[str, Any] = shown({**rest, "event": "message_end"}, view) or {}
    return {
        name: clean(value) if name in known else seen[name]
        for name, value in raw.items()
        if name in known or (name in seen and name != "event")
    }


def _linked(value: Any, view: View) -> Any:
    return absolute(value, view.origin) if view.origin else value
