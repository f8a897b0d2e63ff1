import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.decoder import decode
from gateway.detail import Detail
from gateway.errors import STATUS, DuckError
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
from gateway.protocols.openai import responses
from gateway.protocols.openai.chat.reply import REPLACED
from gateway.protocols.openai.responses.reply import whole, write
from gateway.protocols.openai.responses.request import ResponsesRequest
from gateway.protocols.protocol import Streamed, Whole
from gateway.thinking import split_thinking
from gateway.view import View
from tests.gateway.mutations import broken_runs
from tests.gateway.protocols.openai.replies import FULL, NOW, VIEW, answer_to, blocks, sequence, staged
from tests.gateway.recorded import RUNS, Recording

STARTED: Final = Started(Kind.CHAT, "handle.signature", "0b1c-2d3e", "", "t", 1_700_000_000, None)
FINISHED: Final = Finished("succeeded", None, None, "")
USAGE: Final = Usage(3, 4, 7, 0.1, {"total_price": "0.25", "currency": "USD"})
PAUSED: Final = "[paused: the app waits for a human]"
STOPPED: Final = "[stopped: the run was ended in Dify]"
PICTURE: Final = File("f1", "image", "https://x/f.png?sign=1", "f.png", "image/png", 70, None)
FAILURE: Final = DuckError("app_failed", "The app failed.", "See its log.", cause="boom")
ASKED: Final = ResponsesRequest(input="hi")
ID: Final = "resp_handle.signature.0b1c2d3e"

REQUIRED: Final = frozenset(
    """
    id object created_at completed_at status background error incomplete_details instructions max_output_tokens
    max_tool_calls model output parallel_tool_calls previous_response_id prompt_cache_key reasoning safety_identifier
    service_tier store temperature text tool_choice tools top_logprobs top_p presence_penalty frequency_penalty
    truncation usage user metadata
    """.split()
)
"""Members that a response must have, nulls too (protocols.md, section 4)."""

FAILURE_CODES: Final = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt"})
"""Those of the official client's `ResponseError.code` that an app without images can give (openai 3.54)."""


def streamed(events: Iterable[Event], view: View = VIEW, asked: ResponsesRequest = ASKED) -> bytes:
    return b"".join(write(iter(events), asked, view))


def asking(**members: Any) -> Request:
    return Request(EnvironBuilder(method="POST", json=members).get_environ())


# -- Which reply ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [{}, {"stream": False}, {"stream": None}], ids=["left out", "false", "null"])
def test_without_stream_it_is_one_body(stream: dict[str, Any]) -> None:
    asked, reply_in = responses.read(asking(input="hi", **stream))
    reply = reply_in(VIEW)
    assert isinstance(reply, Whole)
    assert (asked.query, reply.content_type, reply.is_json) == ("hi", "application/json", True)
    assert json.loads(reply.write(answer_to([STARTED, Text("yes", None), FINISHED])))["object"] == "response"


def test_a_stream_is_events() -> None:
    _, reply_in = responses.read(asking(input="hi", stream=True))
    reply = reply_in(VIEW)
    assert isinstance(reply, Streamed)
    assert (reply.content_type, dict(reply.headers)) == ("text/event-stream", {})
    assert b"".join(reply.write(iter([STARTED, FINISHED]))).startswith(b"event: response.created\n")


# -- Exact bytes ---------------------------------------------------------------------------------------------------

RESPONSE: Final = (
    f'{{"id":"{ID}","object":"response","created_at":1700000000,"completed_at":%s,"status":"%s","background":false,'
    '"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,'
    '"model":"support","output":[%s],"parallel_tool_calls":false,"previous_response_id":null,"prompt_cache_key":null,'
    '"reasoning":{"effort":null,"summary":null},"safety_identifier":null,"service_tier":"default","store":false,'
    '"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,'
    '"presence_penalty":0.0,"frequency_penalty":0.0,"truncation":"disabled","usage":null,"user":null,"metadata":{},'
    '"conversation_id":"handle.signature"}'
)
BEGUN: Final = RESPONSE % ("null", "in_progress", "")
PLACE: Final = '"item_id":"msg_handle.signature.0b1c2d3e_0","output_index":0,"content_index":0'
ITEM: Final = (
    '{"id":"msg_handle.signature.0b1c2d3e_0","type":"message","status":"%s","role":"assistant","content":[%s]}'
)
PART: Final = '{"type":"output_text","text":"%s","annotations":[],"logprobs":[]}'


