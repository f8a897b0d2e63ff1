import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.decoder import decode
from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Kind, Passed, Raw, Silence, Started, Text
from gateway.protocols import dify
from gateway.protocols.dify.reply import write
from gateway.protocols.protocol import Reply, Streamed, Whole
from gateway.wire import json_bytes
from tests.gateway.mutations import broken_runs
from tests.gateway.protocols.dify.dify_replies import (
    ANSWER,
    FULL,
    PROGRESS,
    SERVICE,
    answer_to,
    comparable,
    objects,
    service_stream,
    staged,
    view_at,
    written,
)
from tests.gateway.recorded import RECORDINGS, RUNS, Recording

STREAMED: Final = sorted(path.name.removesuffix(".streaming.sse") for path in SERVICE.glob("*.streaming.sse"))
"""Every streamed reply of the Service API that is kept."""

BOTH: Final = [name for name in STREAMED if name in RECORDINGS]
"""Those whose case was recorded by reverse invocation too."""

# -- The two ways to Dify, and what each tells -----------------------------------------------------------------------

DEPARTURES: Final[dict[str, tuple[str, list[str], list[str]]]] = {
    "chat-401": ("a failure before anything else is an HTTP error", [], []),
    "chat-err0": ("a failure before anything else is an HTTP error", [], []),
    "chatflow-mod-input": ("Dify's own error behind the answer", [], ["workflow_started", "workflow_finished"]),
    "completion": ("the reverse path can't run a text generator", ["error"], ["message"] * 21 + ["message_end"]),
    **dict.fromkeys(
        ("workflow-full-badjson", "workflow-full-missing", "workflow-inputs-missing"),
        ("inputs that the form refuses are an HTTP error", ["error"], ["workflow_started", "workflow_finished"]),
    ),
}
"""Recordings of which the two ways tell different events: why, and which ones only Duck and only Dify has."""

TIMING: Final[dict[str, str]] = {
    "chat-mod": "four tokens more before the moderation's first check",
    "chatflow-stop": "one token more before the stop",
    "chatflow-parallel-join": "which branch was first",
    "workflow-parallel-fail": "which branch was first",
}
"""Recordings whose two runs were not the same, because of when things happened: why."""

OTHER_RUN: Final[dict[str, str]] = {
    **TIMING,
    "chatflow-iterlist-par": "which round was first",
    "workflow-iterlist-par": "which round was first",
    "chatflow-convvars-turn2": "a turn later in the conversation",
    "workflow-err0": "another query",
    "workflow-kb": "hits so far",
    "workflow-retry-ok": "tries so far",
}
"""Recordings whose two runs differ in what was asked or found: how."""


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


@pytest.mark.parametrize("name", [name for name in BOTH if name not in DEPARTURES.keys() | TIMING.keys()])
def test_a_run_by_reverse_invocation_is_told_as_the_service_api_tells_it(name: str) -> None:
    told = objects(written(staged(RECORDINGS[name].stream())))
    assert names(told) == names(service_stream(name))
    if name not in OTHER_RUN:
        assert comparable(told) == comparable(service_stream(name))


@pytest.mark.parametrize("name", DEPARTURES)
def test_where_the_two_ways_differ_nothing_else_does(name: str) -> None:
    _, only_ducks, only_difys = DEPARTURES[name]
    duck = names(objects(written(staged(RECORDINGS[name].stream()))))
    by_service_api = names(service_stream(name))
    common = duck[: len(duck) - len(only_ducks)]
    assert (duck, by_service_api) == (common + only_ducks, common + only_difys)


@pytest.mark.parametrize("name", TIMING)
def test_runs_that_were_not_the_same_have_the_same_kinds_of_events(name: str) -> None:
    told = objects(written(staged(RECORDINGS[name].stream())))
    assert set(names(told)) == set(names(service_stream(name)))
    assert names(told)[-1] == names(service_stream(name))[-1]


def test_every_difference_that_is_excused_is_there() -> None:
    """So that no line of the lists above outlives its reason."""
    for name in (*DEPARTURES, *OTHER_RUN):
        told = objects(written(staged(RECORDINGS[name].stream())))
        if name not in ("chat-401", "chat-err0"):
            assert comparable(told) != comparable(service_stream(name)), name


