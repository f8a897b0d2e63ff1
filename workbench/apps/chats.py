"""The scripts of the demo apps that are a basic chat or an agent."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from workbench.app import DifyEvent
from workbench.apps.conversations import Conversations, Turn
from workbench.apps.events import ChatEvents, Thought, new_id
from workbench.apps.model_calls import ModelCall, chat_metadata, free_usage, tokens
from workbench.apps.proofs import ticks, what_arrived
from workbench.apps.scripted import Script

LONG_ANSWER_TOKENS: Final = 5_000

BROKEN_AFTER_TOKENS: Final = 8

PROVIDER_ERROR: Final = json.dumps(
    {
        "args": {},
        "error_type": "ValueError",
        "message": "{'message': 'fake mid-stream provider error', 'type': 'server_error', 'code': 'fake_mid'}",
    },
    separators=(",", ":"),
)
"""A model provider's failure amid its stream, word for word as recorded in `chat-errmid`."""

MODERATED_ANSWER: Final = "OUTPUT BLOCKED by policy."

MODERATION: Final[Mapping[str, Any]] = {
    "config": {
        "inputs_config": {"enabled": False, "preset_response": ""},
        "keywords": "forbidden\nbadword",
        "outputs_config": {"enabled": True, "preset_response": MODERATED_ANSWER},
    },
    "enabled": True,
    "type": "keywords",
}

TOOL_LABELS: Final = {
    "current_time": {
        "en_US": "Current Time",
        "ja_JP": "Current Time",
        "pt_BR": "Current Time",
        "zh_Hans": "获取当前时间",
    }
}


def chat(speak: Callable[[Turn], Iterator[DifyEvent]], *, takes_images: bool = False) -> Script:
    """The script of an app with conversations of its own, that says `speak` in each turn."""
    conversations = Conversations(forgiving=False, takes_images=takes_images)
    return lambda call: speak(conversations.next_turn(call))


def echo(turn: Turn) -> Iterator[DifyEvent]:
    return _answer(turn, f"You said: {turn.query} (turn {turn.number})")


def slow(turn: Turn) -> Iterator[DifyEvent]:
    return _answer(turn, f"Sorry for the wait. You said: {turn.query}")


def long(turn: Turn) -> Iterator[DifyEvent]:
    return _answer(turn, "".join(f"tok{number} " for number in range(LONG_ANSWER_TOKENS)))


def mirror(turn: Turn) -> Iterator[DifyEvent]:
    return _answer(turn, what_arrived(turn))


def endless(turn: Turn) -> Iterator[DifyEvent]:
    events = ChatEvents(turn.conversation_id)
    return (events.message(tick) for tick in ticks())


def _answer(turn: Turn, text: str) -> Iterator[DifyEvent]:
    return answered(ChatEvents(turn.conversation_id), turn.query, text)


def answered(events: ChatEvents, prompt: str, text: str) -> Iterator[DifyEvent]:
    """A model's answer, word by word, and its end."""
    start = time.monotonic()
    for token in tokens(text):
        yield events.message(token)
    yield events.message("")
    call = ModelCall(prompt, text, time.monotonic() - start)
    yield events.message_end(chat_metadata(call.usage()))


def broken(turn: Turn) -> Iterator[DifyEvent]:
    """The model's provider fails after some tokens."""
    events = ChatEvents(turn.conversation_id)
    for number in range(BROKEN_AFTER_TOKENS):
        yield events.message(f"tok{number} ")
    yield events.error(PROVIDER_ERROR)


def moderated(turn: Turn) -> Iterator[DifyEvent]:
    """The answer is out before it is judged, and then replaced."""
    events = ChatEvents(turn.conversation_id)
    for token in tokens(f"You said: {turn.query}, and now comes a forbidden word."):
        yield events.message(token)
    yield events.message_replace(MODERATED_ANSWER, reason="")
    yield events.message_end(chat_metadata(free_usage("0E-7")))


def agent(turn: Turn) -> Iterator[DifyEvent]:
    """Two rounds: one that calls a tool, one that answers with what the tool said."""
    events = ChatEvents(turn.conversation_id)
    start = time.monotonic()
    intent, now = "I will check the time. ", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    first = Thought(new_id(), position=1)
    yield events.agent_thought(first)
    for text in (intent, "", ""):
        yield events.agent_message(text)
    first = replace(first, thought=intent, tool="current_time", tool_labels=TOOL_LABELS)
    first = replace(first, tool_input=json.dumps({"current_time": {}}))
    yield events.agent_thought(first)
    yield events.agent_thought(replace(first, observation=json.dumps({"current_time": now})))

    answer = f"It is {now} UTC. You said: {turn.query}"
    second = Thought(new_id(), position=2)
    yield events.agent_thought(second)
    for token in [*tokens(answer), ""]:
        yield events.agent_message(token)
    yield events.agent_thought(replace(second, thought=answer))
    call = ModelCall(turn.query, intent + answer, time.monotonic() - start)
    yield events.message_end(chat_metadata(call.usage()))