def test_a_whole_stream_is_these_bytes() -> None:
    done = ITEM % ("completed", PART % "Hello")
    expected = [
        ("response.created", f'"response":{BEGUN}'),
        ("response.in_progress", f'"response":{BEGUN}'),
        ("response.output_item.added", f'"output_index":0,"item":{ITEM % ("in_progress", "")}'),
        ("response.content_part.added", f'{PLACE},"part":{PART % ""}'),
        ("response.output_text.delta", f'{PLACE},"delta":"Hel","logprobs":[]'),
        ("response.output_text.delta", f'{PLACE},"delta":"lo","logprobs":[]'),
        ("response.output_text.done", f'{PLACE},"text":"Hello","logprobs":[]'),
        ("response.content_part.done", f'{PLACE},"part":{PART % "Hello"}'),
        ("response.output_item.done", f'"output_index":0,"item":{done}'),
        ("response.completed", f'"response":{RESPONSE % (NOW, "completed", done)}'),
    ]
    events: list[Event] = [STARTED, Text("Hel", None), Silence(), Text("lo", None), FINISHED]
    body = streamed(events).decode()
    assert body.count(": ping\n\n") == 1
    assert body.replace(": ping\n\n", "") == "".join(
        f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{members}}}\n\n'
        for number, (name, members) in enumerate(expected)
    )


def test_reasoning_is_an_item_of_its_own_before_the_message() -> None:
    events: list[Event] = [STARTED, Reasoning("h", None), Reasoning("m", None), Text("a", None), FINISHED]
    found = sequence(streamed(events))
    assert [event["type"].removeprefix("response.") for event in found] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    reasoning = {
        "id": "rs_handle.signature.0b1c2d3e_0",
        "type": "reasoning",
        "status": "completed",
        "summary": [{"type": "summary_text", "text": "hm"}],
    }
    message = json.loads(ITEM.replace("e_0", "e_1", 1) % ("completed", PART % "a"))
    assert found[-1]["response"]["output"] == [reasoning, message]
    assert whole(answer_to(events), ASKED, VIEW) == found[-1]["response"]


def test_reasoning_that_dify_tells_at_the_end_only_is_an_item_too() -> None:
    events: list[Event] = [STARTED, Text("a", None), Finished("succeeded", None, None, "hm")]
    last = sequence(streamed(events))[-1]["response"]
    assert [item["type"] for item in last["output"]] == ["message", "reasoning"]
    assert [item["type"] for item in whole(answer_to(events), ASKED, VIEW)["output"]] == ["reasoning", "message"]


def test_a_limit_of_the_provider_keeps_its_code() -> None:
    limited = Failed(DuckError("provider_error", "Too many.", status=429))
    assert sequence(streamed([STARTED, limited]))[-1]["response"]["error"]["code"] == "rate_limit_exceeded"


def test_the_reply_repeats_what_the_caller_set() -> None:
    asked = ResponsesRequest(
        input="hi",
        instructions="Be brief.",
        previous_response_id="resp_a.b.c",
        temperature=0,
        top_p=0.5,
        user="ann",
        safety_identifier="s",
        metadata={"a": "1"},
    )
    told = whole(answer_to([STARTED, FINISHED]), asked, VIEW)
    assert {name: told[name] for name in asked.model_fields_set - {"input"}} == {
        "instructions": "Be brief.",
        "previous_response_id": "resp_a.b.c",
        "temperature": 0,
        "top_p": 0.5,
        "user": "ann",
        "safety_identifier": "s",
        "metadata": {"a": "1"},
    }


def test_a_workflow_is_named_by_its_run_and_has_no_conversation() -> None:
    workflow = Started(Kind.WORKFLOW, "", "", "9-8-7", "t", 0, None)
    told = whole(answer_to([workflow, Finished("succeeded", {"out": "x"}, None, "")]), ASKED, VIEW)
    assert (told["id"], told["created_at"], "conversation_id" in told) == ("resp_987", NOW, False)


# -- What a text can't say by itself -------------------------------------------------------------------------------


def texts(response: dict[str, Any]) -> list[str]:
    """The texts of the messages among the output items."""
    return [item["content"][0]["text"] for item in response["output"] if item["type"] == "message"]


