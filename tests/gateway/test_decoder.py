import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.decoder import decode
from gateway.errors import DuckError
from gateway.events import (
    Event,
    Failed,
    File,
    Finished,
    Form,
    Kind,
    Passed,
    Paused,
    Raw,
    Reasoning,
    Source,
    Sources,
    Started,
    Step,
    Text,
    TextReplaced,
    Tool,
    Usage,
)
from tests.gateway.mutations import broken_runs
from tests.gateway.recorded import HANDMADE, RECORDINGS, RUNS, Recording

SERVICE: Final = Path(__file__).resolve().parents[2] / "recordings" / "service"

ENDINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        """
        agent-boom agent-chat agent-chat-turn1 agent-chat-turn1.blocking agent-mod agent-mod-input agent-png
        agent-reason-on agent-stop agent-think-on
        chat chat-echo-turn1 chat-echo-turn2 chat-form chat-full chat-hostile chat-hostile-query chat-kb chat-kb-nohit
        chat-mod chat-mod-input chat-mod-pass chat-reason chat-reason-on chat-stop chat-think chat-think-on
        chatflow chatflow-agentnode chatflow-agentnode-items chatflow-convvars-turn1 chatflow-convvars-turn2
        chatflow-echo-turn1 chatflow-echo-turn2 chatflow-full chatflow-hostile chatflow-iter-continue chatflow-iterlist
        chatflow-iterlist-par chatflow-kb chatflow-loop-text chatflow-mod-input chatflow-mod-short chatflow-parallel
        chatflow-parallel-join chatflow-png chatflow-reason-on-sep chatflow-reason-on-tagged chatflow-reason-sep
        chatflow-think-on-sep chatflow-think-on-tagged chatflow-think-sep chatflow-trivial chatflow-two-answers
        chatflow-unknown-conversation
        workflow workflow-agentnode workflow-as-chat workflow-full workflow-full-json workflow-hostile
        workflow-hostile-query workflow-inputs-flag-str workflow-inputs-n-str workflow-inputs-ok workflow-iter
        workflow-iter-remove workflow-iterlist workflow-iterlist-par workflow-kb workflow-loop workflow-no-outputs
        workflow-objects workflow-parallel-ends workflow-png workflow-reason-on-sep workflow-reason-on-tagged
        workflow-think-on-sep workflow-think-on-tagged workflow-two-strings
        annotation-reply completion-answers human-input-filled message-file-with-answer outputs-with-private-names
        text-replace tts unknown-event
        """.split(),
        "succeeded",
    ),
    **dict.fromkeys(
        """
        chatflow-fail-branch chatflow-llm-default chatflow-llm-errmid-branch
        workflow-default-value workflow-fail-branch workflow-llm-default workflow-retry-ok
        """.split(),
        "partial-succeeded",
    ),
    **dict.fromkeys(
        "chatflow-mod chatflow-stop workflow-stop human-input-timeout stopped-without-outputs".split(), "stopped"
    ),
    **dict.fromkeys("chatflow-human workflow-human".split(), "paused"),
    **dict.fromkeys(
        "chat-401 chat-err0 chat-errmid chatflow-agentnode-err chatflow-err0 chatflow-errmid workflow-err0".split(),
        "provider_error",
    ),
    **dict.fromkeys(
        """
        chat-nel chatflow-fail chatflow-fail-late chatflow-iter-answer chatflow-iter-fail chatflow-loop chatflow-nel
        chatflow-retry-fail workflow-boom workflow-fail workflow-full-badschema workflow-iter-fail
        workflow-parallel-fail workflow-retry-fail
        """.split(),
        "app_failed",
    ),
    **dict.fromkeys(
        """
        chat-form-badopt chat-form-missing chat-full-missing workflow-full-badjson workflow-full-missing
        workflow-inputs-choice-bad workflow-inputs-doc-bad workflow-inputs-doc-notype workflow-inputs-doc-wrongtype
        workflow-inputs-missing workflow-inputs-n-bad workflow-inputs-text-int workflow-missing-input
        """.split(),
        "invalid_input",
    ),
    **dict.fromkeys("chat-as-workflow chat-emptyquery".split(), "wrong_app_kind"),
    **dict.fromkeys("agent-chat-unknown-conversation chat-unknown-conversation".split(), "conversation_not_found"),
    **dict.fromkeys(
        """
        agent-chat-nonuuid-conversation bad-response-mode bad-response-mode.blocking chat-nonuuid-conversation
        completion
        """.split(),
        "dify_error",
    ),
    **dict.fromkeys("nonuuid-app unknown-app".split(), "app_unavailable"),
    **dict.fromkeys("cf330_stream cf_silent300 wf330_stream".split(), "run_timeout"),
}
"""How each run ends: a status of `Finished`, `paused`, or the code of `Failed`."""

