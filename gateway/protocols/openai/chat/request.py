"""A request for a chat completion.

What Duck reads is checked; what it can't honour and a client can't miss (sampling, formats, tools that are only
offered) is ignored; what would make the reply something else than was asked for is a 400.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from werkzeug import Request

from gateway.body import read_json_object, validated
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.protocols.openai.dialogue import Said, read_dialogue


class ChatMessage(BaseModel):
    """One of `messages`. content: a text, a list of parts, or nothing."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    role: str
    content: Any = None


class StreamOptions(BaseModel):
    """What a stream holds beside the answer."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """What a client sent. `inputs` and `conversation_id` are Duck's own members (`extra_body`)."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    messages: list[ChatMessage] = Field(min_length=1)
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | float | None = None
    tool_choice: Any = None
    function_call: Any = None
    extra_body: Any = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    inputs: dict[str, Any] | None = None
    conversation_id: str | None = None

    def asked(self) -> Asked:
        """What concerns the app. Raises a 400 for content that can't be read."""
        said = (
            Said(message.role, message.content, f"messages[{index}].content")
            for index, message in enumerate(self.messages)
        )
        dialogue = read_dialogue(said, "messages")
        metadata = dict(self.metadata or {})
        conversation_id = conversation_in(self.conversation_id, metadata)
        return Asked(
            dialogue.query,
            self.inputs or {},
            conversation_id,
            self.user or self.safety_identifier or "",
            app_name=self.model or "",
            instructions=dialogue.instructions,
            metadata=metadata,
            history=dialogue.history,
            files=dialogue.files,
        )


def read_chat(request: Request) -> ChatRequest:
    """The request's content. Raises `DuckError`: 400, 413, 415."""
    asked = validated(ChatRequest, read_json_object(request))
    if asked.n not in (None, 1):
        raise DuckError("invalid_request", "'n' must be 1: an app gives one answer.", "Leave n out.")
    check_tool_choice(asked.tool_choice)
    check_tool_choice(asked.function_call, "function_call")
    check_extra_body(asked.extra_body)
    return asked


def conversation_in(given: str | None, metadata: dict[str, Any]) -> str:
    """The conversation's handle, in its own member or among the metadata, of which it is none."""
    named = metadata.pop("conversation_id", None)
    if named is not None and not isinstance(named, str):
        raise DuckError("invalid_request", "'metadata.conversation_id' must be a string.")
    return given or named or ""


def check_extra_body(given: object) -> None:
    """Raises a 400 for the argument of OpenAI's client for Python, sent as a member: what is in it would be lost."""
    if given is not None:
        raise DuckError(
            "invalid_request",
            "'extra_body' is an argument of OpenAI's client for Python, and no member of a body.",
            "Send what is in it (conversation_id, inputs) as members of the body itself.",
        )


def check_tool_choice(choice: object, name: str = "tool_choice") -> None:
    """Raises a 400 for a call that demands a tool: an app uses its own tools, and can't call the client's."""
    if isinstance(choice, dict):
        allowed = choice.get("allowed_tools")
        among = allowed if isinstance(allowed, dict) else choice
        choice = among.get("mode") or among.get("type") or "required"
    if choice not in (None, "auto", "none"):
        raise DuckError(
            "invalid_request",
            f"'{name}' demands a tool, but a Dify app can't call the client's tools.",
            f"Leave {name} out, or send 'auto' or 'none'.",
        )
