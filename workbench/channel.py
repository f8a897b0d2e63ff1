"""The wire between the host and one running plugin, whichever way it runs.

Owns the sending of lines and the names of what differs between the ways, which are `stdio.py` and `remote.py`. A
channel is read by `runtime.py`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.declaration import Declaration
from workbench.lines import Source


class Way(Protocol):
    """A way of running the plugin."""

    async def connect(self) -> "Channel":
        """Starts the plugin, unless somebody else does, and waits until it can be spoken to.

        Raises OSError, `NotAPlugin` and `NeverConnected`.
        """
        ...

    def kill(self) -> None:
        """Ends the plugin's process at once, if it is ours and still there."""
        ...

    async def end(self) -> str:
        """Waits for the end of the process that `connect` started; says how it ended."""
        ...


class NeverConnected(Exception):
    """The plugin's process ended before it could be spoken to; the text says how."""


class Greeting(Protocol):
    """What a plugin has to say before it may be given work."""

    def receive(self, message: Mapping[str, Any]) -> Declaration | None:
        """Takes the plugin's next message; the declaration, once all has been said. May raise `Rejected`."""
        ...


class Rejected(Exception):
    """The plugin did not introduce itself as it must; the text is the daemon's, and sent to the plugin."""


@dataclass(frozen=True, slots=True)
class Channel:
    """`longest_line` is in bytes, None for no limit; the other limits are in seconds.

    `knows_sessions`: what is said to a session that is over gets lost in the daemon, and nobody is told that the
    plugin has gone. False under remote debugging (laws 14 and 7).
    """

    reader: Source
    writer: asyncio.StreamWriter
    greeting: Greeting
    greeting_limit: float
    heartbeat_limit: float
    longest_line: int | None
    knows_sessions: bool

    def send(self, line: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(line + b"\n")

    async def drain(self) -> None:
        """Waits until the plugin has read most of what was sent; raises ConnectionError when it has gone."""
        await self.writer.drain()
