"""The runs of apps, whichever way they came: those that go on can be stopped, those that ended are remembered.

Owns who may stop what. Dify answers every stop with success; it has an effect for the run's own user only, whether the
run came over the Service API or by reverse invocation (facts: wire 14.18).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from workbench.app import DifyEvent
from workbench.apps.endings import Ending

type Way = Literal["reverse", "service"]
type State = Literal["running", "ended", "stopped", "abandoned"]
"""`ended`: by itself, well or not. `abandoned`: cut off, because the caller left or a clock ran out."""

REMEMBERED: Final = 10_000
"""Runs; older ones are forgotten."""


@dataclass(eq=False, slots=True)
class Run:
    """One run. `interrupt` makes its carrier give up waiting for the app; the carrier then sends `ending`'s events.

    `task_id` is "" until the first event.
    """

    app_id: str
    user: str
    way: Way
    ending: Ending
    interrupt: Callable[[], None] = lambda: None
    task_id: str = ""
    state: State = "running"

    def observe(self, event: DifyEvent) -> None:
        self.task_id = self.task_id or event.get("task_id", "")
        self.ending.observe(event)

    def ended(self) -> None:
        """The app has come to its end by itself."""
        if self.state == "running":
            self.state = "ended"

    def closed(self) -> None:
        """The carrier is done with it. Not said before that it ended: then it was cut off."""
        if self.state == "running":
            self.state = "abandoned"


@dataclass(slots=True)
class Runs:
    known: deque[Run] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def begin(self, app_id: str, user: str, way: Way) -> Run:
        run = Run(app_id, user, way, Ending(user))
        self.known.append(run)
        return run

    def forget_ended(self) -> None:
        running = [run for run in self.known if run.state == "running"]
        self.known.clear()
        self.known.extend(running)

    def stop(self, app_id: str, user: str, task_id: str) -> None:
        for run in self.known:
            if run.state == "running" and (run.app_id, run.user, run.task_id) == (app_id, user, task_id):
                run.state = "stopped"
                run.interrupt()
