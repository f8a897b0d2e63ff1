"""Tokens as OpenAI counts them: Dify's numbers, or nothing."""

from typing import Any

from gateway.events import Usage
from gateway.view import View


def chat_usage(usage: Usage | None, view: View) -> dict[str, Any] | None:
    """`usage` of Chat Completions; None where Dify does not tell both parts (a workflow's total is no such count)."""
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    counted = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    return {**counted, **_prices(usage, view)}


def responses_usage(usage: Usage | None, view: View) -> dict[str, Any] | None:
    """`usage` of Responses; what Dify does not tell apart is in no part, and so 0 of it."""
    chat = chat_usage(usage, view)
    if usage is None or chat is None:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total_tokens,
        **_prices(usage, view),
    }


def _prices(usage: Usage, view: View) -> dict[str, Any]:
    """What the run cost, as a number; Dify writes prices as text."""
    if not view.is_full or "total_price" not in usage.prices:
        return {}
    try:
        price = float(usage.prices["total_price"])
    except ValueError:
        return {}
    return {"total_price": price, "currency": usage.prices.get("currency")}