KINDS: Final[Mapping[str, Kind]] = {"agent-mod-input": Kind.CHAT, "chatflow-mod-input": Kind.CHAT}
"""Runs whose events do not show their kind: an answer of the input's moderation is a plain `message` (wire 14.13)."""


def decoded(*dicts: Raw) -> list[Event]:
    return list(decode(dicts))


def ending_of(event: Event) -> str:
    match event:
        case Finished(status=status):
            return status
        case Paused():
            return "paused"
        case Failed(error=error):
            return error.code
        case _:
            return f"{event} is no ending"


def failed_at_once(run: Recording) -> bool:
    return not run.dicts or run.dicts[0]["event"] == "error"


def every_run(runs: Mapping[str, Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("run", runs.values(), ids=list(runs))


# -- Every recording -----------------------------------------------------------------------------------------------


def test_every_recording_has_a_line_in_the_table() -> None:
    assert set(ENDINGS) == set(RUNS)


@every_run(RUNS)
def test_a_run_ends_as_dify_said(run: Recording) -> None:
    assert ending_of(list(decode(run.stream()))[-1]) == ENDINGS[run.name]


@every_run(RUNS)
def test_one_ending_comes_and_it_is_the_last(run: Recording) -> None:
    events = list(decode(run.stream()))
    assert [isinstance(event, Finished | Paused | Failed) for event in events] == [False] * (len(events) - 1) + [True]


def raws_of(events: Iterable[Event]) -> list[Raw]:
    return [raw for event in events if (raw := getattr(event, "raw", None)) is not None]


@every_run({name: run for name, run in RUNS.items() if not failed_at_once(run)})
def test_each_dict_appears_once_as_raw_in_order(run: Recording) -> None:
    assert raws_of(decode(run.stream())) == list(run.dicts)


@every_run({name: run for name, run in RUNS.items() if failed_at_once(run)})
def test_of_a_run_that_failed_at_once_the_failure_is_the_only_event(run: Recording) -> None:
    assert [type(event) for event in decode(run.stream())] == [Failed]


@every_run(RUNS)
def test_started_comes_once_and_first_unless_the_run_failed_at_once(run: Recording) -> None:
    started = [isinstance(event, Started) for event in decode(run.stream())]
    assert started == [not failed_at_once(run)] + [False] * (len(started) - 1)


@every_run({name: run for name, run in RUNS.items() if not failed_at_once(run)})
def test_the_first_event_tells_the_kind(run: Recording) -> None:
    started = next(decode(run.dicts))
    assert isinstance(started, Started)
    assert started.kind == KINDS.get(run.name, run.mode)


@every_run(RUNS)
def test_no_text_and_no_reasoning_is_empty(run: Recording) -> None:
    assert all(event.text for event in decode(run.stream()) if isinstance(event, Text | Reasoning))


@every_run(RUNS)
def test_a_file_comes_once_though_dify_names_it_again(run: Recording) -> None:
    urls = [event.url.partition("?")[0] for event in decode(run.stream()) if isinstance(event, File)]
    assert len(urls) == len(set(urls))


# -- Events compared whole -----------------------------------------------------------------------------------------


def node(dicts: tuple[Raw, ...], place: int, status: str, **more: Any) -> Step:
    """The step that the dict at this place tells, with what differs from a node that has just begun."""
    data = dicts[place]["data"]
    step: dict[str, Any] = {
        "id": data["id"],
        "kind": "node",
        "type": data["node_type"],
        "title": data["title"],
        "status": status,
        "index": 1,
        "parent": "",
        "error": "",
        "elapsed": None,
        "details": {},
        "raw": dicts[place],
    }
    return Step(**{**step, **more})


def test_a_chat_decodes_to_these_events() -> None:
    raws = RECORDINGS["chat-echo-turn1"].dicts
    assert decoded(*raws) == [
        Started(
            Kind.CHAT,
            "fbd966e1-9f06-4fa8-9e4a-59100c620363",
            "f20d8479-d374-43ff-953b-7e7145e5b9c4",
            "",
            "882617c3-5ded-487b-978f-5e47a4fa6e17",
            1795343372,
            None,
        ),
        Text("echo[2 ", raws[0]),
        Text("msgs]: ", raws[1]),
        Text("first ", raws[2]),
        Text("message", raws[3]),
        Passed(raws[4]),
        Passed(raws[5]),
        Finished(
            "succeeded",
            None,
            Usage(
                11,
                4,
                15,
                0.039711686000146074,
                {"prompt_price": "0", "completion_price": "0", "total_price": "0", "currency": "USD"},
            ),
            "",
        ),
    ]


def test_an_agent_decodes_to_these_events() -> None:
    raws = RECORDINGS["agent-boom"].dicts
    events = decoded(*raws)
    tool = "a8a418da-b7aa-4c3f-9f37-b2711b869c4a"
    assert events[1:8] == [
        Passed(raws[0]),
        Text("I will check. ", raws[1]),
        Passed(raws[2]),
        Passed(raws[3]),
        Tool(tool, "boom", '{"boom": {}}', "", raws[4]),
        Tool(tool, "boom", '{"boom": {}}', 'the tool broke: <secret> & "quotes"', raws[5]),
        Passed(raws[6]),
    ]


def test_an_agents_files_come_as_they_are_made() -> None:
    files = [event for event in decoded(*RECORDINGS["agent-png"].dicts) if isinstance(event, File)]
    assert [(file.id, file.type, file.raw and file.raw["event"]) for file in files] == [
        ("76406b3a-472c-40f1-bcfc-9147b4752bcc", "image", "message_file"),
        ("d5756761-73e3-4a10-957e-029d2b32b4d5", "image", "message_file"),
        ("38b6a751-4f0c-4b3d-a2e1-66db9d8284cd", "document", "message_file"),
    ]


def test_a_chatflow_decodes_to_these_events() -> None:
    raws = RECORDINGS["chatflow-trivial"].dicts
    assert decoded(*raws) == [
        Started(
            Kind.CHATFLOW,
            "a93a7b29-d3b6-4ec6-a726-38e2fad676af",
            "0c08d30e-826c-49a6-a5a0-a8ede92f4577",
            "dab6fa52-6326-44ee-aed2-9498e640e664",
            "19d2fc04-3d1d-4452-9a24-0c5cb36aef61",
            1795343368,
            raws[0],
        ),
        Text("ok", raws[1]),
        node(raws, 2, "started"),
        node(raws, 3, "succeeded", elapsed=0.000133),
        node(raws, 4, "started"),
        node(raws, 5, "succeeded", elapsed=0.000149, details={"outputs": {"answer": "ok", "files": []}}),
        Passed(raws[6]),
        Passed(raws[7]),
        Finished("succeeded", None, None, ""),
    ]


def test_a_failing_workflow_decodes_to_these_events() -> None:
    raws = RECORDINGS["workflow-fail"].dicts
    *events, ending = decoded(*raws)
    query = {"inputs": {"query": None}, "outputs": {"query": None}}
    request = {"process_data": {"request": "GET /dead HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n"}}
    refused = "[Errno 111] Connection refused"
    assert events == [
        Started(
            Kind.WORKFLOW,
            "",
            "",
            "6d286b82-8cb3-4a1c-b59f-20525ec937ff",
            "8c249a8c-e53f-41c3-952a-fa0df9887069",
            1795343368,
            raws[0],
        ),
        node(raws, 1, "started"),
        node(raws, 2, "succeeded", elapsed=0.000151, details=query),
        node(raws, 3, "started"),
        node(raws, 4, "failed", elapsed=0.054211, error=refused, details=request),
        Passed(raws[5]),
    ]
    assert isinstance(ending, Failed)
    assert (ending.error.code, ending.error.cause) == ("app_failed", refused)


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("workflow-human", "8a7f775f-e1d4-4bb5-921a-346c142e20cc"),
        ("chatflow-human", "0ef18b54-7b6c-45e4-891e-b24afd05e7ce"),
    ],
)
def test_a_paused_run_tells_its_forms_without_their_tokens(name: str, run_id: str) -> None:
    raws = RECORDINGS[name].dicts
    form = Form("human1", "Please approve {{#$output.comment#}}", ("Approve", "Reject"))
    assert decoded(*raws)[-3:] == [Passed(raws[-2]), Passed(raws[-1]), Paused(run_id, (form,), None)]


