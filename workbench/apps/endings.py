"""How a run ends that someone has stopped, in the events of reverse invocation (facts: wire 14.18).

Owns the closing events only, made from what the run has said so far; who may stop it is decided in `runs.py`.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from workbench.app import DifyEvent
from workbench.apps.events import unix_time, user_row_id
from workbench.apps.model_calls import chat_metadata, chatflow_metadata, free_usage

STOPPED_ERROR: Final = "Stopped by user."

_MESSAGE_MEMBERS: Final = ("conversation_id", "message_id", "created_at", "task_id")


class Ending:
    """Of one run. Feed it all of the run's events; it times the run from when it is made."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._start = time.monotonic()
        self._steps = 0
        self._message: dict[str, Any] = {}
        self._graph: dict[str, Any] = {}
        self._started: Mapping[str, Any] = {}

    def observe(self, event: DifyEvent) -> None:
        if "message_id" in event:
            self._message = {name: event[name] for name in _MESSAGE_MEMBERS if name in event}
        if "workflow_run_id" in event:
            self._graph = {name: value for name, value in event.items() if name not in ("event", "data")}
        if event.get("event") == "workflow_started":
            self._started = event["data"]
        self._steps += event.get("event") == "node_started"

    def events(self) -> list[DifyEvent]:
        """A chatflow ends its graph, then its message; other apps have only one of them."""
        graph = [self._workflow_finished()] if self._started else []
        return [*graph, self._message_end()] if self._message else graph

    def _workflow_finished(self) -> DifyEvent:
        data = {
            "id": self._started["id"],
            "workflow_id": self._started["workflow_id"],
            "status": "stopped",
            "outputs": {},
            "error": STOPPED_ERROR,
            "elapsed_time": self._elapsed(),
            "total_tokens": 0,
            "total_steps": self._steps,
            "created_by": {"id": user_row_id(self._user), "user": self._user},
            "created_at": self._started["created_at"],
            "finished_at": unix_time(),
            "exceptions_count": 0,
            "files": [],
        }
        return {"event": "workflow_finished", **self._graph, "data": data}

    def _message_end(self) -> DifyEvent:
        if self._started:
            usage = {**free_usage("0.0"), "time_to_first_token": None, "time_to_generate": None}
            metadata = chatflow_metadata(usage, {})
        else:
            metadata = chat_metadata({**free_usage("0E-7"), "latency": self._elapsed()})
        return {
            "event": "message_end",
            **self._message,
            "id": self._message["message_id"],
            "metadata": metadata,
            "files": [],
        }

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._start, 6)
