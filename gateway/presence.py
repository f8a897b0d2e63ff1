"""Whether the caller of a run is still there: the platform never says, but it can be found out (law 14).

A storage call in the caller's own session is answered in milliseconds while the caller is there, and never after. A
storage that is slow must not end living runs, so silence alone proves nothing: a caller is held for gone when two calls
in a row were not answered while another caller's was. Where there is nobody else to ask, five over a minute are.
"""

import time
from collections.abc import Callable
from enum import Enum
from itertools import islice
from typing import Final

import gevent
from gevent.event import Event as Signal

ENOUGH: Final = 2
"""Unanswered calls in a row, while another's was answered (law 14)."""

ENOUGH_ALONE: Final = 5
"""Unanswered calls in a row where nobody else can be asked, and the seconds over which they are spread (law 14)."""

ALONE_FOR: Final = 60.0

MOST_PEERS: Final = 3
"""Others that are asked at a time: the latest to come, who are the likeliest to be there."""


class Presence(Enum):
    """What a call in a session tells of its caller."""

    HERE = "here"
    UNANSWERED = "unanswered"
    GONE = "gone"


class Attendance:
    """One caller, from the request to the end of the reply. ask: makes the call in the caller's session."""

    def __init__(self, ask: Callable[[], Presence]) -> None:
        self.ask = ask
        _present[self] = None
        _arrived.set()
        _arrived.clear()

    def leave(self) -> None:
        """Ends the attendance; may be called twice."""
        _present.pop(self, None)


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
    unanswered = 0
    began = time.monotonic()
    while True:
        peers = _ask_peers(attendance) if unanswered else []
        match attendance.ask():
            case Presence.HERE:
                return False
            case Presence.GONE:
                return True
        unanswered += 1
        if unanswered >= ENOUGH and any(peer.value is Presence.HERE for peer in peers):
            return True
        if unanswered >= ENOUGH_ALONE and not peers and time.monotonic() >= began + ALONE_FOR:
            return True
        if unanswered >= ENOUGH:
            _arrived.wait(heartbeat)
        if idle() < heartbeat:
            return False


def _ask_peers(attendance: Attendance) -> list["gevent.Greenlet[[], Presence]"]:
    """Asks others at the same time; they answer while this one is waited for."""
    others = (other for other in reversed(_present) if other is not attendance)
    return [gevent.spawn(other.ask) for other in islice(others, MOST_PEERS)]
