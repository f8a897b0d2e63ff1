"""From the events of Dify's Service API to those of reverse invocation, for the same run.

The two agree but for the ends of some runs (facts: wire 14.9, 14.13, 14.18). Owns these departures:

1. Inputs that the form refuses: the Service API starts a run and fails it before its first step; the reverse path
   refuses to start.
2. A failed chatflow: the Service API leaves out the `error` event after `workflow_finished`.
3. A stopped chatflow: it leaves out the `message_end` after `workflow_finished`.
4. A chatflow whose input was moderated: it adds a failed run, without conversation, after `message_end`.
"""

from typing import Any

from workbench.app import DifyEvent
from workbench.apps.model_calls import chatflow_metadata, free_usage
from workbench.apps.refusals import invalid_param


class ReversePath:
    """One run's events. The first is held back until the second has come, for departure 1."""

    def __init__(self, mode: str) -> None:
        self._is_chatflow = mode == "advanced-chat"
        self._is_first = True
        self._held: DifyEvent | None = None
        self._has_message_end = False

    def feed(self, event: DifyEvent) -> list[DifyEvent]:
        """The events that the reverse path sends now. Raises `Refused` for a run that never ran."""
        is_first, self._is_first = self._is_first, False
        if is_first and event.get("event") == "workflow_started":
            self._held = event
            return []
        if self._held and _never_ran(event):
            raise invalid_param(event["data"]["error"])
        if self._is_chatflow and "conversation_id" not in event:
            return []
        self._has_message_end |= event.get("event") == "message_end"
        return [*self.end(), event, *self._closing(event)]

    def end(self) -> list[DifyEvent]:
        """What is still held back when the stream ends."""
        held, self._held = self._held, None
        return [held] if held else []

    def _closing(self, event: DifyEvent) -> list[DifyEvent]:
        if not self._is_chatflow or event.get("event") != "workflow_finished":
            return []
        status, error = event["data"]["status"], event["data"]["error"]
        if status == "failed":
            return [_error(event, f"Run failed: {error}")]
        if status == "stopped" and not self._has_message_end:
            return [_message_end(event)]
        return []


def _never_ran(event: DifyEvent) -> bool:
    if event.get("event") != "workflow_finished":
        return False
    return bool(event["data"]["status"] == "failed" and event["data"]["total_steps"] == 0)


def _error(event: DifyEvent, message: str) -> DifyEvent:
    envelope = {name: event[name] for name in ("conversation_id", "message_id", "created_at")}
    return {"event": "error", **envelope, "code": "invalid_param", "status": 400, "message": message}


def _message_end(event: DifyEvent) -> DifyEvent:
    usage: dict[str, Any] = {**free_usage("0.0"), "time_to_first_token": None, "time_to_generate": None}
    envelope = {name: event[name] for name in ("conversation_id", "message_id", "created_at", "task_id")}
    return {
        "event": "message_end",
        **envelope,
        "id": event["message_id"],
        "metadata": chatflow_metadata(usage, {}),
        "files": [],
    }
