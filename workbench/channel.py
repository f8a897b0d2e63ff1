"""The wire between the host and one running plugin, whichever way it runs.

Owns the names of what differs between the ways, which are `stdio.py`, `remote.py` and `serverless.py`. A channel is
read by `runtime.py`.
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


class NotSent(Exception):
    """A request was too much for the way; the text is the daemon's."""


class Sender(Protocol):
    """What is said to the plugin; lines are without their newline. Nothing of it waits but `drain`."""

    def request(self, session_id: str, action: str, line: bytes) -> None:
        """Begins a session. May raise `NotSent`."""
        ...

    def answer(self, call_id: str, line: bytes, *, is_last: bool) -> None:
        """Answers a reverse call."""
        ...

    def over(self, session_id: str) -> None:
        """A session has ended, or its client has left."""
        ...

    async def drain(self, call_id: str) -> None:
        """Waits until the plugin has read most of what answers a call; raises ConnectionError when it has gone."""
        ...

    def turn_away(self, text: bytes) -> None:
        """Says why the plugin is not taken."""
        ...

    def close(self) -> None: ...


class Stream(Sender):
    """One stream of bytes for everything, as over stdio and TCP."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def say(self, line: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(line + b"\n")

    def request(self, session_id: str, action: str, line: bytes) -> None:  # noqa: ARG002 - both are in the line
        self.say(line)

    def answer(self, call_id: str, line: bytes, *, is_last: bool) -> None:  # noqa: ARG002 - both are in the line
        self.say(line)

    def over(self, session_id: str) -> None:
        """The plugin is not told (law 14)."""

    async def drain(self, call_id: str) -> None:  # noqa: ARG002 - all calls share it
        await self._writer.drain()

    def turn_away(self, text: bytes) -> None:
        self.say(text)

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True, slots=True)
class Channel:
    """`longest_line` is in bytes, None for no limit; the other limits are in seconds.

    `greeting` is the declaration itself where the plugin introduces itself to nobody. `knows_sessions`: what is said to
    a session that is over gets lost in the daemon, and nobody is told that the plugin has gone. False under remote
    debugging and serverless (laws 14 and 7).
    """

    reader: Source
    sender: Sender
    greeting: Greeting | Declaration
    greeting_limit: float
    heartbeat_limit: float
    longest_line: int | None
    knows_sessions: bool
