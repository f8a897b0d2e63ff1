"""What a client sends to the Service API, checked as Dify checks it, with the sentences that Dify's models make.

Owns the models, which bear the names of Dify's own because those are in the sentences.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from workbench.apps.refusals import invalid_param

PYDANTIC: Final = "2.12"
"""Dify 1.16.0's; the version is in its sentences."""

_LINK: Final = re.compile(r"(?<=https://errors\.pydantic\.dev/)[0-9.]+(?=/)")

type ResponseMode = Literal["blocking", "streaming"] | None


class ChatRequestPayload(BaseModel):
    inputs: dict[str, Any]
    query: str
    files: list[dict[str, Any]] | None = None
    response_mode: ResponseMode = None
    conversation_id: str | None = None

    @field_validator("conversation_id", mode="before")
    @classmethod
    def normalised(cls, value: object) -> str | None:
        text = value.strip() if isinstance(value, str) else value
        if not text:
            return None
        try:
            return str(UUID(str(text)))
        except ValueError:
            raise ValueError("conversation_id must be a valid UUID") from None


class CompletionRequestPayload(BaseModel):
    inputs: dict[str, Any]
    query: str = ""
    files: list[dict[str, Any]] | None = None
    response_mode: ResponseMode = None


class WorkflowRunPayload(BaseModel):
    inputs: dict[str, Any]
    files: list[dict[str, Any]] | None = None
    response_mode: ResponseMode = None


class ConversationListQuery(BaseModel):
    last_id: UUID | None = None
    limit: int = Field(default=20, ge=1, le=100)


class MessageListQuery(BaseModel):
    conversation_id: UUID
    first_id: UUID | None = None
    limit: int = Field(default=20, ge=1, le=100)


class ConversationRenamePayload(BaseModel):
    name: str | None = None
    auto_generate: bool = False

    @model_validator(mode="after")
    def named(self) -> Self:
        if not self.auto_generate and not (self.name or "").strip():
            raise ValueError("name is required when auto_generate is false")
        return self


class MessageFeedbackPayload(BaseModel):
    rating: Literal["like", "dislike"] | None = None
    content: str | None = None


class TextToAudioPayload(BaseModel):
    message_id: str | None = None
    voice: str | None = None
    text: str | None = None
    streaming: bool | None = None


def read[Payload: BaseModel](model: type[Payload], sent: Mapping[str, Any]) -> Payload:
    """Raises Refused."""
    try:
        return model.model_validate(dict(sent))
    except ValidationError as error:
        raise invalid_param(_LINK.sub(PYDANTIC, str(error))) from None
