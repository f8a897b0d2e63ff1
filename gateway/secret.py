"""The secret that a workspace's handles and tokens are signed with: random, made once, kept in the plugin's storage.

The storage has no compare-and-set and the last write wins (wire section 11). So a secret is written only where there is
none, and used only when it was read twice alike, a second apart: of two processes that begin at once, both end with the
one that was written last. A read that fails never replaces anything.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import gevent
from gevent.lock import BoundedSemaphore

from gateway.diagnosis import storage_unavailable
from gateway.transports.interface import Storage

KEY: Final = "signing-secret"
SIZE: Final = 32
"""Bytes; as long as the SHA-256 that signs (RFC 2104, 3)."""

BETWEEN_READS: Final = 1.0
"""Seconds (issue "Access")."""

MOST_READS: Final = 5
"""Reads until two are alike; more processes than that don't begin at the same moment."""

MAX_WAIT: Final = 5.0
"""Seconds for the call that asks the storage for all; it takes some more than one when all is well (own choice)."""

BETWEEN_REREADS: Final = 10.0
"""Seconds; a caller with bad handles must not keep the storage busy (issue "Access")."""


class Asker(Enum):
    """Who makes Duck look into the storage: they don't wait for each other, so that a stranger who leaves, and whose
    look is never answered (law 14), holds up no caller.
    """

    CALLER = "caller"
    STRANGER = "stranger"


@dataclass(slots=True)
class _Turn:
    """One look at a time for askers of a kind. read_at: when the last one began."""

    lock: BoundedSemaphore = field(default_factory=BoundedSemaphore)
    read_at: float = float("-inf")

    @contextmanager
    def taken(self) -> Iterator[None]:
        if not self.lock.acquire(timeout=MAX_WAIT):
            raise storage_unavailable()
        try:
            yield
        finally:
            self.lock.release()


@dataclass(slots=True)
class _Known:
    """What this process knows for one endpoint; it is not told which workspace that belongs to (law 17)."""

    secret: bytes = b""
    turns: dict[Asker, _Turn] = field(default_factory=lambda: {asker: _Turn() for asker in Asker})


_known: Final[dict[str, _Known]] = {}


def workspace_secret(endpoint_id: str, storage: Storage, asker: Asker = Asker.CALLER) -> bytes:
    """The secret of the workspace that this endpoint belongs to. Raises `DuckError` `storage_unavailable`."""
    known = _known.setdefault(endpoint_id, _Known())
    if not known.secret:
        with known.turns[asker].taken():
            if not known.secret:
                known.secret = _first_read(storage)
                for turn in known.turns.values():
                    turn.read_at = time.monotonic()
    return known.secret


def reread_secret(endpoint_id: str, storage: Storage, tried: bytes, asker: Asker = Asker.CALLER) -> bytes | None:
    """The secret as it is in the storage now, where it differs from the one that was tried; None also for a look too
    soon after the last.
    """
    known = _known.setdefault(endpoint_id, _Known())
    turn = known.turns[asker]
    with turn.taken():
        if known.secret != tried:  # another call has read it meanwhile
            return known.secret
        if time.monotonic() < turn.read_at + BETWEEN_REREADS:
            return None
        turn.read_at = time.monotonic()
        if storage.load(KEY) == known.secret:
            return None
        known.secret = _settled(storage)
    return known.secret


def _first_read(storage: Storage) -> bytes:
    if not storage.exists(KEY):
        storage.save(KEY, secrets.token_bytes(SIZE))
    return _settled(storage)


def _settled(storage: Storage) -> bytes:
    """The secret once two reads, a second apart, are alike."""
    before = storage.load(KEY)
    for _ in range(MOST_READS):
        gevent.sleep(BETWEEN_READS)
        now = storage.load(KEY)
        if now == before and len(now) == SIZE:
            return now
        before = now
    raise storage_unavailable()
