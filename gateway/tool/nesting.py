"""Apps that call themselves by the tool: how deep a call is, and where it ends.

Dify counts the depth of its own workflow tools, and not across a plugin. What it tells a tool's call is the calling
app, and the conversation where that has one. So:

1. A chat's call is inside the run that Duck began in the same conversation, if there is one: its depth is known.
2. A workflow has no conversation. Where its call closes a ring of the calls under way, all those from the same app to
   the same app are counted together, of other users too: one round can't be told from another.
3. An Agent node's call names neither (daemon: dify_invocation/types.go, `InvokeToolRequest`), so a ring through one
   can't be told; `max_streams` bounds it.

Counted within one process, a replica knows nothing of another's runs (law 17).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gevent.event import Event as Signal

from gateway.errors import DuckError
from gateway.presence import Attendance, Presence

MAX_DEPTH: Final = 5
"""As Dify allows its own workflow tools (WORKFLOW_CALL_MAX_DEPTH, api/configs/feature)."""

MAX_WAIT: Final = 25.0
"""Seconds that a call waits for one of those under way to end: some may have been left by their users, which is found
out when a caller comes who answers (law 14): from a heartbeat (15 s) after they began on, within some seconds."""


@dataclass(slots=True, eq=False)
class Level:
    """A run that a tool's call has begun. app_id: what runs. calling_app: `""` where Dify does not name it.
    conversation_id: Dify's own, `""` before it is known, and for a workflow.
    """

    app_id: str
    calling_app: str
    depth: int
    conversation_id: str = ""


_under_way: Final[dict[Level, None]] = {}
_ended: Final = Signal()


@contextmanager
def level(app_id: str, *, calling_app: str, conversation_id: str, presence: Callable[[], Presence]) -> Iterator[Level]:
    """A call's place, for as long as its run takes.

    calling_app, conversation_id: as Dify tells them of the call, `""` where it does not. presence: a storage call in
    the call's own session. Raises `DuckError` `forbidden` for a call that is too deep.
    """
    if conversation_id:
        depth = _depth_in(conversation_id)
        if depth > MAX_DEPTH:
            raise _too_deep()
    else:
        depth = _depth_between(calling_app, app_id)
        if depth > MAX_DEPTH:
            depth = _awaited_depth(calling_app, app_id, presence)
    entered = Level(app_id, calling_app, depth)
    _under_way[entered] = None
    try:
        yield entered
    finally:
        del _under_way[entered]
        _ended.set()


def _depth_in(conversation_id: str) -> int:
    return 1 + max((outer.depth for outer in _under_way if outer.conversation_id == conversation_id), default=0)


def _depth_between(calling_app: str, app_id: str) -> int:
    """Of a call between apps that are known, and nothing else; 1 for one that closes no ring."""
    if not _leads(app_id, calling_app):
        return 1
    return 1 + sum((outer.calling_app, outer.app_id) == (calling_app, app_id) for outer in _under_way)


def _leads(app_id: str, calling_app: str) -> bool:
    """Whether the calls under way lead from the one app to the other; each does to itself."""
    reached, found = {app_id}, {app_id}
    while found:
        found = {outer.app_id for outer in _under_way if outer.calling_app in found} - reached
        reached |= found
    return calling_app in reached


def _awaited_depth(calling_app: str, app_id: str, presence: Callable[[], Presence]) -> int:
    """The depth, as soon as it is none too many. Raises `DuckError` when it still is after `MAX_WAIT`."""
    attendance = Attendance(presence)
    try:
        deadline = time.monotonic() + MAX_WAIT
        while (depth := _depth_between(calling_app, app_id)) > MAX_DEPTH:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _too_many(calls_itself=calling_app == app_id)
            _ended.clear()
            _ended.wait(left)
        return depth
    finally:
        attendance.leave()


def _too_deep() -> DuckError:
    return DuckError(
        "forbidden",
        f"Apps have called each other {MAX_DEPTH} levels deep by this tool, and go no deeper.",
        "Give the app that calls itself a condition that ends it.",
    )


def _too_many(*, calls_itself: bool) -> DuckError:
    how = "itself" if calls_itself else "itself through others"
    return DuckError(
        "forbidden",
        f"This app calls {how}, and {MAX_DEPTH} such calls are under way; there are no more at once.",
        "Give the app that calls itself a condition that ends it.",
    )