def test_the_reverse_path_has_more_at_the_end_of_a_failed_and_of_a_stopped_chatflow() -> None:
    """So that the departures which the writer undoes are seen in the recordings."""
    assert [raw["event"] for raw in RECORDINGS["chatflow-fail"].dicts][-2:] == ["workflow_finished", "error"]
    assert names(service_stream("chatflow-fail"))[-1] == "workflow_finished"
    assert [raw["event"] for raw in RECORDINGS["chatflow-mod"].dicts][-2:] == ["workflow_finished", "message_end"]
    assert names(service_stream("chatflow-mod"))[-1] == "workflow_finished"


def is_refused(recorded: list[dict[str, Any]]) -> bool:
    """Whether a workflow's form refused the inputs (departure 3)."""
    *_, last = recorded
    return (
        "required in input form" in (error := str(last.get("data", {}).get("error"))) or "in input form must" in error
    )


@pytest.mark.parametrize("name", STREAMED)
def test_a_run_by_the_service_api_is_told_as_it_came(name: str) -> None:
    recorded = service_stream(name)
    told = objects(written(staged(recorded)))
    if names(recorded) == ["error"] or is_refused(recorded):
        assert names(told) == ["error"]
        return
    if name == "chatflow-mod-input":
        recorded = recorded[:-2]  # departure 4
    assert comparable(told) == comparable(recorded)
    assert [list(event) for event in told] == [list(event) for event in recorded]


@pytest.mark.parametrize("name", STREAMED)
def test_ducks_bytes_are_difys(name: str) -> None:
    body = (SERVICE / f"{name}.streaming.sse").read_bytes()
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert [json_bytes(json.loads(line)) for line in lines] == lines


@pytest.mark.parametrize("name", [name for name in BOTH if name not in DEPARTURES.keys() | TIMING.keys()])
def test_the_members_of_an_event_stand_in_difys_order(name: str) -> None:
    told = objects(written(staged(RECORDINGS[name].stream())))
    assert [list(event) for event in told] == [list(event) for event in service_stream(name)]


@pytest.mark.parametrize("name", ["chat", "agent-chat", "chat-hostile"])
def test_the_text_of_a_chat_is_byte_for_byte_as_the_service_api_sends_it(name: str) -> None:
    """But for ids and times."""
    told = [event for event in objects(written(staged(RECORDINGS[name].stream()))) if "answer" in event]
    recorded = [event for event in service_stream(name) if "answer" in event]
    assert json_bytes(comparable(told)) == json_bytes(comparable(recorded))


# -- Failures --------------------------------------------------------------------------------------------------------

ENVELOPE: Final[Raw] = {"conversation_id": "c", "message_id": "m", "created_at": 1}
TEXT: Final[Raw] = {"event": "message", **ENVELOPE, "task_id": "t", "id": "m", "answer": "Hi"}
TIMEOUT: Final = DuckError("run_timeout", "It took too long.", "Raise it.")
STARTED: Final = Started(Kind.CHAT, "c", "m", "", "t", 1, None)
RUN_STARTED: Final[Raw] = {"event": "workflow_started", "workflow_run_id": "r", "task_id": "t", "data": {"id": "r"}}


def last(events: list[Event]) -> dict[str, Any]:
    return objects(written(events, ANSWER))[-1]


def test_a_failure_of_ducks_own_is_an_error_event_of_difys() -> None:
    assert last([STARTED, Text("Hi", TEXT), Failed(TIMEOUT)]) == {
        "event": "error",
        **ENVELOPE,
        "code": "gateway_timeout",
        "status": 504,
        "message": "It took too long. Raise it.",
    }


def test_an_error_behind_a_ping_names_the_message() -> None:
    events: list[Event] = [STARTED, Text("Hi", TEXT), Passed({"event": "ping"}), Failed(TIMEOUT)]
    assert ENVELOPE.items() <= last(events).items()


def test_an_error_of_a_workflow_names_the_run() -> None:
    started = Started(Kind.WORKFLOW, "", "", "r", "t", 1, RUN_STARTED)
    assert list(last([started, Failed(TIMEOUT)]).items())[:2] == [("event", "error"), ("workflow_run_id", "r")]


def test_an_error_of_difys_has_its_code_and_status_and_ducks_sentence() -> None:
    *_, recorded = service_stream("chat-errmid")
    *_, told = objects(written(staged(RECORDINGS["chat-errmid"].stream()), ANSWER))
    assert {name: told[name] for name in ("event", "code", "status")} == {
        name: recorded[name] for name in ("event", "code", "status")
    }
    assert told["message"] == (
        "The app's model provider failed: fake mid-stream provider error. Its operator finds the provider under "
        "Settings, Model Provider in Dify."
    )


