"""OpenAI's protocols: Chat Completions, Responses and the list of models, as far as an app takes and gives them."""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.openapi import sample
from gateway.openapi.failures import Failures
from gateway.openapi.operation import ADMITTING, CHOOSING, READING, RUNNING, Media, Operation, Parameter, Reply
from gateway.openapi.schema import (
    Schema,
    Schemas,
    any_of,
    anything,
    constant,
    flag,
    items,
    mapping,
    nullable,
    number,
    of_model,
    record,
    ref,
    says,
    sse_event,
    text,
    whole,
    word,
)
from gateway.protocols.openai import errors, models
from gateway.protocols.openai.chat import reply as chat_reply
from gateway.protocols.openai.chat.request import ChatRequest
from gateway.protocols.openai.responses import reply as responses_reply
from gateway.protocols.openai.responses.request import ResponsesRequest
from gateway.settings import App
from gateway.wire import json_bytes

TAG: Final = "OpenAI"

_FAILURES: Final = Failures("OpenAIError", "application/json", ref("OpenAIError"), errors.shape)
_RESPONSES_FAILURES: Final = Failures("ResponsesError", "application/json", ref("OpenAIError"), errors.responses_shape)
_STATUSES: Final = (*READING, *ADMITTING, *CHOOSING, *RUNNING)

CHOICE: Final = Parameter(
    "X-Duck-App", "The app, by its alias or id; it goes before any that the body names.", text(), "header"
)

_NEVER: Final[Schema] = {"type": "null", "description": "An argument of OpenAI's client for Python, and no member."}
_MODE: Final = word("", "auto", "none")
_ALLOWED: Final = constant("allowed_tools")
_NO_TOOL: Final[Schema] = {
    "anyOf": [
        _MODE,
        {"type": "null"},
        record("", {"type": _ALLOWED, "allowed_tools": record("", {"mode": _MODE})}),
        record("", {"type": _ALLOWED, "mode": _MODE}),
    ],
    "description": "An app uses its own tools; demanding one of the client's is a 400.",
}

_PARTS: Final = items(
    any_of(
        "",
        text(),
        record("A text.", {"type": word("", "text", "input_text", "output_text"), "text": text()}),
        record(
            "A link to a file, or its bytes as a `data:` URL where the app has a key of its own.",
            {"type": word("", "image_url", "input_image", "input_audio", "audio_url", "file", "input_file")},
        ),
        record("Left out.", {"type": word("", "refusal", "reasoning", "summary_text")}),
    )
)
_CONTENT: Final[Schema] = {
    "anyOf": [text(), _PARTS, {"type": "null"}],
    "description": "A text or a list of parts.",
}

_SHARED: Final[Schemas] = {
    "model": says("An app's alias or id; any name where only one app is there for the caller."),
    "stream": says("Whether the reply is a stream."),
    "extra_body": _NEVER,
    "tool_choice": _NO_TOOL,
    "user": says("A name for your end user."),
    "safety_identifier": says("The same."),
    "metadata": says("A member with the name of one of the app's inputs is that input."),
    "inputs": says("Duck's own: the app's variables by name."),
    "conversation_id": says("Duck's own: goes on with a conversation; from an earlier reply."),
}

_CHAT_MEMBERS: Final[Schemas] = {
    **_SHARED,
    "messages": says("The last one of the user is the query."),
    "stream_options": says("What a stream holds beside the answer."),
    "n": {"anyOf": [{"const": 1}, {"type": "null"}], "description": "An app gives one answer."},
    "function_call": _NO_TOOL,
    "ChatMessage.role": says("`user`, `assistant`, `system` or `developer`; others are left out."),
    "ChatMessage.content": _CONTENT,
    "StreamOptions.include_usage": says("Whether the last chunk tells the usage."),
}