@pytest.mark.parametrize(
    ("events", "in_stream", "in_body"),
    [
        pytest.param([Text("a", None), Text("b", None), FINISHED], ["ab"], "ab", id="as it comes"),
        pytest.param([FINISHED], [""], "", id="no answer"),
        pytest.param([Reasoning("hm", None), FINISHED], [""], "", id="nothing but thoughts"),
        pytest.param([Text("a", None), TextReplaced("b", None), FINISHED], [f"a{REPLACED}b"], "b", id="replaced"),
        pytest.param([TextReplaced("b", None), FINISHED], ["b"], "b", id="replaced before anything was said"),
        pytest.param([TextReplaced("", None), FINISHED], [""], "", id="replaced by nothing"),
        pytest.param([Text("a", None), Paused("r", (), None)], [f"a\n\n{PAUSED}"], f"a\n\n{PAUSED}", id="paused"),
        pytest.param([Paused("r", (), None)], [PAUSED], PAUSED, id="paused before anything was said"),
        pytest.param(
            [Text("a", None), Finished("stopped", None, None, "")],
            [f"a\n\n{STOPPED}"],
            f"a\n\n{STOPPED}",
            id="stopped",
        ),
        pytest.param([Finished("succeeded", {"out": "x"}, None, "")], ["x"], "x", id="outputs that were not streamed"),
        pytest.param(
            [PICTURE, Text("a", None), FINISHED],
            ["a\n\n![f.png](https://x/f.png?sign=1)"],
            "a\n\n![f.png](https://x/f.png?sign=1)",
            id="a file",
        ),
        pytest.param(
            [Text("a", None), Reasoning("hm", None), Text("b", None), FINISHED], ["ab"], "ab", id="thoughts between"
        ),
    ],
)
def test_an_answer_is(events: list[Event], in_stream: list[str], in_body: str) -> None:
    completed = sequence(streamed([STARTED, *events]))[-1]
    assert (completed["type"], texts(completed["response"])) == ("response.completed", in_stream)
    assert texts(whole(answer_to([STARTED, *events]), ASKED, VIEW)) == [in_body]


@pytest.mark.parametrize(
    ("view", "said"),
    [(VIEW, "The app failed. See its log."), (FULL, "The app failed. It reported: boom. See its log.")],
    ids=["answer", "full"],
)
def test_a_failure_closes_what_is_open_and_is_the_last_event(view: View, said: str) -> None:
    found = sequence(streamed([STARTED, Text("a", None), Failed(FAILURE)], view))
    last = found[-1]["response"]
    assert found[-1]["type"] == "response.failed"
    assert (last["status"], last["error"]["message"], last["completed_at"], last["usage"]) == (
        "failed",
        said,
        None,
        None,
    )
    assert texts(last) == ["a"]
    assert found[-2]["type"] == "response.output_item.done"


def test_a_failures_code_is_one_that_the_official_client_knows() -> None:
    """Readers that validate with its models refuse any other; the message says what Duck's own code would."""
    failures = [Failed(DuckError(code, "It failed.")) for code in STATUS]
    told = [sequence(streamed([STARTED, failure]))[-1]["response"]["error"]["code"] for failure in failures]
    assert set(told) <= FAILURE_CODES


def test_a_failure_before_anything_came_is_told_within_a_whole_sequence() -> None:
    """The official client's `responses.stream` raises RuntimeError for a sequence without `response.created`."""
    found = sequence(streamed([Silence(), Failed(FAILURE)]))
    assert [event["type"] for event in found] == ["response.created", "response.in_progress", "response.failed"]


def test_steps_tools_and_sources_have_no_place_in_a_stream() -> None:
    hidden: list[Event] = [
        Step("n1", "node", "llm", "LLM", "failed", 1, "", "boom", 0.5, {"inputs": {}}, None),
        Tool("t1", "search", "{}", "found", None),
        Sources((Source(1, "T", "https://x", "D", 0.5, "text"),), None),
        Passed({"event": "tts_message", "audio": "xxxx"}),
    ]
    for view in (VIEW, FULL):
        assert list(write(iter(hidden), ASKED, view)) == [b""] * len(hidden)
        assert streamed([STARTED, *hidden, FINISHED], view) == streamed([STARTED, FINISHED], view)


# -- The rules of the sequence -------------------------------------------------------------------------------------


