"""Whether the caller of a run is still there: the platform never says, but it can be found out (law 14).

A storage call in the caller's own session is answered in milliseconds while the caller is there, and never after. A
storage that is slow must not end living runs, so silence alone proves nothing: a caller is held for gone when two calls
in a row were not answered while another caller's was. For the only caller there is, five over a minute are enough;
where there are several and none of them is answered, it may be the storage, and the next who comes will tell.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import batched
from typing import Final

import gevent
from gevent.event import Event as Signal

ENOUGH: Final = 2
"""Unanswered calls in a row, while another's was answered (law 14)."""

ENOUGH_ALONE: Final = 5
"""Unanswered calls in a row where nobody else can be asked (law 14)."""

ALONE_FOR: Final = 60.0
"""Seconds over which those are spread (law 14)."""

PROBE_WAIT: Final = 2.0
"""Seconds for an answer, which takes 2 to 5 ms when all is well (law 14)."""

ASKED_AT_A_TIME: Final = 3
MOST_ASKED: Final = 30
"""Others who are asked (own choice), and in what time, so that all of them fit into one wait for an answer."""

BETWEEN_OTHERS: Final = 0.15
"""Seconds."""


class Presence(Enum):
    """What a call in a session tells of its caller."""

    HERE = "here"
    UNANSWERED = "unanswered"
    GONE = "gone"


class Attendance:
    """One caller, from the request to the end of the reply. call: a storage call in the caller's session, waited for as
    long as an answer may take.

    answered: when the latest of its calls that was answered had begun. is_doubted: its latest call was not answered.
    """

    def __init__(self, call: Callable[[], Presence]) -> None:
        self._call = call
        self._under_way = 0
        self.answered = float("-inf")
        self.is_doubted = False
        _present[self] = None
        _latest.arrivals += 1
        _arrived.set()
        _arrived.clear()

    @property
    def is_asked(self) -> bool:
        return self._under_way > 0

    def ask(self) -> Presence:
        """What the call tells within `PROBE_WAIT`; an answer that comes later counts too, when it comes."""
        call = self.begin_call()
        call.join(PROBE_WAIT)
        return call.value or Presence.UNANSWERED

    def begin_call(self) -> "gevent.Greenlet[[float], Presence]":
        """Asks without waiting."""
        self._under_way += 1
        self.is_doubted = True
        return gevent.spawn(self._make_call, time.monotonic())

    def _make_call(self, began: float) -> Presence:
        try:
            presence = self._call()
        finally:
            self._under_way -= 1
        if presence is Presence.HERE:
            self.is_doubted = False
            self.answered = max(self.answered, began)
            _latest.answered = max(_latest.answered, began)
        return presence

    def leave(self) -> None:
        """Ends the attendance; may be called twice."""
        _present.pop(self, None)


@dataclass(slots=True)
class _Latest:
    """answered: when the latest of all calls that were answered had begun. arrivals: how many have ever come."""

    answered: float = float("-inf")
    arrivals: int = 0


_latest: Final = _Latest()

_present: Final[dict[Attendance, None]] = {}
"""Those who are in attendance, the first to come first."""

_arrived: Final = Signal()
"""Wakes those who look for somebody else to ask."""


def watch(attendance: Attendance, heartbeat: float) -> None:
    """Returns when the caller is held for gone; to be run in a greenlet of its own, and ended with `kill`.

    A caller who answers is asked for once per `heartbeat` seconds, also while the run talks: its events come whether
    anybody reads them or not (law 14). One who does not is asked for again at once, and then again when a new caller
    comes.
    """
    while not _is_gone(attendance, heartbeat):
        gevent.sleep(heartbeat)


def _is_gone(attendance: Attendance, heartbeat: float) -> bool:
    """Asks until the caller answers, or it is clear that nobody is there."""
    calls: list[float] = []
    while True:
        calls.append(time.monotonic())
        arrivals = _latest.arrivals
        if len(calls) >= ENOUGH:
            gevent.spawn(_look_for_answer, attendance, calls[-ENOUGH])
        match attendance.ask():
            case Presence.HERE:
                return False
            case Presence.GONE:
                return True
        if attendance.answered >= calls[0]:  # a late answer, or one to somebody else's call
            return False
        if len(calls) >= ENOUGH:
            if _latest.answered >= calls[-ENOUGH] or _is_enough_alone(calls):
                return True
            if arrivals == _latest.arrivals:  # else one has come during the call
                _arrived.wait(heartbeat)


def _is_enough_alone(calls: list[float]) -> bool:
    return len(_present) == 1 and len(calls) >= ENOUGH_ALONE and time.monotonic() >= calls[0] + ALONE_FOR


def _look_for_answer(attendance: Attendance, since: float) -> None:
    """Asks others, some at a time, until one of the calls that began since then was answered.

    The latest to come are asked first; those who did not answer the last time are not asked, for many may have left.
    """
    others = [other for other in reversed(_present) if other is not attendance and not other.is_doubted]
    for some in batched(others[:MOST_ASKED], ASKED_AT_A_TIME):
        if _latest.answered >= since:
            return
        for other in some:
            if not other.is_asked:
                other.begin_call()
        gevent.sleep(BETWEEN_OTHERS)
