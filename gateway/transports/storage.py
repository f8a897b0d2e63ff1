"""The plugin's storage in the daemon, as one request can reach it (wire section 11), and what it tells of the caller.

One storage serves all endpoints of the plugin in a workspace. A call in a session whose caller has left is never
answered (law 14), so none is waited for without a limit.
"""

from collections.abc import Callable
from typing import Final

import gevent
from dify_plugin.core.runtime import Session

from gateway.diagnosis import is_session_gone, storage_unavailable
from gateway.presence import Presence

MAX_WAIT: Final = 3.0
"""Seconds for one call (measured: 2 to 5 ms, wire 14.4)."""

LATE: Final = 10.0
"""Seconds after which no answer is expected any more to a call that asks whether the caller is there (own choice)."""

_PROBED_KEY: Final = "present"
"""A key that nobody writes; only the answer's coming matters."""


class SessionStorage:
    """The storage behind one request's session."""

    def __init__(self, session: Session) -> None:
        self._storage = session.storage

    def exists(self, key: str) -> bool:
        """Whether there is a value. Raises `DuckError` `storage_unavailable`, as all of these do."""
        return bool(_answered(lambda: self._storage.exist(key)))

    def load(self, key: str) -> bytes:
        return _answered(lambda: self._storage.get(key))

    def save(self, key: str, value: bytes) -> None:
        _answered(lambda: self._storage.set(key, value))

    def presence(self) -> Presence:
        """What a call of this session tells of its caller; takes `LATE` when it tells nothing."""
        over = gevent.Timeout(LATE)
        try:
            with over:
                self._storage.exist(_PROBED_KEY)
        except gevent.Timeout as timeout:
            if timeout is not over:
                raise
            return Presence.UNANSWERED
        except Exception as error:  # noqa: BLE001 - the SDK raises plain Exception for all it is told
            return Presence.GONE if is_session_gone(str(error)) else Presence.HERE
        return Presence.HERE


def _answered[T](call: Callable[[], T]) -> T:
    try:
        with gevent.Timeout(MAX_WAIT):
            return call()
    except (Exception, gevent.Timeout) as error:  # the SDK raises plain Exception for all it is told
        raise storage_unavailable() from error