_INPUT_ITEM: Final = record(
    "A message; items of other types are left out, but for a reference, which names the conversation.",
    {},
    {"type": text(), "role": text(), "content": _CONTENT, "id": text()},
)
_RESPONSES_MEMBERS: Final[Schemas] = {
    **_SHARED,
    "input": {"anyOf": [text(), items(_INPUT_ITEM)], "description": "The last message of the user is the query."},
    "instructions": says("Goes to the input that the endpoint's settings name for it."),
    "previous_response_id": says("Goes on with the conversation of an earlier response."),
    "conversation": {
        "anyOf": [text(), record("", {"id": text()}), {"type": "null"}],
        "description": "Goes on with a conversation.",
    },
    "background": {
        "anyOf": [{"const": False}, {"type": "null"}],
        "description": "A run lives no longer than its call.",
    },
    "temperature": anything("Told again in the response, and ignored."),
    "top_p": anything("Told again in the response, and ignored."),
}

_PRICES: Final[Schemas] = {
    "total_price": number("At `detail: full` only."),
    "currency": nullable(text("At `detail: full` only.")),
}
_HEAD: Final[Schemas] = {
    "id": text(),
    "created": whole("Unix seconds."),
    "model": text("The app's alias."),
}
_CONVERSATION: Final[Schemas] = {"conversation_id": text("Duck's own: send it to go on. A workflow has none.")}
_REASON: Final = word("`content_filter` where a moderation has replaced the text.", "stop", "content_filter")


def _chat_schemas() -> dict[str, Schema]:
    choice = record(
        "",
        {"index": whole(), "message": ref("ChatCompletionMessage"), "logprobs": {"type": "null"},
         "finish_reason": _REASON},
    )  # fmt: skip
    delta = record("", {}, {"role": constant("assistant"), "content": text(), "reasoning_content": text()})
    chunk_choice = record("", {"index": whole(), "delta": delta, "finish_reason": nullable(_REASON)})
    return {
        "ChatCompletionMessage": record(
            "The answer.",
            {"role": constant("assistant"), "content": text(), "refusal": {"type": "null"}},
            {"reasoning_content": text("What the model thought.")},
        ),
        "ChatCompletionUsage": record(
            "What Dify counted; absent where it does not tell both parts.",
            {"prompt_tokens": whole(), "completion_tokens": whole(), "total_tokens": nullable(whole())},
            _PRICES,
        ),
        "ChatCompletion": record(
            "The one body.",
            {**_HEAD, "object": constant("chat.completion"), "choices": items(choice)},
            {**_CONVERSATION, "usage": ref("ChatCompletionUsage")},
        ),
        "ChatCompletionChunk": record(
            "One `data` of a stream.",
            {**_HEAD, "object": constant("chat.completion.chunk"), "choices": items(chunk_choice)},
            {**_CONVERSATION, "usage": nullable(ref("ChatCompletionUsage"))},
        ),
    }


def _event(name: str, **members: Schema) -> Schema:
    """One of a stream's. Its title is what generators of clients call it."""
    title = "".join(part.capitalize() for part in re.split("[._]", name))
    return {**record("", {"type": constant(name), "sequence_number": whole(), **members}), "title": title}


def _of_item(part: str) -> Schemas:
    return {"item_id": text(), "output_index": whole(), part: whole()}


def _response_events() -> dict[str, Schema]:
    part, summary = ref("OutputText"), ref("SummaryText")
    item, response = {"output_index": whole(), "item": ref("OutputItem")}, ref("ResponseObject")
    in_content, in_summary = _of_item("content_index"), _of_item("summary_index")
    no_logprobs = {"logprobs": items({})}
    return {
        "response.created": _event("response.created", response=response),
        "response.in_progress": _event("response.in_progress", response=response),
        "response.output_item.added": _event("response.output_item.added", **item),
        "response.content_part.added": _event("response.content_part.added", **in_content, part=part),
        "response.output_text.delta": _event("response.output_text.delta", **in_content, delta=text(), **no_logprobs),
        "response.output_text.done": _event("response.output_text.done", **in_content, text=text(), **no_logprobs),
        "response.content_part.done": _event("response.content_part.done", **in_content, part=part),
        "response.reasoning_summary_part.added": _event(
            "response.reasoning_summary_part.added", **in_summary, part=summary
        ),
        "response.reasoning_summary_text.delta": _event(
            "response.reasoning_summary_text.delta", **in_summary, delta=text()
        ),
        "response.reasoning_summary_text.done": _event(
            "response.reasoning_summary_text.done", **in_summary, text=text()
        ),
        "response.reasoning_summary_part.done": _event(
            "response.reasoning_summary_part.done", **in_summary, part=summary
        ),
        "response.output_item.done": _event("response.output_item.done", **item),
        "response.completed": _event("response.completed", response=response),
        "response.failed": _event("response.failed", response=response),
    }


