"""What is described of replies, held against what the writers make of every recording, at each level of detail."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.answer import Answer
from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Kind
from gateway.openapi.native import EVENTS
from gateway.protocols.dify import app_info, records
from gateway.protocols.dify.blocking import body_of, body_of_failed
from gateway.protocols.mcp.reply import write as write_mcp
from gateway.protocols.native import reply as native
from gateway.protocols.native.reply import Form
from gateway.protocols.openai.chat import reply as chat
from gateway.protocols.openai.responses import reply as responses
from gateway.protocols.openai.responses.request import ResponsesRequest
from gateway.settings import App
from gateway.view import View
from gateway.wire import json_bytes
from tests.gateway.openapi.described import faults, is_described
from tests.gateway.protocols.dify import dify_replies as dify
from tests.gateway.protocols.mcp.replies import CALL, LEGACY, MODERN, messages
from tests.gateway.protocols.openai.replies import chunks, sequence, staged
from tests.gateway.recorded import RUNS

DETAILS: Final = pytest.mark.parametrize("detail", [*Detail], ids=lambda detail: detail.name.lower())
ASKED: Final = ResponsesRequest.model_validate({"input": "hi"})
BROKEN: Final = Failed(DuckError("provider_error", "The provider failed.", status=429))

type Described = tuple[str, Any]
"""A schema's name, and what is to be as it says."""


def view_at(detail: Detail) -> View:
    return View(detail, "https://dify.example.com", "", model="support", now=1_790_000_000)


def answer_to(events: Iterable[Event], view: View) -> Answer:
    answer = view.new_answer()
    for event in events:
        answer.add(event)
    return answer


def look(value: object) -> object:
    """What a value looks like, whatever its long texts and its numbers are."""
    match value:
        case dict():
            return tuple((name, look(item)) for name, item in value.items())
        case list():
            return tuple(dict.fromkeys(look(item) for item in value))
        case str() if len(value) < 20:
            return value
        case _:
            return type(value).__name__


def all_faults(told: Iterable[Described]) -> list[str]:
    """What is wrong with any; of those that look alike, one is looked at."""
    different = {(name, look(value)): (name, value) for name, value in told}
    return [f"{name} {fault}" for name, value in different.values() for fault in faults(name, value)]


def runs() -> Iterator[list[Event]]:
    """The events of every run, and of a run that breaks."""
    for run in RUNS.values():
        events = staged(run.stream())
        yield events
        if len(events) > 1:
            yield [events[0], BROKEN]


def lines(events: Iterable[Event], view: View) -> list[dict[str, Any]]:
    body = b"".join(native.writer(Form.NDJSON, view)(iter(list(events))))
    return [json.loads(line) for line in body.split(b"\n") if line]


def ended(events: list[Event], view: View) -> Answer | None:
    """What a run has come to; None for one that has failed."""
    return None if isinstance(events[-1], Failed) else answer_to(events, view)


def native_replies(view: View) -> Iterator[Described]:
    for events in runs():
        for line in lines(events, view):
            yield EVENTS[line["event"]], {name: value for name, value in line.items() if name != "event"}
        if answer := ended(events, view):
            yield "RunResult", json.loads(native.whole(Form.JSON, answer, view))


@DETAILS
def test_native_replies_are_as_they_are_described(detail: Detail) -> None:
    assert all_faults(native_replies(view_at(detail))) == []


def test_each_native_event_that_is_described_is_in_some_reply() -> None:
    seen = {line["event"] for events in runs() for line in lines(events, view_at(Detail.FULL))}
    assert seen == EVENTS.keys()


def test_a_line_of_a_stream_has_its_events_name() -> None:
    (line,) = (line for line in lines(staged(RUNS["chat"].stream()), view_at(Detail.ANSWER)) if line["event"] == "end")
    assert is_described("RunEvent", line)
    assert is_described("RunEvent", {"event": "ping"})
    assert not is_described("RunEvent", {"event": "end"})
    assert not is_described("RunEvent", {**line, "event": "begin"})


def openai_replies(view: View) -> Iterator[Described]:
    for events in runs():
        for chunk in chunks(b"".join(chat.write(iter(events), view, with_usage=True))):
            yield "OpenAIError" if "error" in chunk else "ChatCompletionChunk", chunk
        for event in sequence(b"".join(responses.write(iter(events), ASKED, view))):
            yield "ResponseEvent", event
        if answer := ended(events, view):
            yield "ChatCompletion", json.loads(json_bytes(chat.whole(answer, view)))
            yield "ResponseObject", json.loads(json_bytes(responses.whole(answer, ASKED, view)))