def check_rules(events: list[Event], view: View) -> None:
    """protocols.md, section 4, "Event sequence", held against the stream of these events."""
    frames = list(write(iter(events), ASKED, view))
    assert len(frames) == len(events)
    body = b"".join(frames)
    assert "data: [DONE]" not in blocks(body)
    found = sequence(body)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    names = [event["type"].removeprefix("response.") for event in found]
    assert names[:2] == ["created", "in_progress"]
    ending = "failed" if isinstance(events[-1], Failed) else "completed"
    assert [name for name in names if name in ("completed", "failed", "incomplete")] == [ending]
    assert names[-1] == ending
    states = [event["response"] for event in found if "response" in event]
    assert len({(state["id"], state["created_at"], state["model"]) for state in states}) == 1
    assert all(set(state) - {"conversation_id"} == REQUIRED for state in states)
    assert [state["output"] for state in states[:-1]] == [[]] * (len(states) - 1)
    assert states[-1]["output"] == _items(found)
    assert states[-1]["status"] == ending
    assert (states[-1]["error"] is not None) is (ending == "failed")


@dataclass
class _Open:
    """An item of a sequence that is being told."""

    place: dict[str, Any]
    text: str = ""
    state: str = "opened"


def _items(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of a sequence; each must be opened, told in pieces that make up the whole, and closed."""
    items: dict[int, dict[str, Any]] = {}
    told: dict[str, _Open] = {}
    for event in found:
        kind, _, verb = event["type"].removeprefix("response.").rpartition(".")
        if kind == "output_item" and verb == "added":
            assert event["output_index"] == len(items)
            items[len(items)] = event["item"]
            assert (event["item"]["status"], _parts(event["item"])) == ("in_progress", [])
            index = "content_index" if event["item"]["type"] == "message" else "summary_index"
            place = {"item_id": event["item"]["id"], "output_index": event["output_index"], index: 0}
            told[event["item"]["id"]] = _Open(place)
            continue
        if "output_index" not in event:
            continue
        item = told[event["item"]["id"] if "item" in event else event["item_id"]]
        match kind, verb:
            case (("content_part" | "reasoning_summary_part"), "added"):
                assert (item.state, event["part"]["text"]) == ("opened", "")
                item.state = "told"
            case (("output_text" | "reasoning_summary_text"), "delta"):
                assert item.state == "told"
                item.text += event["delta"]
            case (("output_text" | "reasoning_summary_text"), "done"):
                assert (item.state, event["text"]) == ("told", item.text)
                item.state = "text done"
            case (("content_part" | "reasoning_summary_part"), "done"):
                part = (event["part"]["text"], event["part"]["type"])
                assert (item.state, *part) == ("text done", item.text, _part_of(item.place))
                item.state = "part done"
            case "output_item", "done":
                assert (item.state, event["output_index"]) == ("part done", item.place["output_index"])
                assert [part["text"] for part in _parts(event["item"])] == [item.text]
                items[event["output_index"]] = event["item"]
                item.state = "closed"
        if kind != "output_item":
            assert {name: event[name] for name in item.place} == item.place
    assert {item.state for item in told.values()} <= {"closed"}
    assert len(told) == len(items)
    assert len([item for item in items.values() if item["type"] == "message"]) <= 1
    return [items[index] for index in range(len(items))]


def _part_of(place: dict[str, Any]) -> str:
    return "output_text" if place["item_id"].startswith("msg_") else "summary_text"


def _parts(item: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = item["content" if item["type"] == "message" else "summary"]
    return parts


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_the_sequence_of_a_recording_keeps_the_rules(run: Recording) -> None:
    events = staged(run.stream())
    for level in Detail:
        check_rules(events, View(level, "", "", model="support", now=NOW))


@given(dicts=broken_runs, level=st.sampled_from(Detail))
def test_any_run_is_written_by_the_rules(dicts: list[dict[str, Any]], level: Detail) -> None:
    check_rules(list(split_thinking(decode(iter(dicts)))), View(level, "", "", model="support", now=NOW))


@given(dicts=broken_runs, level=st.sampled_from(Detail))
def test_any_run_gives_one_body(dicts: list[dict[str, Any]], level: Detail) -> None:
    view = View(level, "", "", model="support", now=NOW)
    body = whole(answer_to(split_thinking(decode(iter(dicts))), view), ASKED, view)
    assert set(body) - {"conversation_id"} == REQUIRED
    assert [item["type"] for item in body["output"]] in (["message"], ["reasoning", "message"])