def _response_schemas() -> dict[str, Schema]:
    counted = record("", {"cached_tokens": whole(), "cache_write_tokens": whole()})
    usage = record(
        "What Dify counted; null where it does not tell both parts.",
        {
            "input_tokens": whole(),
            "input_tokens_details": counted,
            "output_tokens": whole(),
            "output_tokens_details": record("", {"reasoning_tokens": whole()}),
            "total_tokens": nullable(whole()),
        },
        _PRICES,
    )
    state = word("", "in_progress", "completed", "incomplete")
    message = record(
        "The answer.",
        {
            "id": text(),
            "type": constant("message"),
            "status": state,
            "role": constant("assistant"),
            "content": items(ref("OutputText")),
        },
    )
    reasoning = record(
        "What the model thought.",
        {"id": text(), "type": constant("reasoning"), "status": state, "summary": items(ref("SummaryText"))},
    )
    events = _response_events()
    return {
        "OutputText": record(
            "", {"type": constant("output_text"), "text": text(), "annotations": items({}), "logprobs": items({})}
        ),
        "SummaryText": record("", {"type": constant("summary_text"), "text": text()}),
        "OutputItem": any_of("A part of the output.", message, reasoning),
        "ResponseUsage": usage,
        "ResponseObject": _response_schema(),
        "ResponseEvent": any_of("One event of a stream.", *events.values()),
    }


def _response_schema() -> Schema:
    null: Schema = {"type": "null"}
    return record(
        "The one body, and what a stream's first and last events hold.",
        {
            "id": text("Send it as `previous_response_id` to go on."),
            "object": constant("response"),
            "created_at": whole("Unix seconds."),
            "completed_at": nullable(whole("Unix seconds.")),
            "status": word("", "in_progress", "completed", "failed"),
            "background": flag(),
            "error": nullable(record("", {"code": word("", "server_error", "rate_limit_exceeded"), "message": text()})),
            "incomplete_details": null,
            "instructions": nullable(text()),
            "max_output_tokens": null,
            "max_tool_calls": null,
            "model": text("The app's alias."),
            "output": items(ref("OutputItem")),
            "parallel_tool_calls": flag(),
            "previous_response_id": nullable(text()),
            "prompt_cache_key": null,
            "reasoning": record("", {"effort": null, "summary": null}),
            "safety_identifier": nullable(text()),
            "service_tier": text(),
            "store": flag(),
            "temperature": number(),
            "text": record("", {"format": record("", {"type": constant("text")})}),
            "tool_choice": text(),
            "tools": items({}),
            "top_logprobs": whole(),
            "top_p": number(),
            "presence_penalty": number(),
            "frequency_penalty": number(),
            "truncation": text(),
            "usage": nullable(ref("ResponseUsage")),
            "user": nullable(text()),
            "metadata": mapping(),
        },
        _CONVERSATION,
    )


def _response_request() -> Schema:
    about = "What is asked; members that are not here are ignored."
    told = of_model(ResponsesRequest, "ResponseRequest", about, _RESPONSES_MEMBERS)
    return {**told["ResponseRequest"], "required": ["input"]}


