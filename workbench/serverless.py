"""The plugin behind HTTP, as a serverless runtime runs it (internal/core/serverless_runtime).

Each session is one request to the plugin's own server, and what it says there is the response. All responses are read
as one stream, into which its reverse calls (`transactions.py`) are put as well. It introduces itself to nobody: what it
may do stands in its manifest.
"""

import asyncio
import math
import socket
from typing import Any, Final

import aiohttp
from pydantic_core import to_json

from workbench import laws
from workbench.channel import Channel, NeverConnected, NotSent, Sender, Way
from workbench.declaration import read_declaration
from workbench.lines import LineTooLong, read_turns
from workbench.plugin_process import Launch, PluginProcess
from workbench.terminal import Terminal
from workbench.transactions import HOST, Transactions

HEALTH_PAUSE: Final = 0.05
"""Seconds between two looks whether the plugin's server is up."""


class Invocations(Sender):
    """The requests to the plugin's server; what it says in them, and what fails, is put into `reader`."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.reader = asyncio.StreamReader()
        self.transactions = Transactions(self._is_open, self._deliver)
        self._url = url
        self._http = http
        self._sessions: dict[str, asyncio.Task[None]] = {}

    def request(self, session_id: str, action: str, line: bytes) -> None:
        if len(line) > laws.SERVERLESS_REQUEST_LIMIT:
            raise NotSent(
                f"ServerlessPayloadTooLarge: action={action} payload_bytes={len(line)} "
                f"max_request_bytes={laws.SERVERLESS_REQUEST_LIMIT}"
            )
        self._sessions[session_id] = asyncio.create_task(self._invoke(session_id, action, line))

    def answer(self, call_id: str, line: bytes, *, is_last: bool) -> None:
        self.transactions.answer(call_id, line, is_last=is_last)

    def over(self, session_id: str) -> None:
        """Closes the connection, when the client leaves before the reply's end; the session is then unknown."""
        task = self._sessions.pop(session_id, None)
        if task is not None:
            task.cancel()

    async def drain(self, call_id: str) -> None:
        await self.transactions.drain(call_id)

    def turn_away(self, text: bytes) -> None:
        """Never: it has nothing to introduce itself with."""

    def close(self) -> None:
        for session_id in tuple(self._sessions):
            self.over(session_id)

    async def ended(self) -> None:
        """To be called when the process has: whoever waits for it is told first."""
        await asyncio.gather(*self._sessions.values(), return_exceptions=True)
        self.reader.feed_eof()

    def _is_open(self, session_id: str) -> bool:
        return session_id in self._sessions

    def _deliver(self, line: bytes) -> None:
        self.reader.feed_data(line.strip() + b"\n")

    async def _invoke(self, session_id: str, action: str, line: bytes) -> None:
        headers = {"Content-Type": "application/json", "Dify-Plugin-Session-ID": session_id}
        try:
            async with self._http.post(f"{self._url}?action={action}", data=line, headers=headers) as response:
                if not response.ok:
                    self._fail(session_id, "PluginRuntimeError", f"Plugin runtime request failed: {response.status}")
                    return
                async for lines in read_turns(response.content, laws.STDOUT_LINE_LIMIT):
                    for said in filter(None, lines):
                        self._deliver(said)
        except LineTooLong:
            problem = "failed to read response body: bufio.Scanner: token too long"
            self._fail(session_id, "PluginDaemonInnerError", problem)
        except (aiohttp.ClientError, OSError) as error:
            self._fail(session_id, "PluginDaemonInnerError", f"failed to read response body: {error}")
        else:
            self._say(session_id, "end", {})  # as the daemon does, where the plugin has not said it

    def _fail(self, session_id: str, kind: str, message: str) -> None:
        self._say(session_id, "error", {"error_type": kind, "message": message, "args": {}})

    def _say(self, session_id: str, kind: str, data: dict[str, Any]) -> None:
        self._deliver(to_json({"event": "session", "session_id": session_id, "data": {"type": kind, "data": data}}))


class Serverless(Way):
    def __init__(self, launch: Launch, terminal: Terminal) -> None:
        self._launch = launch
        self._terminal = terminal
        self._process: PluginProcess | None = None
        self._http: aiohttp.ClientSession | None = None
        self._invocations: Invocations | None = None

    async def connect(self) -> Channel:
        declaration = read_declaration(self._launch.manifest)
        port = _free_port()
        base = f"http://{HOST}:{port}"
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        self._invocations = Invocations(f"{base}/invoke", self._http)
        environment = {
            "INSTALL_METHOD": "serverless",
            "SERVERLESS_HOST": HOST,
            "SERVERLESS_PORT": str(port),
            "DIFY_PLUGIN_DAEMON_URL": await self._invocations.transactions.open(),
            "PYTHONUNBUFFERED": "1",  # what it prints is nobody's protocol here, and ends in a pipe
        }
        self._process = await PluginProcess.start(self._launch, environment, stdio=False, terminal=self._terminal)
        ended = asyncio.create_task(self._process.exited())
        await self._healthy(f"{base}/health", self._http, ended)
        ended.add_done_callback(lambda _: asyncio.ensure_future(self._ended()))
        return Channel(
            self._invocations.reader,
            self._invocations,
            greeting=declaration,
            greeting_limit=math.inf,
            heartbeat_limit=math.inf,
            longest_line=None,
            knows_sessions=False,
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def end(self) -> str:
        ending = await self._process.end() if self._process is not None else "not started"
        if self._invocations is not None and self._http is not None:
            self._invocations.close()
            await self._invocations.transactions.close()
            await self._http.close()
        return ending

    async def _healthy(self, url: str, http: aiohttp.ClientSession, ended: "asyncio.Task[int]") -> None:
        while not ended.done():
            try:
                async with http.get(url) as response:
                    if response.ok:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(HEALTH_PAUSE)
        raise NeverConnected(f"has not served, {await self.end()}")

    async def _ended(self) -> None:
        if self._invocations is not None:
            await self._invocations.ended()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
