import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from workbench.app import App, DifyEvent, Refused
from workbench.apps import DEMO_APPS, TEST_APPS, demo_apps
from workbench.apps.chats import MODERATED_ANSWER

type Outcome = tuple[list[DifyEvent], Exception | None]
type Run = Callable[..., Outcome]

DOCUMENT = {"type": "document", "transfer_method": "remote_url", "url": "https://files.example/doc.txt"}
PICTURE = {"type": "image", "transfer_method": "remote_url", "url": "https://files.example/cat.png"}
FILLED_FORM = {
    "name": "Ann",
    "about": "likes ducks",
    "age": "12.5",
    "color": "red",
    "agree": "yes",
    "document": DOCUMENT,
    "pictures": [PICTURE, PICTURE],
    "config": {"a": 1},
}
IDS = {**DEMO_APPS, **TEST_APPS}
UNKNOWN_CONVERSATION = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> dict[str, App]:
    monkeypatch.setenv("WORKBENCH_SLOW_SECONDS", "0")
    by_id = demo_apps(pace=0)
    return {alias: by_id[app_id] for alias, app_id in IDS.items() if app_id in by_id}


def answer(events: list[DifyEvent]) -> str:
    return "".join(event["answer"] for event in events if "answer" in event)


def test_every_alias_but_nowhere_has_an_app() -> None:
    assert set(demo_apps()) == {app_id for alias, app_id in IDS.items() if alias != "nowhere"}


def test_app_ids_are_distinct_version_4_uuids() -> None:
    assert {UUID(app_id).version for app_id in IDS.values()} == {4}
    assert len(set(IDS.values())) == len(DEMO_APPS) + len(TEST_APPS)


SAME_AS_RECORDED = [
    ("echo", "chat-echo-turn1", {}),
    ("slow", "chat", {}),
    ("long", "chat", {}),
    ("broken", "chat-errmid", {}),
    ("moderated", "chat-mod", {}),
    ("agent", "agent-chat", {}),
    ("chatflow", "chatflow", {}),
    ("reasoning", "chatflow-reason-on-sep", {}),
    ("workflow", "workflow", {"text": "hi"}),
    ("paused", "workflow-human", {}),
]


@pytest.mark.parametrize(("alias", "case", "inputs"), SAME_AS_RECORDED, ids=[row[0] for row in SAME_AS_RECORDED])
def test_events_follow_each_other_and_are_shaped_as_recorded(
    apps: dict[str, App],
    outcome: Run,
    recorded: Callable[[str], tuple[dict[str, Any], list[DifyEvent]]],
    sequence: Callable[[list[DifyEvent]], list[str]],
    shapes: Callable[[list[DifyEvent]], dict[str, set[str]]],
    alias: str,
    case: str,
    inputs: dict[str, Any],
) -> None:
    events, error = outcome(apps[alias], inputs=inputs)
    _, real = recorded(case)
    assert error is None
    assert sequence(events) == sequence(real)
    assert shapes(events) == shapes(real)


def test_form_events_follow_each_other_and_are_shaped_as_recorded(
    apps: dict[str, App],
    outcome: Run,
    recorded: Callable[[str], tuple[dict[str, Any], list[DifyEvent]]],
    sequence: Callable[[list[DifyEvent]], list[str]],
    shapes: Callable[[list[DifyEvent]], dict[str, set[str]]],
) -> None:
    events, _ = outcome(apps["form"], inputs=FILLED_FORM)
    _, real = recorded("workflow-inputs-ok")
    assert sequence(events) == sequence(real)
    assert shapes(events) == shapes(real)


@pytest.mark.parametrize(
    ("alias", "text", "nodes"),
    [
        ("fixed", "This is a simple text response for testing.", ["start1", "end1"]),
        ("steps", "Done in 3 steps.", ["start1", "step1", "step2", "step3", "end1"]),
    ],
)
def test_a_workflow_without_a_form_passes_its_nodes_in_turn_and_is_shaped_as_recorded(
    apps: dict[str, App],
    outcome: Run,
    recorded: Callable[[str], tuple[dict[str, Any], list[DifyEvent]]],
    shapes: Callable[[list[DifyEvent]], dict[str, set[str]]],
    alias: str,
    text: str,
    nodes: list[str],
) -> None:
    events, error = outcome(apps[alias], query="", inputs={})
    _, real = recorded("workflow")
    assert error is None
    assert [event["data"]["node_id"] for event in events if event["event"] == "node_finished"] == nodes
    assert [event["data"]["outputs"] for event in events if event["event"] == "workflow_finished"] == [{"text": text}]
    for name in ("workflow_started", "node_started", "workflow_finished"):
        assert shapes(events)[name] == shapes(real)[name], name


