"""The one way through: a request comes in, is authenticated, read, started, and leaves as a response.

Nothing raises out of here (law 4): what is foreseen is a `DuckError`, and everything else becomes `internal_error`.
"""

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dify_plugin.core.runtime import Session
from werkzeug import Request, Response

from gateway import access, routes, settings
from gateway.about import about
from gateway.answer import Answer
from gateway.call import AppCall, Asked
from gateway.detail import Detail
from gateway.errors import DuckError, internal_error
from gateway.events import Failed, Kind, Started, Writer
from gateway.log import logger
from gateway.protocols import classic, native
from gateway.protocols.native import members
from gateway.protocols.protocol import Shaped, Streamed, Whole, WireProtocol
from gateway.routes import Match, Route
from gateway.settings import App, Settings
from gateway.start import Place, start
from gateway.streaming import FIRST_EVENT_WAIT, HEARTBEAT, Run, paced, place_of, stream
from gateway.transports.reverse import ReverseTransport
from gateway.view import View
from gateway.wire import json_bytes

KEEP_ALIVE_AFTER: Final = 20.0
"""Seconds that a one-body reply waits before it commits to 200, under `keep_alive: on` (DESIGN section 4)."""

_NATIVE: Final = WireProtocol(native.read, native.shape)
_PROTOCOLS: Final[Mapping[Route | None, WireProtocol]] = {Route.DUCK: WireProtocol(classic.read, classic.shape)}
"""Whose request and reply a route speaks, where it is not the native protocol."""

_STANDS_FOR: Final[Mapping[Route | None, Kind]] = {Route.COMPLETION: Kind.COMPLETION}
"""The kind that a route's name promises for a call without a query; else a workflow."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(?=/|$)")


@dataclass(slots=True)
class Exchange:
    """One request on its way. `detail` and `started` fill up as it goes, for the error that may come."""

    session: Session
    request: Request
    raw_settings: Mapping[str, Any]
    request_id: str
    route: Route | None
    detail: Detail = Detail.ANSWER
    started: Started | None = None


def handle(session: Session, request: Request, raw_settings: Mapping[str, Any], match: Match | None) -> Response:
    """Answers one request.

    match: what the SDK's own routing found; None for what came in by a catch-all rule, which the Map then resolves,
    404 and 405 included.
    """
    given = request.headers.get("X-Request-Id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    exchange = Exchange(session, request, raw_settings, request_id, match.route if match else None)
    try:
        response = _respond(exchange, match)
    except DuckError as error:
        response = _error_response(exchange, error)
    except Exception as error:  # noqa: BLE001 - law 4: whatever escapes becomes a platform text
        logger.error("request %s failed: %s", request_id, place_of(error))
        response = _error_response(exchange, internal_error())
    response.headers["X-Request-Id"] = request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _respond(exchange: Exchange, match: Match | None) -> Response:
    request = exchange.request
    if request.method == "OPTIONS":
        return _options(request.path)
    match = match or routes.match(request.method, request.path)
    exchange.route = match.route
    match match.route:
        case Route.ABOUT:
            return _json(about())
        case Route.HEALTH:
            return _json({"status": "ok"})
        case _:
            return _answer_of_app(exchange, match.app_id)


def _options(path: str) -> Response:
    allowed = routes.allowed_methods(path)
    if not allowed:
        raise routes.not_found()
    return _response(204, {"Allow": ", ".join(allowed)})


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json_bytes(content), content_type="application/json")


def _response(status: int, headers: Mapping[str, str]) -> Response:
    """A response without a body, and so without werkzeug's default content type."""
    response = Response(status=status, headers=dict(headers))
    if "Content-Type" not in headers:
        del response.headers["Content-Type"]
    return response