def test_sources_come_with_the_message_end() -> None:
    raws = RECORDINGS["chat-kb"].dicts
    text = "The gateway listens on port 8080 by default. The emergency contact is Alice 中文 <alice@example.com>."
    end, sources, _ = decoded(*raws)[-3:]
    assert end == Passed(raws[-1])
    assert isinstance(sources, Sources)
    assert sources.items[:2] == tuple(
        Source(position, "handbook 手册.txt", "", "handbook 手册.txt...", 0.5477225575051661, text)
        for position in (1, 2)
    )


def test_a_source_links_to_what_its_document_names() -> None:
    item = {"position": 1, "title": "T", "doc_metadata": {"url": "javascript:alert(1)", "source": "https://a.example"}}
    (sources,) = (e for e in decoded(message_end(retriever_resources=[item])) if isinstance(e, Sources))
    assert sources.items == (Source(1, "T", "https://a.example", "", None, ""),)


def test_reasoning_comes_in_pieces_and_its_end_is_no_reasoning() -> None:
    run = RECORDINGS["chatflow-think-on-sep"]
    chunks = [raw for raw in run.dicts if raw["event"] == "reasoning_chunk"]
    reasoning = [event for event in decoded(*run.dicts) if isinstance(event, Reasoning)]
    assert reasoning == [Reasoning(raw["data"]["reasoning"], raw) for raw in chunks if raw["data"]["reasoning"]]
    assert chunks[-1]["data"] == {**chunks[-1]["data"], "is_final": True, "reasoning": ""}


