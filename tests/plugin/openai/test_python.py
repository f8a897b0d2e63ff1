"""The official client for Python, `openai`."""

import re
from typing import Any

import pytest

from tests.clients.python import run_module
from tests.plugin.openai.conftest import (
    AFTER_THOUGHT,
    BROKEN_AFTER,
    FAILED_AFTER,
    HELLO,
    KEY,
    MODELS,
    NODE_SAID,
    PROVIDER_SAID,
    SECOND_TURN,
    THOUGHT,
    TWO_TURNS,
    Outcomes,
    assert_pictures_arrived,
    outcomes,
    without_message,
)

HANDLE = re.compile(r"[\w-]{22}\.[\w-]{43}")


@pytest.fixture(scope="module")
def chat(base_url: str, endpoints: str) -> Outcomes:
    return outcomes(run_module("sdk_chat", base_url, KEY, f"{endpoints}/limited/v1"))


@pytest.fixture(scope="module")
def responses(base_url: str) -> Outcomes:
    return outcomes(run_module("sdk_responses", base_url, KEY))


@pytest.fixture(scope="module")
def strictly_held(base_url: str) -> list[dict[str, Any]]:
    return run_module("strict_models", base_url, KEY, *MODELS)


def test_a_chat_completion_has_what_openais_has_and_the_conversation(chat: Outcomes) -> None:
    said = chat["plain"]["gave"]
    assert said["rest"] == {
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
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
    }
    assert re.fullmatch("chatcmpl-[0-9a-f]{32}", said["id"])
    assert re.fullmatch("[0-9a-f]{32}", said["request_id"])
    assert HANDLE.fullmatch(said["conversation_id"])
    assert said["created"] > 1_700_000_000


def test_all_chunks_of_a_stream_share_their_head_and_one_has_the_role_and_one_the_reason(chat: Outcomes) -> None:
    said = chat["streamed"]["gave"]
    heads, conversations = said.pop("heads"), said.pop("conversations")
    assert said == {"roles": ["assistant"], "text": HELLO, "pieces": 5, "reasons": ["stop"], "usage_is_said": False}
    assert [head[2:] for head in heads] == [["echo", "chat.completion.chunk"]]
    assert [bool(HANDLE.fullmatch(conversation)) for conversation in conversations] == [True]


def test_usage_asked_for_comes_last_and_alone(chat: Outcomes) -> None:
    assert chat["streamed_with_usage"]["gave"] == {
        "usage_is_said_in_all": True,
        "with_usage": [-1],
        "without_choices": [-1],
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
    }


RAW = {"status": 200, "type": "application/json", "conversation_is_a_header": True}

WORKFLOW_USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
"""What its nodes tell; Dify itself counts a workflow's total only."""

CHAT_GIVES: dict[str, Any] = {
    "helper": {"types": ["chunk", "content.delta", "content.done"], "content": HELLO, "reason": "stop"},
    "asynchronous": HELLO,
    "raw": {**RAW, "request_id_is_a_header": True},
    "raw_stream": {**RAW, "type": "text/event-stream"},
    "turns_by_member": SECOND_TURN,
    "turns_by_metadata": SECOND_TURN,
    "turns_of_a_stream": SECOND_TURN,
    "turns_of_a_broken_stream": {"distinct": 1, "raised": "provider_error"},
    "turns_with_messages": SECOND_TURN,
    "history_without_a_conversation": "You said: User: one\n\nAssistant: You said one.\n\nUser: two (turn 1)",
    "chat_of_open_webui": [*TWO_TURNS, "You said: three (turn 1)"],
    "new_chat_of_open_webui": ["You said: one (turn 1)", "You said: two (turn 1)"],
    "reasoning": {"reasoning": THOUGHT, "content": AFTER_THOUGHT},
    "reasoning_streamed": {
        "reasoning": THOUGHT,
        "content": AFTER_THOUGHT,
        "order": ["reasoning_content", "content"],
    },
    "workflow": {"content": "You wrote: Hello", "conversation": False, "usage": WORKFLOW_USAGE},
    "moderated": {"content": "OUTPUT BLOCKED by policy.", "reason": "content_filter"},
    "attempts": {"broken": 1, "failing": 1, "completion": 1, "nowhere": 1},
    "bound_to_an_app": {"models": ["echo"], "content": HELLO, "model": "echo"},
    "without_v1": {"content": HELLO, "models": len(MODELS)},
}


