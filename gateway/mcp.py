"""The route of the Model Context Protocol: one message in, one response out; the apps in the caller's scope are tools.

Nothing is kept between two messages, so any replica answers any of them. How messages and results look is
`protocols.mcp`'s business.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from werkzeug import Response
from werkzeug.datastructures import Headers

from gateway import access
from gateway.access import Caller
from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.exchange import Exchange
from gateway.origins import Origins
from gateway.protocols.mcp import results
from gateway.protocols.mcp.errors import RpcError, invalid_params, shape_of, unknown_method
from gateway.protocols.mcp.message import MAX_ID_LENGTH, Message, read_message, revision_of
from gateway.protocols.mcp.reply import JSON, ToolCall, takes_stream
from gateway.protocols.mcp.revisions import is_modern
from gateway.protocols.mcp.schema import ToolInput, open_input, tool_input
from gateway.protocols.protocol import WireProtocol
from gateway.running import answer_of_app, conversation_header
from gateway.settings import App
from gateway.start import LEARNT
from gateway.streaming import paced
from gateway.titles import of_each, titled
from gateway.transports.choice import transport_for
from gateway.wire import json_bytes

LOOK_UP_WAIT: Final = 10.0
"""Seconds for all that is asked of Dify to describe tools (own choice: clients wait 60 for a list)."""

CALL_LOOK_UP_WAIT: Final = 3.0
"""The same for one tool that is called (own choice: its caller waits for the app too)."""

type Described = tuple[Kind | None, ToolInput]
"""What an app is, None where it is not known, and what it takes."""


def answer(exchange: Exchange, caller: Caller, app_id: str | None) -> Response:
    """The response to one message. app_id: the app that the path is bound to, None for all. Raises `DuckError`."""
    request = exchange.request
    try:
        message = read_message(request)
    except RpcError as error:
        exchange.shape = shape_of(error.request_id)
        raise
    exchange.shape = shape_of(message.id)
    revision = revision_of(message, request.headers)
    if message.id is None:
        return _accepted()
    named = app_id or request.headers.get("X-Duck-App")
    bound = access.choose_app(exchange.chosen, caller, named) if named else None
    if message.method == "tools/call":
        return _called(exchange, caller, bound, message, revision)
    answer_of = (_MODERN if is_modern(revision) else _LEGACY).get(message.method)
    if answer_of is None:
        raise unknown_method(is_modern=is_modern(revision))
    result = results.complete(answer_of(exchange, caller, bound, message, revision), revision)
    return Response(paced(json_bytes(results.response(message.id, result))), content_type=JSON)


def check_origin(headers: Headers, origins: Origins) -> None:
    """Refuses what a page sends that is not listed, also with a key (MCP, transports, "Security Warning").

    A client that is no browser names no origin. That a browser takes a page for the endpoint's own says nothing: it
    goes by a name that may have been bound anew to this machine.
    """
    origin = headers.get("Origin", "")
    if origin and not origins.is_any and not origins.names(origin):
        raise DuckError(
            "origin_not_allowed",
            "A page of another site has sent this, and its origin is not among the endpoint's cors_origins.",
            "Its operator can list it.",
        )


def _accepted() -> Response:
    """Of a notification: there is nothing that one could change, for nothing is kept."""
    response = Response(status=202)
    del response.headers["Content-Type"]
    return response


# -- The methods but tools/call ------------------------------------------------------------------------------------


def _discovered(*_: object) -> results.Result:
    return results.discovered()


def _initialized(_e: Exchange, _c: Caller, _b: App | None, message: Message, _r: str) -> results.Result:
    return results.initialized(message.params.get("protocolVersion"))


def _pong(*_: object) -> results.Result:
    return {}


def _listed(exchange: Exchange, caller: Caller, bound: App | None, message: Message, revision: str) -> results.Result:
    if message.params.get("cursor") is not None:
        raise invalid_params("There is one page only, so no cursor is valid.", is_modern=is_modern(revision))
    exposed = [bound] if bound else [app for app in access.exposed_apps(exchange.chosen, caller) if not app.fault]
    apps = titled(exchange, caller, exposed)
    described = _described(exchange, caller, apps, LOOK_UP_WAIT)
    return results.tool_list([results.tool(app, *described[app.alias]) for app in apps], revision)


type _Method = Callable[[Exchange, Caller, App | None, Message, str], results.Result]
_MODERN: Final[Mapping[str, _Method]] = {"server/discover": _discovered, "tools/list": _listed}
_LEGACY: Final[Mapping[str, _Method]] = {"initialize": _initialized, "ping": _pong, "tools/list": _listed}


# -- What an app takes ---------------------------------------------------------------------------------------------


def _described(exchange: Exchange, caller: Caller, apps: Iterable[App], max_wait: float) -> dict[str, Described]:
    """Of each app by alias; what can't be found out in time is left open, so that no app makes the others wait."""
    listed = list(apps)
    found = of_each(listed, lambda app: _look_up(exchange, caller, app), max_wait)
    return {app.alias: found.get(app.alias) or _undescribed(exchange, app) for app in listed}


