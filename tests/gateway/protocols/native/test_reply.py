import codecs
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx_sse
import pytest
from httpx_sse._decoders import SSEDecoder
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.answer import Answer
from gateway.decoder import decode
from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import (
    Event,
    Failed,
    File,
    Finished,
    Kind,
    Passed,
    Paused,
    Reasoning,
    Silence,
    Source,
    Sources,
    Started,
    Step,
    Text,
    TextReplaced,
    Tool,
    Usage,
)
from gateway.events import Form as HumanForm
from gateway.links import absolute_links
from gateway.protocols.late import late_writer
from gateway.protocols.native import reply
from gateway.protocols.native.reply import Form, choose
from gateway.protocols.protocol import Streamed, Whole
from gateway.view import View
from tests.gateway.mutations import broken_runs
from tests.gateway.recorded import RUNS, Recording

GOLDEN: Final = Path(__file__).resolve().parents[2] / "golden"
REWRITE_GOLDEN: Final = os.environ.get("REWRITE_GOLDEN") == "1"
"""Writes the golden files anew, as golden/README.md says."""

STREAMED: Final = (Form.SSE, Form.NDJSON, Form.TEXT)
STARTED: Final = Started(Kind.CHAT, "c", "m", "", "t", 1, None)
FINISHED: Final = Finished("succeeded", None, None, "")


def view(detail: Detail = Detail.ANSWER, output: str = "") -> View:
    return View(detail, "https://dify.example.com", output)


def streamed(form: Form, events: Iterable[Event], detail: Detail = Detail.ANSWER, output: str = "") -> bytes:
    return b"".join(reply.writer(form, view(detail, output))(iter(events)))


def answer_to(events: Iterable[Event], output: str = "") -> Answer:
    answer = Answer(output)
    for event in events:
        answer.add(event)
    return answer


def sse_events(body: bytes) -> list[httpx_sse.ServerSentEvent]:
    """What a reader gets that keeps to WHATWG HTML 9.2: lines end at CR, LF or both."""
    decoder = SSEDecoder()
    lines = body.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [event for line in lines if (event := decoder.decode(line)) is not None]


# -- Which form ----------------------------------------------------------------------------------------------------

type Choice = tuple[Form, bool]

STREAM: Final = (Form.SSE, True)
NDJSON: Final = (Form.NDJSON, True)
TEXT: Final = (Form.TEXT, True)
BODY: Final = (Form.JSON, False)
TEXT_BODY: Final = (Form.TEXT, False)

ACCEPTS: Final[Mapping[str, tuple[str | None, Choice, Choice, Choice]]] = {
    "no Accept": (None, STREAM, STREAM, BODY),
    "an empty Accept": ("", STREAM, STREAM, BODY),
    "curl, fetch, httpx, requests": ("*/*", STREAM, STREAM, BODY),
    "axios": ("application/json, text/plain, */*", BODY, NDJSON, BODY),
    "n8n": (
        "application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, */*;q=0.7",
        BODY,
        NDJSON,
        BODY,
    ),
    "Chrome, navigating": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
        STREAM,
        STREAM,
        BODY,
    ),
    "EventSource": ("text/event-stream", STREAM, STREAM, BODY),
    "NDJSON": ("application/x-ndjson", NDJSON, NDJSON, BODY),
    "NDJSON by its other names": ("application/jsonl", NDJSON, NDJSON, BODY),
    "JSON": ("application/json", BODY, NDJSON, BODY),
    "JSON with a parameter": ("application/json; charset=utf-8", BODY, NDJSON, BODY),
    "JSON in capitals": ("APPLICATION/JSON", BODY, NDJSON, BODY),
    "text": ("text/plain", TEXT, TEXT, TEXT_BODY),
    "Java's HttpURLConnection": ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", STREAM, STREAM, BODY),
    "by q": ("application/json;q=0.5, text/event-stream", STREAM, STREAM, BODY),
    "by q, the other way": ("text/event-stream;q=0.5, application/json", BODY, NDJSON, BODY),
    "by order": ("text/plain, application/json", TEXT, TEXT, TEXT_BODY),
    "a type refused": ("application/json;q=0, */*", STREAM, STREAM, BODY),
    "any text": ("text/*", STREAM, STREAM, BODY),
    "any application": ("application/*", BODY, NDJSON, BODY),
    "a wildcard, but no stream of events": ("text/event-stream;q=0, */*", BODY, NDJSON, BODY),
}
"""Accept, and the reply without response_mode, with `streaming` and with `blocking`."""


