"""Apps that call themselves by the tool: how deep a call is, and where it ends.

Dify counts the depth of its own workflow tools, and not across a plugin. What it tells a tool's call is the calling
app, and the conversation where that has one. So:

1. A chat's call is inside the run that Duck began in the same conversation, if there is one: its depth is known.
2. A workflow has no conversation. Where it calls itself, all its runs that did so are counted together, of other users
   too: one level can't be told from another.
3. Workflows that call each other in a ring can't be told from others; `max_streams` bounds them.

Counted within one process, a replica knows nothing of another's runs (law 17).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.errors import DuckError

MAX_DEPTH: Final = 5
"""As Dify allows its own workflow tools (WORKFLOW_CALL_MAX_DEPTH, api/configs/feature)."""


@dataclass(slots=True, eq=False)
class Level:
    """A run that a tool's call has begun. calls_itself: whether it runs the app that calls. conversation_id: Dify's
    own, `""` before it is known, and for a workflow.
    """

    app_id: str
    calls_itself: bool
    depth: int
    conversation_id: str = ""


_under_way: Final[dict[Level, None]] = {}


@contextmanager
def level(app_id: str, *, calling_app: str, conversation_id: str) -> Iterator[Level]:
    """A call's place, for as long as its run takes.

    calling_app, conversation_id: as Dify tells them of the call, `""` where it does not. Raises `DuckError` `forbidden`
    for a call that is too deep.
    """
    calls_itself = calling_app == app_id
    entered = Level(app_id, calls_itself, _depth(app_id, conversation_id, calls_itself=calls_itself))
    if entered.depth > MAX_DEPTH:
        raise _too_deep(is_known=bool(conversation_id))
    _under_way[entered] = None
    try:
        yield entered
    finally:
        del _under_way[entered]


def _depth(app_id: str, conversation_id: str, *, calls_itself: bool) -> int:
    if conversation_id:
        depths = (outer.depth for outer in _under_way if outer.conversation_id == conversation_id)
        return 1 + max(depths, default=0)
    if calls_itself:
        return 1 + sum(outer.calls_itself and outer.app_id == app_id for outer in _under_way)
    return 1


def _too_deep(*, is_known: bool) -> DuckError:
    if is_known:
        message = f"Apps have called each other {MAX_DEPTH} levels deep by this tool, and go no deeper."
    else:
        message = (
            f"This workflow calls itself, and {MAX_DEPTH} such calls of it are under way; there are no more at once."
        )
    return DuckError("forbidden", message, "Give the app that calls itself a condition that ends it.")
