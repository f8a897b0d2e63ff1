"""How many runs an endpoint may hold at once (`max_streams`), and all endpoints of the process together."""

import os
import time
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

MOST_WAITING: Final = 50
"""Calls that may wait for a slot: each holds one of the reserved workers meanwhile (own choice: half of them)."""


class _Pool:
    """The slots of one endpoint."""

    def __init__(self) -> None:
        self.in_use = 0


_pools: Final[dict[str, _Pool]] = {}
_freed: Final = Signal()
_waiting: Final[set[object]] = set()


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
    deadline = time.monotonic() + max_wait
    while pool.in_use >= max_streams or sum(other.in_use for other in _pools.values()) >= most:
        left = deadline - time.monotonic()
        if left <= 0 or len(_waiting) >= MOST_WAITING:
            raise _too_many(max_streams) if pool.in_use >= max_streams else _process_is_full(most)
        _wait(left)
    return Slot(pool)


def _wait(seconds: float) -> None:
    """Until a slot of any endpoint is free; the waiters then look again, in the order in which they came."""
    waiter = object()
    _waiting.add(waiter)
    _freed.clear()
    try:
        _freed.wait(seconds)
    finally:
        _waiting.discard(waiter)


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
