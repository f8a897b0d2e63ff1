"""The host's side of remote debugging: the plugin connects over TCP (internal/core/debugging_runtime).

Owns the listening socket and the handshake. One plugin at a time.
"""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Final

from workbench import laws
from workbench.channel import Channel, Greeting, NeverConnected, Rejected, Stream, Way
from workbench.declaration import Declaration, read_declaration
from workbench.plugin_process import Launch, PluginProcess
from workbench.terminal import Terminal

HOST: Final = "127.0.0.1"


class RemoteGreeting(Greeting):
    """Handshake with the key, then the declarations (the manifest is the one that counts here), then the end."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._known = False
        self._declaration: Declaration | None = None

    def receive(self, message: Mapping[str, Any]) -> Declaration | None:
        kind, data = message["type"], message["data"]
        if not self._known:
            self._shake(kind, data)
        elif kind == "manifest_declaration":
            self._declaration = read_declaration(data)
        elif kind == "end":
            if self._declaration is None:
                raise Rejected("no registration transferred, cannot initialize")
            return self._declaration
        return None

    def _shake(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind != "handshake":
            raise Rejected("handshake failed, invalid handshake message")
        if data.get("key") != self._key:
            raise Rejected("handshake failed, invalid key")
        self._known = True


class PromptReader:
    """Acknowledges what it reads at once.

    The SDK sends the end of each line on its own, and without this Linux (Nagle's algorithm against delayed
    acknowledgement) would hold it back for 40 ms: the first chunk of a reply would come as late as its end, and law 9
    would count from there.
    """

    def __init__(self, reader: asyncio.StreamReader, connection: socket.socket) -> None:
        self._reader = reader
        self._connection = connection

    async def read(self, n: int) -> bytes:
        data = await self._reader.read(n)
        if hasattr(socket, "TCP_QUICKACK"):
            # Not for good: the kernel may take it back at any time.
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data

    def at_eof(self) -> bool:
        return self._reader.at_eof()


class RemoteListener:
    """Waits for plugins on a port of this machine."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.port = 0
        self._server: asyncio.Server | None = None
        self._wanted: asyncio.Future[Channel] | None = None

    async def open(self, port: int) -> None:
        """Listens; `port` 0 takes any free one. Raises OSError."""
        self._server = await asyncio.start_server(self._connected, HOST, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def accept(self) -> Channel:
        """The next plugin that connects; at any other time one is turned away."""
        self._wanted = asyncio.get_running_loop().create_future()
        return await self._wanted

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def environment(self) -> dict[str, str]:
        """What the plugin's environment, or its `.env`, must say for it to connect."""
        return {
            "INSTALL_METHOD": "remote",
            "REMOTE_INSTALL_URL": f"{HOST}:{self.port}",
            "REMOTE_INSTALL_HOST": HOST,
            "REMOTE_INSTALL_PORT": str(self.port),
            "REMOTE_INSTALL_KEY": self.key,
        }

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        channel = Channel(
            PromptReader(reader, writer.get_extra_info("socket")),
            stream,
            greeting=RemoteGreeting(self.key),
            greeting_limit=laws.HANDSHAKE_LIMIT,
            heartbeat_limit=laws.REMOTE_HEARTBEAT_LIMIT,
            longest_line=None,
            knows_sessions=False,
        )
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(channel)
        else:
            stream.turn_away(b"server is busy now, please try again later")
            stream.close()


class Remote(Way):
    """`launch` None: somebody else starts the plugin."""

    def __init__(self, launch: Launch | None, listener: RemoteListener, terminal: Terminal) -> None:
        self._launch = launch
        self._listener = listener
        self._terminal = terminal
        self._process: PluginProcess | None = None

    async def connect(self) -> Channel:
        if self._launch is None:
            return await self._listener.accept()
        # What a terminal would show at once: the plugin's own output is nobody's protocol here, and ends in a pipe.
        environment = {**self._listener.environment(), "PYTHONUNBUFFERED": "1"}
        self._process = await PluginProcess.start(self._launch, environment, stdio=False, terminal=self._terminal)
        connected = asyncio.create_task(self._listener.accept())
        ended = asyncio.create_task(self._process.exited())
        try:
            await asyncio.wait({connected, ended}, return_when=asyncio.FIRST_COMPLETED)
            if connected.done():
                return connected.result()
            raise NeverConnected(f"has not connected, {await self.end()}")
        finally:
            connected.cancel()
            ended.cancel()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def end(self) -> str:
        return await self._process.end() if self._process is not None else "not started by the workbench"
