import gc
import time
from collections.abc import Iterator
from itertools import chain, pairwise, repeat
from typing import Final

import gevent
import pytest
from gevent.event import Event as Signal

from gateway import presence
from gateway.presence import ENOUGH, ENOUGH_ALONE, MOST_ASKED, Attendance, Presence, watch

HEARTBEAT: Final = 0.02
"""Seconds; 15 in earnest."""

PROBE_WAIT: Final = 0.01
"""Seconds that a call takes which is not answered; 2 in earnest."""

PATIENCE: Final = 10.0
"""Seconds that a test waits for what must come, on a machine with much else to do."""

type Watching = gevent.Greenlet[..., None]

HERE, UNANSWERED, GONE = Presence.HERE, Presence.UNANSWERED, Presence.GONE


class Caller:
    """A caller whose calls are answered as is said, one after the other, the last for all that follow.

    asked: when its calls began.
    """

    def __init__(self, *answers: Presence) -> None:
        self.asked: list[float] = []
        self.at_once = self.most_at_once = 0
        self._answers = chain(answers, repeat(answers[-1]))
        self._reached = Signal()
        self.attendance = Attendance(self._answer)

    def _answer(self) -> Presence:
        self.asked.append(time.monotonic())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self._reached.set()
        try:
            answer = next(self._answers)
            gevent.sleep(PROBE_WAIT if answer is UNANSWERED else 0)
            return answer
        finally:
            self.at_once -= 1

    def watched(self, heartbeat: float = HEARTBEAT) -> Watching:
        """The watch; it ends when the caller is held for gone."""
        return gevent.spawn(watch, self.attendance, heartbeat)

    def wait_until_asked(self, times: int) -> None:
        while len(self.asked) < times:
            self._reached.clear()
            assert self._reached.wait(PATIENCE)


def is_over(watching: Watching, wait: float = PATIENCE) -> bool:
    watching.join(wait)
    return bool(watching.dead)


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody is in attendance, and nobody was; greenlets of the test's own are ended."""
    before = set(_greenlets())
    monkeypatch.setattr(presence, "_present", {})
    monkeypatch.setattr(presence, "_latest", presence._Latest())
    yield
    gevent.killall([greenlet for greenlet in _greenlets() if greenlet not in before])


def _greenlets() -> list[Watching]:
    return [found for found in gc.get_objects() if isinstance(found, gevent.Greenlet) and not found.dead]


# -- Who is held for gone ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "others", "alone_for", "asked"),
    [
        pytest.param([UNANSWERED], [HERE], 60.0, ENOUGH, id="two unanswered while another's was answered"),
        pytest.param([UNANSWERED], [HERE, UNANSWERED, UNANSWERED], 60.0, ENOUGH, id="of three others one is there"),
        pytest.param([HERE, HERE, UNANSWERED], [HERE], 60.0, 2 + ENOUGH, id="was there before"),
        pytest.param([UNANSWERED], [], 0.0, ENOUGH_ALONE, id="alone, five unanswered"),
        pytest.param([GONE], [], 60.0, 1, id="the daemon says so"),
        pytest.param([GONE], [UNANSWERED], 60.0, 1, id="the daemon says so, though another is not answered"),
        pytest.param([UNANSWERED, GONE], [UNANSWERED], 60.0, 2, id="the daemon says so at last"),
    ],
)
def test_a_caller_is_held_for_gone(
    answers: list[Presence],
    others: list[Presence],
    alone_for: float,
    asked: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "ALONE_FOR", alone_for)
    caller, _ = Caller(*answers), [Caller(answer) for answer in others]
    assert is_over(caller.watched())
    assert len(caller.asked) == asked


@pytest.mark.parametrize(
    ("answers", "others", "alone_for"),
    [
        pytest.param([HERE], [], 0.0, id="answers"),
        pytest.param([HERE], [UNANSWERED], 0.0, id="answers while nobody else does"),
        pytest.param([UNANSWERED], [UNANSWERED], 0.0, id="nobody answers: the storage is slow"),
        pytest.param([UNANSWERED], [UNANSWERED] * 10, 0.0, id="nobody of many answers"),
        pytest.param([UNANSWERED], [GONE], 0.0, id="the only other has left: it tells nothing of the storage"),
        pytest.param([UNANSWERED], [], 60.0, id="alone, but not for a minute"),
        pytest.param([UNANSWERED, HERE] * 10, [HERE], 0.0, id="answers every other time"),
        pytest.param([UNANSWERED] * (ENOUGH_ALONE - 1) + [HERE], [], 0.0, id="alone, answers the fifth"),
    ],
)
def test_a_caller_is_not_held_for_gone(
    answers: list[Presence], others: list[Presence], alone_for: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "ALONE_FOR", alone_for)
    caller, _ = Caller(*answers), [Caller(answer) for answer in others]
    watching = caller.watched()
    caller.wait_until_asked(2 * ENOUGH_ALONE)
    assert not watching.dead


def test_alone_the_five_calls_are_spread_over_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "ALONE_FOR", 0.3)
    caller = Caller(UNANSWERED)
    assert is_over(caller.watched())
    assert (len(caller.asked) >= ENOUGH_ALONE, time.monotonic() - caller.asked[0] >= 0.3) == (True, True)


def test_in_earnest_alone_means_five_calls_over_a_minute_and_else_two() -> None:
    assert (ENOUGH, ENOUGH_ALONE, presence.ALONE_FOR) == (2, 5, 60.0)


def test_one_who_has_left_the_attendance_is_not_asked_and_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "ALONE_FOR", 0.0)
    caller, other = Caller(UNANSWERED), Caller(HERE)
    for _ in range(2):
        other.attendance.leave()
    assert is_over(caller.watched())
    assert (len(caller.asked), other.asked) == (ENOUGH_ALONE, [])


