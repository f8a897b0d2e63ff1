"""npm's `openai`, and `ai` with `@ai-sdk/openai-compatible` and with `@ai-sdk/openai`."""

from typing import Any

import httpx
import pytest

from tests.clients.node import run_script
from tests.plugin.conftest import caller
from tests.plugin.openai.conftest import (
    AFTER_THOUGHT,
    BROKEN_AFTER,
    FAILED_AFTER,
    HELLO,
    KEY,
    MODELS,
    NODE_SAID,
    ORIGIN,
    PROVIDER_SAID,
    SECOND_TURN,
    THOUGHT,
    TWO_TURNS,
    Outcomes,
    assert_pictures_arrived,
    outcomes,
    without_message,
)

SAFELISTED = {"accept", "user-agent"}
"""Headers that a browser asks no leave for, or does not let a page set (Fetch, 2.2.2)."""


@pytest.fixture(scope="module")
def sdk(base_url: str) -> Outcomes:
    return outcomes(run_script("openai/sdk.mjs", base_url, KEY))


@pytest.fixture(scope="module")
def ai_sdk(base_url: str) -> Outcomes:
    return outcomes(run_script("openai/ai_sdk.mjs", base_url, KEY))


@pytest.fixture(scope="module")
def ai_sdk_openai(base_url: str) -> Outcomes:
    return outcomes(run_script("openai/ai_sdk_openai.mjs", base_url, KEY))


USAGE = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}

SDK_GIVES: dict[str, Any] = {
    "chat_plain": {
        "rest": {
            "object": "chat.completion",
            "model": "echo",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": HELLO, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": USAGE,
        },
        "id": True,
        "created": "number",
        "conversation": True,
        "request": True,
    },
    "chat_streamed": HELLO,
    "chat_streamed_with_usage": {"choices": [], "usage": USAGE},
    "chat_helper": {"text": HELLO, "content": HELLO, "reason": "stop"},
    "chat_turns": SECOND_TURN,
    "chat_turns_by_metadata": SECOND_TURN,
    "chat_turns_of_a_stream": SECOND_TURN,
    "chat_of_open_webui": TWO_TURNS,
    "chat_reasoning": {"reasoning": THOUGHT, "content": AFTER_THOUGHT},
    "chat_reasoning_streamed": THOUGHT,
    "responses_streamed": HELLO,
    "responses_helper": {"text": HELLO, "final": HELLO, "status": "completed"},
    "responses_turns": SECOND_TURN,
    "responses_turns_of_a_stream": SECOND_TURN,
    "responses_reasoning": {
        "types": ["reasoning", "message"],
        "reasoning": [{"type": "summary_text", "text": THOUGHT}],
        "text": AFTER_THOUGHT,
    },
    "responses_reasoning_streamed": THOUGHT,
    "models": list(MODELS),
}


@pytest.mark.parametrize("scenario", SDK_GIVES)
def test_openai_gives(sdk: Outcomes, scenario: str) -> None:
    assert sdk[scenario] == {"gave": SDK_GIVES[scenario]}


def test_openai_gives_a_response(sdk: Outcomes) -> None:
    said = sdk["responses_plain"]["gave"]
    assert (said["text"], said["status"], said["usage"]["total_tokens"]) == (HELLO, "completed", 10)


def test_openai_gives_one_model(sdk: Outcomes) -> None:
    model = sdk["one_model"]["gave"]
    assert (model["id"], model["object"], model["owned_by"]) == ("echo", "model", "dify")


@pytest.mark.parametrize("scenario", ["chat_image_by_url", "responses_image_by_url"])
def test_pictures_by_url_of_openai_reach_the_inputs_that_take_them(sdk: Outcomes, scenario: str) -> None:
    assert_pictures_arrived(sdk[scenario]["gave"])


def error(name: str, status: int, code: str, type_: str = "invalid_request_error", param: str | None = None) -> Any:
    return {"class": name, "status": status, "code": code, "type": type_, "param": param}


NO_MODEL = error("NotFoundError", 404, "model_not_found", param="model")
NO_KEY = error("AuthenticationError", 401, "invalid_api_key")
NO_COMPLETION = error("BadRequestError", 400, "completion_not_supported", "invalid_request_error")
BROKEN_STREAM = {"class": "APIError", "code": "provider_error", "type": "api_error", "param": None}

SDK_RAISES = {
    "chat_unknown_model": NO_MODEL,
    "chat_bad_key": NO_KEY,
    "chat_completion_app": NO_COMPLETION,
    "chat_broken": error("InternalServerError", 502, "provider_error", "api_error"),
    "chat_broken_stream_of_the_helper": BROKEN_STREAM,
    "responses_unknown_model": NO_MODEL,
    "responses_bad_key": NO_KEY,
    "responses_completion_app": NO_COMPLETION,
    "unknown_one_model": NO_MODEL,
}


@pytest.mark.parametrize("scenario", SDK_RAISES)
def test_openai_raises_by_class(sdk: Outcomes, scenario: str) -> None:
    assert without_message(sdk[scenario]["raised"]) == SDK_RAISES[scenario]


@pytest.mark.parametrize(
    ("scenario", "text", "code", "cause"),
    [
        ("chat_broken_stream", BROKEN_AFTER, "provider_error", PROVIDER_SAID),
        ("chat_failed_stream", FAILED_AFTER, "app_failed", NODE_SAID),
    ],
)
def test_openai_raises_an_error_inside_a_stream_after_the_text(
    sdk: Outcomes, scenario: str, text: str, code: str, cause: str
) -> None:
    said = sdk[scenario]["gave"]
    assert said["text"] == text
    assert without_message(said["raised"]) == {**BROKEN_STREAM, "code": code}
    assert cause in said["raised"]["message"]


