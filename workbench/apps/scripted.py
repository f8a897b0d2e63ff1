"""A demo app: a script of events, spoken at a pace.

Owns the waiting. A script is plain and knows no clock: called with an invocation it raises `Refused`, or returns the
run's events.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from workbench.app import DifyEvent, Invocation

type Script = Callable[[Invocation], Iterator[DifyEvent]]


@dataclass(frozen=True, slots=True)
class ScriptedApp:
    """Waits `silence` seconds before the first event and `pace` seconds before each; refuses without waiting."""

    mode: str
    script: Script
    form: dict[str, Any]
    pace: float
    silence: float = 0.0

    async def run(self, call: Invocation) -> AsyncIterator[DifyEvent]:
        events = self.script(call)
        await asyncio.sleep(self.silence)
        for event in events:
            # Also at pace 0: a run that never gives way would hold up every other.
            await asyncio.sleep(self.pace)
            yield event

    def parameters(self) -> dict[str, Any]:
        return self.form