def accepting(accept: str | None) -> Request:
    headers = [] if accept is None else [("Accept", accept)]
    return Request(EnvironBuilder(headers=headers).get_environ())


@pytest.mark.parametrize("name", ACCEPTS)
def test_a_client_gets(name: str) -> None:
    accept, *expected = ACCEPTS[name]
    assert [choose(mode, accept or "") for mode in ("", "streaming", "blocking")] == expected


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/json;q=0", "image/*, video/*"])
@pytest.mark.parametrize("mode", ["", "streaming", "blocking"])
def test_a_client_that_takes_nothing_duck_has_is_told_what_there_is(accept: str, mode: str) -> None:
    with pytest.raises(DuckError) as refusal:
        choose(mode, accept)
    assert (refusal.value.code, refusal.value.status) == ("not_acceptable", 406)
    named = ("text/event-stream", "application/x-ndjson", "text/plain", "application/json")
    assert all(name in refusal.value.remedy for name in named)


@given(accept=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_accept_is_understood_or_refused(accept: str) -> None:
    try:
        assert choose("", accept)
    except DuckError as refusal:
        assert refusal.status == 406  # noqa: PT017 - a refusal is one of two good ends


def asking(body: bytes, accept: str) -> Request:
    builder = EnvironBuilder(method="POST", data=body, content_type="application/json", headers=[("Accept", accept)])
    return Request(builder.get_environ())


def test_a_request_is_read_with_the_reply_that_it_asks_for() -> None:
    asked, reply_in = reply.read(asking(b'{"query": "hi"}', "*/*"))
    stream = reply_in(view())
    assert (asked.query, stream.content_type) == ("hi", "text/event-stream")
    assert isinstance(stream, Streamed)
    assert b"".join(stream.write(iter([Text("hi", None)]))) == b'event: text\ndata: {"text":"hi"}\n\n'


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("application/json", "application/json", b'{"answer":"hi","status":"succeeded"}'),
        ("text/plain", "text/plain; charset=utf-8", b"hi"),
    ],
)
def test_one_body_is_written_when_it_is_asked_for(accept: str, content_type: str, body: bytes) -> None:
    _, reply_in = reply.read(asking(b'{"response_mode": "blocking"}', accept))
    whole = reply_in(view())
    assert isinstance(whole, Whole)
    assert (whole.content_type, whole.write(answer_to([Text("hi", None), FINISHED]))) == (content_type, body)
    assert whole.is_json == (content_type == "application/json")


# -- Exact bytes ---------------------------------------------------------------------------------------------------

STEP: Final = Step("n1", "node", "llm", "LLM", "failed", 1, "loop1", "boom", 0.5, {"inputs": {"a": 1}}, None)
TOOL: Final = Tool("t1", "search", '{"q": 1}', "found", None)
FILE: Final = File("f1", "image", "https://x/f.png", "f.png", "image/png", 70, None)
SOURCE: Final = Source(1, "T", "https://x", "D", 0.5, "text")
USAGE: Final = Usage(1, 2, 3, 0.1, {"total_price": "0.3", "currency": "USD"})
HUMAN: Final = HumanForm("Approve", "Please", ("OK", "No"))
FAILURE: Final = DuckError("app_failed", "The app failed.", "See its log.", cause="boom")

