"""The scripts of the demo apps that are a chatflow: start, model, answer."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator

from workbench.app import DifyEvent
from workbench.apps.conversations import Conversations, Turn
from workbench.apps.events import ChatEvents, GraphEvents, new_id
from workbench.apps.model_calls import ModelCall, chatflow_metadata, tokens
from workbench.apps.proofs import ticks, what_arrived
from workbench.apps.scripted import Script

type Speak = Callable[[ChatEvents, Turn], Iterator[DifyEvent]]

_SELECTOR = ("llm1", "text")


def chatflow(compose: Callable[[Turn], tuple[str, Iterable[str]]], *, takes_images: bool = False) -> Script:
    """The script of an app with conversations of its own.

    `compose` gives a turn's reasoning ("" for none) and its answer, piece by piece.
    """
    conversations = Conversations(forgiving=True, takes_images=takes_images)
    workflow_id = new_id()

    def run(turn: Turn) -> Iterator[DifyEvent]:
        reasoning, pieces = compose(turn)
        return _events(turn, workflow_id, reasoning, pieces)

    return lambda call: run(conversations.next_turn(call))


def plain(turn: Turn) -> tuple[str, Iterable[str]]:
    return "", tokens(f"You said: {turn.query} This answer went from node to node. (turn {turn.number})")


def reasoned(turn: Turn) -> tuple[str, Iterable[str]]:
    reasoning = f"The user says {turn.query!r}. A short answer will do."
    return reasoning, tokens(f"After some thought: you said {turn.query}")


def mirrored(turn: Turn) -> tuple[str, Iterable[str]]:
    return "", tokens(what_arrived(turn))


def endless(_turn: Turn) -> tuple[str, Iterable[str]]:
    return "", ticks()


def _events(turn: Turn, workflow_id: str, reasoning: str, pieces: Iterable[str]) -> Iterator[DifyEvent]:
    chat = ChatEvents(turn.conversation_id)
    graph = GraphEvents(workflow_id, chat.envelope, turn.user)
    count = {"sys.dialogue_count": turn.number}
    yield graph.started(turn.app_id, {"sys.query": turn.query}, files=turn.files, turn=count)
    start_node = graph.node("start1", "start")
    yield start_node.started()
    yield start_node.finished()

    model_node = graph.node("llm1", "llm")
    yield model_node.started()
    start = time.monotonic()
    text = yield from _spoken(chat, reasoning, pieces)
    call = ModelCall(turn.query, text, time.monotonic() - start, reasoning)
    yield call.node_finished(model_node)

    answer_node = graph.node("answer1", "answer")
    outputs = {"answer": text, "files": []}
    yield answer_node.started()
    yield answer_node.finished(outputs=outputs)
    thoughts = {"llm1": reasoning} if reasoning else {}
    yield chat.message_end(chatflow_metadata(call.timed_usage(), thoughts))
    yield graph.finished(outputs, tokens=call.total_tokens)


def _spoken(chat: ChatEvents, reasoning: str, pieces: Iterable[str]) -> Generator[DifyEvent, None, str]:
    """Reasoning first; that it is final is said only after all the text (facts: wire 14.7). Returns the text."""
    said = []
    for token in tokens(reasoning):
        yield chat.reasoning_chunk("llm1", token)
    for piece in pieces:
        said.append(piece)
        yield chat.message(piece, _SELECTOR)
    if reasoning:
        yield chat.reasoning_chunk("llm1", "", is_final=True)
    else:
        yield chat.message("", _SELECTOR)
    yield chat.message("", _SELECTOR)
    return "".join(said)
