"""What Dify reports of a call of a model: the text cut into tokens, usage, a model node's outputs.

The model is imaginary and free of charge: a token is a word, prices are zero. Shapes as recorded from Dify 1.16.0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workbench.app import DifyEvent
from workbench.apps.events import NodeEvents

MODEL_NAME: Final = "demo"
MODEL_PROVIDER: Final = "langgenius/openai_api_compatible/openai_api_compatible"
SYSTEM_PROMPT: Final = "You are a demonstration."


def tokens(text: str) -> list[str]:
    """The text's words, each with the white space after it; joined they are the text."""
    return re.findall(r"\s*\S+\s*|\s+", text)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One finished call: what was asked, what was answered, and how long it took in seconds."""

    prompt: str
    text: str
    seconds: float
    reasoning: str = ""

    @property
    def total_tokens(self) -> int:
        return self._prompt_tokens + len(tokens(self.text))

    @property
    def _prompt_tokens(self) -> int:
        return len(tokens(SYSTEM_PROMPT)) + len(tokens(self.prompt))

    def usage(self) -> dict[str, Any]:
        """As a basic chat or an agent reports it: prices are strings, unknown times left out."""
        return {
            **free_usage("0"),
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": len(tokens(self.text)),
            "total_tokens": self.total_tokens,
            "latency": self.seconds,
        }

    def timed_usage(self) -> dict[str, Any]:
        """As a model node and a chatflow report it."""
        return {**self.usage(), "time_to_first_token": 0.0, "time_to_generate": self.seconds}

    def node_finished(self, node: NodeEvents) -> DifyEvent:
        model = {"model_name": MODEL_NAME, "model_provider": MODEL_PROVIDER}
        usage = self.timed_usage()
        return node.finished(
            inputs=model,
            outputs={
                "finish_reason": "stop",
                "reasoning_content": self.reasoning,
                "text": self.text,
                "usage": usage,
            },
            process_data={
                "finish_reason": "stop",
                "model_mode": "chat",
                **model,
                "prompts": [
                    {"files": [], "role": "system", "text": SYSTEM_PROMPT},
                    {"files": [], "role": "user", "text": self.prompt},
                ],
                "usage": usage,
            },
            execution_metadata={"total_tokens": self.total_tokens, "total_price": "0", "currency": "USD"},
        )


def free_usage(price: str) -> dict[str, Any]:
    """Usage without a token. Dify writes a price of zero in several ways; `price` is the one meant."""
    return {
        "prompt_tokens": 0,
        "prompt_unit_price": "0",
        "prompt_price_unit": "0",
        "prompt_price": price,
        "completion_tokens": 0,
        "completion_unit_price": "0",
        "completion_price_unit": "0",
        "completion_price": price,
        "total_tokens": 0,
        "total_price": price,
        "currency": "USD",
        "latency": 0,
    }


def chat_metadata(usage: Mapping[str, Any]) -> dict[str, Any]:
    """`message_end.metadata` of a basic chat or an agent."""
    return {"retriever_resources": [], "usage": dict(usage), "reasoning": {}}


def chatflow_metadata(usage: Mapping[str, Any], reasoning: Mapping[str, str]) -> dict[str, Any]:
    """`message_end.metadata` of a chatflow; `reasoning` by the id of the model node."""
    return {
        "annotation_reply": None,
        "retriever_resources": [],
        "usage": dict(usage),
        "reasoning": dict(reasoning),
    }
