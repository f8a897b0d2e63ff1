"""The scenarios of `openai-agents`, over either of OpenAI's APIs.

Usage: python -m tests.clients.openai.framework_agents BASE_URL KEY
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from tests.clients.openai.scenarios import by_name, run, told

BASE_URL, KEY = sys.argv[1:]
PICTURES = ("https://files.example/cat.png", "https://files.example/dog.png")

set_tracing_disabled(True)
client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY)


def weather(city: str) -> str:
    """The weather in a city."""
    return city


def agent(
    app: str, *, uses_responses: bool, settings: ModelSettings | None = None, key: str = "", tools: Sequence[Any] = ()
) -> Any:
    used = AsyncOpenAI(base_url=BASE_URL, api_key=key) if key else client
    model = OpenAIResponsesModel if uses_responses else OpenAIChatCompletionsModel
    return Agent(
        name="duck",
        instructions="Be brief.",
        model=model(model=app, openai_client=used),
        model_settings=settings or ModelSettings(),
        tools=list(tools),
    )


async def plain(*, uses_responses: bool) -> Any:
    result = await Runner.run(agent("echo", uses_responses=uses_responses), "Hello")
    usage = result.context_wrapper.usage
    return {"text": result.final_output, "tokens": [usage.input_tokens, usage.output_tokens, usage.total_tokens]}


async def streamed(*, uses_responses: bool) -> Any:
    result = Runner.run_streamed(agent("echo", uses_responses=uses_responses), "Hello")
    deltas = [event async for event in result.stream_events()]
    return {"pieces": sum(1 for text in map(delta_of, deltas) if text), "text": result.final_output}


def delta_of(event: Any) -> str:
    is_text = event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    return event.data.delta if is_text else ""


async def turns_by_chat_id(*, uses_responses: bool) -> Any:
    settings = ModelSettings(extra_headers={"X-OpenWebUI-Chat-Id": str(uuid4())})
    talker = agent("echo", uses_responses=uses_responses, settings=settings)
    first = await Runner.run(talker, "one")
    second = await Runner.run(talker, [*first.to_input_list(), {"role": "user", "content": "two"}])
    return [first.final_output, second.final_output]


async def turns_by_chat_id_streamed(*, uses_responses: bool) -> Any:
    settings = ModelSettings(extra_headers={"X-OpenWebUI-Chat-Id": str(uuid4())})
    talker = agent("echo", uses_responses=uses_responses, settings=settings)
    outputs = []
    for text in ("one", "two"):
        result = Runner.run_streamed(talker, text)
        outputs.append("".join([delta_of(event) async for event in result.stream_events()]))
    return outputs


async def turns_by_previous_response() -> Any:
    talker = agent("echo", uses_responses=True)
    first = await Runner.run(talker, "one")
    second = await Runner.run(talker, "two", previous_response_id=first.last_response_id)
    return second.final_output


async def turns_of_a_stream_by_previous_response() -> Any:
    talker = agent("echo", uses_responses=True)
    first = Runner.run_streamed(talker, "one")
    async for _ in first.stream_events():
        pass
    second = Runner.run_streamed(talker, "two", previous_response_id=first.last_response_id)
    return "".join([delta_of(event) async for event in second.stream_events()])


async def history_without_a_conversation(*, uses_responses: bool) -> Any:
    talker = agent("echo", uses_responses=uses_responses)
    first = await Runner.run(talker, "one")
    second = await Runner.run(talker, [*first.to_input_list(), {"role": "user", "content": "two"}])
    return second.final_output


async def reasoning(*, uses_responses: bool) -> Any:
    result = await Runner.run(agent("reasoning", uses_responses=uses_responses), "Hello")
    return {"thoughts": thoughts_of(result), "text": result.final_output}


async def reasoning_streamed(*, uses_responses: bool) -> Any:
    result = Runner.run_streamed(agent("reasoning", uses_responses=uses_responses), "Hello")
    async for _ in result.stream_events():
        pass
    return {"thoughts": thoughts_of(result), "text": result.final_output}


def thoughts_of(result: Any) -> list[str]:
    items = [item.raw_item for item in result.new_items if item.type == "reasoning_item"]
    return [part.text for item in items for part in (item.content or item.summary)]


async def image_by_url(*, uses_responses: bool) -> Any:
    parts: list[Any] = [{"type": "input_text", "text": "Look"}]
    parts += [{"type": "input_image", "image_url": url, "detail": "auto"} for url in PICTURES]
    result = await Runner.run(agent("form", uses_responses=uses_responses), [{"role": "user", "content": parts}])
    return result.final_output


async def tools_are_offered(*, uses_responses: bool) -> Any:
    result = await Runner.run(agent("echo", uses_responses=uses_responses, tools=[function_tool(weather)]), "Hello")
    return result.final_output


async def unknown_model(*, uses_responses: bool) -> Any:
    return await Runner.run(agent("no-such-app", uses_responses=uses_responses), "Hello")


async def bad_key(*, uses_responses: bool) -> Any:
    return await Runner.run(agent("echo", uses_responses=uses_responses, key="not-the-key"), "Hello")


async def completion_app(*, uses_responses: bool) -> Any:
    return await Runner.run(agent("completion", uses_responses=uses_responses), "Hello")


async def broken_stream(*, uses_responses: bool) -> Any:
    return await read_until_error(Runner.run_streamed(agent("broken", uses_responses=uses_responses), "Hello"))


async def failed_stream(*, uses_responses: bool) -> Any:
    return await read_until_error(Runner.run_streamed(agent("failing", uses_responses=uses_responses), "Hello"))


async def read_until_error(result: Any) -> Any:
    text = ""
    try:
        async for event in result.stream_events():
            text += delta_of(event)
    except Exception as error:  # noqa: BLE001 - what a client raises is what the test is about
        return {"text": text, "raised": told(error)}
    return {"text": text, "raised": None}


BOTH: dict[str, Any] = by_name(
    plain,
    streamed,
    turns_by_chat_id,
    turns_by_chat_id_streamed,
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
