import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer import Answer
from gateway.detail import Detail
from gateway.events import Failed, Raw
from gateway.protocols.dify.blocking import body_of, body_of_failed
from gateway.view import View
from gateway.wire import json_bytes
from tests.gateway.mutations import broken_runs
from tests.gateway.protocols.dify.dify_replies import (
    ANSWER,
    FULL,
    SERVICE,
    answer_to,
    comparable,
    service_body,
    service_stream,
    staged,
    view_at,
)
from tests.gateway.recorded import RECORDINGS

BODIES: Final = {
    name: service_body(name)
    for name in sorted(path.name.removesuffix(".blocking.json") for path in SERVICE.glob("*.blocking.json"))
}
"""Every blocking body of the Service API that is kept, errors included."""

RUN: Final = [name for name, body in BODIES.items() if "code" not in body]

OTHER_RUN: Final[dict[str, str]] = {
    "chat-errmid": "the provider failed once, and not the other time",
    "chat-mod": "moderated at the end, and not midway",
    "completion-mod": "moderated at the end, and not midway",
    "chat-hostile": "Dify loses a <think> block (departure 2)",
    "chatflow-convvars-turn2": "a turn later in the conversation",
    "chatflow-kb": "hits so far",
    "chatflow-unknown-conversation": "the Service API refuses what the reverse path takes",
    "workflow-kb": "hits so far",
    "workflow-retry-ok": "tries so far",
}
"""Recordings whose two runs were not the same: how."""

STREAMS: Final[dict[str, tuple[Raw, ...]]] = {
    **{name: RECORDINGS[name].dicts for name in RUN if name in RECORDINGS and name != "completion"},
    **{name: tuple(service_stream(name)) for name in ("completion", "completion-mod", "chatflow-mod-short")},
}
"""The streams of the same apps."""


def body(name: str, view: View = FULL) -> Any:
    """As a client reads it."""
    answer = answer_to(staged(STREAMS[name], view), view)
    told = body_of_failed(answer, view) or body_of(answer, view)
    return json.loads(json_bytes(told))


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in OTHER_RUN])
def test_a_body_is_difys_put_together_from_the_stream(name: str) -> None:
    assert comparable(body(name)) == comparable(BODIES[name])


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "chat-errmid"])
def test_the_members_of_a_body_stand_in_difys_order(name: str) -> None:
    told, recorded = body(name), BODIES[name]
    assert list(told) == list(recorded)
    for inner in ("data", "metadata"):
        assert list(told.get(inner, ())) == list(recorded.get(inner, ()))
    assert list(told.get("metadata", {}).get("usage") or ()) == list(recorded.get("metadata", {}).get("usage") or ())


NO_STREAM: Final = {
    "workflow-human-resume-blocking",
    "workflow-inputs",
    "workflow-inputs-localfile",
    "workflow-inputs-remote",
}
"""Bodies of runs of which there is no stream of the same."""


def test_every_other_body_that_is_kept_is_compared() -> None:
    assert set(RUN) - STREAMS.keys() <= NO_STREAM
    assert len(STREAMS) > 40


@pytest.mark.parametrize("name", [name for name in OTHER_RUN if name in STREAMS and name != "chat-errmid"])
def test_every_difference_that_is_excused_is_there(name: str) -> None:
    assert comparable(body(name)) != comparable(BODIES[name])


@pytest.mark.parametrize("name", [name for name, told in BODIES.items() if "code" in told and name in RECORDINGS])
def test_what_dify_refuses_or_fails_with_has_no_body(name: str) -> None:
    """But for agents, which Dify does not run in blocking mode, and a conversation that a chatflow begins anew."""
    events = staged(RECORDINGS[name].stream())
    is_ducks = RECORDINGS[name].mode == "agent-chat" or name == "chatflow-unknown-conversation"
    assert isinstance(events[-1], Failed) is not is_ducks
    if not is_ducks:
        assert body_of_failed(answer_to(events), FULL) is None


@pytest.mark.parametrize("name", ["agent-chat", "agent-png", "agent-mod"])
def test_an_agent_has_a_chats_body(name: str) -> None:
    told = json.loads(json_bytes(body_of(answer_to(staged(RECORDINGS[name].dicts)), FULL)))
    assert list(told) == list(BODIES["chat"])
    assert (told["mode"], bool(told["answer"])) == ("agent-chat", True)


def test_thinking_stays_where_it_is() -> None:
    text = "".join(raw["answer"] for raw in RECORDINGS["chat-think-on"].dicts if "answer" in raw)
    answer = answer_to(staged(RECORDINGS["chat-think-on"].dicts))
    assert (body_of(answer, FULL)["answer"], text[:7]) == (text, "<think>")


@pytest.mark.parametrize("name", ["workflow-human", "chatflow-human"])
def test_the_body_of_a_paused_run_at_answer_has_no_form(name: str) -> None:
    data = body(name, ANSWER)["data"]
    assert (data["paused_nodes"], data["reasons"], data["status"]) == ([], [], "paused")


def test_a_failed_workflow_says_why_at_every_level() -> None:
    told = [body("workflow-fail", view_at(detail))["data"] for detail in Detail]
    assert [(data["status"], data["error"]) for data in told] == [
        ("failed", "The app failed while it was running. The app's log in Dify names the step that failed."),
        ("failed", "[Errno 111] Connection refused"),
        ("failed", "[Errno 111] Connection refused"),
    ]


def test_a_workflow_that_was_broken_off_has_no_body() -> None:
    events = staged(RECORDINGS["workflow"].dicts[:-1])
    assert isinstance(events[-1], Failed)
    assert body_of_failed(answer_to(events), FULL) is None


@pytest.mark.parametrize("name", ["chatflow-kb", "workflow", "chat-kb", "completion"])
def test_at_answer_a_body_has_the_same_members_of_the_same_types(name: str) -> None:
    assert _types(body(name, ANSWER)) == _types(body(name))


def _types(value: Any) -> Any:
    match value:
        case dict():
            return {name: _types(item) for name, item in value.items()}
        case list():
            return [_types(item) for item in value]
        case int() | float():
            return float
        case _:
            return type(value)


def test_an_answer_that_kept_no_closing_dicts_has_a_body_all_the_same() -> None:
    answer = Answer(splits_thinking=False)
    for event in staged(RECORDINGS["chat"].dicts):
        answer.add(event)
    told = body_of(answer, FULL)
    assert (told["answer"], told["metadata"]["usage"]) == (body("chat")["answer"], None)


@given(broken_runs, st.sampled_from(Detail))
def test_any_run_has_a_body_without_raising(dicts: list[Raw], detail: Detail) -> None:
    view = view_at(detail)
    answer = answer_to(staged(dicts, view), view)
    json_bytes(body_of(answer, view))
    json_bytes(body_of_failed(answer, view))
