"""One running plugin: reads what it says and brings each message to where it belongs.

Owns the plugin's sessions and its heartbeat. Starting and ending the process is `supervisor.py`'s part, answering its
reverse calls `reverse.py`'s (internal/core/local_runtime/instance.go, internal/core/io_tunnel/generic.go).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from pydantic_core import from_json

from workbench.channel import Channel
from workbench.daemon_errors import connection_closed, plugin_error
from workbench.declaration import NOTHING_DECLARED, Declaration
from workbench.lines import LineTooLong, read_turns
from workbench.reverse import ReverseCalls
from workbench.sessions import Origin, Reply, Session
from workbench.terminal import Terminal, log_record

_SHOWN: Final = 1024
"""Bytes of a line that is no message which are shown; the daemon logs as many."""


class Runtime:
    """`declaration` is the plugin's own once it is ready, which `on_ready` tells."""

    def __init__(
        self, channel: Channel, reverse: ReverseCalls, terminal: Terminal, on_ready: Callable[["Runtime"], None]
    ) -> None:
        self.declaration = NOTHING_DECLARED
        self._channel = channel
        self._reverse = reverse
        self._terminal = terminal
        self._on_ready = on_ready
        self._ready = False
        self._sessions: dict[str, Session] = {}
        self._patience = asyncio.timeout(None)

    def open_session(self, origin: Origin, reply: Reply) -> Session:
        session = Session(str(uuid4()), origin, self._channel, self.declaration, reply)
        self._sessions[session.id] = session
        return session

    def close_session(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        session.close()

    async def serve(self) -> str:
        """Reads the plugin until it ends or breaks a law; what happened, as the end of a sentence.

        Raises `Rejected` when it did not introduce itself as it must.
        """
        try:
            async with asyncio.timeout(self._channel.greeting_limit) as self._patience:
                if isinstance(self._channel.greeting, Declaration):
                    self._welcome(self._channel.greeting)
                async for lines in read_turns(self._channel.reader, self._channel.longest_line):
                    for line in lines:
                        self._receive(line)
        except TimeoutError:
            return "has sent no heartbeat for too long and is killed"
        except LineTooLong:
            limit = self._channel.longest_line
            return f"has printed a line of more than {limit} bytes and is killed, with all that it was doing (law 7)"
        except ConnectionError as error:
            return f"is gone ({error})"
        finally:
            self._abandon()
        return "has ended"

    def _receive(self, line: bytes) -> None:
        if not line.strip():
            return
        message = _read_message(line)
        if message is None:
            self._terminal.plugin_output(line)
            return
        try:
            if self._ready or not self._greet(message):
                self._handle(message, line)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # Printed by something other than the SDK; the daemon, too, only logs it.
            self._terminal.plugin(f"no message of the protocol ({error!r}): {line[:_SHOWN].decode('utf-8', 'replace')}")

    def _greet(self, message: Mapping[str, Any]) -> bool:
        """Whether the plugin has become ready with this message."""
        greeting = self._channel.greeting
        declaration = greeting if isinstance(greeting, Declaration) else greeting.receive(message)
        if declaration is None:
            return False
        self._welcome(declaration)
        return True

    def _welcome(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self._ready = True
        self._be_patient()
        self._on_ready(self)

    def _handle(self, message: Mapping[str, Any], line: bytes) -> None:
        match message.get("event"):
            case "session":
                session = self._sessions.get(message["session_id"])
                if session is not None:
                    self._handle_session(session, message["data"]["type"], message["data"]["data"])
            case "heartbeat":
                self._be_patient()
            case "log":
                self._terminal.plugin(log_record(message["data"]))
            case "error":
                self._terminal.plugin(f"ERROR {message['data']}")
            case _ if self._ready:
                self._terminal.plugin_output(line)

    def _handle_session(self, session: Session, kind: str, data: dict[str, Any]) -> None:
        match kind:
            case "stream":
                session.reply.stream(data)
            case "invoke":
                self._reverse.invoke(session, data)
            case "error":
                session.reply.fail(plugin_error(data))
            case "end":
                session.reply.end()

    def _be_patient(self) -> None:
        self._patience.reschedule(asyncio.get_running_loop().time() + self._channel.heartbeat_limit)

    def _abandon(self) -> None:
        """The plugin is gone. Its requests are told, except locally: there they hang (law 7), and only what runs for
        them in Dify is stopped."""
        for session in self._sessions.values():
            for call in session.calls:
                call.cancel()
            if not self._channel.knows_sessions:
                session.reply.fail(connection_closed())


def _read_message(line: bytes) -> dict[str, Any] | None:
    """None for what is no JSON object: something has printed."""
    try:
        message = from_json(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