@DETAILS
def test_openais_replies_are_as_they_are_described(detail: Detail) -> None:
    assert all_faults(openai_replies(view_at(detail))) == []


def dify_replies(view: View) -> Iterator[Described]:
    for run in RUNS.values():
        events = dify.staged(run.stream(), view)
        yield from (("DifyEvent", told) for told in dify.objects(dify.written(events, view)))
        answer = dify.answer_to(events, view)
        body = body_of_failed(answer, view) if isinstance(events[-1], Failed) else body_of(answer, view)
        if body is not None:
            yield "DifyWorkflowRun" if answer.is_workflow else "DifyMessage", json.loads(json_bytes(body))


@DETAILS
def test_difys_replies_are_as_they_are_described(detail: Detail) -> None:
    assert all_faults(dify_replies(dify.view_at(detail, dify.ORIGIN))) == []


RECORDED: Final[Mapping[str, str]] = {
    "parameters.*": "DifyParameters",
    "info.*": "DifyInfo",
    "site.*": "DifySite",
    "meta.*": "DifyMeta",
    "*-conv.messages*": "DifyMessages",
    "*.stored-messages": "DifyMessages",
    "*-conv.conversations*": "DifyConversations",
    "*-conv.rename*": "DifyConversation",
    "*-conv.suggested*": "DifySuggestions",
    "*.stop-reply": "DifyResult",
    "files-upload": "DifyFile",
    "workflow-run-detail": "DifyRunDetail",
}
"""Schemas by the recordings of what they describe; refusals among these are no such bodies."""


APP: Final = App("support", "11111111-1111-4111-8111-111111111111")
MADE: Final[Mapping[str, Callable[[Any, View], Any]]] = {
    "DifyParameters": lambda told, _: app_info.parameters(told),
    "DifyInfo": lambda told, view: app_info.info(APP, Kind.CHAT, told, view),
    "DifySite": lambda told, view: app_info.site(APP, told, view),
    "DifyMeta": app_info.meta,
    "DifyMessages": lambda told, view: {**told, "data": [records.message(item, view) for item in told["data"]]},
    "DifyConversations": lambda told, view: {
        **told,
        "data": [records.conversation(item, view) for item in told["data"]],
    },
    "DifyConversation": records.conversation,
    "DifyFile": records.upload,
    "DifyRunDetail": lambda told, view: records.run(told, view, is_chatflow=False),
    "DifySuggestions": lambda told, _: told,
    "DifyResult": lambda told, _: told,
}
"""What Duck makes of Dify's body."""


@DETAILS
@pytest.mark.parametrize(("recordings", "schema"), RECORDED.items())
def test_what_dify_keeps_is_as_it_is_described(recordings: str, schema: str, detail: Detail) -> None:
    paths = [path for path in dify.SERVICE.glob(f"{recordings}.json") if ".meta." not in path.name]
    bodies = [json.loads(path.read_text("utf-8")) for path in paths]
    make, view = MADE[schema], dify.view_at(detail)
    told = [(schema, make(body, view)) for body in bodies if "code" not in body]
    assert told
    assert all_faults(told) == []


def mcp_replies(view: View) -> Iterator[Described]:
    for revision in (MODERN, LEGACY):
        call = replace(CALL, revision=revision)
        for events in runs():
            for message in messages(write_mcp(iter(events), call, view)):
                yield "McpResponse" if "result" in message else "McpProgress", message


@DETAILS
def test_results_of_tools_are_as_they_are_described(detail: Detail) -> None:
    assert all_faults(mcp_replies(view_at(detail))) == []


def test_a_member_that_is_not_described_is_a_fault() -> None:
    events = [*staged(RUNS["chat"].stream())]
    assert isinstance(events[-1], Finished)
    told = json.loads(native.whole(Form.JSON, answer_to(events, view_at(Detail.ANSWER)), view_at(Detail.ANSWER)))
    assert faults("RunResult", told) == []
    assert faults("RunResult", {**told, "more": 1}) != []
    assert faults("RunResult", {**told, "usage": {**told["usage"], "more": 1}}) != []
    assert faults("RunResult", {**told, "status": "unheard of"}) != []