def test_a_retry_keeps_the_id_of_its_node() -> None:
    steps = [event for event in decoded(*RECORDINGS["workflow-retry-ok"].dicts) if isinstance(event, Step)]
    states = [(step.status, step.error) for step in steps if step.id == "07900533-6bf4-41f3-b034-83d9d699b769"]
    failed = "Request failed with status code 503"
    assert states == [("started", ""), ("retry", failed), ("retry", failed), ("succeeded", "")]


def test_rounds_of_a_loop_are_steps() -> None:
    steps = [event for event in decoded(*RECORDINGS["workflow-loop"].dicts) if isinstance(event, Step)]
    loops = [(step.status, step.index) for step in steps if step.kind == "loop"]
    assert loops[0] == ("started", None)
    assert loops[-1] == ("succeeded", None)
    assert [status for status, _ in loops[1:-1]] == ["next"] * (len(loops) - 2) != []


def test_an_agents_log_lines_are_steps_below_their_round() -> None:
    steps = [event for event in decoded(*RECORDINGS["chatflow-agentnode"].dicts) if isinstance(event, Step)]
    logs = [(step.title, step.status, step.parent) for step in steps if step.kind == "agent"]
    round_1 = "a0357348-a9ba-4f83-a64b-a578eb3b22c5"
    assert logs[:3] == [
        ("ROUND 1", "start", ""),
        ("f2-10-5ms-tool Thought", "start", round_1),
        ("f2-10-5ms-tool Thought", "success", round_1),
    ]


def test_a_replaced_text_is_told() -> None:
    raws = RECORDINGS["chatflow-mod"].dicts
    assert [event for event in decoded(*raws) if isinstance(event, TextReplaced)] == [
        TextReplaced("OUTPUT BLOCKED by policy.", next(raw for raw in raws if raw["event"] == "message_replace"))
    ]