def schemas() -> dict[str, Schema]:
    error = record(
        "",
        {
            "message": text("Cause and remedy."),
            "type": text("OpenAI's class of errors, such as `invalid_request_error`."),
            "param": nullable(text("The member that it is about.")),
            "code": text("OpenAI's code where it has one for the case, else Duck's."),
        },
    )
    told = {"name": text(), "description": text(), "mode": text("The app's kind.")}
    return {
        **of_model(
            ChatRequest, "ChatCompletionRequest", "What is asked; members that are not here are ignored.",
            _CHAT_MEMBERS, {"ChatMessage": "ChatCompletionRequestMessage", "StreamOptions": "StreamOptions"},
        ),
        **_chat_schemas(),
        "ResponseRequest": _response_request(),
        **_response_schemas(),
        "Model": record(
            "An app.",
            {"id": text("Its alias."), "object": constant("model"), "created": whole(), "owned_by": text()},
            told,
        ),
        "ModelList": record("", {"object": constant("list"), "data": items(ref("Model"))}),
        "OpenAIError": record("An error, also as `data` of a chat's stream.", {"error": error}),
    }  # fmt: skip


_MESSAGES: Final[Mapping[str, Any]] = {"model": sample.APP, "messages": [{"role": "user", "content": sample.QUERY}]}
_INPUT: Final[Mapping[str, Any]] = {"model": sample.APP, "input": sample.QUERY}


def _chat() -> Operation:
    one_body = sample.body(lambda answer: json_bytes(chat_reply.whole(answer, sample.VIEW)))
    stream = sample.stream(lambda events: chat_reply.write(events, sample.VIEW, with_usage=False))
    content = {
        "application/json": Media(ref("ChatCompletion"), one_body),
        "text/event-stream": Media(
            text("Server-Sent Events without names. The `data` of each is a `ChatCompletionChunk`, or an `OpenAIError` "
                 "as the last one; then comes `[DONE]`."),
            stream,
            any_of(
                "",
                sse_event(any_of("", ref("ChatCompletionChunk"), ref("OpenAIError"))),
                record("", {"data": constant("[DONE]")}),
            ),
        ),
    }  # fmt: skip
    return Operation(
        "createChatCompletion",
        "OpenAI's Chat Completions.",
        TAG,
        {200: Reply("The answer, as one body or as a stream.", content, ("X-Conversation-Id",))},
        parameters=(CHOICE,),
        body={"application/json": Media(ref("ChatCompletionRequest"), (_MESSAGES, {**_MESSAGES, "stream": True}))},
        failures=_FAILURES,
        statuses=_STATUSES,
    )


def _responses() -> Operation:
    asked = ResponsesRequest.model_validate(_INPUT)
    one_body = sample.body(lambda answer: json_bytes(responses_reply.whole(answer, asked, sample.VIEW)))
    stream = sample.stream(lambda events: responses_reply.write(events, asked, sample.VIEW))
    content = {
        "application/json": Media(ref("ResponseObject"), one_body),
        "text/event-stream": Media(
            text("Server-Sent Events. The `data` of each is a `ResponseEvent`, whose `type` is the event's name."),
            stream,
            sse_event(ref("ResponseEvent")),
        ),
    }
    return Operation(
        "createResponse",
        "OpenAI's Responses.",
        TAG,
        {200: Reply("The answer, as one body or as a stream.", content, ("X-Conversation-Id",))},
        parameters=(CHOICE,),
        body={"application/json": Media(ref("ResponseRequest"), (_INPUT, {**_INPUT, "stream": True}))},
        failures=_RESPONSES_FAILURES,
        statuses=_STATUSES,
    )


def operations() -> dict[tuple[str, str], Operation]:
    """By method and path of the route table."""
    app = App("11111111-1111-4111-8111-111111111111", sample.APP)
    listed = Media(ref("ModelList"), models.model_list([app]))
    statuses = (*ADMITTING, *CHOOSING)
    return {
        ("POST", "/v1/chat/completions"): _chat(),
        ("POST", "/v1/responses"): _responses(),
        ("GET", "/v1/models"): Operation(
            "listModels",
            "The apps that the caller may call, as OpenAI lists models.",
            TAG,
            {200: Reply("All of them.", {"application/json": listed})},
            failures=_FAILURES,
            statuses=statuses,
        ),
        ("GET", "/v1/models/<model>"): Operation(
            "retrieveModel",
            "One of them.",
            TAG,
            {200: Reply("The app.", {"application/json": Media(ref("Model"), models.model(app))})},
            failures=_FAILURES,
            statuses=statuses,
        ),
    }


__all__ = ["CHOICE", "operations", "schemas"]
