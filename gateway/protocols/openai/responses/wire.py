"""The objects of the Responses API, with all the members that its clients require, nulls too (protocols section 4)."""

from dataclasses import dataclass
from typing import Any

from gateway.events import Started
from gateway.protocols.openai.responses.request import PREFIX, ResponsesRequest
from gateway.view import View


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all states of one response share."""

    asked: ResponsesRequest
    view: View
    started: Started | None

    @property
    def id(self) -> str:
        """The conversation's handle and the message; a workflow's run has no conversation to go on with."""
        started = self.started
        if started is None:
            return f"{PREFIX}{self.view.now}"
        unique = (started.message_id or started.run_id).replace("-", "")
        return f"{PREFIX}{started.conversation_id}.{unique}" if started.conversation_id else f"{PREFIX}{unique}"

    def item_id(self, prefix: str, index: int) -> str:
        """An item's id; it holds the response's, for a client may send it in the item's place (`item_reference`)."""
        return f"{prefix}{self.id.removeprefix(PREFIX)}_{index}"

    @property
    def created_at(self) -> int:
        return (self.started.created_at if self.started else 0) or self.view.now

    @property
    def ended_at(self) -> int:
        """No earlier than the beginning, though Dify's clock tells that and Duck's this."""
        return max(self.view.now, self.created_at)

    def response(self, status: str, output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The response object. more: members that this status knows (`usage`, `error`, `completed_at`)."""
        asked, view, started = self.asked, self.view, self.started
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "completed_at": None,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": None,
            "max_tool_calls": None,
            "model": view.model,
            "output": output,
            "parallel_tool_calls": False,
            "previous_response_id": asked.previous_response_id,
            "prompt_cache_key": None,
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": asked.safety_identifier,
            "service_tier": "default",
            "store": False,
            "temperature": _number(asked.temperature),
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": _number(asked.top_p),
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "truncation": "disabled",
            "usage": None,
            "user": asked.user,
            "metadata": asked.metadata or {},
            **({"conversation_id": started.conversation_id} if started and started.conversation_id else {}),
            **more,
        }


def _number(given: object) -> float:
    """What was asked for, though it has no effect; the API's own default for what is no number."""
    return given if isinstance(given, int | float) and not isinstance(given, bool) else 1.0


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def summary_part(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def message_item(item_id: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def reasoning_item(item_id: str, status: str, summary: list[dict[str, Any]]) -> dict[str, Any]:
    """The reasoning as its summary, as OpenAI's own models send it: some clients show no other reasoning (LangChain, AI
    SDK), and some would show it twice (llm) where its text (`content`) came too.
    """
    return {"id": item_id, "type": "reasoning", "status": status, "summary": summary}
