"""Keeps a plugin running: starts it, starts it again when it dies, and when it is told to.

Owns the plugin's lives, one after the other, and says which is the present one.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from workbench import laws
from workbench.channel import Channel, NeverConnected, Rejected, Way
from workbench.plugin_process import NotAPlugin
from workbench.reverse import ReverseCalls
from workbench.runtime import Runtime
from workbench.terminal import Terminal

RESTART_PAUSE: Final = 1.0
"""Seconds before a plugin that was up is started again; the daemon takes up to 5."""

RETRY_PAUSE: Final = 5.0
"""Seconds before a plugin that did not come up is tried again, when nobody watches its files."""


class PluginDown(Exception):
    """There is no plugin to take a request; the text says why."""


class Supervisor:
    """`on_ready` is called each time a plugin has come up."""

    def __init__(
        self, way: Way, reverse: ReverseCalls, terminal: Terminal, on_ready: Callable[[Runtime], None]
    ) -> None:
        self._way = way
        self._reverse = reverse
        self._terminal = terminal
        self._on_ready = on_ready
        self._changed = asyncio.Event()
        self._came_up = False
        self._present = _nobody()

    @property
    def is_up(self) -> bool:
        return self._present.done() and self._present.exception() is None

    async def runtime(self) -> Runtime:
        """The running plugin, waited for as long as the daemon would; raises PluginDown."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._present), laws.PLUGIN_WAIT)
        except TimeoutError:
            raise PluginDown("the plugin has not come up yet") from None

    async def run(self, *, watching: bool) -> None:
        """Runs until it is cancelled; the plugin's process ends with it. `watching`: somebody calls `restart` when the
        plugin's files change, so one that does not come up waits for that."""
        while True:
            self._came_up = False
            ending = await self._live()
            if not self._changed.is_set():
                await self._mourn(ending, watching=watching)
            self._changed.clear()

    def restart(self) -> None:
        """Ends the present life, or the wait for the next one."""
        self._changed.set()
        self._way.kill()

    async def _mourn(self, ending: str, *, watching: bool) -> None:
        """Says what happened and waits until it is time for the next life."""
        if self._came_up:
            self._terminal.say(f"the plugin {ending}; it is started again")
            await self._pause(RESTART_PAUSE)
            return
        when = "when one of its files changes" if watching else f"in {RETRY_PAUSE:g} seconds"
        self._terminal.say(f"the plugin did not come up, it {ending}; it is tried again {when}")
        self._present.set_exception(PluginDown(f"the plugin did not come up, it {ending}"))
        self._present.exception()  # so that asyncio does not mind if nobody asks
        await self._pause(None if watching else RETRY_PAUSE)
        self._present = _nobody()

    async def _pause(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def _live(self) -> str:
        """One life of the plugin; how it ended."""
        try:
            channel = await self._way.connect()
            ending = await self._serve(channel)
            return f"{ending}, {await self._way.end()}"
        except (NotAPlugin, OSError) as error:
            return f"can't be started: {error}"
        except NeverConnected as ended:
            return str(ended)
        finally:
            self._way.kill()
            await self._way.end()

    async def _serve(self, channel: Channel) -> str:
        runtime = Runtime(channel, self._reverse, self._terminal, self._welcome)
        try:
            return await runtime.serve()
        except Rejected as rejection:
            channel.sender.turn_away(str(rejection).encode())
            return f"was turned away ({rejection})"
        finally:
            if self._came_up:
                self._present = _nobody()
            if not channel.reader.at_eof():
                self._way.kill()
            channel.sender.close()

    def _welcome(self, runtime: Runtime) -> None:
        self._came_up = True
        self._present.set_result(runtime)
        self._on_ready(runtime)


def _nobody() -> asyncio.Future[Runtime]:
    return asyncio.get_running_loop().create_future()
