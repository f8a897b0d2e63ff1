"""A request for a response.

As with Chat Completions, what can't be honoured and can't be missed is ignored (tools, `store`, formats); what would
make the reply something else than was asked for is a 400.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from werkzeug import Request

from gateway.body import read_json_object, validated
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.protocols.openai.chat.request import check_extra_body, check_tool_choice, conversation_in
from gateway.protocols.openai.dialogue import Said, read_dialogue

PREFIX: Final = "resp_"
"""How a response's id begins. What follows is the conversation's handle, and the message's own id."""


_REFERENCE: Final = "item_reference"
_ITEM_ID: Final = re.compile(r"^[a-z]+_|_\d+$")
"""What an item's id has around the id of its response (`Envelope.item_id`)."""

_OF_WORKFLOW: Final = re.compile(PREFIX + "[0-9a-f]{32}")


class ResponsesRequest(BaseModel):
    """What a client sent. `inputs` and `conversation_id` are Duck's own members (`extra_body`)."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    input: Any = None
    model: str | None = None
    stream: bool | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    extra_body: Any = None
    tool_choice: Any = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    inputs: dict[str, Any] | None = None
    conversation_id: str | None = None
    temperature: Any = None
    top_p: Any = None

    def asked(self) -> Asked:
        """What concerns the app. Raises a 400 for an input that can't be read."""
        dialogue = read_dialogue(_messages(self.input), "input")
        told = (self.instructions or "", dialogue.instructions)
        metadata = dict(self.metadata or {})
        named = conversation_in(self.conversation_id, metadata)
        return Asked(
            dialogue.query,
            self.inputs or {},
            self._conversation() or named,
            self.user or self.safety_identifier or "",
            app_name=self.model or "",
            instructions="\n\n".join(text for text in told if text),
            metadata=metadata,
            history=dialogue.history,
            files=dialogue.files,
        )

    def _conversation(self) -> str:
        """The handle in `previous_response_id`, in `conversation`, or in the latest item that is referred to."""
        if self.previous_response_id:
            return handle_in(self.previous_response_id)
        given = self.conversation.get("id") if isinstance(self.conversation, dict) else self.conversation
        if self.conversation is not None and not isinstance(given, str):
            raise DuckError("invalid_request", "'conversation' must be a conversation's id, or an object with one.")
        return given or _referenced(self.input)


def handle_in(response_id: str) -> str:
    """The conversation's handle in a response's id, or what stands in its place; `""` for a workflow's, which belongs
    to no conversation.

    What is no such id is returned as it is: it is no handle either, and will not open.
    """
    if not response_id.startswith(PREFIX):
        return response_id
    if _OF_WORKFLOW.fullmatch(response_id):
        return ""
    return response_id.removeprefix(PREFIX).rpartition(".")[0] or response_id


def _referenced(given: object) -> str:
    """The handle in the latest reference to an item of a reply (AI SDK sends these in place of the app's messages)."""
    items = given if isinstance(given, list) else []
    ids = (item.get("id") for item in reversed(items) if isinstance(item, dict) and item.get("type") == _REFERENCE)
    found = next((item_id for item_id in ids if isinstance(item_id, str)), "")
    return handle_in(PREFIX + _ITEM_ID.sub("", found)) if found else ""


def read_responses(request: Request) -> ResponsesRequest:
    """The request's content. Raises `DuckError`: 400, 413, 415."""
    asked = validated(ResponsesRequest, read_json_object(request))
    if asked.background:
        raise DuckError(
            "invalid_request",
            "'background' can't be: a run lives no longer than its request.",
            "Leave background out; a stream shows how the run goes.",
        )
    check_tool_choice(asked.tool_choice)
    check_extra_body(asked.extra_body)
    return asked


def _messages(given: object) -> Iterator[Said]:
    """The messages among the items of `input`; calls of tools, references and reasoning are none of the app's."""
    if isinstance(given, str):
        yield Said("user", given, "input")
        return
    if not isinstance(given, list):
        raise DuckError("invalid_request", "'input' must be a string or a list of items.")
    for index, item in enumerate(given):
        place = f"input[{index}]"
        if not isinstance(item, dict):
            raise DuckError("invalid_request", f"'{place}' must be an object.")
        role = item.get("role")
        if item.get("type") in (None, "message") and isinstance(role, str):
            yield Said(role, item.get("content"), f"{place}.content")