def test_outputs_are_a_workflows_only() -> None:
    (workflow,) = decoded(*RECORDINGS["workflow-two-strings"].dicts)[-1:]
    (chatflow,) = decoded(*RECORDINGS["chatflow"].dicts)[-1:]
    assert isinstance(workflow, Finished)
    assert isinstance(chatflow, Finished)
    assert workflow.outputs == RECORDINGS["workflow-two-strings"].dicts[-1]["data"]["outputs"]
    assert chatflow.outputs is None


# -- Shapes made by hand -------------------------------------------------------------------------------------------

USAGE: Final = Usage(
    11, 4, 15, 0.5, {"prompt_price": "0.1", "completion_price": "0.2", "total_price": "0.3", "currency": "USD"}
)


def chat(**known: str) -> Started:
    ids = {"conversation_id": "c", "message_id": "m", "run_id": "", "task_id": "t", **known}
    return Started(Kind.CHAT, **ids, created_at=1795343366, raw=None)


def workflow(raw: Raw) -> Started:
    return Started(Kind.WORKFLOW, "", "", "r", "t", 1795343366, raw)


def handmade(name: str, *events: Any, ending: Event) -> Any:
    return pytest.param(name, list(events), ending, id=name)


def _raws(name: str) -> tuple[Raw, ...]:
    return HANDMADE[name].dicts


@pytest.mark.parametrize(
    ("name", "expected", "ending"),
    [
        handmade(
            "tts",
            chat(),
            Text("Hello", _raws("tts")[0]),
            Passed(_raws("tts")[1]),
            Text(" world", _raws("tts")[2]),
            *(Passed(raw) for raw in _raws("tts")[3:]),
            ending=Finished("succeeded", None, USAGE, ""),
        ),
        handmade(
            "message-file-with-answer",
            chat(),
            Text("Here ", _raws("message-file-with-answer")[0]),
            Text("it is", _raws("message-file-with-answer")[1]),
            File(
                "f",
                "image",
                "/files/tools/f.png?timestamp=1&nonce=2&sign=3",
                "",
                "",
                None,
                _raws("message-file-with-answer")[2],
            ),
            Passed(_raws("message-file-with-answer")[3]),
            ending=Finished("succeeded", None, USAGE, ""),
        ),
        handmade(
            "annotation-reply",
            Started(Kind.CHATFLOW, "c", "m", "", "t", 1795343366, None),
            Text("The prepared answer", _raws("annotation-reply")[0]),
            Passed(_raws("annotation-reply")[1]),
            ending=Finished("succeeded", None, USAGE, ""),
        ),
        handmade(
            "text-replace",
            workflow(_raws("text-replace")[0]),
            Text("rude", _raws("text-replace")[1]),
            TextReplaced("[withdrawn]", _raws("text-replace")[2]),
            Passed(_raws("text-replace")[3]),
            ending=Finished("succeeded", {"text": "rude"}, Usage(None, None, 3, None, {}), ""),
        ),
        handmade(
            "human-input-filled",
            workflow(_raws("human-input-filled")[0]),
            *(Passed(raw) for raw in _raws("human-input-filled")[1:]),
            ending=Finished("succeeded", {"text": "approved"}, Usage(None, None, 3, None, {}), ""),
        ),
        handmade(
            "human-input-timeout",
            workflow(_raws("human-input-timeout")[0]),
            *(Passed(raw) for raw in _raws("human-input-timeout")[1:]),
            ending=Finished("stopped", {}, Usage(None, None, 3, None, {}), ""),
        ),
        handmade(
            "unknown-event",
            chat(),
            Text("before", _raws("unknown-event")[0]),
            Passed(_raws("unknown-event")[1]),
            Text(" after", _raws("unknown-event")[2]),
            Passed(_raws("unknown-event")[3]),
            ending=Finished("succeeded", None, USAGE, ""),
        ),
        handmade(
            "completion-answers",
            Started(Kind.COMPLETION, "", "m", "", "t", 1795343366, None),
            Text("Once upon", _raws("completion-answers")[0]),
            Text(" a time", _raws("completion-answers")[1]),
            Passed(_raws("completion-answers")[2]),
            ending=Finished("succeeded", None, USAGE, ""),
        ),
    ],
)
def test_a_shape_made_by_hand_decodes_to_these_events(name: str, expected: list[Event], ending: Event) -> None:
    assert decoded(*_raws(name)) == [*expected, ending]


