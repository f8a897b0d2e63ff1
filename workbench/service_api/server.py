"""The Service API's own port: requests in, noted, disturbed where a test wants it, and handed to their route.

Owns the listener, which can go down and come up again at the same port, and the check of the key.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, cast
from uuid import UUID

from aiohttp import web

from workbench.app import Refused
from workbench.apps.refusals import internal_server_error
from workbench.runs import Runs
from workbench.service_api import refusals
from workbench.service_api.calls import Call, refusal
from workbench.service_api.catalogue import Entry
from workbench.service_api.faults import Fault, Faults
from workbench.service_api.records import Records
from workbench.service_api.routes import BASE_PATH, ROUTES, Route, check_mode, read_arguments, read_user
from workbench.service_api.watch import Watch

BODY_LIMIT: Final = 100 * 1024 * 1024
"""Bytes (`NGINX_CLIENT_MAX_BODY_SIZE` of Dify's compose)."""

FAULT: Final = web.RequestKey("fault", Fault)

REDIRECTED_TO: Final = "/elsewhere"

_PAGE: Final = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<h1>{0}</h1>\r\n</body>\r\n</html>\r\n"
"""As nginx writes its own."""


class ServiceApi:
    """Of the apps in `entries`, with the host's `runs`. `port` is 0 until it serves.

    What a test sees and changes: `faults` (then `obey` them), `watch`, `connections`.
    """

    def __init__(self, entries: Iterable[Entry], runs: Runs) -> None:
        self.entries = {entry.key: entry for entry in entries}
        self.runs = runs
        self.faults = Faults()
        self.watch = Watch()
        self.host = ""
        self.port = 0
        self._records = Records()
        self._runner: web.AppRunner | None = None
        self._held: socket.socket | None = None
        self._site: web.SockSite | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{BASE_PATH}"

    @property
    def connections(self) -> int:
        """How many are open, idle ones too."""
        server = self._runner.server if self._runner else None
        return len(server.connections) if server else 0

    async def open(self, host: str, port: int) -> None:
        """Serves; `port` 0 takes any free one. Raises OSError."""
        application = web.Application(client_max_size=BODY_LIMIT)
        for route in ROUTES:
            application.router.add_route(route.method, BASE_PATH + route.path, self._handler(route))
        application.router.add_route("*", "/{path:.*}", self._unknown)
        application.middlewares.append(self._meet)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        # It never listens: it keeps the port while the listener is away.
        self._held = _bound(host, port)
        self.host, self.port = host, int(self._held.getsockname()[1])
        await self._listen()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._held is not None:
            self._held.close()

    async def obey(self) -> None:
        """Goes down or comes up, as the faults say now."""
        if self.faults.down and self._site is not None:
            await self._site.stop()
            self._site = None
            self._hang_up()
        elif not self.faults.down and self._site is None:
            await self._listen()

    async def _listen(self) -> None:
        runner = cast("web.AppRunner", self._runner)  # made by `open`
        self._site = web.SockSite(runner, _bound(self.host, self.port))
        await self._site.start()

    def _hang_up(self) -> None:
        server = self._runner.server if self._runner else None
        for connection in server.connections if server else ():
            connection.force_close()
            if connection.transport is not None:
                connection.transport.abort()

    @web.middleware
    async def _meet(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Every request, of whatever route and key."""
        path = request.path.removeprefix(BASE_PATH)
        entry = self.entries.get(request.headers.get("Authorization", "").partition(" ")[2])
        alias = entry.alias if entry else None
        with self.watch.answering():
            try:
                await self.watch.note(request, path, alias)
                fault = self.faults.meeting(alias, path)
                await asyncio.sleep(fault.delay)
                request[FAULT] = fault
                return _disturbed(request, fault) or await handler(request)
            except Refused as refused:
                return refusal(refused)
            except web.HTTPRequestEntityTooLarge:
                return _page(413, "413 Request Entity Too Large")
            except web.HTTPMethodNotAllowed:
                return refusal(refusals.wrong_method())

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if route.has_uuid:
                _check_uuid(request.match_info["id"])
            entry = self._authorised(request)
            sent = await read_arguments(route, request)
            user = read_user(route, sent)
            check_mode(route, entry.app.mode)
            return await route.handler(Call(request, entry, user, sent, request[FAULT], self._records, self.runs))

        return handle

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        paths = {route.path for route in ROUTES}
        if request.path.removeprefix(BASE_PATH) in paths:
            raise refusals.wrong_method()
        raise refusals.no_such_route()

    def _authorised(self, request: web.Request) -> Entry:
        scheme, space, key = request.headers.get("Authorization", "").partition(" ")
        if not space:
            raise refusals.unauthorized("Authorization header must be provided and start with 'Bearer'")
        if scheme.lower() != "bearer":
            raise refusals.unauthorized("Authorization scheme must be 'Bearer'")
        if key not in self.entries:
            raise refusals.unauthorized()
        return self.entries[key]


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _check_uuid(given: str) -> None:
    try:
        UUID(given)
    except ValueError:
        raise refusals.no_such_route() from None


def _disturbed(request: web.Request, fault: Fault) -> web.Response | None:
    """The answer in place of the right one; None for a fault of streams, or none at all."""
    match fault.kind:
        case "closing" | "down":
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        case "failing":
            return refusal(internal_server_error())
        case "unauthorized":
            return refusal(refusals.unauthorized())
        case "html":
            return _page(502, "502 Bad Gateway")
        case "page":
            return _page(200, "Sign in")
        case "redirect":
            return web.Response(status=307, headers={"Location": REDIRECTED_TO})
    return None


def _page(status: int, title: str) -> web.Response:
    return web.Response(status=status, text=_PAGE.format(title), content_type="text/html")
