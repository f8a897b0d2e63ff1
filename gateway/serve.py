"""The one way through: a request comes in, is authenticated, read, started, and leaves as a response.

Nothing raises out of here (law 4): what is foreseen is a `DuckError`, and everything else becomes `internal_error`.

MCP is loaded by the first request for it: its types and schemas take as long as a third of all the rest of Duck.
"""

import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

from dify_plugin.core.runtime import Session
from werkzeug import Request, Response

from gateway import access, hook_route, openapi, routes, settings
from gateway.about import about
from gateway.access import Caller
from gateway.detail import Detail
from gateway.errors import NOT_STARTED, DuckError, internal_error
from gateway.exchange import Exchange, request_id_of
from gateway.journal import Record, recorded
from gateway.log import logger
from gateway.origins import cors_headers, preflight_headers
from gateway.overview import overview
from gateway.page import is_built, is_navigation, page, page_file
from gateway.protocols import classic, dify, native
from gateway.protocols.dify.paths import dify_path
from gateway.protocols.native import members
from gateway.protocols.openai import chat, responses
from gateway.protocols.openai import errors as openai_errors
from gateway.protocols.openai.models import model, model_list
from gateway.protocols.protocol import Shape, Shaped, WireProtocol
from gateway.rates import count_call
from gateway.routes import Match, Route
from gateway.running import answer_of_app, answer_of_dify, conversation_header
from gateway.streaming import place_of
from gateway.titles import titled
from gateway.tokens import Tokens, read_token_request
from gateway.transports.storage import SessionStorage
from gateway.wire import json_bytes

_NATIVE: Final = WireProtocol(native.read, native.shape)
_PROTOCOLS: Final[Mapping[Route | None, WireProtocol]] = {
    Route.DUCK: WireProtocol(classic.read, classic.shape, may_split_thinking=False),
    Route.CHAT_MESSAGES: dify.CHAT_MESSAGES,
    Route.COMPLETION_MESSAGES: dify.COMPLETION_MESSAGES,
    Route.WORKFLOWS_RUN: dify.WORKFLOWS_RUN,
    Route.CHAT_COMPLETIONS: WireProtocol(chat.read, openai_errors.shape, has_chat_ids=True),
    Route.RESPONSES: WireProtocol(responses.read, openai_errors.responses_shape, has_chat_ids=True),
}
"""Whose request and reply a route speaks, where it is not the native protocol."""


_PUBLIC: Final = frozenset({Route.ABOUT, Route.HEALTH, Route.OPENAPI})
"""What needs no key."""


def handle(session: Session, request: Request, raw_settings: Mapping[str, Any], match: Match | None) -> Response:
    """Answers one request.

    match: what the SDK's own routing found; None for what came in by a catch-all rule, which the Map then resolves,
    404 and 405 included.
    """
    exchange = Exchange(session, request, Record(request_id_of(request.headers)), match.route if match else None)
    return _answered(exchange, raw_settings, lambda: _respond(exchange, match))


def refuse(session: Session, request: Request, raw_settings: Mapping[str, Any], problem: str) -> Response:
    """Answers a request that could not be read (law 19). request: what could be. problem: what is wrong, a sentence."""
    exchange = Exchange(session, request, Record(request_id_of(request.headers)), None)
    return _answered(exchange, raw_settings, lambda: _refused(problem))


def _answered(exchange: Exchange, raw_settings: Mapping[str, Any], respond: Callable[[], Response]) -> Response:
    """The response, whatever happens."""
    try:
        exchange.chosen = settings.parse(raw_settings)
        response = respond()
    except DuckError as error:
        response = _error_response(exchange, error)
    except Exception as error:  # noqa: BLE001 - law 4: whatever escapes becomes a platform text
        logger.error("request %s failed: %s", exchange.record.request_id, place_of(error))
        response = _error_response(exchange, internal_error())
    _add_headers(response, exchange)
    return _recorded(response, exchange)


def _refused(problem: str) -> Response:
    raise DuckError("invalid_request", problem, "Send the request without it.")


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
    if match.route in _PUBLIC:
        return _told_to_anyone(exchange, match)
    if match.route is Route.HOOKS:  # a signature is the key
        return hook_route.answer(exchange, match.app_id)
    if match.route is Route.MCP:
        return _mcp(exchange, match.app_id)
    caller = _admit(exchange)
    match match.route:
        case Route.TOKENS:
            return _token(exchange, caller)
        case Route.MODELS | Route.MODEL:
            return _models(exchange, caller, match)
        case Route.DIFY:
            return answer_of_dify(exchange, caller, match.app_id)
    protocol = _PROTOCOLS.get(match.route, _NATIVE)
    return answer_of_app(exchange, protocol, caller, match.app_id, lambda error: _shaped(exchange, error).body)


