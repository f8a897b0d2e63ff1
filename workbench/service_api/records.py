"""What Dify remembers of one app's users: their conversations with all messages, their uploads, its workflow runs.

Owns who sees what: a conversation, a message and an upload belong to the user who made them, and for anyone else do not
exist. A workflow's runs belong to the app. In memory; bodies are in Dify's shape and order of members (recorded as
`chat-conv.*`, `files-upload`, `workflow-run-detail`).
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workbench.app import DifyEvent, Invocation, Upload
from workbench.apps.events import new_id, unix_time, user_row_id
from workbench.apps.refusals import invalid_param
from workbench.service_api.blocking import answer_text
from workbench.service_api.refusals import not_found

NO_PARENT: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(slots=True)
class Conversation:
    """`messages` are in the order of asking. Times are in seconds."""

    id: str
    name: str
    inputs: Mapping[str, Any]
    created_at: float
    updated_at: float
    messages: list[dict[str, Any]] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "inputs": dict(self.inputs),
            "status": "normal",
            "introduction": "",
            "created_at": int(self.created_at),
            "updated_at": int(self.updated_at),
        }


@dataclass(slots=True)
class UserRecords:
    """`conversations` by id, in the order of their beginning. `completions` are messages outside a conversation."""

    conversations: dict[str, Conversation] = field(default_factory=dict)
    completions: list[dict[str, Any]] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def conversation(self, conversation_id: str, route: str = "") -> Conversation:
        """Raises Refused; `route`: see `not_found`."""
        if conversation_id not in self.conversations:
            raise not_found("Conversation Not Exists.", route)
        return self.conversations[conversation_id]

    def message(self, message_id: str) -> dict[str, Any]:
        told = [message for conversation in self.conversations.values() for message in conversation.messages]
        for message in [*told, *self.completions]:
            if message["id"] == message_id:
                return message
        raise not_found("Message Not Exists.")

    def keep_message(self, call: Invocation, mode: str, events: Sequence[DifyEvent]) -> None:
        """A run's question and answer, however it ended."""
        first = next((event for event in events if "message_id" in event), None)
        if first is None:
            return
        message = _message(call, mode, first, events)
        if mode == "completion":
            self.completions.append(message)
            return
        now = time.time()
        made = Conversation(first["conversation_id"], call.query, call.inputs, now, now)
        conversation = self.conversations.setdefault(made.id, made)
        conversation.messages.append(message)
        conversation.updated_at = now

    def list_conversations(self, last_id: str | None, limit: int) -> dict[str, Any]:
        """The latest first, those after `last_id`."""
        found = sorted(self.conversations.values(), key=lambda one: one.updated_at, reverse=True)
        if last_id is not None:
            ids = [one.id for one in found]
            if last_id not in ids:
                raise not_found("Last Conversation Not Exists.")
            found = found[ids.index(last_id) + 1 :]
        return {"limit": limit, "has_more": len(found) > limit, "data": [one.body() for one in found[:limit]]}

    def list_messages(self, conversation_id: str, first_id: str | None, limit: int) -> dict[str, Any]:
        """The oldest first: the last `limit` of them, or of those before `first_id`."""
        found = self.conversation(conversation_id, "messages").messages
        if first_id is not None:
            ids = [message["id"] for message in found]
            if first_id not in ids:
                raise not_found("First Message Not Exists.")
            found = found[: ids.index(first_id)]
        return {"limit": limit, "has_more": len(found) > limit, "data": found[-limit:]}

    def rename(self, conversation_id: str, name: str | None) -> dict[str, Any]:
        """None has a name made, here the first question."""
        conversation = self.conversation(conversation_id)
        conversation.name = conversation.messages[0]["query"] if name is None else name
        conversation.updated_at = time.time()
        return conversation.body()

    def rate(self, message_id: str, rating: str | None) -> None:
        message = self.message(message_id)
        if rating is None and message["feedback"] is None:
            raise invalid_param("rating cannot be None when feedback not exists")
        message["feedback"] = {"rating": rating} if rating else None

    def keep_upload(self, origin: str, user: str, name: str, mime_type: str, size: int) -> dict[str, Any]:
        """`origin` is where Dify's files are served."""
        extension = name.rpartition(".")[2].lower() if "." in name else ""
        upload_id, now = new_id(), unix_time()
        url = f"{origin}/files/{upload_id}/file-preview?timestamp={now}&nonce={secrets.token_hex(16)}&sign=demo"
        self.uploads[upload_id] = Upload(upload_id, name, extension, mime_type, size, url)
        return {
            "id": upload_id,
            "reference": None,
            "name": name,
            "size": size,
            "extension": extension,
            "mime_type": mime_type,
            "created_by": user_row_id(user),
            "created_at": now,
            "preview_url": None,
            "source_url": url,
            "original_url": None,
            "user_id": None,
            "tenant_id": user_row_id("the workspace"),
            "conversation_id": None,
            "file_key": None,
        }