EVENTS: Final[Mapping[str, tuple[Event, str, dict[str, Any] | None, dict[str, Any] | None, dict[str, Any] | None]]] = {
    "start": (
        STARTED,
        "start",
        {"kind": "chat", "conversation_id": "c", "message_id": "m", "task_id": "t", "created_at": 1},
        None,
        None,
    ),
    "text": (Text("a\nb", None), "text", {"text": "a\nb"}, None, None),
    "reasoning": (Reasoning("hm", None), "reasoning", {"text": "hm"}, None, None),
    "replace": (TextReplaced("", None), "replace", {"text": ""}, None, None),
    "file": (
        FILE,
        "file",
        {
            "id": "f1",
            "type": "image",
            "url": "https://x/f.png",
            "filename": "f.png",
            "mime_type": "image/png",
            "size": 70,
        },
        None,
        None,
    ),
    "sources": (
        Sources((SOURCE,), None),
        "sources",
        {"items": [{"position": 1, "title": "T", "url": "https://x"}]},
        None,
        {"items": [{"position": 1, "title": "T", "url": "https://x", "dataset": "D", "score": 0.5, "content": "text"}]},
    ),
    "step": (
        STEP,
        "step",
        None,
        {
            "id": "n1",
            "kind": "node",
            "type": "llm",
            "title": "LLM",
            "status": "failed",
            "index": 1,
            "parent_id": "loop1",
            "error": "boom",
            "elapsed": 0.5,
        },
        {
            "id": "n1",
            "kind": "node",
            "type": "llm",
            "title": "LLM",
            "status": "failed",
            "index": 1,
            "parent_id": "loop1",
            "error": "boom",
            "elapsed": 0.5,
            "details": {"inputs": {"a": 1}},
        },
    ),
    "tool": (
        TOOL,
        "tool",
        None,
        {"id": "t1", "name": "search", "status": "finished"},
        {"id": "t1", "name": "search", "status": "finished", "input": '{"q": 1}', "output": "found"},
    ),
    "tool, begun": (
        Tool("t1", "search", "", "", None),
        "tool",
        None,
        {"id": "t1", "name": "search", "status": "started"},
        None,
    ),
}
"""An event, its name, and its members at `answer`; at `progress` and `full` where they differ from the level before."""


def _members(name: str) -> dict[Detail, dict[str, Any] | None]:
    _, _, *levels = EVENTS[name]
    shown: dict[Detail, dict[str, Any] | None] = {}
    last: dict[str, Any] | None = None
    for level, members in zip(Detail, levels, strict=True):
        last = members or last
        shown[level] = last
    return shown


@pytest.mark.parametrize("level", Detail, ids=lambda level: level.name.lower())
@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_written_as(name: str, level: Detail) -> None:
    event, called, *_ = EVENTS[name]
    members = _members(name)[level]
    if members is None:
        assert streamed(Form.SSE, [event], level) == streamed(Form.NDJSON, [event], level) == b""
        return
    compact = json.dumps(members, separators=(",", ":"))
    assert streamed(Form.SSE, [event], level) == f"event: {called}\ndata: {compact}\n\n".encode()
    in_line = json.dumps({"event": called, **members}, separators=(",", ":"))
    assert streamed(Form.NDJSON, [event], level) == f"{in_line}\n".encode()


def test_a_whole_stream_is_these_bytes() -> None:
    events: list[Event] = [STARTED, Silence(), Text("hi", None), Finished("succeeded", None, USAGE, "")]
    assert streamed(Form.SSE, events) == (
        b'event: start\ndata: {"kind":"chat","conversation_id":"c","message_id":"m","task_id":"t","created_at":1}\n\n'
        b": ping\n\n"
        b'event: text\ndata: {"text":"hi"}\n\n'
        b'event: end\ndata: {"answer":"hi","conversation_id":"c","message_id":"m",'
        b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"latency":0.1},"status":"succeeded"}\n\n'
    )
    assert streamed(Form.NDJSON, events) == (
        b'{"event":"start","kind":"chat","conversation_id":"c","message_id":"m","task_id":"t","created_at":1}\n'
        b'{"event":"ping"}\n'
        b'{"event":"text","text":"hi"}\n'
        b'{"event":"end","answer":"hi","conversation_id":"c","message_id":"m",'
        b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"latency":0.1},"status":"succeeded"}\n'
    )
    assert streamed(Form.TEXT, events) == b"hi"


