"""The one way through: a request comes in, is authenticated, read, started, and leaves as a response.

Nothing raises out of here (law 4): what is foreseen is a `DuckError`, and everything else becomes `internal_error`.
"""

import logging
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from dify_plugin.config.logger_format import plugin_logger_handler
from dify_plugin.core.runtime import Session
from werkzeug import Request, Response

from gateway import access, routes, settings
from gateway.about import about
from gateway.answer import Answer
from gateway.call import AppCall
from gateway.detail import Detail
from gateway.errors import DuckError, internal_error
from gateway.events import Failed, Kind, Started
from gateway.protocols import classic, problem
from gateway.protocols.native import members, reply
from gateway.protocols.native import request as native_request
from gateway.protocols.native.reply import Form
from gateway.routes import Match, Route
from gateway.settings import App
from gateway.start import Place, start
from gateway.streaming import FIRST_EVENT_WAIT, HEARTBEAT, Run, Writer, paced, place_of, stream
from gateway.transports.reverse import ReverseTransport
from gateway.view import View
from gateway.wire import json_bytes

log: Final = logging.getLogger("duck.serve")
logging.getLogger("duck").addHandler(plugin_logger_handler)

KEEP_ALIVE_AFTER: Final = 20.0
"""Seconds that a one-body reply waits before it commits to 200, under `keep_alive: on` (DESIGN section 4)."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+")


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
        log.error("request %s failed: %s", request_id, place_of(error))
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
    return Response(status=204, headers={"Allow": ", ".join(allowed)})


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json_bytes(content), content_type=Form.JSON.value)


def _answer_of_app(exchange: Exchange, app_id: str | None) -> Response:
    """The routes that run an app."""
    request = exchange.request
    chosen = settings.parse(exchange.raw_settings)
    access.authenticate(chosen, request.headers)
    exchange.detail = chosen.detail
    if chosen.fatal:
        raise chosen.fatal[0].as_error()
    app = access.choose_app(chosen, app_id)
    if request.method == "HEAD":
        return Response(content_type=classic.CONTENT_TYPE, headers=classic.HEADERS)
    asked = native_request.read(request)
    form = None if exchange.route is Route.DUCK else reply.choose(asked.response_mode or "", request.accept_mimetypes)
    view = View(chosen.detail, chosen.files_url or _origin(request), app.answer)
    place = Place(exchange.session.endpoint_id or "", ReverseTransport(exchange.session), chosen, view.origin)
    fallback = Kind.COMPLETION if exchange.route is Route.COMPLETION else Kind.WORKFLOW
    run = start(_call(app, asked), place, fallback)
    if form is None:
        return _streamed(run, classic.writer(view), {"Content-Type": classic.CONTENT_TYPE, **classic.HEADERS})
    if form.is_streamed:
        return _streamed(run, reply.writer(form.form, view), {"Content-Type": form.form.value})
    return _whole(exchange, run, form.form, view, keep_alive=chosen.keep_alive)


def _call(app: App, asked: native_request.NativeRequest) -> AppCall:
    inputs = {**app.inputs, **(asked.inputs or {})}
    if app.user and asked.user:
        inputs.setdefault(app.user, asked.user)
    return AppCall(app, asked.query or "", inputs, asked.conversation_id or "")


def _streamed(run: Run, write: Writer, headers: dict[str, str]) -> Response:
    """Commits to 200 once the first event has come, or 10 s have passed without one."""
    first = run.first(FIRST_EVENT_WAIT)
    if isinstance(first, Failed):
        run.stop()
        raise first.error
    if isinstance(first, Started):
        headers |= _conversation(first)
    headers |= {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
    return Response(stream(run, write), headers=headers)


def _whole(exchange: Exchange, run: Run, form: Form, view: View, *, keep_alive: bool) -> Response:
    """The run's answer as one body, when it has ended; under `keep_alive`, JSON begins before."""
    answer = Answer(view.output)
    commit_at = time.monotonic() + KEEP_ALIVE_AFTER if keep_alive and form is Form.JSON else float("inf")
    while answer.ending is None:
        event = run.next(min(HEARTBEAT, commit_at - time.monotonic()))
        answer.add(event)
        exchange.started = answer.started
        if isinstance(event, Failed):
            run.stop()
            raise event.error
        if time.monotonic() >= commit_at:
            write = reply.late_writer(answer, view, partial(_problem, exchange))
            return Response(stream(run, write), content_type=form.value, headers=_conversation(answer.started))
    run.stop()
    body = paced(reply.whole(form, answer, view))
    return Response(body, content_type=form.value, headers=_conversation(answer.started))


def _conversation(started: Started | None) -> dict[str, str]:
    """The header that carries the conversation also where the body does not, or breaks off."""
    return {"X-Conversation-Id": started.conversation_id} if started and started.conversation_id else {}


def _error_response(exchange: Exchange, error: DuckError) -> Response:
    """An error before the reply's first byte, in the shape of its route."""
    headers = {**error.headers, **_conversation(exchange.started)}
    if exchange.route is Route.DUCK:
        body, headers = classic.failure(error, with_cause=_with_cause(exchange)), {**headers, **classic.HEADERS}
        return Response(body, error.status, content_type=classic.CONTENT_TYPE, headers=headers)
    return Response(_problem(exchange, error), error.status, content_type=problem.CONTENT_TYPE, headers=headers)


def _problem(exchange: Exchange, error: DuckError) -> bytes:
    """Problem details with what a caller needs to ask further: the request's id, and the run's."""
    known = {**members.ids(exchange.started), "request_id": exchange.request_id}
    return problem.body(error, known, with_cause=_with_cause(exchange))


def _with_cause(exchange: Exchange) -> bool:
    return exchange.detail >= Detail.PROGRESS


def _origin(request: Request) -> str:
    """Scheme and host of the hook, as far as a plugin can know them.

    `Dify-Hook-Url` lacks the port behind Dify's nginx, and a caller can forge it, for its own reply (law 16).
    """
    parts = urlsplit(request.headers.get("Dify-Hook-Url", ""))
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin if _ORIGIN.fullmatch(origin) else ""