def _answer_of_app(exchange: Exchange, app_id: str | None) -> Response:
    """The routes that run an app."""
    request, protocol = exchange.request, _PROTOCOLS.get(exchange.route, _NATIVE)
    chosen = settings.parse(exchange.raw_settings)
    access.authenticate(chosen, request.headers)
    exchange.detail = chosen.detail
    if chosen.fatal:
        raise chosen.fatal[0].as_error()
    app = access.choose_app(chosen, app_id)
    view = View(chosen.detail, chosen.files_url or _origin(request), app.answer)
    asked, reply = protocol.read(request, view)
    if request.method == "HEAD":
        return _response(200, {"Content-Type": reply.content_type})
    run = _start(exchange, chosen, app, asked, view.origin)
    try:
        if isinstance(reply, Streamed):
            return _streamed(run, reply)
        return _whole(exchange, run, reply, Answer(view.output), keep_alive=chosen.keep_alive)
    except BaseException:
        run.stop()
        raise


def _start(exchange: Exchange, chosen: Settings, app: App, asked: Asked, origin: str) -> Run:
    inputs = {**app.inputs, **asked.inputs}
    if app.user and asked.user:
        inputs.setdefault(app.user, asked.user)
    call = AppCall(app, asked.query, inputs, asked.conversation_id)
    session = exchange.session
    place = Place(session.endpoint_id or "", ReverseTransport(session), chosen, origin, exchange.request_id)
    return start(call, place, _STANDS_FOR.get(exchange.route, Kind.WORKFLOW))


def _streamed(run: Run, reply: Streamed) -> Response:
    """Commits to 200 once the first event has come, or 10 s have passed without one."""
    first = run.first(FIRST_EVENT_WAIT)
    if isinstance(first, Failed):
        raise first.error
    started = first if isinstance(first, Started) else None
    return _body_of(run, reply.write, reply.content_type, {**reply.headers, **_conversation(started)})


def _body_of(run: Run, write: Writer, content_type: str, headers: Mapping[str, str]) -> Response:
    unbuffered = {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
    return Response(stream(run, write), content_type=content_type, headers={**headers, **unbuffered})


def _whole(exchange: Exchange, run: Run, reply: Whole, answer: Answer, *, keep_alive: bool) -> Response:
    """The run's answer as one body, when it has ended; under `keep_alive` it may begin before."""
    commit_at = time.monotonic() + KEEP_ALIVE_AFTER if keep_alive and reply.write_late else float("inf")
    while answer.ending is None:
        if reply.write_late and time.monotonic() >= commit_at:
            write = reply.write_late(answer, lambda error: _shaped(exchange, error).body)
            return _body_of(run, write, reply.content_type, _conversation(answer.started))
        event = run.next(min(HEARTBEAT, commit_at - time.monotonic()))
        if isinstance(event, Failed):
            raise event.error
        answer.add(event)
        exchange.started = answer.started
    run.stop()
    return Response(paced(reply.write(answer)), content_type=reply.content_type, headers=_conversation(answer.started))


def _conversation(started: Started | None) -> dict[str, str]:
    """The header that carries the conversation also where the body does not, or breaks off."""
    return {"X-Conversation-Id": started.conversation_id} if started and started.conversation_id else {}


def _error_response(exchange: Exchange, error: DuckError) -> Response:
    """An error before the reply's first byte."""
    shaped = _shaped(exchange, error)
    headers = {**shaped.headers, **error.headers, **_conversation(exchange.started)}
    return Response(shaped.body, error.status, content_type=shaped.content_type, headers=headers)


def _shaped(exchange: Exchange, error: DuckError) -> Shaped:
    """An error in its protocol's shape, with what a caller needs to ask further: the request's id, and the run's."""
    protocol = _PROTOCOLS.get(exchange.route, _NATIVE)
    known = {**members.ids(exchange.started), "request_id": exchange.request_id}
    return protocol.shape(error, known, with_cause=exchange.detail >= Detail.PROGRESS)


def _origin(request: Request) -> str:
    """Scheme and host of the hook, as far as a plugin can know them.

    `Dify-Hook-Url` lacks the port behind Dify's nginx, and a caller can forge it, for its own reply (law 16).
    """
    origin = _ORIGIN.match(request.headers.get("Dify-Hook-Url", ""))
    return origin[0] if origin else ""