def test_failing_is_a_failed_chatflow_in_the_envelope_of_a_workflow(
    apps: dict[str, App],
    outcome: Run,
    recorded: Callable[[str], tuple[dict[str, Any], list[DifyEvent]]],
    sequence: Callable[[list[DifyEvent]], list[str]],
    shapes: Callable[[list[DifyEvent]], dict[str, set[str]]],
) -> None:
    events, _ = outcome(apps["failing"])
    _, chatflow = recorded("chatflow-fail-late")
    assert sequence(events) == [name.replace("message", "text_chunk") for name in sequence(chatflow) if name != "error"]
    _, workflow = recorded("workflow-fail")
    assert shapes(events)["workflow_finished"] == shapes(workflow)["workflow_finished"]
    assert [events[-1]["data"][name] for name in ("status", "error")] == ["failed", "[Errno 111] Connection refused"]


def test_failing_form_schema_fails_the_run_at_its_start_node_as_recorded(
    apps: dict[str, App],
    outcome: Run,
    recorded: Callable[[str], tuple[dict[str, Any], list[DifyEvent]]],
    sequence: Callable[[list[DifyEvent]], list[str]],
) -> None:
    events, _ = outcome(apps["form"], inputs=FILLED_FORM | {"config": {"a": "str"}})
    _, real = recorded("workflow-full-badschema")
    assert sequence(events) == sequence(real)
    assert events[-1]["data"]["error"] == real[-1]["data"]["error"].replace("'cfg'", "'config'")


def test_form_outputs_are_the_converted_inputs_and_its_text_a_rendering_of_them(
    apps: dict[str, App], outcome: Run
) -> None:
    events, _ = outcome(apps["form"], inputs=FILLED_FORM)
    outputs = events[-1]["data"]["outputs"]
    assert {name: outputs[name] for name in ("name", "about", "age", "color", "agree", "config")} == {
        "name": "Ann",
        "about": "likes ducks",
        "age": 12.5,
        "color": "red",
        "agree": True,
        "config": {"a": 1},
    }
    assert [outputs["document"]["filename"], *(file["filename"] for file in outputs["pictures"])] == [
        "doc.txt",
        "cat.png",
        "cat.png",
    ]
    picture = "![cat.png](https://files.example/cat.png)"
    text = "".join(event["data"]["text"] for event in events if event["event"] == "text_chunk")
    assert text == (
        "Ann\nlikes ducks\n12.5\nred\nTrue\n[doc.txt](https://files.example/doc.txt)\n"
        f'{picture}\n{picture}\n{{\n  "a": 1\n}}'
    )


def test_workflow_streams_the_value_of_its_output(apps: dict[str, App], outcome: Run) -> None:
    events, _ = outcome(apps["workflow"], inputs={"text": "two words"})
    text = "".join(event["data"]["text"] for event in events if event["event"] == "text_chunk")
    assert events[-1]["data"]["outputs"] == {"text": text} == {"text": "You wrote: two words"}


def test_echo_says_the_query_word_by_word_and_counts_the_turns(apps: dict[str, App], outcome: Run) -> None:
    first, _ = outcome(apps["echo"], query="one  two")
    conversation_id = first[0]["conversation_id"]
    second, _ = outcome(apps["echo"], query="three", conversation_id=conversation_id)
    assert [event.get("answer") for event in first] == ["You ", "said: ", "one  ", "two ", "(turn ", "1)", "", None]
    assert answer(second) == "You said: three (turn 2)"
    assert second[0]["conversation_id"] == conversation_id
    assert second[0]["message_id"] != first[0]["message_id"]


def test_each_app_has_conversations_of_its_own(apps: dict[str, App], outcome: Run) -> None:
    events, _ = outcome(apps["echo"])
    _, error = outcome(apps["agent"], conversation_id=events[0]["conversation_id"])
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.message) == (400, "invalid_param", "")


def test_chatflow_starts_a_new_conversation_for_an_unknown_one(apps: dict[str, App], outcome: Run) -> None:
    events, error = outcome(apps["chatflow"], conversation_id=UNKNOWN_CONVERSATION)
    assert error is None
    assert events[0]["conversation_id"] != UNKNOWN_CONVERSATION
    assert answer(events).endswith("(turn 1)")


def test_chatflow_counts_the_turns_of_a_known_conversation(apps: dict[str, App], outcome: Run) -> None:
    first, _ = outcome(apps["chatflow"])
    second, _ = outcome(apps["chatflow"], conversation_id=first[0]["conversation_id"])
    assert second[0]["data"]["inputs"]["sys.dialogue_count"] == 2
    assert answer(second).endswith("(turn 2)")


