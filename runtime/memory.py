"""The garbage collector, told what it need not look at, and when to look.

It walks through everything that is alive again and again. What was loaded at start-up is alive for good, and left out.
What waits to leave is alive, too: looking at it takes 10 to 80 ms under load, in which no token leaves, and finds
nothing. Garbage that only the collector can free is what a request leaves behind (the SDK's session, some 350 objects
and 30 KB), so it looks when no request to an endpoint is under way; without such a break, when there is much of it. A
tool that runs over a break waits for such a look for 2 ms.
"""

import gc
from typing import Final

import gevent

MOST_NEW: Final = 250_000
"""Objects made and not freed before the collector looks in any case (Python: 700), some 20 MB. A fast stream alone has
up to 100,000 that wait to leave; with a limit of 50,000 tokens beside it came up to 45 ms late."""

ROUNDS: Final = 2
"""Such looks at the young before one at the older (Python: 10)."""

WORTH_A_LOOK: Final = 20_000
"""Objects that some 60 requests leave behind; to free them takes 2 ms."""

BREAKS_TO_ALL: Final = 10
"""Breaks that look at the young, before one that looks at all (Python: as many for its oldest): what was alive in a
break, a tool's session above all, may be garbage since."""

BREAK: Final = 0.05
"""Seconds without a request that are a break."""


def settle() -> None:
    """To be called when everything is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(MOST_NEW, ROUNDS, ROUNDS)


class Breaks:
    """Counts the requests that are under way, and lets the collector look when there are none."""

    def __init__(self) -> None:
        self._under_way = 0

    def begin(self) -> None:
        self._under_way += 1

    def end(self) -> None:
        self._under_way -= 1
        if self._is_worth_it():
            gevent.spawn_later(BREAK, self._collect)

    def _collect(self) -> None:
        if self._is_worth_it():
            gc.collect(2 if gc.get_count()[2] >= BREAKS_TO_ALL else 1)

    def _is_worth_it(self) -> bool:
        return self._under_way == 0 and gc.get_count()[0] >= WORTH_A_LOOK