# -- Endings -------------------------------------------------------------------------------------------------------

IDS: Final = {"conversation_id": "c", "message_id": "m", "created_at": 1, "task_id": "t"}
BREAK: Final = DuckError("dify_unreachable", "It broke.")


def message(answer: str = "hi") -> Raw:
    return {"event": "message", **IDS, "answer": answer}


def message_end(**metadata: Any) -> Raw:
    return {"event": "message_end", **IDS, "metadata": metadata}


def error(message: str = "boom") -> Raw:
    return {"event": "error", **IDS, "code": "invalid_param", "status": 400, "message": message}


def finished(status: str, **data: Any) -> Raw:
    return {"event": "workflow_finished", **IDS, "workflow_run_id": "r", "data": {"status": status, **data}}


def paused() -> Raw:
    return {"event": "workflow_paused", "workflow_run_id": "r", "data": {"workflow_run_id": "r"}}


def breaking(*dicts: Raw, failure: Exception = BREAK) -> Iterator[Raw]:
    yield from dicts
    raise failure


@pytest.mark.parametrize(
    ("dicts", "expected"),
    [
        pytest.param([message(), message_end()], "succeeded", id="a chat ends with message_end"),
        pytest.param([message_end(), finished("succeeded")], "succeeded", id="a chatflow ends with both"),
        pytest.param([finished("stopped"), message_end()], "stopped", id="a stopped chatflow says so first"),
        pytest.param([message_end(), finished("partial-succeeded")], "partial-succeeded", id="a handled failure"),
        pytest.param(
            [finished("failed", error="boom"), error("Run failed: boom")], "app_failed", id="a failed chatflow"
        ),
        pytest.param([finished("failed", error="boom")], "app_failed", id="a failed workflow has no error event"),
        pytest.param([error()], "app_failed", id="an error at once"),
        pytest.param([message(), error()], "app_failed", id="an error after text"),
        pytest.param([message(), message_end(), error()], "app_failed", id="an error outranks message_end"),
        pytest.param([paused()], "paused", id="a pause"),
        pytest.param([], "incomplete_run", id="nothing at all"),
        pytest.param([message()], "incomplete_run", id="text without an end"),
        pytest.param([finished("failed", error=None)], "app_failed", id="a failure without a text"),
    ],
)
def test_the_most_specific_closing_event_decides(dicts: list[Raw], expected: str) -> None:
    assert ending_of(decoded(*dicts)[-1]) == expected


@pytest.mark.parametrize(
    ("dicts", "expected"),
    [
        pytest.param([message(), message_end()], "succeeded", id="after message_end"),
        pytest.param([finished("succeeded")], "succeeded", id="after workflow_finished"),
        pytest.param([paused()], "paused", id="after a pause"),
        pytest.param([error()], "app_failed", id="after an error, which tells more"),
        pytest.param([message()], "dify_unreachable", id="in the middle it is the failure"),
        pytest.param([], "dify_unreachable", id="before anything it is the failure"),
    ],
)
def test_a_break_counts_only_until_dify_has_told_the_ending(dicts: list[Raw], expected: str) -> None:
    assert ending_of(list(decode(breaking(*dicts)))[-1]) == expected


def test_the_failure_of_a_break_is_passed_on_as_it_is() -> None:
    assert list(decode(breaking()))[-1] == Failed(BREAK)


def test_what_the_source_raises_beside_a_duck_error_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        list(decode(breaking(message_end(), failure=ZeroDivisionError())))