MISSING_QUERY = (400, "invalid_param", "missing query")
UNKNOWN = (400, "invalid_param", "")
CRASHED = (500, "unknown", "Internal Server Error")
CHATS = ("echo", "agent", "slow", "long", "broken", "moderated", "mirror", "endless")
CHATFLOWS = ("chatflow", "reasoning", "gallery", "endless-chatflow")

UNPROBED = {"fixed", "steps"}
"""Workflows without a form: any call of theirs is a good one."""

REFUSALS: list[tuple[str, dict[str, Any], tuple[int, str, str]]] = [
    # The probe of an app's kind: no query, and a value of a wrong type.
    *((alias, {"query": "", "inputs": {"text": 0}}, MISSING_QUERY) for alias in CHATS + CHATFLOWS),
    *(
        (alias, {"query": "", "inputs": {"text": 0}}, (400, "invalid_param", reason))
        for alias in ("workflow", "failing", "paused", "endless-workflow")
        for reason in ["(type 'text-input') text in input form must be a string"]
    ),
    (
        "form",
        {"query": "", "inputs": {"name": 0}},
        (400, "invalid_param", "(type 'text-input') name in input form must be a string"),
    ),
    *(
        (alias, {"query": "", "inputs": {"query": 0}}, (400, "invalid_param", reason))
        for alias in ("completion", "endless-completion")
        for reason in ["(type 'paragraph') query in input form must be a string"]
    ),
    # The query is looked at before the conversation.
    ("echo", {"query": "", "conversation_id": "abc"}, MISSING_QUERY),
    *((alias, {"conversation_id": UNKNOWN_CONVERSATION}, UNKNOWN) for alias in CHATS),
    *((alias, {"conversation_id": "abc"}, CRASHED) for alias in CHATS + CHATFLOWS),
    ("workflow", {"inputs": {}}, (400, "invalid_param", "text is required in input form")),
    ("form", {"inputs": {}}, (400, "invalid_param", "name is required in input form")),
]


@pytest.mark.parametrize(("alias", "call", "expected"), REFUSALS, ids=[f"{row[0]}-{row[1]}" for row in REFUSALS])
def test_calls_that_dify_refuses_are_refused_before_any_event(
    apps: dict[str, App], outcome: Run, alias: str, call: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    events, error = outcome(apps[alias], **call)
    assert events == []
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.message) == expected


def test_every_demo_app_refuses_a_probe(apps: dict[str, App]) -> None:
    assert {alias for alias, call, _ in REFUSALS if call.get("query") == ""} == set(apps) - UNPROBED


def test_a_workflow_ignores_query_and_conversation(apps: dict[str, App], outcome: Run) -> None:
    events, error = outcome(apps["workflow"], query="", inputs={"text": "x"}, conversation_id="abc")
    assert error is None
    assert events[-1]["event"] == "workflow_finished"


def test_broken_ends_with_the_recorded_provider_error(
    apps: dict[str, App], outcome: Run, recorded: Callable[[str], tuple[dict[str, Any], list[DifyEvent]]]
) -> None:
    events, _ = outcome(apps["broken"])
    _, real = recorded("chat-errmid")
    ids = ("conversation_id", "message_id", "created_at")
    assert events[-1] | dict.fromkeys(ids) == real[-1] | dict.fromkeys(ids)
    assert [event["answer"] for event in events[:-1]] == [event["answer"] for event in real[:-1]]


def test_moderated_replaces_its_answer_by_the_preset_in_its_parameters(apps: dict[str, App], outcome: Run) -> None:
    events, _ = outcome(apps["moderated"])
    assert [event["answer"] for event in events if event["event"] == "message_replace"] == [MODERATED_ANSWER]
    avoidance = apps["moderated"].parameters()["sensitive_word_avoidance"]
    assert avoidance["config"]["outputs_config"]["preset_response"] == MODERATED_ANSWER


