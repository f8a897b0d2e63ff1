from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import cycle, islice, pairwise

import gevent
import pytest

from gateway import presence
from gateway.errors import DuckError
from gateway.presence import Attendance, Presence, watch
from gateway.tool import nesting
from gateway.tool.nesting import MAX_DEPTH, Level

APP, OTHER, THIRD = "an app", "another app", "a third app"
PATIENCE = 10.0
"""Seconds that a test waits for what must come."""


def level(
    app_id: str, *, calling_app: str = "", conversation_id: str = "", answers: Presence = Presence.HERE
) -> AbstractContextManager[Level]:
    return nesting.level(app_id, calling_app=calling_app, conversation_id=conversation_id, presence=lambda: answers)


@pytest.fixture(autouse=True)
def _nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nesting, "MAX_WAIT", 0.01)


def test_a_chat_that_calls_itself_in_its_own_run_is_stopped_at_the_stated_depth() -> None:
    with ExitStack() as calls:
        conversation_id = "the user's own"
        for depth in range(1, MAX_DEPTH + 1):
            entered = calls.enter_context(level(APP, calling_app=APP, conversation_id=conversation_id))
            assert entered.depth == depth
            conversation_id = entered.conversation_id = f"begun at {depth}"
        with pytest.raises(DuckError) as raised, level(APP, calling_app=APP, conversation_id=conversation_id):
            pass
    assert (raised.value.code, raised.value.message) == (
        "forbidden",
        "Apps have called each other 5 levels deep by this tool, and go no deeper.",
    )


def test_chats_in_a_ring_are_stopped_too() -> None:
    with ExitStack() as calls:
        conversation_id = "the user's own"
        for depth in range(MAX_DEPTH):
            called, calling = (APP, OTHER) if depth % 2 else (OTHER, APP)
            entered = calls.enter_context(level(called, calling_app=calling, conversation_id=conversation_id))
            conversation_id = entered.conversation_id = f"of {depth}"
        with pytest.raises(DuckError), level(APP, calling_app=OTHER, conversation_id=conversation_id):
            pass


def test_chats_of_different_conversations_do_not_count_for_each_other() -> None:
    with ExitStack() as calls:
        for user in range(3 * MAX_DEPTH):
            entered = calls.enter_context(level(APP, calling_app=APP, conversation_id=f"of user {user}"))
            entered.conversation_id = f"begun for user {user}"
            assert entered.depth == 1


def test_a_workflow_that_calls_itself_is_counted_with_all_its_runs() -> None:
    with ExitStack() as calls:
        for depth in range(1, MAX_DEPTH + 1):
            assert calls.enter_context(level(APP, calling_app=APP)).depth == depth
        with pytest.raises(DuckError) as raised, level(APP, calling_app=APP):
            pass
    assert raised.value.message == "This app calls itself, and 5 such calls are under way; there are no more at once."


def begun(calls: ExitStack, hops: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Each call of (calling app, conversation, called app), begun inside those before, until one is refused."""
    for calling, conversation_id, called in hops:
        entered = level(called, calling_app=calling, conversation_id=conversation_id)
        try:
            calls.enter_context(entered).conversation_id = f"begun at {called}" if conversation_id else ""
        except DuckError as error:
            yield error.message
            return
        yield called


@pytest.mark.parametrize("ring", [(APP, OTHER), (APP, OTHER, THIRD)], ids=["of two", "of three"])
def test_a_ring_of_apps_without_conversations_is_stopped_after_five_rounds(ring: tuple[str, ...]) -> None:
    hops = [(calling, "", called) for calling, called in islice(pairwise(cycle(ring)), 10 * MAX_DEPTH)]
    with ExitStack() as calls:
        *called, refusal = begun(calls, hops)
    # The first of each pair is not known for a ring's before the ring is closed.
    assert MAX_DEPTH * len(ring) <= len(called) <= (MAX_DEPTH + 1) * len(ring)
    assert refusal == "This app calls itself through others, and 5 such calls are under way; there are no more at once."


def test_a_ring_of_a_chat_and_a_workflow_is_stopped() -> None:
    """The chat's calls have a conversation, the workflow's have none."""
    rounds = [(OTHER, "", APP) if hop % 2 else (APP, f"of round {hop}", OTHER) for hop in range(10 * MAX_DEPTH)]
    with ExitStack() as calls:
        *called, _ = begun(calls, rounds)
    assert 2 * MAX_DEPTH <= len(called) <= 2 * MAX_DEPTH + 2


@pytest.mark.parametrize("calling", [OTHER, ""], ids=["another app", "an app that Dify does not name"])
def test_an_app_that_others_call_is_not_bounded(calling: str) -> None:
    with ExitStack() as calls:
        for _ in range(3 * MAX_DEPTH):
            assert calls.enter_context(level(APP, calling_app=calling)).depth == 1


def test_a_call_that_has_ended_counts_no_more_also_one_that_failed() -> None:
    def call_that_fails() -> None:
        with level(APP, calling_app=APP) as entered:
            raise KeyError(entered.depth)

    for _ in range(2 * MAX_DEPTH):
        with pytest.raises(KeyError, match=r"^1$"):
            call_that_fails()


def test_a_call_waits_for_one_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nesting, "MAX_WAIT", 10 * PATIENCE)
    with ExitStack() as calls, gevent.Timeout(PATIENCE):
        for _ in range(MAX_DEPTH - 1):
            calls.enter_context(level(APP, calling_app=APP))
        last = ExitStack()
        last.enter_context(level(APP, calling_app=APP))
        gevent.spawn(last.close)
        assert calls.enter_context(level(APP, calling_app=APP)).depth == MAX_DEPTH


def test_a_call_finds_out_those_whose_users_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that nobody waits for wait for somebody who answers; the call that they block is the one."""
    monkeypatch.setattr(nesting, "MAX_WAIT", PATIENCE)
    monkeypatch.setattr(presence, "PROBE_WAIT", 0.01)
    monkeypatch.setattr(presence, "_present", {})
    abandoned = [gevent.spawn(partial(_run_until_gone, level(APP, calling_app=APP))) for _ in range(MAX_DEPTH)]
    gevent.sleep(0.1)
    assert not any(run.dead for run in abandoned)
    with level(APP, calling_app=APP) as entered:
        assert entered.depth <= MAX_DEPTH
    gevent.joinall(abandoned, PATIENCE)
    assert all(run.dead for run in abandoned)


@pytest.mark.parametrize("ends", ["refused", "killed"])
def test_a_call_that_waited_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    monkeypatch.setattr(presence, "_present", {})
    monkeypatch.setattr(nesting, "MAX_WAIT", 0.01 if ends == "refused" else 10 * PATIENCE)
    with ExitStack() as calls:
        for _ in range(MAX_DEPTH):
            calls.enter_context(level(APP, calling_app=APP))
        waiting = gevent.spawn(calls.enter_context, level(APP, calling_app=APP))
        gevent.sleep(0)
        assert len(presence._present) == 1
        if ends == "killed":
            waiting.kill()
        waiting.join(PATIENCE)
        assert (list(presence._present), len(nesting._under_way)) == ([], MAX_DEPTH)
    assert list(nesting._under_way) == []


def _run_until_gone(place: AbstractContextManager[Level]) -> None:
    attendance = Attendance(_no_answer)
    with place:
        watch(attendance, heartbeat=0.02)
    attendance.leave()


def _no_answer() -> Presence:
    gevent.sleep(0.01)
    return Presence.UNANSWERED
