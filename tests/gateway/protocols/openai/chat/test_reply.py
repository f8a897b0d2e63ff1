import json
from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

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
from gateway.protocols.openai import chat
from gateway.protocols.openai.chat.reply import DONE, REPLACED, whole, write
from gateway.protocols.protocol import Streamed, Whole
from gateway.thinking import split_thinking
from gateway.view import View
from tests.gateway.mutations import broken_runs
from tests.gateway.protocols.openai.replies import FULL, NOW, VIEW, answer_to, chunks, content_of, data_lines, staged
from tests.gateway.recorded import RUNS, Recording

STARTED: Final = Started(Kind.CHAT, "handle", "0b1c-2d3e", "", "t", 1_700_000_000, None)
FINISHED: Final = Finished("succeeded", None, None, "")
USAGE: Final = Usage(3, 4, 7, 0.1, {"total_price": "0.25", "currency": "USD"})
COUNTED: Final = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
PAUSED: Final = "[paused: the app waits for a human]"
STOPPED: Final = "[stopped: the run was ended in Dify]"
PICTURE: Final = File("f1", "image", "https://x/f.png?sign=1", "f.png", "image/png", 70, None)
FAILURE: Final = DuckError("app_failed", "The app failed.", "See its log.", cause="boom")
HEAD: Final = '"id":"chatcmpl-0b1c2d3e","object":"chat.completion.chunk","created":1700000000,"model":"support"'


def streamed(events: Iterable[Event], view: View = VIEW, *, with_usage: bool = False) -> bytes:
    return b"".join(write(iter(events), view, with_usage=with_usage))


def asking(**members: Any) -> Request:
    return Request(EnvironBuilder(method="POST", json=members).get_environ())


# -- Which reply ---------------------------------------------------------------------------------------------------

MESSAGES: Final = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("stream", [{}, {"stream": False}, {"stream": None}], ids=["left out", "false", "null"])
def test_without_stream_it_is_one_body(stream: dict[str, Any]) -> None:
    asked, reply_in = chat.read(asking(messages=MESSAGES, **stream))
    reply = reply_in(VIEW)
    assert isinstance(reply, Whole)
    assert (asked.query, reply.content_type, reply.is_json) == ("hi", "application/json", True)
    assert json.loads(reply.write(answer_to([STARTED, Text("yes", None), FINISHED])))["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("options", "has_usage"),
    [
        ({}, False),
        ({"stream_options": None}, False),
        ({"stream_options": {}}, False),
        ({"stream_options": {"include_usage": None}}, False),
        ({"stream_options": {"include_usage": False}}, False),
        ({"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"include_usage": True, "include_obfuscation": False}}, True),
    ],
    ids=str,
)
def test_a_stream_has_usage_only_when_it_is_asked_for(options: dict[str, Any], has_usage: bool) -> None:
    _, reply_in = chat.read(asking(messages=MESSAGES, stream=True, **options))
    reply = reply_in(VIEW)
    assert isinstance(reply, Streamed)
    assert (reply.content_type, dict(reply.headers)) == ("text/event-stream", {})
    found = chunks(b"".join(reply.write(iter([STARTED, Finished("succeeded", None, USAGE, "")]))))
    assert [chunk["usage"] for chunk in found if chunk.get("usage")] == ([COUNTED] if has_usage else [])
    assert all(("usage" in chunk) is has_usage for chunk in found)


# -- Exact bytes ---------------------------------------------------------------------------------------------------


def test_a_whole_stream_is_these_bytes() -> None:
    events: list[Event] = [
        Silence(),
        STARTED,
        Reasoning("hm", None),
        Text("Hel", None),
        Silence(),
        Finished("succeeded", None, USAGE, ""),
    ]
    begin, end = f'{{{HEAD},"conversation_id":"handle","choices":[{{"index":0,"delta":{{', '"finish_reason":null}]}\n\n'
    assert streamed(events).decode() == (
        ": ping\n\n"
        f'data: {begin}"role":"assistant","content":""}},{end}'
        f'data: {begin}"reasoning_content":"hm"}},{end}'
        f'data: {begin}"content":"Hel"}},{end}'
        ": ping\n\n"
        f'data: {begin}}},"finish_reason":"stop"}}]}}\n\n'
        "data: [DONE]\n\n"
    )


def test_with_usage_every_chunk_says_null_but_the_one_that_holds_it() -> None:
    events: list[Event] = [STARTED, Text("a", None), Finished("succeeded", None, USAGE, "")]
    choices = [
        '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}',
        '{"index":0,"delta":{"content":"a"},"finish_reason":null}',
        '{"index":0,"delta":{},"finish_reason":"stop"}',
        "",
    ]
    usage = ["null", "null", "null", '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}']
    expected = [
        f'data: {{{HEAD},"conversation_id":"handle","choices":[{choice}],"usage":{counted}}}\n\n'
        for choice, counted in zip(choices, usage, strict=True)
    ]
    assert streamed(events, with_usage=True).decode() == "".join([*expected, "data: [DONE]\n\n"])


@pytest.mark.parametrize(
    "usage", [None, Usage(None, None, 7, None, {}), Usage(3, None, 7, None, {})], ids=["none", "a total", "one part"]
)
def test_usage_that_is_not_known_is_never_invented(usage: Usage | None) -> None:
    found = chunks(streamed([STARTED, Finished("succeeded", None, usage, "")], with_usage=True))
    assert [chunk["usage"] for chunk in found] == [None, None]
    assert "usage" not in whole(answer_to([STARTED, Finished("succeeded", None, usage, "")]), VIEW)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (VIEW, "The app failed. See its log."),
        (FULL, "The app failed. It reported: boom. See its log."),
    ],
    ids=["answer", "full"],
)
@pytest.mark.parametrize("with_usage", [False, True])
def test_a_failure_in_a_stream_is_an_error_and_the_mark_and_no_finish(view: View, said: str, with_usage: bool) -> None:
    body = streamed([STARTED, Text("a", None), Failed(FAILURE)], view, with_usage=with_usage)
    error = f'{{"error":{{"message":"{said}","type":"api_error","param":null,"code":"app_failed"}}}}'
    assert body.decode().endswith(f'"content":"a"}},{_tail(with_usage)}data: {error}\n\ndata: [DONE]\n\n')
    assert [chunk for chunk in chunks(body)[:-1] if chunk["choices"][0]["finish_reason"]] == []


