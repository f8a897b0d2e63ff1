"""The secret that a workspace's handles and tokens are signed with: random, made once, kept in the plugin's storage.

The storage has no compare-and-set and the last write wins (wire section 11). So a secret is written only where there is
none, and used only when it was read twice alike, a second apart: of two processes that begin at once, both end with the
one that was written last, unless a write takes longer than that second; then a handle that does not verify makes the
one with the other secret look again. A read that fails never replaces anything.
"""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import gevent
from gevent.event import Event as Signal

from gateway.diagnosis import storage_unavailable
from gateway.transports.interface import Storage

KEY: Final = "signing-secret"
SIZE: Final = 32
"""Bytes; as long as the SHA-256 that signs (RFC 2104, 3)."""

BETWEEN_READS: Final = 1.0
"""Seconds (issue "Access")."""

MOST_READS: Final = 6
"""Reads until two are alike; more processes than that don't begin at the same moment."""

MAX_WAIT: Final = 5.0
"""Seconds for a second look that another call has under way; it takes some more than one when all is well."""

BETWEEN_REREADS: Final = 10.0
"""Seconds; a caller with bad handles must not keep the storage busy (issue "Access")."""


@dataclass(slots=True)
class _Known:
    """What this process knows for one endpoint; it is not told which workspace that belongs to (law 17).

    candidate: what this process would write where there is no secret, so that many first calls write the same. read_at:
    when the last second look began. look: the one that is under way.
    """

    secret: bytes = b""
    candidate: bytes = field(default_factory=lambda: secrets.token_bytes(SIZE))
    read_at: float = float("-inf")
    look: Signal | None = None


_known: Final[dict[str, _Known]] = {}


def workspace_secret(endpoint_id: str, storage: Storage) -> bytes:
    """The secret of the workspace that this endpoint belongs to. Raises `DuckError` `storage_unavailable`.

    First calls that come together look each for itself, for one whose caller leaves is never answered (law 14), and
    must hold up nobody else.
    """
    known = _known.setdefault(endpoint_id, _Known())
    if not known.secret:
        if not storage.exists(KEY):
            storage.save(KEY, known.candidate)
        known.secret = _settled(storage)
        known.read_at = time.monotonic()
    return known.secret


def secrets_to_try(endpoint_id: str, storage: Storage) -> Iterator[bytes]:
    """What something may have been signed with: the secret as it is known, then another replica's, where there is one.

    Raises `DuckError` `storage_unavailable` from any `next`.
    """
    secret: bytes | None = workspace_secret(endpoint_id, storage)
    while secret:
        yield secret
        secret = reread_secret(endpoint_id, storage, secret)


def reread_secret(endpoint_id: str, storage: Storage, tried: bytes) -> bytes | None:
    """The secret as it is in the storage now, where it differs from the one that was tried; None also for a look too
    soon after the last.
    """
    known = _known.setdefault(endpoint_id, _Known())
    if known.look is not None:
        known.look.wait(MAX_WAIT)
    elif known.secret == tried and time.monotonic() >= known.read_at + BETWEEN_REREADS:
        _look_again(known, storage)
    return None if known.secret == tried else known.secret


def _look_again(known: _Known, storage: Storage) -> None:
    known.read_at, known.look = time.monotonic(), Signal()
    try:
        if storage.load(KEY) != known.secret:
            known.secret = _settled(storage)
    finally:
        known.look.set()
        known.look = None


def _settled(storage: Storage) -> bytes:
    """The secret once two reads, a second apart, are alike."""
    before = storage.load(KEY)
    for _ in range(MOST_READS - 1):
        gevent.sleep(BETWEEN_READS)
        now = storage.load(KEY)
        if now == before and len(now) == SIZE:
            return now
        before = now
    raise storage_unavailable()
