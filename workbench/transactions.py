"""The plugin's reverse calls under serverless: each one a request to the daemon, whose response is the answers.

Owns the server and those requests (internal/core/io_tunnel/backwards_invocation/transaction/serverless_handler.go).
What a call asks for is read where all that the plugin says is read.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from pydantic_core import from_json, to_json

from workbench import laws

HOST: Final = "127.0.0.1"
PATH: Final = "/backwards-invocation/transaction"

MOST_WAITING: Final = 64
"""Answers that may wait for a plugin that does not read, before `drain` waits too: what a connection buffers."""


class Answers:
    """What is said to one call, until the last of it."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._is_whole = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, line: bytes, *, is_last: bool) -> None:
        self._lines.append(line)
        self._is_whole = is_last
        self._news.set()
        if len(self._lines) > MOST_WAITING:
            self._room.clear()

    async def send(self, response: web.StreamResponse) -> None:
        """Passes them on, each with an empty line behind it; raises ConnectionError when nobody reads."""
        try:
            while self._lines or not self._is_whole:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), laws.TRANSACTION_HEARTBEAT)
                self._news.clear()
                lines, self._lines = self._lines or [b""], []
                await response.write(b"\n\n".join([*lines, b""]))
                self._room.set()
        finally:
            self._room.set()

    async def room(self) -> None:
        """Waits until most of them have left, or nobody takes them any more."""
        await self._room.wait()


class Transactions:
    """`is_open` tells whether there is a session of that id; `deliver` takes the line of a call."""

    def __init__(self, is_open: Callable[[str], bool], deliver: Callable[[bytes], None]) -> None:
        self._is_open = is_open
        self._deliver = deliver
        self._calls: dict[str, Answers] = {}
        self._runner: web.AppRunner | None = None

    async def open(self) -> str:
        """Serves at any free port; the base URL for the plugin."""
        application = web.Application(client_max_size=laws.TRANSACTION_LIMIT)
        application.router.add_post(PATH, self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        return f"http://{HOST}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def answer(self, call_id: str, line: bytes, *, is_last: bool) -> None:
        """Lost when the plugin no longer waits for it."""
        answers = self._calls.get(call_id)
        if answers is not None:
            answers.put(line, is_last=is_last)

    async def drain(self, call_id: str) -> None:
        answers = self._calls.get(call_id)
        if answers is not None:
            await answers.room()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        line = await request.read()
        message = from_json(line)
        session_id, call_id = message["session_id"], message["data"]["data"]["backwards_request_id"]
        if not self._is_open(session_id):
            return web.Response(status=400, body=_session_not_found(session_id, call_id))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        answers = self._calls[call_id] = Answers()
        self._deliver(line)
        try:
            await answers.send(response)
        except ConnectionError:
            pass  # the plugin has given the call up; the run goes on (the daemon watches the client alone)
        finally:
            del self._calls[call_id]
        return response


def _session_not_found(session_id: str, call_id: str) -> bytes:
    data: dict[str, Any] = {"error_type": "SessionNotFound", "detail": "key not found", "session_id": session_id}
    message = "failed to get session info from cache"
    return to_json({"backwards_request_id": call_id, "event": "error", "message": message, "data": data})