def _tail(with_usage: bool) -> str:
    return '"finish_reason":null}]' + (',"usage":null' if with_usage else "") + "}\n\n"


def test_a_run_that_fails_at_once_is_nothing_but_the_error() -> None:
    """As when nothing has come for the time that a reply waits; and the last words of a writer that broke."""
    error, mark = data_lines(streamed([Silence(), Failed(FAILURE)]))
    assert (list(json.loads(error)), mark) == (["error"], "[DONE]")


def test_one_body_is_these_bytes() -> None:
    events: list[Event] = [STARTED, Reasoning("hm", None), Text("Hello", None), Finished("succeeded", None, USAGE, "")]
    assert json.dumps(whole(answer_to(events), VIEW), separators=(",", ":")) == (
        '{"id":"chatcmpl-0b1c2d3e","object":"chat.completion","created":1700000000,"model":"support",'
        '"conversation_id":"handle","choices":[{"index":0,"message":{"role":"assistant","content":"Hello",'
        '"refusal":null,"reasoning_content":"hm"},"logprobs":null,"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}'
    )


def test_a_workflow_is_named_by_its_run_and_has_no_conversation() -> None:
    workflow = Started(Kind.WORKFLOW, "", "", "9-8-7", "t", 0, None)
    answer = whole(answer_to([workflow, Finished("succeeded", {"out": "x"}, None, "")]), VIEW)
    assert (answer["id"], answer["created"], "conversation_id" in answer) == ("chatcmpl-987", NOW, False)
    (first, *_) = chunks(streamed([workflow, Finished("succeeded", {"out": "x"}, None, "")]))
    assert (first["id"], first["created"], "conversation_id" in first) == ("chatcmpl-987", NOW, False)