def test_an_answer_of_another_from_before_proves_nothing() -> None:
    caller, other = Caller(UNANSWERED), Caller(HERE, UNANSWERED)
    assert other.attendance.ask() is HERE
    watching = caller.watched()
    caller.wait_until_asked(2 * ENOUGH_ALONE)
    assert not watching.dead


def test_a_storage_that_stalls_and_goes_on_has_ended_nobody() -> None:
    """Calls that wait meanwhile are answered when it goes on, as far as anybody still waits for them."""
    goes_on = Signal()

    def answer() -> Presence:
        asked.append(time.monotonic())
        return HERE if goes_on.wait(PROBE_WAIT) else UNANSWERED

    asked: list[float] = []
    attendances = [Attendance(answer) for _ in range(5)]
    watching = [gevent.spawn(watch, one, HEARTBEAT) for one in attendances]
    gevent.sleep(5 * HEARTBEAT)
    assert len(asked) > ENOUGH * len(attendances)
    goes_on.set()
    gevent.sleep(5 * HEARTBEAT)
    assert all(one.answered > asked[0] for one in attendances)
    assert [one.dead for one in watching] == [False] * 5


def test_all_of_an_abandoned_crowd_are_ended_once_one_is_there() -> None:
    crowd = [Caller(UNANSWERED) for _ in range(20)]
    watching = [caller.watched() for caller in crowd]
    for caller in crowd:
        caller.wait_until_asked(ENOUGH)
    living = Caller(HERE)
    assert all(is_over(one) for one in watching)
    assert living.asked


# -- When it is asked ----------------------------------------------------------------------------------------------


def test_a_living_caller_is_asked_at_most_once_per_heartbeat() -> None:
    caller = Caller(HERE)
    watching = caller.watched()
    caller.wait_until_asked(5)
    assert [later - earlier >= HEARTBEAT for earlier, later in pairwise(caller.asked)] == [True] * 4
    assert not watching.dead


def test_a_suspect_is_asked_again_as_soon_as_somebody_comes() -> None:
    """Its heartbeat is longer than the test has patience."""
    caller, _ = Caller(UNANSWERED), Caller(UNANSWERED)
    watching = caller.watched(heartbeat=10 * PATIENCE)
    caller.wait_until_asked(ENOUGH)
    gevent.sleep(2 * PROBE_WAIT)
    asked = len(caller.asked)
    Caller(HERE)
    assert is_over(watching)
    assert len(caller.asked) == asked + 1


def test_nobody_is_woken_by_a_suspect_before_its_second_call() -> None:
    caller, other = Caller(UNANSWERED, HERE), Caller(HERE)
    caller.watched()
    caller.wait_until_asked(1)
    assert other.asked == []


def test_a_suspect_asks_the_latest_to_come_and_no_more_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "BETWEEN_OTHERS", 0.0)
    caller, others = Caller(UNANSWERED), [Caller(UNANSWERED) for _ in range(MOST_ASKED + 5)]
    caller.watched(heartbeat=10 * PATIENCE)
    others[5].wait_until_asked(1)
    gevent.sleep(2 * PROBE_WAIT)
    assert [bool(other.asked) for other in others] == [False] * 5 + [True] * MOST_ASKED


def test_those_who_left_last_do_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many streams go on, the newest callers have left, and no new one comes."""
    monkeypatch.setattr(presence, "BETWEEN_OTHERS", 0.0)
    _living = [Caller(HERE) for _ in range(20)]
    watching = [Caller(UNANSWERED).watched() for _ in range(4)]
    assert all(is_over(one) for one in watching)


def test_an_answer_that_comes_late_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PROBE_WAIT", PROBE_WAIT)

    def late() -> Presence:
        gevent.sleep(1.3 * PROBE_WAIT)
        return HERE

    attendance, _other = Attendance(late), Caller(HERE)
    watching = gevent.spawn(watch, attendance, HEARTBEAT)
    assert not is_over(watching, 20 * HEARTBEAT)


def test_a_crowd_of_suspects_asks_one_who_does_not_answer_only_once() -> None:
    crowd = [Caller(UNANSWERED) for _ in range(10)]
    latest = Caller(UNANSWERED)
    for caller in crowd:
        caller.watched()
    crowd[-1].wait_until_asked(2 * ENOUGH_ALONE)
    assert len(latest.asked) == 1


def test_one_who_comes_is_asked_once_by_a_whole_crowd() -> None:
    crowd = [Caller(UNANSWERED) for _ in range(10)]
    watching = [caller.watched(heartbeat=10 * PATIENCE) for caller in crowd]
    for caller in crowd:
        caller.wait_until_asked(ENOUGH)
    gevent.sleep(2 * PROBE_WAIT)
    living = Caller(HERE)
    assert all(is_over(one) for one in watching)
    assert len(living.asked) == 1


# -- What it leaves behind -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [[HERE], [UNANSWERED], [GONE]], ids=["here", "unanswered", "gone"])
def test_no_greenlet_is_left_behind(answers: list[Presence]) -> None:
    before = set(_greenlets())
    caller, others = Caller(*answers), [Caller(HERE), Caller(UNANSWERED)]
    watching = caller.watched()
    caller.wait_until_asked(1)
    gevent.sleep(PROBE_WAIT / 2)
    watching.kill()
    for one in (caller, *others):
        one.attendance.leave()
    with gevent.Timeout(PATIENCE):
        while left := [greenlet for greenlet in _greenlets() if greenlet not in before]:
            gevent.joinall(left)
    assert (presence._present, caller.at_once, caller.attendance.is_asked) == ({}, 0, False)
