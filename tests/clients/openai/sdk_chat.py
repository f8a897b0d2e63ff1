"""The scenarios of `openai`'s Chat Completions and Models (Python).

Usage: python -m tests.clients.openai.sdk_chat BASE_URL KEY LIMITED_BASE_URL
The last is of an endpoint that grants one call a minute.
"""

import sys
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx2
from openai import APIStatusError, AsyncOpenAI, OpenAI, RateLimitError
from openai.types.chat import ChatCompletionChunk, ChatCompletionContentPartParam

from tests.clients.openai.scenarios import by_name, run, until_error

BASE_URL, KEY, LIMITED_BASE_URL = sys.argv[1:]
PICTURES = ("https://files.example/cat.png", "https://files.example/dog.png")

client = OpenAI(base_url=BASE_URL, api_key=KEY)


def ask(model: str, text: str = "Hello", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


def content_of(reply: Any) -> str:
    return str(reply.choices[0].message.content)


def delta_of(chunk: ChatCompletionChunk) -> str:
    return chunk.choices[0].delta.content or "" if chunk.choices else ""


def plain() -> Any:
    reply = ask("echo")
    return {
        "id": reply.id,
        "created": reply.created,
        "request_id": reply._request_id,
        "conversation_id": reply.conversation_id,
        "rest": reply.model_dump(exclude={"id", "created", "conversation_id"}, exclude_unset=True),
    }


def streamed() -> Any:
    chunks = list(ask("echo", stream=True))
    return {
        "heads": sorted({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}),
        "conversations": sorted({chunk.conversation_id for chunk in chunks}),
        "roles": [chunk.choices[0].delta.role for chunk in chunks if chunk.choices[0].delta.role],
        "text": "".join(delta_of(chunk) for chunk in chunks),
        "pieces": sum(1 for chunk in chunks if delta_of(chunk)),
        "reasons": [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason],
        "usage_is_said": any("usage" in chunk.model_fields_set for chunk in chunks),
    }


def streamed_with_usage() -> Any:
    chunks = list(ask("echo", stream=True, stream_options={"include_usage": True}))
    return {
        "usage_is_said_in_all": all("usage" in chunk.model_fields_set for chunk in chunks),
        "with_usage": [index - len(chunks) for index, chunk in enumerate(chunks) if chunk.usage],
        "without_choices": [index - len(chunks) for index, chunk in enumerate(chunks) if not chunk.choices],
        "usage": chunks[-1].usage.model_dump(exclude_unset=True),
    }


def helper() -> Any:
    with client.chat.completions.stream(model="echo", messages=[{"role": "user", "content": "Hello"}]) as stream:
        types = [event.type for event in stream]
        reply = stream.get_final_completion()
    return {"types": list(dict.fromkeys(types)), "content": content_of(reply), "reason": reply.choices[0].finish_reason}


async def asynchronous() -> Any:
    async with AsyncOpenAI(base_url=BASE_URL, api_key=KEY) as other:
        stream = await other.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        return "".join([delta_of(chunk) async for chunk in stream])


def raw() -> Any:
    reply = client.chat.completions.with_raw_response.create(
        model="echo", messages=[{"role": "user", "content": "Hello"}]
    )
    completion: Any = reply.parse()
    return {
        "status": reply.status_code,
        "type": reply.headers["content-type"],
        "request_id_is_a_header": reply.headers["x-request-id"] == reply.request_id == completion._request_id,
        "conversation_is_a_header": reply.headers["x-conversation-id"] == completion.conversation_id,
    }


def raw_stream() -> Any:
    reply = client.chat.completions.with_raw_response.create(
        model="echo", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    first: Any = next(iter(reply.parse()))
    return {
        "status": reply.status_code,
        "type": reply.headers["content-type"],
        "conversation_is_a_header": reply.headers["x-conversation-id"] == first.conversation_id,
    }


def turns_by_member() -> Any:
    first = ask("echo", "one")
    return content_of(ask("echo", "two", extra_body={"conversation_id": first.conversation_id}))


def turns_by_metadata() -> Any:
    first = ask("echo", "one")
    return content_of(ask("echo", "two", metadata={"conversation_id": first.conversation_id}))


def turns_of_a_stream() -> Any:
    *_, last = ask("echo", "one", stream=True)
    body = {"conversation_id": last.conversation_id}
    return "".join(delta_of(chunk) for chunk in ask("echo", "two", stream=True, extra_body=body))


def turns_of_a_broken_stream() -> Any:
    """The conversation's id came with the first chunk, so the thread is not lost with the answer."""
    ids: list[str] = []

    def note(chunk: Any) -> str:
        ids.append(chunk.conversation_id)
        return ""

    until_error(ask("broken", "one", stream=True), note)
    again = until_error(ask("broken", "two", stream=True, extra_body={"conversation_id": ids[0]}), note)
    return {"distinct": len(set(ids)), "raised": again["raised"]["code"]}


def turns_with_messages() -> Any:
    """A client that sends its whole history along with the conversation: only the last message is asked."""
    first = ask("echo", "one")
    reply = client.chat.completions.create(
        model="echo",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": content_of(first)},
            {"role": "user", "content": "two"},
        ],
        extra_body={"conversation_id": first.conversation_id},
    )
    return content_of(reply)


def history_without_a_conversation() -> Any:
    reply = client.chat.completions.create(
        model="echo",
        messages=[
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "You said one."},
            {"role": "user", "content": [{"type": "text", "text": "two"}]},
        ],
    )
    return content_of(reply)