def test_the_decoder_asks_for_no_dict_before_it_is_asked_for_an_event() -> None:
    asked = itertools.count()
    events = decode(message(str(next(asked))) for _ in range(3))
    assert next(asked) == 0
    assert [type(next(events)), type(next(events))] == [Started, Text]
    assert next(asked) == 2


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({"total_tokens": 15, "prompt_tokens": 11}, Usage(11, None, 15, None, {}), id="counted"),
        pytest.param({"total_tokens": 0, "prompt_tokens": 0}, None, id="zero: Dify did not count"),
        pytest.param({"total_tokens": True}, None, id="a boolean is no number"),
        pytest.param({}, None, id="none"),
    ],
)
def test_usage_is_known_or_absent(usage: Raw, expected: Usage | None) -> None:
    assert decoded(message(), message_end(usage=usage))[-1] == Finished("succeeded", None, expected, "")


def test_a_stopped_run_whose_message_end_counts_nothing_has_the_tokens_of_its_workflow() -> None:
    ending = decoded(finished("stopped", total_tokens=7), message_end(usage={"total_tokens": 0}))[-1]
    assert ending == Finished("stopped", None, Usage(None, None, 7, None, {}), "")


def counted(prompt: int, completion: int, member: str = "outputs") -> Raw:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {"event": "node_finished", "workflow_run_id": "r", "data": {"id": "n", member: {"usage": usage}}}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param([counted(11, 20)], (11, 20), id="one model"),
        pytest.param([counted(11, 5), counted(9, 6, "process_data")], (20, 11), id="two, wherever they tell it"),
        pytest.param([counted(11, 5)], (None, None), id="not all of it is told"),
        pytest.param([], (None, None), id="none is told"),
        pytest.param(
            [{"event": "node_finished", "data": {"outputs": {"usage": {"prompt_tokens": "31"}}}}],
            (None, None),
            id="text",
        ),
    ],
)
def test_the_parts_of_a_workflows_total_are_what_its_nodes_make_up(
    nodes: list[Raw], expected: tuple[int | None, int | None]
) -> None:
    ending = decoded(*nodes, {**finished("succeeded", total_tokens=31), "conversation_id": ""})[-1]
    assert isinstance(ending, Finished)
    assert ending.usage == Usage(*expected, 31, None, {})


def test_reasoning_is_summed_up_at_the_end() -> None:
    ending = decoded(message(), message_end(reasoning={"a": "first", "b": "", "c": 1, "d": "second"}))[-1]
    assert ending == Finished("succeeded", None, None, "first\n\nsecond")


def test_a_ping_before_the_run_does_not_pass_for_its_first_event() -> None:
    ping: Raw = {"event": "ping"}
    assert [type(event) for event in decoded(ping, message(), message_end())] == [
        Passed,
        Started,
        Text,
        Passed,
        Finished,
    ]


@pytest.mark.parametrize(("size", "expected"), [(70, 70), (0, None), (-1, None), (True, None), ("70", None)])
def test_a_files_size_is_known_or_absent(size: object, expected: int | None) -> None:
    file = {"event": "message_file", **IDS, "id": "f", "url": "https://x/f", "size": size}
    (found,) = (event for event in decoded(file) if isinstance(event, File))
    assert found.size == expected


# -- Malformed dicts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        pytest.param({"id": "f", "url": "http://["}, id="a url that is none"),
        pytest.param({"id": "f", "url": 5}, id="a number for a url"),
        pytest.param({"id": "f", "url": "data:image/png;base64," + "A" * 9000}, id="a data url"),
        pytest.param({"url": None, "remote_url": "http://["}, id="a remote url that is none"),
    ],
)
def test_a_malformed_file_raises_nothing(file: Raw) -> None:
    events = decoded({"event": "message_file", **IDS, **file}, {**message_end(), "files": [file, 1, None]})
    assert ending_of(events[-1]) == "succeeded"


def may_be_left_out(raw: Raw) -> bool:
    """An `error` that comes first, and a run behind the end of a chat that is not its own."""
    conversation = raw.get("conversation_id")
    has_none = not isinstance(conversation, str) or not conversation
    return raw.get("event") == "error" or ("workflow_run_id" in raw and has_none)