# -- What a text can't say by itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "in_stream", "in_body", "reason"),
    [
        pytest.param([Text("a", None), Text("b", None), FINISHED], "ab", "ab", "stop", id="as it comes"),
        pytest.param([FINISHED], "", "", "stop", id="no answer"),
        pytest.param(
            [Text("a", None), TextReplaced("b", None), FINISHED],
            f"a{REPLACED}b",
            "b",
            "content_filter",
            id="replaced",
        ),
        pytest.param(
            [TextReplaced("b", None), FINISHED], "b", "b", "content_filter", id="replaced before anything was said"
        ),
        pytest.param(
            [Text("a", None), TextReplaced("", None), FINISHED],
            f"a{REPLACED}",
            "",
            "content_filter",
            id="replaced by nothing",
        ),
        pytest.param([Text("a", None), Paused("r", (), None)], f"a\n\n{PAUSED}", f"a\n\n{PAUSED}", "stop", id="paused"),
        pytest.param(
            [Text("a", None), Finished("stopped", None, None, "")],
            f"a\n\n{STOPPED}",
            f"a\n\n{STOPPED}",
            "stop",
            id="stopped",
        ),
        pytest.param(
            [Text("a", None), Finished("partial-succeeded", None, None, "")], "a", "a", "stop", id="a handled failure"
        ),
        pytest.param(
            [Finished("succeeded", {"out": "x"}, None, "")], "x", "x", "stop", id="outputs that were not streamed"
        ),
        pytest.param(
            [Text("1\nx", None), Finished("succeeded", {"n": 1, "out": "x"}, None, "")],
            "1\nx",
            "x",
            "stop",
            id="streamed outputs",
        ),
        pytest.param(
            [PICTURE, Text("a", None), FINISHED],
            "a\n\n![f.png](https://x/f.png?sign=1)",
            "a\n\n![f.png](https://x/f.png?sign=1)",
            "stop",
            id="a file",
        ),
        pytest.param(
            [PICTURE, Text("![mine](https://x/f.png?sign=2)", None), FINISHED],
            "![mine](https://x/f.png?sign=2)",
            "![mine](https://x/f.png?sign=2)",
            "stop",
            id="a file that the text shows",
        ),
        pytest.param(
            [PICTURE, Paused("r", (), None)],
            f"![f.png](https://x/f.png?sign=1)\n\n{PAUSED}",
            f"![f.png](https://x/f.png?sign=1)\n\n{PAUSED}",
            "stop",
            id="a file, and a pause",
        ),
    ],
)
def test_an_answer_is(events: list[Event], in_stream: str, in_body: str, reason: str) -> None:
    body = streamed([STARTED, *events])
    assert content_of(body) == in_stream
    assert [choice["finish_reason"] for chunk in chunks(body) for choice in chunk["choices"]][-1] == reason
    (choice,) = whole(answer_to([STARTED, *events]), VIEW)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (in_body, reason)


def test_reasoning_that_dify_tells_at_the_end_only_is_in_the_stream_too() -> None:
    events: list[Event] = [STARTED, Text("a", None), Finished("succeeded", None, None, "hm")]
    assert content_of(streamed(events), "reasoning_content") == "hm"
    assert whole(answer_to(events), VIEW)["choices"][0]["message"]["reasoning_content"] == "hm"


def test_prices_are_numbers_and_leave_at_full_only() -> None:
    events: list[Event] = [STARTED, Finished("succeeded", None, USAGE, "")]
    assert whole(answer_to(events), VIEW)["usage"] == COUNTED
    assert whole(answer_to(events), FULL)["usage"] == {**COUNTED, "total_price": 0.25, "currency": "USD"}
    assert chunks(streamed(events, FULL, with_usage=True))[-1]["usage"] == whole(answer_to(events), FULL)["usage"]


def test_steps_tools_and_sources_have_no_place_in_a_stream() -> None:
    hidden: list[Event] = [
        Step("n1", "node", "llm", "LLM", "failed", 1, "", "boom", 0.5, {"inputs": {}}, None),
        Tool("t1", "search", "{}", "found", None),
        Sources((Source(1, "T", "https://x", "D", 0.5, "text"),), None),
        Passed({"event": "tts_message", "audio": "xxxx"}),
    ]
    for view in (VIEW, FULL):
        assert list(write(iter(hidden), view, with_usage=True)) == [b""] * len(hidden)
        assert streamed([STARTED, *hidden, FINISHED], view) == streamed([STARTED, FINISHED], view)