def test_reasoning_is_final_only_after_the_text_and_is_repeated_at_the_end(apps: dict[str, App], outcome: Run) -> None:
    events, _ = outcome(apps["reasoning"])
    chunks = [event["data"] for event in events if event["event"] == "reasoning_chunk"]
    end = next(event for event in events if event["event"] == "message_end")
    assert [chunk["is_final"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert end["metadata"]["reasoning"] == {"llm1": "".join(chunk["reasoning"] for chunk in chunks)}


def test_paused_carries_a_fresh_token_in_both_of_its_last_events(apps: dict[str, App], outcome: Run) -> None:
    tokens = []
    for _ in range(2):
        events, _ = outcome(apps["paused"])
        asked, paused = events[-2]["data"], events[-1]["data"]
        assert paused["reasons"][0]["form_token"] == asked["form_token"]
        tokens.append(asked["form_token"])
    assert tokens[0] != tokens[1]
    assert [len(token) for token in tokens] == [22, 22]


def test_long_sends_5000_numbered_tokens_in_order(apps: dict[str, App], outcome: Run) -> None:
    events, _ = outcome(apps["long"])
    assert [event["answer"] for event in events[:-2]] == [f"tok{number} " for number in range(5_000)]


def test_agent_thoughts_fill_up_under_one_id(apps: dict[str, App], outcome: Run) -> None:
    events, _ = outcome(apps["agent"])
    thoughts = [event for event in events if event["event"] == "agent_thought"]
    assert [thought["id"] == thoughts[0]["id"] for thought in thoughts] == [True, True, True, False, False]
    assert [bool(thought["observation"]) for thought in thoughts] == [False, False, True, False, False]
    assert json.loads(thoughts[2]["tool_input"]) == {"current_time": {}}


def test_slow_is_silent_before_its_first_event_but_refuses_at_once(
    monkeypatch: pytest.MonkeyPatch, outcome: Run
) -> None:
    monkeypatch.setenv("WORKBENCH_SLOW_SECONDS", "0.2")
    slow = demo_apps(pace=0)[DEMO_APPS["slow"]]
    start = time.monotonic()
    events, _ = outcome(slow)
    assert time.monotonic() - start >= 0.2
    assert answer(events)

    monkeypatch.setenv("WORKBENCH_SLOW_SECONDS", "3600")
    _, error = outcome(demo_apps(pace=0)[DEMO_APPS["slow"]], query="")
    assert isinstance(error, Refused)


def test_pace_is_waited_before_each_event_and_can_be_set_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, outcome: Run
) -> None:
    monkeypatch.setenv("WORKBENCH_PACE", "0.02")
    start = time.monotonic()
    events, _ = outcome(demo_apps()[DEMO_APPS["echo"]])
    assert time.monotonic() - start >= 0.02 * len(events)


def test_a_pace_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PACE", "fast")
    with pytest.raises(ValueError, match="WORKBENCH_PACE must be a number of seconds, got 'fast'"):
        demo_apps()


PARAMETERS_LIKE = {
    "echo": "chat",
    "agent": "agent-chat",
    "slow": "chat",
    "long": "chat",
    "broken": "chat",
    "moderated": "chat-mod",
    "completion": "completion",
    "chatflow": "chatflow-convvars",
    "reasoning": "chatflow-convvars",
    "workflow": "workflow",
    "failing": "workflow",
    "paused": "workflow",
    "form": "workflow-full",
}


@pytest.mark.parametrize("alias", PARAMETERS_LIKE)
def test_parameters_are_those_of_a_real_app_but_for_form_and_moderation(
    apps: dict[str, App], recordings: Path, alias: str
) -> None:
    real = json.loads((recordings / "plugin" / f"fetch_app.{PARAMETERS_LIKE[alias]}.json").read_text("utf-8"))
    own = apps[alias].parameters()
    varying = ("user_input_form", "sensitive_word_avoidance")
    assert own | dict.fromkeys(varying) == real | dict.fromkeys(varying)
    assert set(own["sensitive_word_avoidance"]) == set(real["sensitive_word_avoidance"])
    declared = {kind: set(members) for item in own["user_input_form"] for kind, members in item.items()}
    really = {kind: set(members) for item in real["user_input_form"] for kind, members in item.items()}
    optional = {"default", "description", "hide"} if alias != "completion" else set()
    assert {kind: members - optional for kind, members in declared.items()} == {
        kind: members - optional for kind, members in really.items()
    }


def test_events_of_one_run_share_their_ids_and_no_other_run_has_them(apps: dict[str, App], outcome: Run) -> None:
    runs = [outcome(apps["chatflow"])[0] for _ in range(2)]
    ids = [{(event["message_id"], event["task_id"]) for event in events} for events in runs]
    assert [len(of_run) for of_run in ids] == [1, 1]
    assert ids[0].isdisjoint(ids[1])


def test_a_conversation_id_is_known_in_any_spelling_of_the_uuid(apps: dict[str, App], outcome: Run) -> None:
    events, _ = outcome(apps["echo"])
    again, error = outcome(apps["echo"], conversation_id=events[0]["conversation_id"].upper())
    assert error is None
    assert again[0]["conversation_id"] == events[0]["conversation_id"]
    _, unknown = outcome(apps["echo"], conversation_id=str(uuid4()))
    assert isinstance(unknown, Refused)
