"""The scenarios of `openai`'s Responses (Python).

Usage: python -m tests.clients.openai.sdk_responses BASE_URL KEY
"""

import sys
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai.types.responses import ResponseInputMessageContentListParam

from tests.clients.openai.scenarios import by_name, run, until_error

BASE_URL, KEY = sys.argv[1:]
PICTURES = ("https://files.example/cat.png", "https://files.example/dog.png")

client = OpenAI(base_url=BASE_URL, api_key=KEY)


def ask(model: str, given: Any = "Hello", **more: Any) -> Any:
    return client.responses.create(model=model, input=given, **more)


def delta_of(event: Any) -> str:
    return event.delta if event.type == "response.output_text.delta" else ""


def plain() -> Any:
    response = ask("echo")
    return {
        "text": response.output_text,
        "status": response.status,
        "model": response.model,
        "error": response.error,
        "output": [(item.type, item.status) for item in response.output],
        "usage": response.usage.model_dump(exclude_unset=True),
        "completed_in": response.completed_at - response.created_at,
        "request_id": response._request_id,
    }


def streamed() -> Any:
    events = list(ask("echo", stream=True))
    return {
        "types": list(dict.fromkeys(event.type for event in events)),
        "numbers": [event.sequence_number for event in events] == list(range(len(events))),
        "text": "".join(delta_of(event) for event in events),
        "final": events[-1].response.output_text,
        "ids": len({event.response.id for event in events if hasattr(event, "response")}),
        "items": len({event.item_id for event in events if hasattr(event, "item_id")}),
    }


def helper() -> Any:
    with client.responses.stream(model="echo", input="Hello") as stream:
        text = "".join(delta_of(event) for event in stream)
        response = stream.get_final_response()
    return {"text": text, "final": response.output_text, "status": response.status}


async def asynchronous() -> Any:
    async with AsyncOpenAI(base_url=BASE_URL, api_key=KEY) as other:
        stream = await other.responses.create(model="echo", input="Hello", stream=True)
        return "".join([delta_of(event) async for event in stream])


def raw() -> Any:
    reply = client.responses.with_raw_response.create(model="echo", input="Hello")
    response: Any = reply.parse()
    return {
        "status": reply.status_code,
        "type": reply.headers["content-type"],
        "conversation_is_a_header": reply.headers["x-conversation-id"] == response.conversation_id,
    }


def turns() -> Any:
    first = ask("echo", "one")
    second = ask("echo", "two", previous_response_id=first.id)
    return [second.output_text, second.previous_response_id == first.id, second.id != first.id]


def turns_of_a_stream() -> Any:
    *_, last = ask("echo", "one", stream=True)
    events = ask("echo", "two", stream=True, previous_response_id=last.response.id)
    return "".join(delta_of(event) for event in events)


def turns_of_the_helper() -> Any:
    with client.responses.stream(model="echo", input="one") as stream:
        first = stream.get_final_response()
    with client.responses.stream(model="echo", input="two", previous_response_id=first.id) as stream:
        return stream.get_final_response().output_text


def turns_of_a_broken_stream() -> Any:
    *_, last = ask("broken", "one", stream=True)
    *_, again = ask("broken", "two", stream=True, previous_response_id=last.response.id)
    return {"statuses": [last.response.status, again.response.status], "ids": last.response.id != again.response.id}


def turns_by_conversation() -> Any:
    first = ask("echo", "one")
    return ask("echo", "two", conversation=first.conversation_id).output_text


def turns_by_member() -> Any:
    first = ask("echo", "one")
    return ask("echo", "two", extra_body={"conversation_id": first.conversation_id}).output_text


def turns_by_metadata() -> Any:
    first = ask("echo", "one")
    return ask("echo", "two", metadata={"conversation_id": first.conversation_id}).output_text


def turns_with_items() -> Any:
    """The first response's output among the input, as it is sent back by who keeps no state on the server."""
    first = ask("echo", "one")
    items = [{"role": "user", "content": "one"}, *(item.model_dump() for item in first.output)]
    return ask("echo", [*items, {"role": "user", "content": "two"}], previous_response_id=first.id).output_text