@pytest.mark.parametrize("scenario", CHAT_GIVES)
def test_chat_completions_give(chat: Outcomes, scenario: str) -> None:
    assert chat[scenario] == {"gave": CHAT_GIVES[scenario]}


def test_a_pause_is_said_in_the_text_and_ends_as_a_stop(chat: Outcomes) -> None:
    said = chat["paused"]["gave"]
    assert said["reason"] == "stop"
    assert said["content"].strip() == "[paused: the app waits for a human]"


def test_pictures_by_url_reach_the_inputs_that_take_them(chat: Outcomes, responses: Outcomes) -> None:
    assert_pictures_arrived(chat["image_by_url"]["gave"])
    assert_pictures_arrived(responses["image_by_url"]["gave"])


def error(name: str, status: int, code: str, type_: str = "invalid_request_error", param: str | None = None) -> Any:
    return {"class": name, "status_code": status, "code": code, "type": type_, "param": param}


NO_MODEL = error("NotFoundError", 404, "model_not_found", param="model")
NO_KEY = error("AuthenticationError", 401, "invalid_api_key")
NO_COMPLETION = error("BadRequestError", 400, "completion_not_supported", "invalid_request_error")
NO_FILES = error("BadRequestError", 400, "files_not_supported")
INVALID = error("BadRequestError", 400, "invalid_request")

CHAT_RAISES = {
    "unknown_model": NO_MODEL,
    "unknown_model_streamed": NO_MODEL,
    "unknown_one_model": NO_MODEL,
    "bad_key": NO_KEY,
    "bad_key_of_a_chat": NO_KEY,
    "completion_app": NO_COMPLETION,
    "app_that_is_gone": error("InternalServerError", 502, "app_unavailable", "api_error"),
    "unknown_conversation": error("NotFoundError", 404, "conversation_not_found"),
    "image_as_data": NO_FILES,
    "image_for_an_app_without_files": NO_FILES,
    "several_answers": INVALID,
    "demanded_tool": INVALID,
    "no_user_message": INVALID,
    "too_large": error("APIStatusError", 413, "request_too_large"),
    "failed_run": error("InternalServerError", 502, "app_failed", "api_error"),
    "broken_run": error("InternalServerError", 502, "provider_error", "api_error"),
    "what_is_not_served": error("NotFoundError", 404, "not_found"),
}


@pytest.mark.parametrize("scenario", CHAT_RAISES)
def test_chat_completions_raise_by_class(chat: Outcomes, scenario: str) -> None:
    # OpenAI's own may name the member at fault, which is more than is asked for.
    raised = without_message(chat[scenario]["raised"])
    assert {**raised, "param": CHAT_RAISES[scenario]["param"]} == CHAT_RAISES[scenario]
    assert CHAT_RAISES[scenario]["param"] in (None, raised["param"])


def test_a_call_too_many_is_a_rate_limit_error_that_says_when(chat: Outcomes) -> None:
    said = chat["too_many_calls"]["gave"]
    assert 0 < said.pop("seconds") <= 60
    assert said == {"code": "rate_limit_exceeded", "type": "rate_limit_error"}


@pytest.mark.parametrize(
    ("scenario", "text", "code", "cause"),
    [
        ("broken_stream", BROKEN_AFTER, "provider_error", PROVIDER_SAID),
        ("broken_stream_of_the_helper", BROKEN_AFTER, "provider_error", PROVIDER_SAID),
        ("failed_stream", FAILED_AFTER, "app_failed", NODE_SAID),
    ],
)
def test_an_error_inside_a_stream_is_raised_after_the_text(
    chat: Outcomes, scenario: str, text: str, code: str, cause: str
) -> None:
    said = chat[scenario]["gave"]
    assert said["text"] == text
    assert without_message(said["raised"]) == {"class": "APIError", "code": code, "type": "api_error", "param": None}
    assert cause in said["raised"]["message"]


def test_the_models_are_the_exposed_apps(chat: Outcomes) -> None:
    listed = chat["models"]["gave"]
    assert [model["id"] for model in listed] == list(MODELS)
    assert chat["one_model"]["gave"] == listed[MODELS.index("echo")]
    assert {(model["object"], model["owned_by"]) for model in listed} == {("model", "dify")}


def test_a_response_has_what_openais_has(responses: Outcomes) -> None:
    said = responses["plain"]["gave"]
    assert re.fullmatch("[0-9a-f]{32}", said.pop("request_id"))
    assert 0 <= said.pop("completed_in") < 60
    usage = said.pop("usage")
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (5, 5, 10)
    assert said == {
        "text": HELLO,
        "status": "completed",
        "model": "echo",
        "error": None,
        "output": [["message", "completed"]],
    }


