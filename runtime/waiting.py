"""A greenlet's waits for news, one after the other, with one timer for many of them.

gevent's own events and queues make a timer for each wait, which costs more than the wait where news is frequent. Knows
nothing of what is waited for.
"""

import time
from typing import Any

from gevent.hub import Waiter, get_hub


class Waiting:
    """The waits of one greenlet; whoever has news for it may be any other, in the same thread."""

    __slots__ = ("_alarm", "_hub", "_rings_at", "_until", "_waiter")

    def __init__(self) -> None:
        self._hub = get_hub()
        self._waiter: Waiter[None] | None = None
        self._until = self._rings_at = 0.0
        self._alarm: Any = None

    def wait(self, seconds: float) -> None:
        """Returns at the next `wake`, or after so many seconds; at once for none."""
        if seconds <= 0:
            return
        self._until = time.monotonic() + seconds
        if self._alarm is None or self._until < self._rings_at:
            self._set_alarm(seconds)
        self._waiter = Waiter(self._hub)
        try:
            self._waiter.get()
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Ends the wait, in the loop's next turn: the turn of the one who waits is not to begin inside the giver's."""
        if self._waiter is not None:
            self._hub.loop.run_callback(self._waiter.switch, None)
            self._waiter = None

    def close(self) -> None:
        """Ends the wait, and leaves no timer behind."""
        self._stop_alarm()
        self.wake()

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None

    def _set_alarm(self, seconds: float) -> None:
        self._stop_alarm()
        self._rings_at = time.monotonic() + seconds
        self._alarm = self._hub.loop.timer(seconds)
        self._alarm.start(self._look)

    def _look(self) -> None:
        """Ends a wait whose time is over, and looks again when that of a later one will be."""
        self._stop_alarm()
        if self._waiter is None:
            return
        left = self._until - time.monotonic()
        if left > 0:
            self._set_alarm(left)
        else:
            self.wake()