@pytest.mark.parametrize("level", Detail, ids=lambda level: level.name.lower())
def test_a_pause_is_told_and_followed_by_the_end(level: Detail) -> None:
    forms = {
        Detail.ANSWER: [],
        Detail.PROGRESS: [{"title": "Approve", "actions": ["OK", "No"]}],
        Detail.FULL: [{"title": "Approve", "actions": ["OK", "No"], "content": "Please"}],
    }[level]
    paused, end = sse_events(streamed(Form.SSE, [STARTED, Paused("r", (HUMAN,), None)], level))[-2:]
    assert (paused.event, paused.json()) == ("paused", {"run_id": "r", **({"forms": forms} if forms else {})})
    assert (end.event, end.json()["status"], end.json().get("forms", [])) == ("end", "paused", forms)


@pytest.mark.parametrize(
    ("level", "said"),
    [
        (Detail.ANSWER, "The app failed. See its log."),
        (Detail.PROGRESS, "The app failed. It reported: boom. See its log."),
        (Detail.FULL, "The app failed. It reported: boom. See its log."),
    ],
    ids=["answer", "progress", "full"],
)
def test_a_failure_is_the_last_word_and_no_end_comes_after_it(level: Detail, said: str) -> None:
    events: list[Event] = [STARTED, Text("hi", None), Failed(FAILURE)]
    error = f'{{"code":"app_failed","status":502,"message":"{said}"}}'
    assert streamed(Form.SSE, events, level).endswith(f"event: error\ndata: {error}\n\n".encode())
    assert b"event: end" not in streamed(Form.SSE, events, level)
    assert streamed(Form.NDJSON, events, level).endswith(b'{"event":"error",' + error[1:].encode() + b"\n")
    assert streamed(Form.TEXT, events, level) == f"hi\n\n[error app_failed: {said}]\n".encode()


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([Text("a", None), Text("b", None), FINISHED], "ab", id="as it comes"),
        pytest.param([Silence(), Text("a", None), Silence(), FINISHED], "a", id="no heartbeat"),
        pytest.param(
            [Text("a", None), TextReplaced("b", None), FINISHED],
            "a\n\n[The app replaced the text above:]\nb",
            id="replaced",
        ),
        pytest.param(
            [Text("a", None), Paused("r", (), None)], "a\n\n[paused: the app waits for a human]\n", id="paused"
        ),
        pytest.param([STEP, TOOL, FILE, Reasoning("hm", None), Text("a", None), FINISHED], "a", id="nothing but text"),
        pytest.param([Finished("succeeded", {"out": "x"}, None, "")], "x", id="an answer that was not streamed"),
        pytest.param(
            [Text("1\nx", None), Finished("succeeded", {"n": 1, "out": "x"}, None, "")], "1\nx", id="streamed outputs"
        ),
        pytest.param([Text("\ud800", None), FINISHED], "?", id="a lone surrogate"),
    ],
)
def test_plain_text_is(events: list[Event], expected: str) -> None:
    assert streamed(Form.TEXT, [STARTED, *events]) == expected.encode()


def test_the_one_body_is_what_the_stream_ends_with() -> None:
    for run in RUNS.values():
        events = list(absolute_links(decode(run.stream()), "https://dify.example.com"))
        if not isinstance(events[-1], Failed):
            for level in Detail:
                end = sse_events(streamed(Form.SSE, events, level))[-1]
                assert json.loads(reply.whole(Form.JSON, answer_to(events), view(level))) == end.json(), run.name


