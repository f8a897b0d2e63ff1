"""Entries that outlast a process: in the plugin's storage, which can't be listed and forgets nothing by itself.

So a shelf is a fixed number of buckets, each with its latest entries, the oldest dropped. Two replicas that write one
bucket at the same moment lose one of two entries, for the storage has no compare-and-set (wire section 11).
"""

from collections import defaultdict
from typing import Any, Final

import pydantic_core
from gevent.lock import BoundedSemaphore

from gateway.transports.interface import Storage
from gateway.wire import json_bytes

BUCKETS: Final = 32
MOST_IN_BUCKET: Final = 100
"""Entries; some 11 kB a bucket and 350 kB a shelf where they are longest, of the 1 MiB that the manifest asks for."""

LOCK_WAIT: Final = 1.0
"""Seconds for another write of the same bucket; one whose caller has left is never answered (law 14)."""

_locks: Final[defaultdict[str, BoundedSemaphore]] = defaultdict(BoundedSemaphore)


class Shelf:
    """The entries under one prefix, as one request can reach them. Names are hexadecimal digests, so that the storage
    holds nothing of what they stand for. All raises `storage_unavailable`.
    """

    def __init__(self, prefix: str, storage: Storage) -> None:
        self._prefix = prefix
        self._storage = storage

    def get(self, name: str) -> Any:
        """The entry's JSON value; None for one that is not known."""
        return self._load(self._key(name)).get(name)

    def put(self, name: str, value: Any) -> None:
        """The entry as the latest of its bucket; None takes it out. What stands among the later ones already stays."""
        key = self._key(name)
        has_lock = _locks[key].acquire(timeout=LOCK_WAIT)
        try:
            known = self._load(key)
            if value is not None and known.get(name) == value and name in [*known][-MOST_IN_BUCKET // 2 :]:
                return
            known.pop(name, None)
            latest = [*known.items()][1 - MOST_IN_BUCKET :]
            added = [] if value is None else [(name, value)]
            self._storage.save(key, json_bytes(dict([*latest, *added])))
        finally:
            if has_lock:
                _locks[key].release()

    def _load(self, key: str) -> dict[str, Any]:
        if not self._storage.exists(key):
            return {}
        try:
            known = pydantic_core.from_json(self._storage.load(key))
        except ValueError:
            return {}
        return known if isinstance(known, dict) else {}

    def _key(self, name: str) -> str:
        return f"{self._prefix}-{int(name[:2], 16) % BUCKETS:02}"
