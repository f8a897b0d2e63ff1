"""The route of signed webhooks: whoever has signed a delivery gets its app's result as the HTTP response.

The checks, the first that fails wins: 1 whether there are webhooks at all; 2 size; 3 signature, over the raw body and
before anything in it is read; 4 settings and rate; 5 the body; 6 whether the delivery is new. Dify is asked of nothing
before all of them have passed. Who is refused for the signature, for whatever reason, is told the same; the log has the
reason.
"""

import time
from typing import Any, Final

from werkzeug import Response

from gateway import routes
from gateway.access import Caller
from gateway.body import raw_body
from gateway.call import Asked
from gateway.errors import NOT_STARTED, DuckError
from gateway.exchange import Exchange
from gateway.hooks.content import Content, read_content
from gateway.hooks.delivery import Deliveries, State, name_of
from gateway.hooks.entry import Hook, Outcome
from gateway.hooks.mapping import asked_of
from gateway.hooks.reply import content_type_of, reply_in
from gateway.hooks.schemes import SLACK, Refusal, Signed, check_all
from gateway.protocols import problem
from gateway.protocols.protocol import WireProtocol
from gateway.rates import count_call
from gateway.running import answer_of_app
from gateway.settings import App
from gateway.start import LEARNT
from gateway.transports.choice import transport_for
from gateway.transports.storage import SessionStorage
from gateway.wire import json_bytes

_SEEN: Final[dict[State, tuple[int, str]]] = {
    State.SUCCEEDED: (200, "duplicate"),
    State.RUNNING: (202, "running"),
    State.LEFT: (503, "running"),
}
"""Status and word for a delivery that is not run again now. A run that was left is cut within a minute, and its sender
shall come again then."""

RETRY_AFTER: Final = 60
"""Seconds until a run that was left has been found out (law 14)."""

_NO_BODY: Final = 204


def answer(exchange: Exchange, name: str | None) -> Response:
    """The response to a delivery. name: the app that the path names, None for the default one. Raises `DuckError`."""
    if not exchange.chosen.webhooks.is_on:
        raise routes.not_found(exchange.request.path)
    app, signed = _authenticated(exchange, name)
    caller = _admit(exchange, app)
    hook = _hook(app)
    content = read_content(exchange.request)
    challenge = _challenge(signed, content)
    if challenge is not None:
        return _json(200, {"challenge": challenge})
    return _answer_once(exchange, caller, app, hook, signed, content)


def _authenticated(exchange: Exchange, name: str | None) -> tuple[App, Signed]:
    """The app, and who has signed the delivery to it."""
    chosen, request = exchange.chosen, exchange.request
    body = raw_body(request)
    app = chosen.app_named(name) if name else chosen.default_app or (chosen.apps[0] if len(chosen.apps) == 1 else None)
    exchange.record.app = app.alias if app else ""
    secrets = chosen.webhooks.secrets
    result = check_all(secrets, app.alias if app else "", request.headers, body, time.time())
    if app is None or isinstance(result, Refusal):
        exchange.record.reason = str(result)
        raise _unauthorized()
    return app, result


def _unauthorized() -> DuckError:
    return DuckError(
        "unauthorized",
        "The request is not signed as a webhook of this address has to be.",
        "Sign it with the secret that the endpoint's operator has set for the app; the plugin's log has the reason.",
        headers={"WWW-Authenticate": 'Webhook-Signature realm="duck"'},
    )


def _admit(exchange: Exchange, app: App) -> Caller:
    chosen = exchange.chosen
    caller = exchange.caller = Caller(f"hook:{app.alias}")
    if chosen.fatal:
        raise chosen.fatal[0].as_error()
    exchange.rate_headers = count_call(chosen.rates, exchange.endpoint_id, caller.name, "")
    return caller


def _hook(app: App) -> Hook:
    """What the settings say of the app's webhooks. Raises `misconfigured` for a fault that governs them."""
    fault = app.fault or app.hook_fault
    if fault:
        raise fault.as_error()
    return app.hook


def _challenge(signed: Signed, content: Content) -> str | None:
    """Slack's question whether this address is its app's, which no app has to answer (Slack docs, "url_verification");
    None for any other delivery.
    """
    value = content.value if signed.scheme is SLACK and isinstance(content.value, dict) else {}
    challenge = value.get("challenge")
    return challenge if value.get("type") == "url_verification" and isinstance(challenge, str) else None


def _answer_once(
    exchange: Exchange, caller: Caller, app: App, hook: Hook, signed: Signed, content: Content
) -> Response:
    """The app's result; of a delivery that has been here, whether it has succeeded or still runs."""
    deliveries = Deliveries(SessionStorage(exchange.session))
    name = name_of(exchange.endpoint_id, app.alias, signed, content.value)
    seen = deliveries.begin(name)
    if seen:
        if seen is State.LEFT and signed.scheme is SLACK:
            seen = State.RUNNING  # Slack leaves every run after 3 s, and must not have it run twice
        status, word = _SEEN[seen]
        response = _json(status, {"status": word})
        if seen is State.LEFT:
            response.headers["Retry-After"] = str(RETRY_AFTER)
        return response
    has_succeeded = False
    try:
        response = _run(exchange, caller, app, hook, content)
        has_succeeded = True
    except DuckError as error:
        response = _failed(exchange, hook, error)
    finally:
        deliveries.end(name, has_succeeded=has_succeeded)
    return response


def _run(exchange: Exchange, caller: Caller, app: App, hook: Hook, content: Content) -> Response:
    asked = _asked(exchange, caller, app, hook, content)
    protocol = WireProtocol(lambda _: (asked, lambda view: reply_in(hook.reply, view)), problem.shape)
    response = answer_of_app(exchange, protocol, caller, app.alias, _never_late)
    return _without_body(response) if response.status_code == _NO_BODY else response


def _never_late(error: DuckError) -> bytes:
    raise error  # a reply of a hook does not begin before its run has ended


def _asked(exchange: Exchange, caller: Caller, app: App, hook: Hook, content: Content) -> Asked:
    transport = transport_for(exchange.session, exchange.chosen, app, f"{caller.name}:")
    form = LEARNT.form(exchange.endpoint_id, app, transport)
    kind = LEARNT.find(exchange.endpoint_id, app, transport)
    return asked_of(hook, content, exchange.request.headers, kind, form)


def _failed(exchange: Exchange, hook: Hook, error: DuckError) -> Response:
    """What the operator wants said of a run that has failed; raises the error where nothing is, and where the app was
    not reached for now, for then the sender shall come again.
    """
    said = hook.reply.said.get(Outcome.FAILED)
    if said is None or error.code in NOT_STARTED:
        raise error
    exchange.record.error = error.code
    error.status = said.status
    if said.body is None and said.status != _NO_BODY:
        raise error
    response = Response(said.body, said.status, content_type=content_type_of(hook.reply), headers=error.headers)
    return _without_body(response) if said.status == _NO_BODY else response


def _without_body(response: Response) -> Response:
    response.set_data(b"")
    del response.headers["Content-Type"]
    return response


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(json_bytes(content), status, content_type="application/json")
