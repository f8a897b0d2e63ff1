"""The scenarios of `langchain-openai`, over either of OpenAI's APIs.

Usage: python -m tests.clients.openai.framework_langchain BASE_URL KEY
"""

import sys
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

from tests.clients.openai.scenarios import by_name, run, until_error

BASE_URL, KEY = sys.argv[1:]
PICTURES = ("https://files.example/cat.png", "https://files.example/dog.png")


def model(name: str, *, uses_responses: bool, **more: Any) -> Any:
    return ChatOpenAI(model=name, base_url=BASE_URL, api_key=KEY, use_responses_api=uses_responses, **more)


def text_of(message: BaseMessage) -> str:
    return str(message.text)


def plain(*, uses_responses: bool) -> Any:
    reply = model("echo", uses_responses=uses_responses).invoke("Hello")
    return {"text": text_of(reply), "usage": reply.usage_metadata, "model": reply.response_metadata["model_name"]}


def streamed(*, uses_responses: bool) -> Any:
    chunks = list(model("echo", uses_responses=uses_responses, stream_usage=True).stream("Hello"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return {
        "text": text_of(whole),
        "pieces": sum(1 for chunk in chunks if text_of(chunk)),
        "total_tokens": whole.usage_metadata["total_tokens"],
    }


async def asynchronous(*, uses_responses: bool) -> Any:
    stream = model("echo", uses_responses=uses_responses).astream("Hello")
    return "".join([text_of(chunk) async for chunk in stream])


def turns_by_header(*, uses_responses: bool) -> Any:
    """LangChain keeps no member of a reply that it does not know, but the headers when asked."""
    chat = model("echo", uses_responses=uses_responses, include_response_headers=True)
    first = chat.invoke("one")
    return text_of(chat.invoke("two", extra_body=going_on(first, uses_responses=uses_responses)))


def turns_by_header_of_a_stream(*, uses_responses: bool) -> Any:
    chat = model("echo", uses_responses=uses_responses, include_response_headers=True)
    first, *_ = chat.stream("one")
    again = chat.stream("two", extra_body=going_on(first, uses_responses=uses_responses))
    return "".join(text_of(chunk) for chunk in again)


def going_on(first: BaseMessage, *, uses_responses: bool) -> dict[str, str]:
    member = "conversation" if uses_responses else "conversation_id"
    return {member: first.response_metadata["headers"]["x-conversation-id"]}


def turns_by_previous_response() -> Any:
    chat = model("echo", uses_responses=True, use_previous_response_id=True)
    first = chat.invoke("one")
    return text_of(chat.invoke([HumanMessage("one"), first, HumanMessage("two")]))


def turns_of_a_stream_by_previous_response() -> Any:
    chat = model("echo", uses_responses=True, use_previous_response_id=True)
    first, *rest = chat.stream("one")
    for chunk in rest:
        first += chunk
    return "".join(text_of(chunk) for chunk in chat.stream([HumanMessage("one"), first, HumanMessage("two")]))


def history_without_a_conversation(*, uses_responses: bool) -> Any:
    messages = [SystemMessage("Be brief."), HumanMessage("one"), AIMessage("You said one."), HumanMessage("two")]
    return text_of(model("echo", uses_responses=uses_responses).invoke(messages))


def reasoning(*, uses_responses: bool) -> Any:
    reply = model("reasoning", uses_responses=uses_responses, output_version="v1").invoke("Hello")
    return {"text": text_of(reply), "blocks": blocks_of(reply)}


def reasoning_streamed(*, uses_responses: bool) -> Any:
    first, *rest = model("reasoning", uses_responses=uses_responses, output_version="v1").stream("Hello")
    for chunk in rest:
        first += chunk
    return {"text": text_of(first), "blocks": blocks_of(first)}


def blocks_of(message: BaseMessage) -> list[tuple[str, str]]:
    return [(block["type"], str(block.get("reasoning", block.get("text")))) for block in message.content_blocks]


def image_by_url(*, uses_responses: bool) -> Any:
    parts: list[Any] = [{"type": "text", "text": "Look"}]
    parts += [{"type": "image", "url": url} for url in PICTURES]
    return text_of(model("form", uses_responses=uses_responses).invoke([HumanMessage(content_blocks=parts)]))


def tools_are_offered(*, uses_responses: bool) -> Any:
    def weather(city: str) -> str:
        """The weather in a city."""
        return city

    return text_of(model("echo", uses_responses=uses_responses).bind_tools([weather]).invoke("Hello"))


def unknown_model(*, uses_responses: bool) -> Any:
    return model("no-such-app", uses_responses=uses_responses).invoke("Hello")


def bad_key(*, uses_responses: bool) -> Any:
    other = ChatOpenAI(model="echo", base_url=BASE_URL, api_key="not-the-key", use_responses_api=uses_responses)
    return other.invoke("Hello")


def completion_app(*, uses_responses: bool) -> Any:
    return list(model("completion", uses_responses=uses_responses).stream("Hello"))


def broken_stream(*, uses_responses: bool) -> Any:
    return until_error(model("broken", uses_responses=uses_responses).stream("Hello"), text_of)


def failed_stream(*, uses_responses: bool) -> Any:
    return until_error(model("failing", uses_responses=uses_responses).stream("Hello"), text_of)


BOTH: dict[str, Any] = by_name(
    plain,
    streamed,
    asynchronous,
    turns_by_header,
    turns_by_header_of_a_stream,
    history_without_a_conversation,
    reasoning,
    reasoning_streamed,
    image_by_url,
    tools_are_offered,
    unknown_model,
    bad_key,
    completion_app,
    broken_stream,
    failed_stream,
)
run(
    {
        f"{api} {name}": partial(scenario, uses_responses=api == "responses")
        for api in ("chat", "responses")
        for name, scenario in BOTH.items()
    }
    | by_name(turns_by_previous_response, turns_of_a_stream_by_previous_response)
)