def test_a_response_that_breaks_is_a_failed_one(sdk: Outcomes) -> None:
    said = sdk["responses_broken_stream"]["gave"]
    assert said["text"] == BROKEN_AFTER
    assert PROVIDER_SAID in said["failed"]["message"]
    assert sdk["responses_broken_stream_of_the_helper"]["gave"]["status"] == "failed"


@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/models"])
def test_a_page_may_send_what_openai_sends(base_url: str, sdk: Outcomes, path: str) -> None:
    asked = sorted(set(sdk["sent_headers"]["gave"]) - SAFELISTED)
    assert {"authorization", "content-type", "x-stainless-lang"} <= set(asked)
    method = "GET" if path == "/models" else "POST"
    preflight = httpx.options(
        f"{base_url}{path}",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ",".join(asked),
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert method in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert set(asked) <= set(allowed)


def test_a_page_may_read_the_reply_and_its_conversation(base_url: str) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
    with caller(base_url, KEY) as client:
        replies = [
            client.post("/chat/completions", json={**body, "model": model}, headers={"Origin": ORIGIN})
            for model in ("echo", "no-such-app")
        ]
    for reply in replies:
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        exposed = reply.headers["access-control-expose-headers"].lower()
        assert {"x-request-id", "x-conversation-id"} <= set(exposed.replace(" ", "").split(","))


AI_SDK_GIVES: dict[str, Any] = {
    "plain": {"text": HELLO, "finishReason": "stop", "usage": [5, 5, 10]},
    "streamed": {"text": HELLO, "pieces": 5, "finishReason": "stop", "usage": [5, 5, 10]},
    "turns": SECOND_TURN,
    "turns_of_a_stream": SECOND_TURN,
    "turns_by_chat_id": TWO_TURNS,
    "history_without_a_conversation": (
        "After some thought: you said User: one\n\nAssistant: After some thought: you said one\n\nUser: two"
    ),
    "reasoning": {"text": AFTER_THOUGHT, "reasoning": THOUGHT},
    "reasoning_streamed": {"text": AFTER_THOUGHT, "reasoning": THOUGHT},
    "moderated": "content-filter",
}


@pytest.mark.parametrize("scenario", AI_SDK_GIVES)
def test_the_ai_sdk_gives(ai_sdk: Outcomes, scenario: str) -> None:
    assert ai_sdk[scenario] == {"gave": AI_SDK_GIVES[scenario]}


def test_pictures_by_url_of_the_ai_sdk_reach_the_inputs_that_take_them(ai_sdk: Outcomes) -> None:
    assert_pictures_arrived(ai_sdk["image_by_url"]["gave"])


def refused(status: int, *, is_retryable: bool = False) -> Any:
    return {"class": "APICallError", "statusCode": status, "isRetryable": is_retryable}


@pytest.mark.parametrize(
    ("scenario", "raised"),
    [("unknown_model", refused(404)), ("bad_key", refused(401))],
)
def test_the_ai_sdk_raises_and_does_not_try_again(ai_sdk: Outcomes, scenario: str, raised: dict[str, Any]) -> None:
    assert without_message(ai_sdk[scenario]["raised"]) == raised


def test_the_ai_sdk_would_try_any_500_again_whatever_x_should_retry_says(ai_sdk: Outcomes) -> None:
    assert without_message(ai_sdk["broken"]["raised"]) == refused(502, is_retryable=True)
    assert without_message(ai_sdk["completion_app"]["raised"]) == refused(400, is_retryable=False)


@pytest.mark.parametrize(
    ("scenario", "text", "code", "cause"),
    [
        ("broken_stream", BROKEN_AFTER, "provider_error", PROVIDER_SAID),
        ("failed_stream", FAILED_AFTER, "app_failed", NODE_SAID),
    ],
)
def test_the_ai_sdk_shows_an_error_inside_a_stream_after_the_text(
    ai_sdk: Outcomes, scenario: str, text: str, code: str, cause: str
) -> None:
    said = ai_sdk[scenario]["gave"]
    assert said["text"] == text
    assert (said["raised"]["class"], said["raised"]["code"]) == ("StreamProviderError", code)
    assert cause in said["raised"]["message"]


def test_the_ai_sdk_shows_a_refusal_of_a_stream(ai_sdk: Outcomes) -> None:
    said = ai_sdk["completion_app_streamed"]["gave"]
    assert (said["text"], said["raised"]["statusCode"]) == ("", 400)


BY_REFERENCE = {"text": SECOND_TURN, "sent": ["user", "item_reference", "user"]}
"""The earlier answer is named by its id, and not sent again."""

AI_SDK_OPENAI_GIVES: dict[str, Any] = {
    "plain": {"text": HELLO, "finishReason": "stop", "usage": [5, 5, 10]},
    "streamed": {"text": HELLO, "pieces": 5},
    "turns": BY_REFERENCE,
    "turns_of_a_stream": BY_REFERENCE,
    "turns_by_previous_response": SECOND_TURN,
}


@pytest.mark.parametrize("scenario", AI_SDK_OPENAI_GIVES)
def test_the_ai_sdk_for_openai_gives(ai_sdk_openai: Outcomes, scenario: str) -> None:
    assert ai_sdk_openai[scenario] == {"gave": AI_SDK_OPENAI_GIVES[scenario]}
