"""The scripts of the demo apps that are a chatflow: start, model, answer."""

import time
from collections.abc import Callable, Iterator

from workbench.app import DifyEvent
from workbench.apps.conversations import Conversations, Turn
from workbench.apps.events import ChatEvents, GraphEvents, new_id
from workbench.apps.model_calls import ModelCall, chatflow_metadata, tokens
from workbench.apps.scripted import Script

type Speak = Callable[[ChatEvents, Turn], Iterator[DifyEvent]]

_SELECTOR = ("llm1", "text")


def chatflow(compose: Callable[[Turn], tuple[str, str]]) -> Script:
    """The script of an app with conversations of its own; `compose` gives a turn's reasoning ("" for none) and text."""
    conversations = Conversations(forgiving=True)
    workflow_id = new_id()

    def run(turn: Turn) -> Iterator[DifyEvent]:
        reasoning, text = compose(turn)
        return _events(turn, workflow_id, reasoning, text)

    return lambda call: run(conversations.next_turn(call))


def plain(turn: Turn) -> tuple[str, str]:
    return "", f"You said: {turn.query} This answer went from node to node. (turn {turn.number})"


def reasoned(turn: Turn) -> tuple[str, str]:
    reasoning = f"The user says {turn.query!r}. A short answer will do."
    return reasoning, f"After some thought: you said {turn.query}"


def _events(turn: Turn, workflow_id: str, reasoning: str, text: str) -> Iterator[DifyEvent]:
    chat = ChatEvents(turn.conversation_id)
    graph = GraphEvents(workflow_id, chat.envelope)
    system = {"sys.dialogue_count": turn.number, "sys.query": turn.query}
    yield graph.started(turn.app_id, system)
    start_node = graph.node("start1", "start")
    yield start_node.started()
    yield start_node.finished()

    model_node = graph.node("llm1", "llm")
    yield model_node.started()
    start = time.monotonic()
    yield from _spoken(chat, reasoning, text)
    call = ModelCall(turn.query, text, time.monotonic() - start, reasoning)
    yield call.node_finished(model_node)

    answer_node = graph.node("answer1", "answer")
    outputs = {"answer": text, "files": []}
    yield answer_node.started()
    yield answer_node.finished(outputs=outputs)
    thoughts = {"llm1": reasoning} if reasoning else {}
    yield chat.message_end(chatflow_metadata(call.timed_usage(), thoughts))
    yield graph.finished(outputs, tokens=call.total_tokens)


def _spoken(chat: ChatEvents, reasoning: str, text: str) -> Iterator[DifyEvent]:
    """Reasoning first; that it is final is said only after all the text (facts: wire 14.7)."""
    for token in tokens(reasoning):
        yield chat.reasoning_chunk("llm1", token)
    for token in tokens(text):
        yield chat.message(token, _SELECTOR)
    if reasoning:
        yield chat.reasoning_chunk("llm1", "", is_final=True)
    else:
        yield chat.message("", _SELECTOR)
    yield chat.message("", _SELECTOR)
