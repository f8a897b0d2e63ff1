"""How many runs an endpoint may hold at once (`max_streams`)."""

import os
from collections.abc import Mapping
from typing import Final

from gevent.lock import BoundedSemaphore

from gateway.errors import DuckError

MAX_WAIT: Final = 10.0
"""Seconds that a call waits for a slot (DESIGN section 4)."""

WORKERS: Final = "MAX_WORKER"
"""The SDK's number of requests at once, 1000 by default (SDK: config/config.py); beyond it nothing is answered."""

RESERVE: Final = 100
"""Workers that streams leave to short requests (DESIGN section 4)."""

_slots: Final[dict[tuple[str, int], BoundedSemaphore]] = {}


class Slot:
    """A place among an endpoint's runs; `release` gives it back, and may be called twice."""

    def __init__(self, semaphore: BoundedSemaphore) -> None:
        self._semaphore: BoundedSemaphore | None = semaphore

    def release(self) -> None:
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release()


def take_slot(endpoint_id: str, max_streams: int, max_wait: float = MAX_WAIT) -> Slot:
    """A slot of this endpoint, waited for `max_wait` seconds; else raises a 503 `too_many_streams`."""
    capacity = min(max_streams, most_streams(os.environ))
    semaphore = _slots.setdefault((endpoint_id, capacity), BoundedSemaphore(capacity))
    if not semaphore.acquire(timeout=max_wait):
        raise DuckError(
            "too_many_streams",
            f"All {capacity} runs that this endpoint may hold at once are in use.",
            "Try again later; max_streams in Duck's settings raises the number, and Dify's API needs "
            "SERVER_WORKER_CONNECTIONS of at least as many.",
            headers={"Retry-After": str(int(MAX_WAIT))},
        )
    return Slot(semaphore)


def most_streams(environment: Mapping[str, str]) -> int:
    """The most runs that the SDK can carry."""
    text = environment.get(WORKERS, "")
    workers = int(text) if text.isdecimal() else 1000
    return max(1, workers - RESERVE)
