import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dify_plugin.core.runtime import Session
from dify_plugin.errors.model import InvokeError

from gateway import presence
from gateway.events import Kind
from gateway.presence import Attendance, Presence
from gateway.settings.values import DEFAULT_MAX_STREAMS
from gateway.tool import nesting, running
from gateway.tool.nesting import MAX_DEPTH
from tests.gateway.fake_dify import FakeApp, FakeDify, FakeStorage

CHAT = "11111111-1111-4111-8111-111111111111"
CONVERSATION = "c0000000-0000-4000-8000-000000000001"
IDS = {"conversation_id": CONVERSATION, "message_id": "m", "task_id": "t"}
DICTS = (
    {"event": "message", **IDS, "answer": "Hi"},
    {"event": "message_end", **IDS, "metadata": {}},
)


def workspace(app_id: str = CHAT, *dicts: Any) -> FakeDify:
    return FakeDify({app_id: FakeApp(Kind.CHAT, dicts=dicts or DICTS, conversations=frozenset({CONVERSATION}))})


def session(dify: FakeDify, *, app_id: str | None = None, conversation_id: str | None = None) -> Session:
    """A session of a tool's call, which belongs to no endpoint."""
    told = {**vars(dify.session()), "endpoint_id": None, "app_id": app_id, "conversation_id": conversation_id}
    return cast(Session, SimpleNamespace(**told))


def run(dify: FakeDify, user: str = "ann", inside: str | None = None, **parameters: Any) -> Any:
    """The messages of a call of the chat, not begun. inside: the conversation that the calling app is in."""
    called = session(dify, app_id=CHAT, conversation_id=inside)
    return running.run_app(called, {"apps": f"chat={CHAT}"}, user, {"alias": "chat", "query": "Hi", **parameters})


def handle_of(messages: Any) -> str:
    told = next(message.message.json_object for message in messages if message.type.value == "json")
    return str(told["conversation_id"])


def test_a_call_inside_a_run_is_known_by_its_conversation_and_stopped_at_the_stated_depth() -> None:
    dify = workspace()
    outer = [run(dify, inside=CONVERSATION if depth else "the user's own") for depth in range(MAX_DEPTH)]
    for messages in outer:
        next(messages)
    with pytest.raises(InvokeError, match="5 levels deep"):
        next(run(dify, inside=CONVERSATION))
    for messages in outer:
        messages.close()
    assert list(run(dify, inside=CONVERSATION))


def test_the_conversations_of_two_workspaces_have_nothing_in_common() -> None:
    one, two = workspace(), workspace()
    handle = handle_of(run(one))
    assert handle_of(run(one, conversation_id=handle)) == handle
    with pytest.raises(InvokeError, match="There is no conversation"):
        list(run(two, conversation_id=handle))


def test_a_workspace_keeps_its_name_so_that_another_process_opens_its_conversations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dify = workspace()
    handle = handle_of(run(dify))
    monkeypatch.setattr("gateway.secret._known", {})
    assert handle_of(run(dify, conversation_id=handle)) == handle


def test_what_was_learnt_of_an_app_is_told_no_other_workspace() -> None:
    listed = {"apps": f"chat={CHAT}"}
    knows, does_not = workspace(), FakeDify({})
    list(running.run_app(session(knows), listed, "", {"query": "Hi"}))
    with pytest.raises(InvokeError, match="Dify does not find the app chat"):
        list(running.run_app(session(does_not), listed, "", {"query": "Hi"}))
    assert does_not.asked == [CHAT]


def test_a_storage_that_fails_is_told_and_no_app_is_run() -> None:
    dify = workspace()
    dify.storage = FakeStorage(fault=Exception("save data failed: disk full"))
    with pytest.raises(InvokeError, match="storage"):
        list(run(dify))
    assert dify.calls == []


def test_whatever_breaks_is_told_without_its_text_and_its_place(duck_log: pytest.LogCaptureFixture) -> None:
    broken = session(workspace())
    del broken.__dict__["install_method"]
    with pytest.raises(InvokeError) as raised:
        list(running.run_app(broken, {"apps": f"chat={CHAT}"}, "", {"query": "Hi"}))
    assert re.fullmatch(
        r"Duck failed on this request. Please report it; the plugin's log names it [0-9a-f]{32}.", str(raised.value)
    )
    assert (raised.value.__context__, raised.value.__cause__) == (None, None)
    assert "failed: AttributeError at gateway.transports.reverse" in duck_log.text


def test_each_call_has_a_line_in_the_log_that_holds_nothing_of_it(duck_log: pytest.LogCaptureFixture) -> None:
    list(run(workspace(), query="a private matter"))
    (line,) = [record.getMessage() for record in duck_log.records if "route=tool/run_app" in record.getMessage()]
    assert "caller=tool app=chat status=200 events=4" in line
    assert "private" not in duck_log.text


def test_a_workflow_that_calls_itself_is_stopped_and_attends_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.tool.nesting.MAX_WAIT", 0.01)
    dify = workspace()
    outer = [run(dify) for _ in range(MAX_DEPTH)]
    for messages in outer:
        next(messages)
    answers: list[Presence] = []

    def attendance(call: Callable[[], Presence]) -> Attendance:
        answers.append(call())
        return Attendance(call)

    monkeypatch.setattr(nesting, "Attendance", attendance)
    with pytest.raises(InvokeError) as raised:
        next(run(dify))
    assert str(raised.value) == (
        "This app calls itself, and 5 such calls are under way; there are no more at once. "
        "Give the app that calls itself a condition that ends it."
    )
    assert answers == [Presence.HERE]
    for messages in outer:
        messages.close()
    assert list(nesting._under_way) == []
    assert list(presence._present) == []


def test_a_call_that_is_closed_gives_its_slot_back() -> None:
    dify = workspace()
    for _ in range(2 * DEFAULT_MAX_STREAMS):
        messages = run(dify, inside="the user's own")
        next(messages)
        messages.close()
