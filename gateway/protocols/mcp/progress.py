"""What a client is told while a tool runs: one notice for each step, and one now and then while nothing happens.

Names and states of steps leave from `detail: progress` on only (DESIGN section 3).
"""

from collections.abc import Callable
from typing import Final

from gateway.events import Event, Silence, Step, Tool
from gateway.view import View

WORKING: Final = "The app is at work."


def notice(event: Event, view: View, elapsed: Callable[[], float]) -> str | None:
    """The words for an event; None for one that is no progress. elapsed: seconds since the call came."""
    match event:
        case Silence():
            return f"The app has been at work for {elapsed():.0f} s."
        case Step() if view.with_progress:
            return f"{event.title or event.type or event.kind}: {_state(event)}"
        case Tool() if view.with_progress:
            return f"{event.name}: {'finished' if event.output else 'started'}"
        case Step() | Tool():
            return WORKING
        case _:
            return None


def _state(event: Step) -> str:
    is_round = event.status == "next" and event.index is not None
    return f"round {event.index}" if is_round else event.status
