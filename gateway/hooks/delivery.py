"""Which deliveries have been here: so that what a sender sends again is not run again, unless the run has failed.

A delivery is known by what its sender has signed: an id, else the signature itself. The latest some 3,000 are known of
all apps together. Of two equal deliveries at one process the second is known by its memory; two at two replicas at the
same moment may both run.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import gevent

from gateway.errors import DuckError
from gateway.hooks.schemes import Signed
from gateway.log import logger
from gateway.presence import PROBE_WAIT, Presence
from gateway.shelf import Shelf
from gateway.transports.interface import Storage
from gateway.wire import json_bytes

RUNNING_FOR: Final = 600.0
"""Seconds after which a run of another process is taken for one that has crashed: Dify's plugin daemon lets no response
last longer (law 13)."""

MAX_ID_LENGTH: Final = 256
"""Characters of an id in a body (own choice; Stripe's and Slack's have some 30)."""


MOST_REMEMBERED: Final = 10_000
"""Successes that this process remembers by itself (own choice, about 2 MB): more than the storage keeps, and also those
that it could not keep."""


class State(Enum):
    """What is known of a delivery that is not to be run now. LEFT: it runs, and its first sender seems to have gone, so
    that its result will reach nobody.
    """

    RUNNING = "running"
    LEFT = "left"
    SUCCEEDED = "succeeded"


_PROCESS: Final = secrets.token_hex(4)
"""Marks the runs of this process: those it does not know of any more are over, though nobody could write that down."""

_running: Final[dict[str, Callable[[], Presence]]] = {}
"""The deliveries that this process runs, by name, and how to ask for their senders."""

_succeeded: Final[OrderedDict[str, None]] = OrderedDict()
"""Those that it has run well, the latest last."""


def name_of(endpoint_id: str, alias: str, signed: Signed, content: Any) -> str:
    """The name of a delivery to this app: a digest, so that the storage holds nothing of it. content: its body as JSON,
    None where it is none.
    """
    id_ = signed.id or _id_in(content, signed.scheme.id_member)
    known_by = ["id", id_] if id_ else ["signature", signed.digest]
    told = json_bytes([endpoint_id, alias, signed.scheme.name, *known_by])
    return hashlib.sha256(told).hexdigest()[:24]


def _id_in(content: Any, member: str) -> str:
    """The id in a body; `""` for none, and where the sender has no such member."""
    value = content.get(member) if member and isinstance(content, Mapping) else None
    return value if isinstance(value, str) and len(value) <= MAX_ID_LENGTH else ""


class Deliveries:
    """What is known of deliveries, as one request can reach it."""

    def __init__(self, storage: Storage) -> None:
        self._presence = storage.presence
        self._shelf = Shelf("hooks", storage)

    def begin(self, name: str) -> State | None:
        """None for a delivery that is to be run now, and is this request's until its `end`. Raises
        `storage_unavailable`, and then the delivery is nobody's.
        """
        if name in _succeeded:
            return State.SUCCEEDED
        if name in _running:
            return State.RUNNING if _is_answered(_running[name]) else State.LEFT
        _running[name] = self._presence
        state: State | None = State.RUNNING
        try:
            state = self._claimed(name)
        finally:
            if state is not None:
                _running.pop(name, None)
        return state

    def end(self, name: str, *, has_succeeded: bool) -> None:
        """Notes how the run went; one that has failed is forgotten, so that it can be run again."""
        if has_succeeded:
            _succeeded[name] = None
            if len(_succeeded) > MOST_REMEMBERED:
                _succeeded.popitem(last=False)
        try:
            self._shelf.put(name, [State.SUCCEEDED.value, int(time.time())] if has_succeeded else None)
        except DuckError:
            logger.warning("how a webhook's run has ended could not be kept in the plugin's storage")
        finally:
            _running.pop(name, None)

    def _claimed(self, name: str) -> State | None:
        state = _state(self._shelf.get(name))
        if state is None:
            self._shelf.put(name, [State.RUNNING.value, int(time.time()), _PROCESS])
        return state


def _is_answered(presence: Callable[[], Presence]) -> bool:
    asked = gevent.spawn(presence)
    asked.join(PROBE_WAIT)
    return asked.value is Presence.HERE


def _state(entry: Any) -> State | None:
    """What an entry of the storage says; None where the delivery is not known, or its run is over without a result."""
    match entry:
        case ["succeeded", *_]:
            return State.SUCCEEDED
        case ["running", int(since), str(process)] if process != _PROCESS and time.time() - since < RUNNING_FOR:
            return State.RUNNING
        case _:
            return None
