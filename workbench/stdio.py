"""The plugin over its standard input and output, as a locally installed one runs (internal/core/local_runtime)."""

from collections.abc import Mapping
from typing import Any, Final

from workbench import laws
from workbench.channel import Channel, Greeting, Stream, Way
from workbench.declaration import Declaration, read_declaration
from workbench.plugin_process import Launch, PluginProcess
from workbench.terminal import Terminal

ENVIRONMENT: Final = {"INSTALL_METHOD": "local"}
"""Set as the daemon does, so that a `.env` left from remote debugging has no say."""


class StdioGreeting(Greeting):
    """The SDK prints the plugin's configuration; the first heartbeat says that it takes requests."""

    def __init__(self) -> None:
        self._declaration: Declaration | None = None

    def receive(self, message: Mapping[str, Any]) -> Declaration | None:
        if "resource" in message:
            self._declaration = read_declaration(message)
        return self._declaration if message.get("event") == "heartbeat" else None


class Stdio(Way):
    def __init__(self, launch: Launch, terminal: Terminal) -> None:
        self._launch = launch
        self._terminal = terminal
        self._process: PluginProcess | None = None

    async def connect(self) -> Channel:
        self._process = await PluginProcess.start(self._launch, ENVIRONMENT, stdio=True, terminal=self._terminal)
        reader, writer = self._process.streams()
        return Channel(
            reader,
            Stream(writer),
            greeting=StdioGreeting(),
            greeting_limit=laws.HEARTBEAT_LIMIT,
            heartbeat_limit=laws.HEARTBEAT_LIMIT,
            longest_line=laws.STDOUT_LINE_LIMIT,
            knows_sessions=True,
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def end(self) -> str:
        return await self._process.end() if self._process is not None else "not started"