@given(dicts=broken_runs, breaks=st.booleans())
@example(dicts=[{"event": ["message"]}], breaks=False)
@example(dicts=[{"event": "message_end", "metadata": {"retriever_resources": [None, {}]}, "files": 5}], breaks=False)
def test_any_dict_is_decoded_and_the_run_still_ends_once(dicts: list[dict[str, Any]], breaks: bool) -> None:
    events = list(decode(breaking(*dicts) if breaks else iter(dicts)))
    passed_on = raws_of(events)
    assert [raw for raw in passed_on if not may_be_left_out(raw)] == [raw for raw in dicts if not may_be_left_out(raw)]
    assert len(passed_on) <= len(dicts)
    assert isinstance(events[-1], Finished | Paused | Failed)
    assert not any(isinstance(event, Finished | Paused | Failed) for event in events[:-1])
    assert sum(isinstance(event, Started) for event in events) <= 1


# -- What only the Service API sends -------------------------------------------------------------------------------


def service_dicts(name: str) -> tuple[Raw, ...]:
    """A recorded stream of the Service API, without its pings."""
    lines = (SERVICE / f"{name}.streaming.sse").read_text("utf-8").split("\n")
    return tuple(json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def test_what_dify_makes_up_behind_the_answer_to_a_moderated_input_is_left_out() -> None:
    dicts = service_dicts("chatflow-mod-input")
    assert [raw["event"] for raw in dicts] == ["message", "message_end", "workflow_started", "workflow_finished"]
    events = decoded(*dicts)
    assert raws_of(events) == list(dicts[:2])
    assert ending_of(events[-1]) == "succeeded"


def test_a_chatflows_own_run_behind_its_message_is_kept() -> None:
    finished = {"event": "workflow_finished", **IDS, "workflow_run_id": "r", "data": {"status": "stopped"}}
    events = decoded(message_end(), finished)
    assert (raws_of(events)[-1], ending_of(events[-1])) == (finished, "stopped")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("workflow-full-badjson", "The input cfg must be a dict."),
        ("workflow-full-missing", "The input name is required."),
        ("workflow-inputs-missing", "The input n is required."),
        ("workflow-missing", "The input query is required."),
    ],
)
def test_inputs_that_a_form_refuses_are_a_400_before_anything_else(name: str, said: str) -> None:
    (failed,) = decoded(*service_dicts(name))
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.status, failed.error.message) == ("invalid_input", 400, said)


STARTED_ONLY: Final[Raw] = service_dicts("workflow-missing")[0]


def finished_at_once(**data: Any) -> Raw:
    """The end of the recorded run that its form refused, with these members changed."""
    raw = service_dicts("workflow-missing")[1]
    return {**raw, "data": {**raw["data"], **data}}


@pytest.mark.parametrize(
    ("dicts", "ending"),
    [
        pytest.param([finished_at_once(error="Something else")], "app_failed", id="another reason"),
        pytest.param([finished_at_once(error="missing query")], "app_failed", id="a refusal of something else"),
        pytest.param([finished_at_once(total_steps=1)], "app_failed", id="a step was run"),
        pytest.param([finished_at_once(status="succeeded", error=None)], "succeeded", id="no failure"),
        pytest.param([], "incomplete_run", id="nothing more"),
        pytest.param([{"event": "ping"}, finished_at_once()], "app_failed", id="something between"),
    ],
)
def test_any_other_run_that_ends_at_once_is_told_whole(dicts: list[Raw], ending: str) -> None:
    events = decoded(STARTED_ONLY, *dicts)
    assert (raws_of(events), ending_of(events[-1])) == ([STARTED_ONLY, *dicts], ending)


def test_a_break_behind_the_first_dict_of_a_run_does_not_lose_it() -> None:
    events = list(decode(breaking(STARTED_ONLY)))
    assert (type(events[0]), raws_of(events)) == (Started, [STARTED_ONLY])


@every_run({name: run for name, run in RUNS.items() if not failed_at_once(run)})
def test_a_run_that_has_begun_is_told_before_its_second_dict_comes(run: Recording) -> None:
    dicts = iter(run.dicts)
    assert isinstance(next(decode(dicts)), Started)
    assert list(dicts) == list(run.dicts[1:])