def chat_of_open_webui() -> Any:
    header = {"X-OpenWebUI-Chat-Id": str(uuid4())}
    first = content_of(ask("echo", "one", extra_headers=header))
    stream = ask("echo", "two", extra_headers=header, stream=True)
    other = content_of(ask("echo", "three", extra_headers={"X-OpenWebUI-Chat-Id": str(uuid4())}))
    return [first, "".join(delta_of(chunk) for chunk in stream), other]


def new_chat_of_open_webui() -> Any:
    header = {"X-OpenWebUI-Chat-Id": "new"}
    return [content_of(ask("echo", text, extra_headers=header)) for text in ("one", "two")]


def reasoning() -> Any:
    message = ask("reasoning").choices[0].message
    return {"reasoning": message.reasoning_content, "content": message.content}


def reasoning_streamed() -> Any:
    deltas = [chunk.choices[0].delta for chunk in ask("reasoning", stream=True)]
    order = [kind for delta in deltas for kind in ("reasoning_content", "content") if getattr(delta, kind, None)]
    return {
        "reasoning": "".join(getattr(delta, "reasoning_content", "") for delta in deltas),
        "content": "".join(delta.content or "" for delta in deltas),
        "order": list(dict.fromkeys(order)),
    }


def pictures(*urls: str) -> Any:
    parts: list[ChatCompletionContentPartParam] = [{"type": "text", "text": "Look"}]
    parts += [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return client.chat.completions.create(model="form", messages=[{"role": "user", "content": parts}])


def image_by_url() -> Any:
    return content_of(pictures(*PICTURES))


def image_as_data() -> Any:
    return pictures("data:image/png;base64,iVBORw0KGgo=")


def image_for_an_app_without_files() -> Any:
    part: ChatCompletionContentPartParam = {"type": "image_url", "image_url": {"url": PICTURES[0]}}
    return client.chat.completions.create(model="echo", messages=[{"role": "user", "content": [part]}])


def workflow() -> Any:
    reply = ask("workflow")
    usage = reply.usage.model_dump(exclude_unset=True) if reply.usage else None
    return {"content": content_of(reply), "conversation": hasattr(reply, "conversation_id"), "usage": usage}


def moderated() -> Any:
    reply = ask("moderated").choices[0]
    return {"content": reply.message.content, "reason": reply.finish_reason}


def paused() -> Any:
    reply = ask("paused").choices[0]
    return {"content": reply.message.content, "reason": reply.finish_reason}


def unknown_model() -> Any:
    return ask("no-such-app")


def unknown_model_streamed() -> Any:
    return ask("no-such-app", stream=True)


def bad_key() -> Any:
    return OpenAI(base_url=BASE_URL, api_key="not-the-key").models.list()


def bad_key_of_a_chat() -> Any:
    other = OpenAI(base_url=BASE_URL, api_key="not-the-key")
    return other.chat.completions.create(model="echo", messages=[{"role": "user", "content": "Hello"}], stream=True)


def completion_app() -> Any:
    return ask("completion")


def app_that_is_gone() -> Any:
    return ask("nowhere")


def unknown_conversation() -> Any:
    return ask("echo", extra_body={"conversation_id": "made-up"})


def several_answers() -> Any:
    return ask("echo", n=2)


def demanded_tool() -> Any:
    return ask("echo", tool_choice="required")


def no_user_message() -> Any:
    return client.chat.completions.create(model="echo", messages=[{"role": "system", "content": "Be brief."}])


def too_large() -> Any:
    return ask("echo", "x" * 10 * 1024 * 1024)


def failed_run() -> Any:
    return ask("failing")


def broken_run() -> Any:
    return ask("broken")


def failed_stream() -> Any:
    return until_error(ask("failing", stream=True), delta_of)


def broken_stream() -> Any:
    return until_error(ask("broken", stream=True), delta_of)


def broken_stream_of_the_helper() -> Any:
    messages: Any = [{"role": "user", "content": "Hello"}]
    with client.chat.completions.stream(model="broken", messages=messages) as stream:
        return until_error(stream, lambda event: event.delta if event.type == "content.delta" else "")


def attempts() -> Any:
    """How often the client, left to its own two retries, asks for what fails."""
    counts: dict[str, int] = {}

    def count(request: httpx2.Request) -> None:
        name = request.headers["x-scenario"]
        counts[name] = counts.get(name, 0) + 1

    other = OpenAI(base_url=BASE_URL, api_key=KEY, http_client=httpx2.Client(event_hooks={"request": [count]}))
    for model in ("broken", "failing", "completion", "nowhere"):
        with suppress(APIStatusError):
            other.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Hello"}], extra_headers={"x-scenario": model}
            )
    return counts