def _undescribed(exchange: Exchange, app: App) -> Described:
    kind = LEARNT.known(exchange.endpoint_id, app)
    return kind, open_input(kind)


def _look_up(exchange: Exchange, caller: Caller, app: App) -> Described:
    transport = transport_for(exchange.session, exchange.chosen, app, f"{caller.name}:{caller.user}")
    endpoint = exchange.endpoint_id
    try:
        form = LEARNT.form(endpoint, app, transport)
        kind = LEARNT.find(endpoint, app, transport)
    except DuckError:
        return _undescribed(exchange, app)
    if caller.user and app.user:  # a token's user is not for the caller to change
        form = tuple(variable for variable in form if variable.name != app.user)
    return kind, tool_input(kind, form, filled=app.inputs)


# -- tools/call ----------------------------------------------------------------------------------------------------


def _called(exchange: Exchange, caller: Caller, bound: App | None, message: Message, revision: str) -> Response:
    """The tool's result; also where it has failed, so that a model can read why."""
    call, name, arguments = _read_call(exchange, message, revision)
    try:
        app = _app_of_tool(exchange, caller, bound, name)
        exchange.record.app = app.alias
        return _run(exchange, caller, app, arguments, call)
    except DuckError as error:
        if error.code == "app_not_found":
            raise invalid_params("There is no tool of this name here.", is_modern=is_modern(revision)) from error
        exchange.record.error = error.code
        headers = {**error.headers, **conversation_header(exchange.started)}
        return Response(_failure(exchange, call, _for_a_model(error)), content_type=JSON, headers=headers)


def _for_a_model(error: DuckError) -> DuckError:
    """The error, with a remedy that a model can follow: it knows arguments, and no routes."""
    if error.code != "wrong_app_kind":
        return error
    return DuckError(error.code, error.message, "Call the tool again with the arguments that it needs, such as query.")


def _read_call(exchange: Exchange, message: Message, revision: str) -> tuple[ToolCall, str, Mapping[str, Any]]:
    name, arguments = message.params.get("name"), message.params.get("arguments")
    arguments = {} if arguments is None else arguments
    token = message.meta.get("progressToken")
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise invalid_params(
            "params.name must be a tool's name, params.arguments an object.", is_modern=is_modern(revision)
        )
    is_token = isinstance(token, str | int | None) and not isinstance(token, bool)
    if not is_token or (isinstance(token, str) and len(token) > MAX_ID_LENGTH):
        raise invalid_params(
            f"params._meta.progressToken must be a whole number, or a string of at most {MAX_ID_LENGTH} characters.",
            is_modern=is_modern(revision),
        )
    began = time.monotonic()
    streams = takes_stream(exchange.request.accept_mimetypes)
    call = ToolCall(message.id, revision, token, streams, lambda: time.monotonic() - began)
    return call, name, arguments


def _app_of_tool(exchange: Exchange, caller: Caller, bound: App | None, name: str) -> App:
    """The app that is this tool. Raises as `access.choose_app`."""
    if bound is None:
        return access.choose_app(exchange.chosen, caller, name)
    if name not in (bound.alias, bound.app_id):
        raise access.app_not_found()
    return bound


def _run(exchange: Exchange, caller: Caller, app: App, arguments: Mapping[str, Any], call: ToolCall) -> Response:
    _, takes = _described(exchange, caller, [app], CALL_LOOK_UP_WAIT)[app.alias]
    given = takes.without_nulls(arguments)
    faults = takes.faults(given)
    if faults:
        raise DuckError("invalid_input", " ".join(faults), "Call the tool again with other arguments.")
    asked = takes.asked(given)
    protocol = WireProtocol(lambda _: (asked, call.reply), shape_of(call.id))
    return answer_of_app(exchange, protocol, caller, app.alias, lambda error: _failure(exchange, call, error))


def _failure(exchange: Exchange, call: ToolCall, error: DuckError) -> bytes:
    return json_bytes(call.failed(error, exchange.started, with_cause=exchange.detail >= Detail.PROGRESS))