@pytest.mark.parametrize("view", [ANSWER, PROGRESS, FULL], ids=["answer", "progress", "full"])
@pytest.mark.parametrize("name", ["workflow-fail", "chatflow-fail", "chatflow-nel", "workflow-boom"])
def test_a_failed_run_says_why_in_its_last_event_and_only_there(name: str, view: Any) -> None:
    told = objects(written(staged(RECORDINGS[name].stream()), view))
    assert (told[-1]["event"], told[-1]["data"]["status"]) == ("workflow_finished", "failed")
    assert told[-1]["data"]["error"]
    assert "error" not in names(told)


def test_a_failure_after_a_good_run_is_still_told() -> None:
    finished = {**RUN_STARTED, "event": "workflow_finished", "data": {"status": "succeeded"}}
    assert names(objects(written([Passed(finished), Failed(TIMEOUT)]))) == ["workflow_finished", "error"]


def test_the_cause_of_a_failure_is_told_from_progress_on() -> None:
    error = DuckError("app_failed", "It failed.", cause="no bread")
    told = [objects(written([STARTED, Failed(error)], view))[-1]["message"] for view in (ANSWER, PROGRESS, FULL)]
    assert told == ["It failed.", "It failed. It reported: no bread.", "It failed. It reported: no bread."]


# -- Frames ----------------------------------------------------------------------------------------------------------


def test_a_heartbeat_is_difys_ping() -> None:
    assert written([STARTED, Silence()]) == b"event: ping\n\n"


def test_a_ping_of_difys_is_a_ping() -> None:
    assert written([Passed({"event": "ping"})], ANSWER) == b"event: ping\n\n"


def test_a_frame_is_difys_byte_for_byte() -> None:
    raw = {"answer": "é\u2028\n", "created_at": 1, "event": "message", "message_id": "m", "x": 1}
    assert written([Text("é\u2028\n", raw)]) == (
        'data: {"event":"message","message_id":"m","created_at":1,"answer":"é\u2028\\n","x":1}\n\n'.encode()
    )


@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_each_event_is_one_frame(run: Recording) -> None:
    events = staged(run.stream(), ANSWER)
    assert len(list(write(iter(events), ANSWER))) == len(events)


def test_relative_links_are_absolute() -> None:
    raw = {"event": "message_file", **ENVELOPE, "id": "f", "type": "image", "url": "/files/tools/01234567-89.png"}
    told = objects(written(staged([raw], ANSWER), ANSWER))
    assert told[0]["url"] == "https://dify.example.com/files/tools/01234567-89.png"


def test_the_handle_of_a_conversation_is_passed_on_as_it_comes() -> None:
    assert (
        objects(written([STARTED, Text("Hi", {**TEXT, "conversation_id": "handle"})], ANSWER))[0]["conversation_id"]
        == "handle"
    )


@given(broken_runs, st.sampled_from(Detail))
def test_any_run_is_written_without_raising(dicts: list[Raw], detail: Detail) -> None:
    objects(written(staged(dicts), view_at(detail)))


# -- The reply -------------------------------------------------------------------------------------------------------


def reply_to(**members: Any) -> Reply:
    request = Request(EnvironBuilder(method="POST", json={"query": "hi", **members}).get_environ())
    _, reply_in = dify.CHAT_MESSAGES.read(request)
    return reply_in(ANSWER)


def test_a_stream_has_difys_content_type() -> None:
    reply = reply_to(response_mode="streaming")
    assert isinstance(reply, Streamed)
    assert (reply.content_type, dict(reply.headers)) == ("text/event-stream; charset=utf-8", {})
    assert b"".join(reply.write(decode([TEXT, {**TEXT, "event": "message_end"}]))).count(b"data: ") == 2


@pytest.mark.parametrize("members", [{}, {"response_mode": None}, {"response_mode": "blocking"}])
def test_one_body_is_difys_default(members: dict[str, Any]) -> None:
    reply = reply_to(**members)
    assert isinstance(reply, Whole)
    assert (reply.content_type, reply.is_json) == ("application/json; charset=utf-8", True)
    events = [*staged([TEXT]), Finished("succeeded", None, None, "")]
    body = json.loads(reply.write(answer_to(events, ANSWER)))
    assert (body["event"], body["mode"], body["answer"]) == ("message", "chat", "Hi")


def test_thinking_is_left_in_the_text() -> None:
    protocols = (dify.CHAT_MESSAGES, dify.COMPLETION_MESSAGES, dify.WORKFLOWS_RUN)
    assert [protocol.may_split_thinking for protocol in protocols] == [False, False, False]