# -- The rules of a stream -----------------------------------------------------------------------------------------


def check_rules(events: list[Event], view: View, *, with_usage: bool) -> None:
    """The table of protocols.md, section 3, "Streaming bytes", held against the stream of these events."""
    frames = list(write(iter(events), view, with_usage=with_usage))
    body = b"".join(frames)
    assert len(frames) == len(events)
    assert (body.count(DONE), body.endswith(DONE)) == (1, True)
    objects = chunks(body)
    has_failed = isinstance(events[-1], Failed)
    assert [list(chunk) for chunk in objects if "error" in chunk] == [["error"]] * has_failed
    assert "error" in objects[-1] or not has_failed
    shown = [chunk for chunk in objects if "error" not in chunk]
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk.get("conversation_id")) for chunk in shown}) <= 1
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in shown)
    _check_usage(shown, with_usage=with_usage)
    choices = [chunk["choices"][0] for chunk in shown if chunk["choices"]]
    roles = [choice["delta"].pop("role", None) for choice in choices]
    assert roles == (["assistant"] + [None] * (len(choices) - 1) if choices else [])
    assert not choices or choices[0]["delta"] == {"content": ""}
    assert all(set(choice) == {"index", "delta", "finish_reason"} and choice["index"] == 0 for choice in choices)
    assert all(set(choice["delta"]) in ({"content"}, {"reasoning_content"}) for choice in choices[:-1])
    reasons = [choice["finish_reason"] for choice in choices]
    assert [reason for reason in reasons if reason] == ([] if has_failed else [reasons[-1]])
    assert has_failed or (reasons[-1] in ("stop", "content_filter") and choices[-1]["delta"] == {})


def _check_usage(shown: list[dict[str, Any]], *, with_usage: bool) -> None:
    assert all(("usage" in chunk) is with_usage for chunk in shown)
    bare = [index for index, chunk in enumerate(shown) if not chunk["choices"]]
    assert bare in ([], [len(shown) - 1])
    assert [index for index, chunk in enumerate(shown) if chunk.get("usage")] == bare


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_the_stream_of_a_recording_keeps_the_rules(run: Recording) -> None:
    events = staged(run.stream())
    for level in Detail:
        for with_usage in (False, True):
            check_rules(events, View(level, "", "", model="support", now=NOW), with_usage=with_usage)


def _is_plain(run: Recording) -> bool:
    """Whether a run's answer is its text and nothing else."""
    events = staged(run.stream())
    answer = answer_to(events)
    is_text = not (answer.is_replaced or answer.files or answer.status in ("paused", "stopped"))
    return is_text and not isinstance(events[-1], Failed)


PLAIN: Final = [run for run in RUNS.values() if _is_plain(run)]


@pytest.mark.parametrize("run", PLAIN, ids=lambda run: run.name)
def test_what_a_client_puts_together_is_the_answer(run: Recording) -> None:
    """Of a workflow's several outputs, a stream shows a rendering (wire 14.15)."""
    answer = answer_to(staged(run.stream()))
    body = streamed(staged(run.stream()))
    assert content_of(body) == (answer.streamed_text or answer.text)
    assert content_of(body, "reasoning_content") == whole(answer, VIEW)["choices"][0]["message"].get(
        "reasoning_content", ""
    )


@given(dicts=broken_runs, level=st.sampled_from(Detail), with_usage=st.booleans())
def test_any_run_is_written_by_the_rules(dicts: list[dict[str, Any]], level: Detail, with_usage: bool) -> None:
    events = list(split_thinking(decode(iter(dicts))))
    check_rules(events, View(level, "", "", model="support", now=NOW), with_usage=with_usage)


@given(dicts=broken_runs, level=st.sampled_from(Detail))
def test_any_run_gives_one_body(dicts: list[dict[str, Any]], level: Detail) -> None:
    view = View(level, "", "", model="support", now=NOW)
    body = whole(answer_to(split_thinking(decode(iter(dicts))), view), view)
    assert isinstance(body["choices"][0]["message"]["content"], str)
