"""The scripts of the demo apps that are a completion: a form, one answer, no conversation.

Only the Service API runs them: reverse invocation of a completion app is broken in Dify itself, which `reverse.py`
imitates (facts: wire section 3).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from workbench.app import DifyEvent, Invocation
from workbench.apps.chats import answered
from workbench.apps.events import ChatEvents
from workbench.apps.forms import read_form, validate
from workbench.apps.parameters import Declaration
from workbench.apps.proofs import ticks
from workbench.apps.scripted import Script

COMPLETION_FORM: Final[tuple[Declaration, ...]] = (
    {"paragraph": {"label": "Query", "variable": "query", "required": True, "default": ""}},
)


def completion(speak: Callable[[Mapping[str, Any]], Iterator[DifyEvent]]) -> Script:
    """The script of an app that checks its form and then says `speak` to the values."""
    form = read_form(COMPLETION_FORM)

    def run(call: Invocation) -> Iterator[DifyEvent]:
        return speak(validate(form, call.inputs, call.uploads))

    return run


def complete(values: Mapping[str, Any]) -> Iterator[DifyEvent]:
    return answered(ChatEvents(None), values["query"], f"You wrote: {values['query']}")


def endless(_values: Mapping[str, Any]) -> Iterator[DifyEvent]:
    events = ChatEvents(None)
    return (events.message(tick) for tick in ticks())
