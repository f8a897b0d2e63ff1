"""The one way through: a request comes in, is authenticated, read, started, and leaves as a response.

Nothing raises out of here (law 4): what is foreseen is a `DuckError`, and everything else becomes `internal_error`.
"""

import re
import time
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dify_plugin.core.runtime import Session
from werkzeug import Request, Response
from werkzeug.datastructures import Headers

from gateway import access, routes, settings
from gateway.about import about
from gateway.access import Caller
from gateway.answer import Answer
from gateway.call import AppCall, Asked
from gateway.conversations import Conversations, Holder
from gateway.detail import Detail
from gateway.errors import DuckError, internal_error
from gateway.events import Failed, Kind, Started, Writer
from gateway.journal import Record, recorded
from gateway.log import logger
from gateway.origins import cors_headers, preflight_headers
from gateway.protocols import classic, native
from gateway.protocols.native import members
from gateway.protocols.protocol import Shaped, Streamed, Whole, WireProtocol
from gateway.rates import count_call
from gateway.routes import Match, Route
from gateway.settings import App, ConversationIds, Settings
from gateway.start import Place, start
from gateway.streaming import FIRST_EVENT_WAIT, HEARTBEAT, Run, paced, place_of, stream
from gateway.tokens import Tokens, read_token_request
from gateway.transports.reverse import ReverseTransport
from gateway.transports.storage import SessionStorage
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
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context 3.2.2; the trace's id is the part that all its requests share."""

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(?=/|$)")


@dataclass(slots=True)
class Exchange:
    """One request on its way; it fills up as it goes, for the error that may come, and for the log."""

    session: Session
    request: Request
    record: Record
    route: Route | None
    chosen: Settings = field(default_factory=Settings)
    caller: Caller | None = None
    started: Started | None = None
    rate_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint_id(self) -> str:
        return self.session.endpoint_id or ""

    @property
    def detail(self) -> Detail:
        """Nothing but the answer for whoever is not known."""
        return self.chosen.detail if self.caller else Detail.ANSWER


def handle(session: Session, request: Request, raw_settings: Mapping[str, Any], match: Match | None) -> Response:
    """Answers one request.

    match: what the SDK's own routing found; None for what came in by a catch-all rule, which the Map then resolves,
    404 and 405 included.
    """
    request_id = _request_id(request.headers)
    exchange = Exchange(session, request, Record(request_id), match.route if match else None)
    try:
        exchange.chosen = settings.parse(raw_settings)
        response = _respond(exchange, match)
    except DuckError as error:
        response = _error_response(exchange, error)
    except Exception as error:  # noqa: BLE001 - law 4: whatever escapes becomes a platform text
        logger.error("request %s failed: %s", request_id, place_of(error))
        response = _error_response(exchange, internal_error())
    _add_headers(response, exchange)
    return _recorded(response, exchange)


def _request_id(headers: Headers) -> str:
    """The caller's own id for the request, or its trace's, where it has a form that can be repeated."""
    given = headers.get("X-Request-Id", "")
    if _REQUEST_ID.fullmatch(given):
        return given
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return trace[1] if trace else uuid.uuid4().hex


def _add_headers(response: Response, exchange: Exchange) -> None:
    """What every reply carries, errors included."""
    headers = response.headers
    headers["X-Request-Id"] = exchange.record.request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
    headers["Vary"] = "Origin"
    headers.update(cors_headers(exchange.request.headers, exchange.chosen.origins))
    headers.update(exchange.rate_headers)


def _recorded(response: Response, exchange: Exchange) -> Response:
    """The response, and its line in the log once it has ended."""
    record = exchange.record
    record.route, record.status = exchange.route or "", response.status_code
    record.caller = exchange.caller.name if exchange.caller else ""
    body = response.response
    if isinstance(body, Generator):
        response.response = recorded(body, record)
    else:
        record.sent(len(response.get_data()))
        record.finish()
    return response


def _respond(exchange: Exchange, match: Match | None) -> Response:
    request = exchange.request
    if request.method == "OPTIONS":
        return _options(exchange)
    match = match or routes.match(request.method, request.path)
    exchange.route = match.route
    match match.route:
        case Route.ABOUT:
            return _json(about())
        case Route.HEALTH:
            return _json({"status": "ok"})
    caller = _admit(exchange)
    if match.route is Route.TOKENS:
        return _token(exchange, caller)
    return _answer_of_app(exchange, caller, match.app_id)


def _options(exchange: Exchange) -> Response:
    """What a path allows; a browser's question before a call needs no key, and gets an answer on any path."""
    request = exchange.request
    allowed = routes.allowed_methods(request.path)
    is_preflight = "Origin" in request.headers and "Access-Control-Request-Method" in request.headers
    if not allowed and not is_preflight:
        raise routes.not_found()
    methods = allowed or ("GET", "POST")
    granted = preflight_headers(request.headers, exchange.chosen.origins, methods)
    return _response(204, {"Allow": ", ".join(methods), **granted})