def test_the_one_body_of_text_is_the_answer() -> None:
    answer = answer_to([STARTED, Text("a", None), FILE, FINISHED])
    assert reply.whole(Form.TEXT, answer, view()) == b"a"
    assert reply.whole(Form.TEXT, answer_to([Text("\ud800", None), FINISHED]), view()) == b"?"
    paused = answer_to([Text("a", None), Paused("r", (), None)])
    assert reply.whole(Form.TEXT, paused, view()) == b"a\n\n[paused: the app waits for a human]\n"


def test_the_one_body_has_all_there_is_and_nothing_that_is_not() -> None:
    workflow = Started(Kind.WORKFLOW, "", "", "r", "t", 1, None)
    ending = Finished("partial-succeeded", {"out": "x", "n": 1}, USAGE, "because")
    answer = answer_to([workflow, FILE, Sources((SOURCE,), None), ending])
    assert json.loads(reply.whole(Form.JSON, answer, view(Detail.FULL))) == {
        "answer": "x",
        "run_id": "r",
        "outputs": {"out": "x", "n": 1},
        "reasoning": "because",
        "files": [
            {
                "id": "f1",
                "type": "image",
                "url": "https://x/f.png",
                "filename": "f.png",
                "mime_type": "image/png",
                "size": 70,
            }
        ],
        "sources": [{"position": 1, "title": "T", "url": "https://x", "dataset": "D", "score": 0.5, "content": "text"}],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "latency": 0.1,
            "total_price": "0.3",
            "currency": "USD",
        },
        "status": "partial-succeeded",
    }
    assert json.loads(reply.whole(Form.JSON, answer_to([STARTED, FINISHED]), view())) == {
        "answer": "",
        "conversation_id": "c",
        "message_id": "m",
        "status": "succeeded",
    }


def test_a_workflow_without_outputs_says_so() -> None:
    workflow = Started(Kind.WORKFLOW, "", "", "r", "t", 1, None)
    body = json.loads(reply.whole(Form.JSON, answer_to([workflow, Finished("succeeded", {}, None, "")]), view()))
    assert body == {"answer": "", "run_id": "r", "outputs": {}, "status": "succeeded"}


def test_the_output_named_in_the_settings_is_the_answer() -> None:
    events = [Finished("succeeded", {"a": "x", "b": "y"}, None, "")]
    assert json.loads(streamed(Form.NDJSON, events, output="b"))["answer"] == "y"
    assert streamed(Form.TEXT, events, output="b") == b"y"


@pytest.mark.parametrize("form", [Form.SSE, Form.NDJSON], ids=["SSE", "NDJSON"])
def test_at_full_difys_event_travels_inside(form: Form) -> None:
    raw = {"event": "message", "answer": "hi", "id": "m"}
    body = streamed(form, [Text("hi", raw), Passed({"event": "something_new"})], Detail.FULL)
    assert b'"dify":{"event":"message","answer":"hi","id":"m"}' in body
    assert b'"dify":{"event":"something_new"}' in body
    assert b"dify" not in streamed(form, [Text("hi", raw), Passed({"event": "something_new"})], Detail.PROGRESS)


# -- Under keep_alive ----------------------------------------------------------------------------------------------


def late(*events: Event) -> bytes:
    _, reply_in = reply.read(asking(b"", "application/json"))
    whole = reply_in(view())
    assert isinstance(whole, Whole)
    write = late_writer(answer_to([STARTED, Text("a", None)]), whole, lambda error: error.code.encode())
    return b"".join(write(iter(events)))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [Silence(), Text("b", None), Silence(), FINISHED],
            b'  {"answer":"ab","conversation_id":"c","message_id":"m","status":"succeeded"}',
            id="spaces, then the body",
        ),
        pytest.param([Silence(), Failed(FAILURE)], b" app_failed", id="spaces, then the error's body"),
        pytest.param(
            [Paused("r", (), None)],
            b'{"answer":"a","conversation_id":"c","message_id":"m","status":"paused"}',
            id="paused",
        ),
    ],
)
def test_a_late_body_is(events: list[Event], expected: bytes) -> None:
    assert late(*events) == expected