def _message(call: Invocation, mode: str, first: DifyEvent, events: Sequence[DifyEvent]) -> dict[str, Any]:
    ends = [event["metadata"] for event in events if event["event"] == "message_end"]
    usage = ends[0]["usage"] if ends else {}
    errors = [event["message"] for event in events if event["event"] == "error"]
    answer = answer_text(events)
    return {
        "id": first["message_id"],
        "conversation_id": first.get("conversation_id"),
        "parent_message_id": NO_PARENT,
        "inputs": dict(call.inputs),
        "query": call.query,
        # A chatflow keeps the white space at the end.
        "answer": answer if mode == "advanced-chat" else answer.strip(),
        "feedback": None,
        "retriever_resources": ends[0]["retriever_resources"] if ends else [],
        "created_at": first["created_at"],
        "agent_thoughts": [],
        "message_files": [],
        "message_tokens": usage.get("prompt_tokens", 0),
        "answer_tokens": usage.get("completion_tokens", 0),
        "provider_response_latency": usage.get("latency", 0.0),
        "total_price": "0E-7",
        "currency": "USD",
        "status": "error" if errors else "normal",
        "error": errors[0] if errors else None,
        "extra_contents": [],
        "total_tokens": usage.get("total_tokens", 0),
    }


@dataclass(slots=True)
class Records:
    """Of all apps."""

    users: dict[tuple[str, str], UserRecords] = field(default_factory=dict)
    workflow_runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def of(self, app_id: str, user: str) -> UserRecords:
        return self.users.setdefault((app_id, user), UserRecords())

    def keep_run(self, call: Invocation, mode: str, events: Sequence[DifyEvent]) -> None:
        if mode == "workflow":
            self._keep_workflow_run(call.app_id, events)
        else:
            self.of(call.app_id, call.user).keep_message(call, mode, events)

    def workflow_run(self, app_id: str, run_id: str) -> dict[str, Any]:
        if (app_id, run_id) not in self.workflow_runs:
            raise not_found("Workflow run not found.")
        return self.workflow_runs[app_id, run_id]

    def _keep_workflow_run(self, app_id: str, events: Sequence[DifyEvent]) -> None:
        data = {event["event"]: event["data"] for event in events if "data" in event}
        started = data.get("workflow_started")
        if started is None:
            return
        ended = data.get("workflow_finished") or data.get("workflow_paused") or {}
        self.workflow_runs[app_id, started["id"]] = {
            "id": started["id"],
            "workflow_id": started["workflow_id"],
            "status": ended.get("status", "running"),
            "inputs": json.dumps(started["inputs"]),
            "outputs": ended.get("outputs") or {},
            "error": ended.get("error"),
            "total_steps": ended.get("total_steps", 0),
            "total_tokens": ended.get("total_tokens", 0),
            "created_at": started["created_at"],
            "finished_at": ended.get("finished_at"),
            "elapsed_time": ended.get("elapsed_time", 0.0),
        }