def _admit(exchange: Exchange) -> Caller:
    """The caller, let in; raises for one who is not known, who calls too often, or when nobody can be served."""
    chosen, request = exchange.chosen, exchange.request
    asks_user = exchange.route is Route.DUCK and _is_navigation(request)
    caller = access.authenticate(chosen, request.headers, _tokens(exchange).caller, asks_user=asks_user)
    exchange.caller = caller
    if chosen.fatal:
        raise chosen.fatal[0].as_error()
    exchange.rate_headers = count_call(chosen.rates, exchange.endpoint_id, caller.name, caller.user)
    return caller


def _is_navigation(request: Request) -> bool:
    """Whether a browser opens the address, as it says itself; over plain HTTP it says only what it accepts."""
    mode = request.headers.get("Sec-Fetch-Mode", "")
    return mode == "navigate" or (not mode and "text/html" in request.headers.get("Accept", ""))


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json_bytes(content), content_type="application/json")


def _response(status: int, headers: Mapping[str, str]) -> Response:
    """A response without a body, and so without werkzeug's default content type."""
    response = Response(status=status, headers=dict(headers))
    if "Content-Type" not in headers:
        del response.headers["Content-Type"]
    return response


def _tokens(exchange: Exchange) -> Tokens:
    return Tokens(exchange.endpoint_id, SessionStorage(exchange.session), exchange.chosen)


def _token(exchange: Exchange, caller: Caller) -> Response:
    """`POST /tokens`."""
    if caller.has_token or caller.name == settings.ANONYMOUS:
        raise DuckError("forbidden", "A token can be made with an access key only.", "Send a key of the endpoint.")
    asked = read_token_request(exchange.request)
    app = access.choose_app(exchange.chosen, caller, asked.app)
    exchange.record.app = app.alias
    expires_at = int(time.time()) + asked.expires_in
    token = _tokens(exchange).issue(caller, app, asked.user, expires_at)
    said = {"app": app.alias, "user": asked.user, "expires_in": asked.expires_in, "expires_at": expires_at}
    return _json({"token": token, "token_type": "Bearer", **said})


def _answer_of_app(exchange: Exchange, caller: Caller, app_id: str | None) -> Response:
    """The routes that run an app."""
    request, protocol, chosen = exchange.request, _PROTOCOLS.get(exchange.route, _NATIVE), exchange.chosen
    app = access.choose_app(chosen, caller, app_id)
    exchange.record.app = app.alias
    view = View(chosen.detail, chosen.files_url or _origin(request), app.answer)
    asked, reply = protocol.read(request, view)
    if request.method == "HEAD":
        return _response(
            200, {"Content-Type": reply.content_type, **(reply.headers if isinstance(reply, Streamed) else {})}
        )
    run = _start(exchange, caller, app, asked, view.origin)
    exchange.record.run = run
    try:
        if isinstance(reply, Streamed):
            return _streamed(run, reply)
        return _whole(exchange, run, reply, Answer(view.output), keep_alive=chosen.keep_alive)
    except BaseException:
        run.stop()
        raise


def _start(exchange: Exchange, caller: Caller, app: App, asked: Asked, origin: str) -> Run:
    inputs = {**app.inputs, **asked.inputs}
    user = caller.user or asked.user  # a token's user is not for the caller to change
    if app.user and user:
        inputs = {**inputs, app.user: user} if caller.user else {app.user: user, **inputs}
    call = AppCall(app, asked.query, inputs, asked.conversation_id)
    session, chosen, endpoint_id = exchange.session, exchange.chosen, exchange.endpoint_id
    storage = SessionStorage(session)
    holder = Holder(endpoint_id, caller.name, caller.user, app.app_id)
    is_sealed = chosen.conversation_ids is ConversationIds.SEALED
    conversations = Conversations(holder, storage, is_sealed=is_sealed)
    request_id = exchange.record.request_id
    place = Place(endpoint_id, ReverseTransport(session), storage, conversations, chosen, origin, request_id)
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
    exchange.record.error = error.code
    shaped = _shaped(exchange, error)
    headers = {**shaped.headers, **error.headers, **_conversation(exchange.started)}
    return Response(shaped.body, error.status, content_type=shaped.content_type, headers=headers)


def _shaped(exchange: Exchange, error: DuckError) -> Shaped:
    """An error in its protocol's shape, with what a caller needs to ask further: the request's id, and the run's."""
    protocol = _PROTOCOLS.get(exchange.route, _NATIVE)
    known = {**members.ids(exchange.started), "request_id": exchange.record.request_id}
    return protocol.shape(error, known, with_cause=exchange.detail >= Detail.PROGRESS)


def _origin(request: Request) -> str:
    """Scheme and host of the hook, as far as a plugin can know them.

    `Dify-Hook-Url` lacks the port behind Dify's nginx, and a caller can forge it, for its own reply (law 16).
    """
    origin = _ORIGIN.match(request.headers.get("Dify-Hook-Url", ""))
    return origin[0] if origin else ""
