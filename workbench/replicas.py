"""The processes of one plugin behind one workbench.

Owns whose turn it is; each process has a supervisor of its own (internal/core/local_runtime/load_balancing.go).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.channel import Way
from workbench.plugin_files import changed_files
from workbench.reverse import ReverseCalls
from workbench.runtime import Runtime
from workbench.supervisor import Supervisor
from workbench.terminal import Terminal


class Replicas:
    """One process for each of the `ways`. `on_ready` is called each time one has come up."""

    def __init__(
        self, ways: Iterable[Way], reverse: ReverseCalls, terminal: Terminal, on_ready: Callable[[Runtime], None]
    ) -> None:
        self._supervisors = deque(Supervisor(way, reverse, terminal, on_ready) for way in ways)
        self._terminal = terminal

    @property
    def all_up(self) -> bool:
        return all(supervisor.is_up for supervisor in self._supervisors)

    async def runtime(self) -> Runtime:
        """The next one in turn that is up; if none is, one of them, as soon as it comes up. Raises PluginDown."""
        for _ in range(len(self._supervisors)):
            self._supervisors.rotate(-1)
            if self._supervisors[0].is_up:
                break
        return await self._supervisors[0].runtime()

    async def run(self, watched: Path | None) -> None:
        """Runs until it is cancelled; the processes end with it. `watched` is the directory whose changes restart
        them, None for none."""
        watcher = asyncio.create_task(self._watch(watched)) if watched is not None else None
        try:
            async with asyncio.TaskGroup() as lives:
                for supervisor in self._supervisors:
                    lives.create_task(supervisor.run(watching=watched is not None))
        finally:
            if watcher is not None:
                watcher.cancel()

    async def _watch(self, directory: Path) -> None:
        async for names in changed_files(directory):
            self._terminal.say(f"{', '.join(names)} changed; the plugin is started again")
            for supervisor in self._supervisors:
                supervisor.restart()