def history_without_a_conversation() -> Any:
    first = ask("reasoning", "one")
    items = [{"role": "user", "content": "one"}, *(item.model_dump() for item in first.output)]
    return ask("echo", [*items, {"role": "user", "content": "two"}]).output_text


def chat_of_open_webui() -> Any:
    header = {"X-OpenWebUI-Chat-Id": ask("echo").id}
    return [ask("echo", text, extra_headers=header).output_text for text in ("one", "two")]


def reasoning() -> Any:
    response = ask("reasoning")
    thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    return {"types": [item.type for item in response.output], "reasoning": thoughts, "text": response.output_text}


def reasoning_streamed() -> Any:
    events = list(ask("reasoning", stream=True))
    thoughts = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    return {
        "types": [item.type for item in events[-1].response.output],
        "reasoning": "".join(thoughts),
        "text": "".join(delta_of(event) for event in events),
        "indexes": {item.type: index for index, item in enumerate(events[-1].response.output)}
        == {event.item.type: event.output_index for event in events if event.type == "response.output_item.done"},
    }


def reasoning_of_the_helper() -> Any:
    with client.responses.stream(model="reasoning", input="Hello") as stream:
        response = stream.get_final_response()
    thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    return {"reasoning": thoughts, "text": response.output_text}


def image_by_url() -> Any:
    content: ResponseInputMessageContentListParam = [{"type": "input_text", "text": "Look"}]
    content += [{"type": "input_image", "image_url": url, "detail": "auto"} for url in PICTURES]
    return client.responses.create(model="form", input=[{"role": "user", "content": content}]).output_text


def image_as_data() -> Any:
    content: Any = [{"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]
    return client.responses.create(model="form", input=[{"role": "user", "content": content}])


def workflow() -> Any:
    response = ask("workflow")
    return {"text": response.output_text, "usage": response.usage.model_dump(exclude_unset=True)}


def unknown_model() -> Any:
    return ask("no-such-app")


def bad_key() -> Any:
    return OpenAI(base_url=BASE_URL, api_key="not-the-key").responses.create(model="echo", input="Hello", stream=True)


def completion_app() -> Any:
    return ask("completion")


def unknown_previous_response() -> Any:
    return ask("echo", previous_response_id="resp_made-up")


def background() -> Any:
    return ask("echo", background=True)


def failed_run() -> Any:
    return ask("failing")


def failed_stream() -> Any:
    *_, last = ask("failing", stream=True)
    return {"type": last.type, "error": last.response.error.model_dump(exclude_unset=True)}


def broken_stream() -> Any:
    events = list(ask("broken", stream=True))
    return {
        "text": "".join(delta_of(event) for event in events),
        "type": events[-1].type,
        "status": events[-1].response.status,
        "error": events[-1].response.error.model_dump(exclude_unset=True),
    }


def broken_stream_of_the_helper() -> Any:
    """The helper itself raises nothing for a response that failed; it has no final one to give."""
    with client.responses.stream(model="broken", input="Hello") as stream:
        read = until_error(stream, delta_of)
        final = until_error(iter([stream.get_final_response]), lambda get: get().output_text)
    return {"read": read, "final": final["raised"]["message"]}


def stored_response() -> Any:
    return client.responses.retrieve(ask("echo").id)


run(
    by_name(
        plain,
        streamed,
        helper,
        asynchronous,
        raw,
        turns,
        turns_of_a_stream,
        turns_of_the_helper,
        turns_of_a_broken_stream,
        turns_by_conversation,
        turns_by_member,
        turns_by_metadata,
        turns_with_items,
        history_without_a_conversation,
        chat_of_open_webui,
        reasoning,
        reasoning_streamed,
        reasoning_of_the_helper,
        image_by_url,
        image_as_data,
        workflow,
        unknown_model,
        bad_key,
        completion_app,
        unknown_previous_response,
        background,
        failed_run,
        failed_stream,
        broken_stream,
        broken_stream_of_the_helper,
        stored_response,
    )
)
