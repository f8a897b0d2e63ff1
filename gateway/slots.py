"""How many runs an endpoint may hold at once (`max_streams`), and all endpoints of the process together."""

import os
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

from gevent.event import Event as Signal

from gateway.errors import DuckError

MAX_WAIT: Final = 10.0
"""Seconds that a call waits for a slot (DESIGN section 4)."""

WORKERS: Final = "MAX_WORKER"
"""The SDK's number of requests at once, 1000 by default (SDK: config/config.py); beyond it nothing is answered."""

RESERVE: Final = 100
"""Workers that runs leave to short requests (DESIGN section 4)."""

MOST_WAITING: Final = 75
"""Calls that may wait for a slot, all endpoints together: each holds one of the reserved workers meanwhile."""

MOST_WAITING_HERE: Final = 25
"""Calls of one endpoint that may wait, so that a busy one leaves others their share."""


class _Pool:
    """The slots of one endpoint, and the calls that wait for one, first come first served."""

    def __init__(self) -> None:
        self.in_use = 0
        self.waiting: deque[object] = deque()


_pools: Final[dict[str, _Pool]] = {}
_freed: Final = Signal()


class Slot:
    """A place among an endpoint's runs; `release` gives it back, and may be called twice."""

    def __init__(self, pool: _Pool) -> None:
        pool.in_use += 1
        self._pool: _Pool | None = pool

    def release(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.in_use -= 1
            _freed.set()


def take_slot(endpoint_id: str, max_streams: int, max_wait: float = MAX_WAIT) -> Slot:
    """A slot of this endpoint, waited for `max_wait` seconds; else raises a 503 `too_many_streams`."""
    pool = _pools.setdefault(endpoint_id, _Pool())
    most = most_streams(os.environ)
    ticket = object()
    pool.waiting.append(ticket)
    try:
        deadline = time.monotonic() + max_wait
        while pool.waiting[0] is not ticket or not _has_room(pool, max_streams, most):
            left = deadline - time.monotonic()
            if left <= 0 or _too_many_wait(pool):
                raise _too_many(max_streams) if pool.in_use >= max_streams else _process_is_full(most)
            _freed.clear()
            _freed.wait(left)
        return Slot(pool)
    finally:
        pool.waiting.remove(ticket)
        _freed.set()


def _has_room(pool: _Pool, max_streams: int, most: int) -> bool:
    return pool.in_use < max_streams and sum(other.in_use for other in _pools.values()) < most


def _too_many_wait(pool: _Pool) -> bool:
    """Whether the call that asks is one too many; itself is among those that wait."""
    waiting = sum(len(other.waiting) for other in _pools.values())
    return len(pool.waiting) > MOST_WAITING_HERE or waiting > MOST_WAITING


def _too_many(max_streams: int) -> DuckError:
    return DuckError(
        "too_many_streams",
        f"This endpoint holds as many runs as its max_streams allows ({max_streams}).",
        "Try again later; its operator can raise max_streams, and Dify's API needs SERVER_WORKER_CONNECTIONS of at "
        "least as many.",
        headers=_RETRY,
    )


def _process_is_full(most: int) -> DuckError:
    return DuckError(
        "too_many_streams",
        f"The plugin holds as many runs as its process can carry ({most}).",
        f"Try again later; {WORKERS} in the plugin's environment raises the number.",
        headers=_RETRY,
    )


_RETRY: Final = {"Retry-After": str(int(MAX_WAIT))}


def most_streams(environment: Mapping[str, str]) -> int:
    """The most runs that the SDK can carry."""
    text = environment.get(WORKERS, "")
    workers = int(text) if text.isdecimal() else 1000
    return max(1, workers - RESERVE)
