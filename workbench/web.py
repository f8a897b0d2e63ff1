"""The HTTP side: `/e/<hook>/…` in, the plugin's reply out, as the daemon's endpoint handler does it.

Owns requests and responses of clients and the laws of a response (2, 3, 8, 9, 10, 13, 14). What goes on inside a
session is not its business (internal/server/endpoint.go, internal/service/endpoint.go).
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, Self, cast
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from pydantic_core import to_json

from workbench import laws
from workbench.daemon_errors import ROUTE_NOT_FOUND, bad_request_error, internal_server_error
from workbench.hooks import Hook
from workbench.laws import Clocks
from workbench.raw_request import ClientRequest, MalformedTarget, raw_request, split_target
from workbench.replicas import Replicas
from workbench.reply import Reply
from workbench.runtime import Runtime
from workbench.sessions import Origin
from workbench.supervisor import PluginDown
from workbench.terminal import Terminal

WRITE_SIZE: Final = 64 * 1024
"""Bytes of chunks that leave in one write to the client's socket."""

HELD_SIZE: Final = 256 * 1024
"""Bytes of chunks that may be held back for law 9, beyond which law 8 applies: about what a slow client's network takes
in that time."""

_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Web:
    """`routes` come before those of the daemon."""

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        replicas: Replicas,
        clocks: Clocks,
        terminal: Terminal,
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        self._hooks = hooks
        self._replicas = replicas
        self._clocks = clocks
        self._terminal = terminal
        self._routes = routes
        self._runner: web.AppRunner | None = None

    async def open(self, host: str, port: int) -> int:
        """Serves; `port` 0 takes any free one. The port. Raises OSError."""
        logging.getLogger("aiohttp.server").addFilter(_is_worth_telling)
        application = web.Application()
        application.router.add_routes(self._routes)
        application.router.add_route("*", "/{path:(?s:.*)}", self.handle)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            # Law 14: a request's session ends when its client leaves, before the first chunk of the reply (since 0.6.7;
            # `AfterFunc` in internal/core/io_tunnel/generic.go) or after it (`CloseNotify`). Like Go's server, aiohttp
            # reads on during a request, and so notices the end or the reset of the connection when it arrives.
            handler_cancellation=True,
            # The daemon passes a compressed body on as it is.
            auto_decompress=False,
            max_line_size=laws.HEADER_LIMIT,
            max_field_size=laws.HEADER_LIMIT,
            # Not 0, which aiohttp takes for "for ever".
            shutdown_timeout=0.1,
        )
        await self._runner.setup()
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, laws.SOCKET_SEND_BUFFER)
        await web.SockSite(self._runner, listener).start()
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        target = request.raw_path.encode("utf-8", "surrogateescape")
        try:
            path, query = split_target(target)
        except MalformedTarget:
            return web.Response(status=400, text="400 Bad Request")
        prefix, hook_name, rest = _split_path(path)
        if prefix != "e" or not hook_name or request.method not in laws.METHODS:
            return _json(404, ROUTE_NOT_FOUND)
        if not rest:
            return _redirect(request.method, path, query)
        hook = self._hooks.get(hook_name)
        if hook is None:
            return _json(404, bad_request_error("endpoint not found"))
        body = await self._read_body(request)
        raw = raw_request(ClientRequest(request.method, hook.name, rest, query, request.raw_headers, body))
        try:
            runtime = await self._replicas.runtime()
        except PluginDown as down:
            return _json(502, to_json({"code": "plugin_unavailable", "message": f"workbench: {down}", "status": 502}))
        return await self._call(request, runtime, hook, raw)

    async def _read_body(self, request: web.Request) -> bytes:
        """Law 10."""
        parts, size = [], 0
        while size <= laws.REQUEST_BODY_LIMIT and (part := await request.content.readany()):
            parts.append(part)
            size += len(part)
        if size > laws.REQUEST_BODY_LIMIT:
            self._terminal.say(f"the body of {_named(request)} was cut to {laws.REQUEST_BODY_LIMIT} bytes (law 10)")
        return b"".join(parts)[: laws.REQUEST_BODY_LIMIT]

    async def _call(self, request: web.Request, runtime: Runtime, hook: Hook, raw: bytes) -> web.StreamResponse:
        reply = Reply()
        session = runtime.open_session(Origin(hook.tenant_id, endpoint_id=hook.endpoint_id), reply)
        try:
            session.request(_invocation(hook, raw))
            return await self._respond(request, reply)
        finally:
            runtime.close_session(session)

    async def _respond(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        await reply.news()
        first = reply.take_first()
        if first is None and reply.error is not None:
            return _json(500, internal_server_error(reply.error.decode()))
        client = await Client.begin(request, reply.status, reply.headers)
        # A client that has left shows in a write before it shows in a cancellation.
        with contextlib.suppress(ConnectionResetError):
            try:
                async with asyncio.timeout(self._clocks.response):
                    await self._relay(request, reply, first or b"", client)
            except TimeoutError:
                # Law 13: the daemon writes its error behind whatever has been sent.
                await client.send(internal_server_error("killed by timeout"))
            await client.finish()
        return client.response

    async def _relay(self, request: web.Request, reply: Reply, first: bytes, client: "Client") -> None:
        await client.send(first)
        held = await _hold_back(reply)
        if reply.over and reply.gap_left() > 0:
            if held or reply.take_all() or reply.error:
                self._terminal.say(f"the reply to {_named(request)} ended too soon and lost its tail (law 9)")
            return
        await client.send(b"".join(held))
        while True:
            while chunks := reply.next_chunks(WRITE_SIZE):
                await client.send(b"".join(chunks))
                reply.sent(len(chunks))
            if reply.over:
                break
            await reply.news()
        if reply.error is not None:
            await client.send(reply.error)
        if reply.dropped:
            self._terminal.say(f"the reply to {_named(request)} lost {reply.dropped} chunks to a full queue (law 8)")


def _invocation(hook: Hook, raw: bytes) -> dict[str, Any]:
    """What the plugin is asked to do with a request."""
    return {
        "user_id": "",
        "type": "endpoint",
        "action": "invoke_endpoint",
        "settings": hook.settings,
        "raw_http_request": raw.hex(),
    }


async def _hold_back(reply: Reply) -> list[bytes]:
    """Law 9. The chunks that come after the first while an end would be too soon, or until the end comes.

    They are held back because they are lost in that case. Meanwhile they leave the queue, as if they had been sent.
    """
    held: list[bytes] = []
    room = HELD_SIZE
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(reply.gap_left()):
            while not reply.over:
                await reply.news()
                while room > 0 and (chunk := reply.take_first()) is not None:
                    held.append(chunk)
                    room -= len(chunk)
    return held


class Client:
    """The client's end of one response: writes wait until the client's socket has taken them (law 8)."""

    def __init__(self, response: web.StreamResponse, writer: AbstractStreamWriter, *, has_body: bool) -> None:
        self.response = response
        self._writer = writer
        self._has_body = has_body

    @classmethod
    async def begin(cls, request: web.Request, status: int, headers: Mapping[str, str]) -> Self:
        """Status and headers; they leave with the first `send`."""
        response = web.StreamResponse(status=status, headers=headers)
        # None only for a response that has been sent before.
        writer = cast("AbstractStreamWriter", await response.prepare(request))
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=0)
        return cls(response, writer, has_body=request.method != "HEAD" and status not in _BODILESS)

    async def send(self, data: bytes) -> None:
        if self._has_body and data:
            await self._writer.write(data)
            await self._writer.drain()

    async def finish(self) -> None:
        if self._has_body and self._writer.length:
            # Less than the plugin's own Content-Length: Go closes the connection, and so the client notices.
            self.response.force_close()
        await self.response.write_eof()


def _split_path(path: bytes) -> tuple[str, str, bytes]:
    """`/e/<hook>/<rest>` in its three parts; the rest begins with the slash, and is empty if there is none."""
    prefix, _, rest = path.removeprefix(b"/").partition(b"/")
    hook, slash, rest = rest.partition(b"/")
    return prefix.decode("latin-1"), hook.decode("latin-1"), slash + rest


def _redirect(method: str, path: bytes, query: bytes) -> web.Response:
    """Wire 14.8: gin's `RedirectTrailingSlash`."""
    status = HTTPStatus.MOVED_PERMANENTLY if method == "GET" else HTTPStatus.TEMPORARY_REDIRECT
    location = quote(path + b"/") + ("?" + query.decode("latin-1") if query else "")
    return web.Response(status=status, headers={"Location": location})


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Not what a client did wrong: it has got its 400."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _named(request: web.Request) -> str:
    return f"{request.method} {request.raw_path}"
