"""Whether the caller of a run is still there: the platform never says, but it can be found out (law 14).

A storage call in the caller's own session is answered in milliseconds while the caller is there, and never after. A
storage that is slow must not end living runs, so silence alone proves nothing: a caller is held for gone when two calls
in a row were not answered while another caller's was. Where there is nobody else to ask, five over a minute are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final

import gevent
from gevent.event import Event as Signal

ENOUGH: Final = 2
"""Unanswered calls in a row, while another's was answered (law 14)."""

ENOUGH_ALONE: Final = 5
"""Unanswered calls in a row where nobody else can be asked (law 14)."""

ALONE_FOR: Final = 60.0
"""Seconds over which those are spread (law 14)."""

MOST_OTHERS: Final = 3
"""Others that are asked at a time (own choice)."""


class Presence(Enum):
    """What a call in a session tells of its caller."""

    HERE = "here"
    UNANSWERED = "unanswered"
    GONE = "gone"


class Attendance:
    """One caller, from the request to the end of the reply. call: a storage call in the caller's session.

    answered: when the latest of its calls that was answered had begun.
    """

    def __init__(self, call: Callable[[], Presence]) -> None:
        self._call = call
        self.is_asked = False
        self.answered = float("-inf")
        _present[self] = None
        _latest.arrivals += 1
        _arrived.set()
        _arrived.clear()

    def ask(self) -> Presence:
        """Makes the call, and notes for all the others when one was answered."""
        began = time.monotonic()
        self.is_asked = True
        try:
            presence = self._call()
        finally:
            self.is_asked = False
        if presence is Presence.HERE:
            self.answered = began
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


def watch(attendance: Attendance, idle: Callable[[], float], heartbeat: float) -> None:
    """Returns when the caller is held for gone; to be run in a greenlet of its own, and ended with `kill`.

    idle: seconds since the run's last event. A caller is asked for once per `heartbeat` seconds of silence; one who
    did not answer is asked for again at once, and then again when a new caller comes.
    """
    while True:
        gevent.sleep(max(0.0, heartbeat - idle()))
        while idle() >= heartbeat:
            if _is_gone(attendance, idle, heartbeat):
                return
            gevent.sleep(heartbeat)


def _is_gone(attendance: Attendance, idle: Callable[[], float], heartbeat: float) -> bool:
    """Asks until the caller answers, or an event comes, or it is clear that nobody is there."""
    calls: list[float] = []
    while True:
        calls.append(time.monotonic())
        arrivals = _latest.arrivals
        if len(calls) >= ENOUGH:
            _ask_others(attendance)
        match attendance.ask():
            case Presence.HERE:
                return False
            case Presence.GONE:
                return True
        if idle() < heartbeat or attendance.answered >= calls[0]:  # somebody else may have asked it
            return False
        if len(calls) >= ENOUGH:
            if _latest.answered >= calls[-ENOUGH] or _is_enough_alone(calls):
                return True
            if arrivals == _latest.arrivals:  # else one has come during the call
                _arrived.wait(heartbeat)


def _is_enough_alone(calls: list[float]) -> bool:
    return len(_present) == 1 and len(calls) >= ENOUGH_ALONE and time.monotonic() >= calls[0] + ALONE_FOR


def _ask_others(attendance: Attendance) -> None:
    """Asks the latest to come, the likeliest to be there, at the same time; unless somebody is asking them already."""
    others = (other for other in reversed(_present) if other is not attendance)
    for other in islice(others, MOST_OTHERS):
        if not other.is_asked:
            other.is_asked = True  # the greenlet begins only later, and others look meanwhile
            gevent.spawn(other.ask)