RESPONSES_GIVE: dict[str, Any] = {
    "streamed": {
        "types": [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ],
        "numbers": True,
        "text": HELLO,
        "final": HELLO,
        "ids": 1,
        "items": 1,
    },
    "helper": {"text": HELLO, "final": HELLO, "status": "completed"},
    "asynchronous": HELLO,
    "raw": RAW,
    "turns": [SECOND_TURN, True, True],
    "turns_of_a_stream": SECOND_TURN,
    "turns_of_the_helper": SECOND_TURN,
    "turns_of_a_broken_stream": {"statuses": ["failed", "failed"], "ids": True},
    "turns_by_conversation": SECOND_TURN,
    "turns_by_member": SECOND_TURN,
    "turns_by_metadata": SECOND_TURN,
    "turns_with_items": SECOND_TURN,
    "history_without_a_conversation": (
        "You said: User: one\n\nAssistant: After some thought: you said one\n\nUser: two (turn 1)"
    ),
    "chat_of_open_webui": TWO_TURNS,
    "reasoning": {"types": ["reasoning", "message"], "reasoning": [THOUGHT], "text": AFTER_THOUGHT},
    "reasoning_streamed": {
        "types": ["reasoning", "message"],
        "reasoning": THOUGHT,
        "text": AFTER_THOUGHT,
        "indexes": True,
    },
    "reasoning_of_the_helper": {"reasoning": [THOUGHT], "text": AFTER_THOUGHT},
    "workflow": {
        "text": "You wrote: Hello",
        "usage": {
            "input_tokens": 5,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 8,
        },
    },
}


@pytest.mark.parametrize("scenario", RESPONSES_GIVE)
def test_responses_give(responses: Outcomes, scenario: str) -> None:
    assert responses[scenario] == {"gave": RESPONSES_GIVE[scenario]}


RESPONSES_RAISE = {
    "unknown_model": NO_MODEL,
    "bad_key": NO_KEY,
    "completion_app": NO_COMPLETION,
    "image_as_data": NO_FILES,
    "unknown_previous_response": error("NotFoundError", 404, "previous_response_not_found"),
    "background": INVALID,
    "failed_run": error("InternalServerError", 502, "app_failed", "api_error"),
    "stored_response": error("NotFoundError", 404, "not_found"),
}


@pytest.mark.parametrize("scenario", RESPONSES_RAISE)
def test_responses_raise_by_class(responses: Outcomes, scenario: str) -> None:
    raised = without_message(responses[scenario]["raised"])
    assert {**raised, "param": RESPONSES_RAISE[scenario]["param"]} == RESPONSES_RAISE[scenario]
    assert RESPONSES_RAISE[scenario]["param"] in (None, raised["param"])


def test_a_stream_that_breaks_ends_as_a_failed_response(responses: Outcomes) -> None:
    broken, failed = responses["broken_stream"]["gave"], responses["failed_stream"]["gave"]
    assert (broken["text"], broken["type"], broken["status"]) == (BROKEN_AFTER, "response.failed", "failed")
    assert PROVIDER_SAID in broken["error"]["message"]
    assert failed["type"] == "response.failed"
    assert NODE_SAID in failed["error"]["message"]
    assert responses["broken_stream_of_the_helper"]["gave"] == {
        "read": {"text": BROKEN_AFTER, "raised": None},
        "final": "Didn't receive a `response.completed` event.",
    }


def test_every_object_passes_the_clients_own_models_strictly(strictly_held: list[dict[str, Any]]) -> None:
    requests = {"chat", "chat stream", "chat stream with usage", "response", "response stream"}
    assert {(line["request"], line["app"]) for line in strictly_held} == {
        (request, app) for request in requests for app in MODELS
    }
    assert [line for line in strictly_held if not line["types"]] == []
    assert sorted({fault for line in strictly_held for fault in line["faults"]}) == []


def test_only_what_fails_before_it_begins_is_nothing_but_an_error(strictly_held: list[dict[str, Any]]) -> None:
    errors = {(line["request"], line["app"]) for line in strictly_held if line["types"] == {"error": 1}}
    whole = {(request, app) for request in ("chat", "response") for app in ("failing", "broken")}
    never = {(line["request"], app) for line in strictly_held for app in ("completion", "nowhere")}
    assert errors == whole | never