def too_many_calls() -> Any:
    limited = OpenAI(base_url=LIMITED_BASE_URL, api_key=KEY, max_retries=0)
    limited.models.list()
    try:
        return limited.models.list()
    except RateLimitError as error:
        return {"code": error.code, "type": error.type, "seconds": int(error.response.headers["retry-after"])}


def models() -> Any:
    return [model.model_dump() for model in client.models.list()]


def one_model() -> Any:
    return client.models.retrieve("echo").model_dump()


def unknown_one_model() -> Any:
    return client.models.retrieve("no-such-app")


def bound_to_an_app() -> Any:
    bound = OpenAI(base_url=BASE_URL.replace("/v1", "/apps/echo/v1"), api_key=KEY)
    reply: Any = bound.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Hello"}])
    return {"models": [model.id for model in bound.models.list()], "content": content_of(reply), "model": reply.model}


def without_v1() -> Any:
    short = OpenAI(base_url=BASE_URL.removesuffix("/v1"), api_key=KEY)
    reply: Any = short.chat.completions.create(model="echo", messages=[{"role": "user", "content": "Hello"}])
    return {"content": content_of(reply), "models": len(short.models.list().data)}


def what_is_not_served() -> Any:
    return client.embeddings.create(model="echo", input="Hello")


run(
    by_name(
        plain,
        streamed,
        streamed_with_usage,
        helper,
        asynchronous,
        raw,
        raw_stream,
        turns_by_member,
        turns_by_metadata,
        turns_of_a_stream,
        turns_of_a_broken_stream,
        turns_with_messages,
        history_without_a_conversation,
        chat_of_open_webui,
        new_chat_of_open_webui,
        reasoning,
        reasoning_streamed,
        image_by_url,
        image_as_data,
        image_for_an_app_without_files,
        workflow,
        moderated,
        paused,
        unknown_model,
        unknown_model_streamed,
        bad_key,
        bad_key_of_a_chat,
        completion_app,
        app_that_is_gone,
        unknown_conversation,
        several_answers,
        demanded_tool,
        no_user_message,
        too_large,
        failed_run,
        broken_run,
        failed_stream,
        broken_stream,
        broken_stream_of_the_helper,
        attempts,
        too_many_calls,
        models,
        one_model,
        unknown_one_model,
        bound_to_an_app,
        without_v1,
        what_is_not_served,
    )
)