# -- Every recording -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_a_recorded_stream_reads_back_alike_in_both_forms(run: Recording) -> None:
    events = list(decode(run.stream()))
    for level in Detail:
        from_sse = [(event.event, event.json()) for event in sse_events(streamed(Form.SSE, events, level))]
        lines = streamed(Form.NDJSON, events, level).decode().split("\n")
        from_ndjson = [(line.pop("event"), line) for line in map(json.loads, lines[:-1])]
        assert lines[-1] == ""
        assert from_sse == from_ndjson
        assert [name for name, _ in from_sse if name in ("end", "error")] == [from_sse[-1][0]]


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_a_reader_that_puts_the_pieces_together_has_the_text_of_the_stream(run: Recording) -> None:
    events = list(decode(run.stream()))
    read = ""
    for event in sse_events(streamed(Form.SSE, events)):
        if event.event == "text":
            read += event.json()["text"]
        elif event.event == "replace":
            read = event.json()["text"]
    assert read == answer_to(events).streamed_text


def test_utf_8_is_never_cut_within_a_frame() -> None:
    for run in RUNS.values():
        for form in STREAMED:
            for frame in reply.writer(form, view(Detail.FULL))(decode(run.stream())):
                codecs.decode(frame, "utf-8", "strict")


@pytest.mark.parametrize("form", STREAMED, ids=lambda form: form.name)
def test_one_frame_comes_for_each_event(form: Form) -> None:
    for run in RUNS.values():
        events = list(decode(run.stream()))
        assert len(list(reply.writer(form, view())(iter(events)))) == len(events), run.name


@given(dicts=broken_runs, level=st.sampled_from(Detail), form=st.sampled_from(STREAMED))
def test_any_run_is_written_without_raising(dicts: list[dict[str, Any]], level: Detail, form: Form) -> None:
    body = b"".join(reply.writer(form, view(level))(absolute_links(decode(dicts), "https://dify.example.com")))
    if form is Form.SSE:
        assert sse_events(body)[-1].event in ("end", "error")
        assert all(isinstance(event.json(), dict) for event in sse_events(body))


@given(dicts=broken_runs, level=st.sampled_from(Detail))
def test_any_run_gives_one_body_without_raising(dicts: list[dict[str, Any]], level: Detail) -> None:
    answer = answer_to(absolute_links(decode(dicts), "https://dify.example.com"))
    assert isinstance(json.loads(reply.whole(Form.JSON, answer, view(level))), dict)


# -- Golden files --------------------------------------------------------------------------------------------------

GOLDEN_RUNS: Final = (
    "agent-boom",
    "chat-echo-turn1",
    "chat-errmid",
    "chat-kb",
    "chatflow-fail-branch",
    "chatflow-mod-short",
    "chatflow-think-on-sep",
    "workflow-fail",
    "workflow-human",
    "workflow-objects",
    "workflow-png",
)
EXTENSIONS: Final = {Form.SSE: "sse", Form.NDJSON: "ndjson", Form.TEXT: "txt"}


GOLDEN_FORMS: Final = (
    (Detail.ANSWER, Form.SSE),
    (Detail.PROGRESS, Form.SSE),
    (Detail.FULL, Form.SSE),
    (Detail.PROGRESS, Form.NDJSON),
    (Detail.ANSWER, Form.TEXT),
)


@pytest.mark.parametrize(("level", "form"), GOLDEN_FORMS, ids=lambda value: value.name.lower())
@pytest.mark.parametrize("name", GOLDEN_RUNS)
def test_a_recording_is_written_as_before(name: str, level: Detail, form: Form) -> None:
    file = GOLDEN / f"{name}.{level.name.lower()}.{EXTENSIONS[form]}"
    body = streamed(form, decode(RUNS[name].stream()), level)
    if REWRITE_GOLDEN:
        file.write_bytes(body)
    assert file.read_bytes() == body


def test_every_golden_file_is_of_a_recording() -> None:
    assert {file.name.partition(".")[0] for file in GOLDEN.glob("*.*")} - {"README"} == set(GOLDEN_RUNS)