def _mcp(exchange: Exchange, app_id: str | None) -> Response:
    from gateway import mcp  # noqa: PLC0415 - see above

    mcp.check_origin(exchange.request.headers, exchange.chosen.origins)  # before the key, as the protocol has it
    return mcp.answer(exchange, _admit(exchange), app_id)


def _told_to_anyone(exchange: Exchange, match: Match) -> Response:
    """The routes of `_PUBLIC`; `GET /` is the page for a browser, else JSON, with more for a caller."""
    chosen, request = exchange.chosen, exchange.request
    if match.route is Route.HEALTH:
        return _json({"status": "ok"})
    if not chosen.has_page:
        raise routes.not_found(request.path)
    if match.route is Route.OPENAPI:
        return openapi.answer(request)
    if match.file is not None:
        return page_file(match.file, request.query_string.decode("latin-1"))
    if is_navigation(request) and is_built():
        return page()
    is_caller = chosen.access is settings.Access.OPEN or access.says_who(request.headers)
    return _json({**about(), **(overview(exchange, _admit(exchange)) if is_caller else {})})


def _options(exchange: Exchange) -> Response:
    """What a path allows; a browser's question before a call needs no key, and gets an answer on any path."""
    request = exchange.request
    allowed = routes.allowed_methods(request.path)
    is_preflight = "Origin" in request.headers and "Access-Control-Request-Method" in request.headers
    if not allowed and not is_preflight:
        raise routes.not_found(request.path)
    methods = allowed or ("GET", "POST")
    granted = preflight_headers(request.headers, exchange.chosen.origins, methods)
    return _response(204, {"Allow": ", ".join(methods), **granted})


def _admit(exchange: Exchange) -> Caller:
    """The caller, let in; raises for one who is not known, who calls too often, or when nobody can be served."""
    chosen, request = exchange.chosen, exchange.request
    asks_user = exchange.route is Route.DUCK and is_navigation(request)
    caller = access.authenticate(chosen, request.headers, _tokens(exchange).caller, asks_user=asks_user)
    exchange.caller = caller
    if chosen.fatal:
        raise chosen.fatal[0].as_error()
    exchange.rate_headers = count_call(chosen.rates, exchange.endpoint_id, caller.name, caller.user)
    return caller


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


def _models(exchange: Exchange, caller: Caller, match: Match) -> Response:
    """`GET /v1/models` and one of them: the apps in the caller's scope, or the one that the path is bound to."""
    chosen = exchange.chosen
    bound = access.choose_app(chosen, caller, match.app_id) if match.app_id else None
    if match.model is not None:
        chosen_app = bound or access.choose_app(chosen, caller, match.model)
        return _json(model(*titled(exchange, caller, [chosen_app])))
    apps = [bound] if bound else [app for app in access.exposed_apps(chosen, caller) if not app.fault]
    return _json(model_list(titled(exchange, caller, apps)))


def _error_response(exchange: Exchange, error: DuckError) -> Response:
    """An error before the reply's first byte."""
    exchange.record.error = error.code
    shaped = _shaped(exchange, error)
    headers = {**shaped.headers, **error.headers, **conversation_header(exchange.started)}
    was_started = exchange.record.run is not None and error.code not in NOT_STARTED
    if was_started or error.code == "misconfigured":
        headers["x-should-retry"] = "false"  # OpenAI's clients run the app again otherwise (protocols section 3)
    return Response(shaped.body, error.status, content_type=shaped.content_type, headers=headers)


def _shaped(exchange: Exchange, error: DuckError) -> Shaped:
    """An error in its protocol's shape, with what a caller needs to ask further: the request's id, and the run's."""
    known = {**members.ids(exchange.started), "request_id": exchange.record.request_id}
    return _shape(exchange)(error, known, with_cause=exchange.detail >= Detail.PROGRESS)


def _shape(exchange: Exchange) -> Shape:
    """The shape of the route's protocol; where no path matched, of the protocol whose clients look there."""
    if exchange.shape:
        return exchange.shape
    if exchange.route is Route.MCP or (exchange.route is None and routes.is_mcps(exchange.request.path)):
        return _mcp_shape()
    if exchange.route in _PROTOCOLS:
        return _PROTOCOLS[exchange.route].shape
    if dify_path(exchange.request.path):
        return dify.CHAT_MESSAGES.shape
    is_openais = exchange.route in _MODELS if exchange.route else routes.is_openais(exchange.request.path)
    return openai_errors.shape if is_openais else _NATIVE.shape


def _mcp_shape() -> Shape:
    from gateway.protocols.mcp.errors import shape_of  # noqa: PLC0415 - see above

    return shape_of(None)


_MODELS: Final = frozenset({Route.MODELS, Route.MODEL})
