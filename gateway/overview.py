"""What a caller is told of an endpoint at `GET /`: the apps in its scope, each asked for, the limits, and the faults.

It answers what someone asks who has an address and a key: which apps there are, what each takes, whether each can be
reached, which limits hold and which knob turns them.
"""

import os
import time
from collections.abc import Mapping
from typing import Any, Final

from gateway import access
from gateway.access import Caller
from gateway.body import BODY_LIMIT
from gateway.detail import clean
from gateway.errors import DuckError
from gateway.events import TALKING, Kind, Raw
from gateway.exchange import Exchange
from gateway.forms import described
from gateway.kinds import takes_files, variables
from gateway.limits import READ_TIMEOUT, RESPONSE_TIMEOUT, SILENCE_TIMEOUT, Limits
from gateway.protocols.dify.app_info import parameters
from gateway.settings import ANONYMOUS, App, Settings
from gateway.slots import most_streams
from gateway.start import LEARNT
from gateway.titles import of_each, titled
from gateway.transports.choice import transport_for
from gateway.transports.interface import AppTransport

LOOK_UP_WAIT: Final = 8.0
"""Seconds for all that is asked of Dify (own choice: a person waits for the page)."""

TOLD_FOR: Final = 5.0
"""Seconds for which what Dify has told of an app stands, so that calls in a row are not as many questions for each app
(own choice: what an operator has just mended shows at the next look).
"""

MOST_TOLD: Final = 2_000
"""Apps of which it is kept in one process; beyond it all is asked anew (own choice, about 10 MB)."""


def overview(exchange: Exchange, caller: Caller) -> dict[str, Any]:
    """The members that `GET /` has for this caller, besides those for anyone. Raises `DuckError` for a faulty scope."""
    chosen = exchange.chosen
    scope = chosen.scopes.get(caller.name)
    if scope and scope.fault:
        raise scope.fault.as_error()
    apps = titled(exchange, caller, access.exposed_apps(chosen, caller))
    told = of_each(apps, lambda app: _asked(exchange, caller, app), LOOK_UP_WAIT)
    sees_faults = scope is None and not caller.has_token and caller.name != ANONYMOUS
    return {
        "caller": caller.name,
        "apps": [_entry(exchange, app, told.get(app.alias, _LATE)) for app in apps],
        "limits": _limits(exchange, caller),
        **({"faults": [f"{fault}." for fault in chosen.faults]} if sees_faults else {}),
    }


def _asked(exchange: Exchange, caller: Caller, app: App) -> dict[str, Any]:
    """What Dify tells of an app, and whether it can be reached."""
    if app.fault:
        return _unreachable(app.fault.as_error())
    transport = transport_for(exchange.session, exchange.chosen, app, f"{caller.name}:{caller.user}")
    way = {"transport": "service_api" if transport.has_app_key else "reverse"}
    try:
        told = _TOLD.parameters(exchange.endpoint_id, app, transport)
        kind = LEARNT.find(exchange.endpoint_id, app, transport)
    except DuckError as error:
        # This way Dify has one answer for an app that is not there and for whatever else it can't tell.
        is_vague = error.code == "dify_error" and not transport.has_app_key
        return {**way, **_unreachable(error), **({"problem": _UNTOLD} if is_vague else {})}
    return {**way, "status": "ok", "kind": kind or "", **_described(app, kind, told, transport)}


def _unreachable(error: DuckError) -> dict[str, Any]:
    return {"status": error.code, "problem": error.sentence(with_cause=False)}


class _Told:
    """What Dify has just told of the apps, by endpoint, app and way; a cache and nothing more (law 17)."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, bool], tuple[float, Raw | DuckError]] = {}

    def parameters(self, endpoint_id: str, app: App, transport: AppTransport) -> Raw:
        """The app's parameters. Raises `DuckError` where Dify does not tell them."""
        key = (endpoint_id, app.app_id, transport.has_app_key)
        since, told = self._known.get(key, (float("-inf"), {}))
        if time.monotonic() - since >= TOLD_FOR:
            told = _parameters(app, transport)
            if len(self._known) >= MOST_TOLD:
                self._known.clear()
            self._known[key] = (time.monotonic(), told)
        if isinstance(told, DuckError):
            raise told
        return told


def _parameters(app: App, transport: AppTransport) -> Raw | DuckError:
    try:
        return transport.parameters(app.app_id)
    except DuckError as error:
        return error


_TOLD: Final = _Told()

_UNTOLD: Final = "Dify does not know this app, or can't tell of it now. Check its id in the settings."

_LATE: Final = {"status": "dify_unreachable", "problem": "Dify did not tell of this app in time; reload to ask again."}


def _described(app: App, kind: Kind | None, told: Raw, transport: AppTransport) -> dict[str, Any]:
    features = parameters(told)
    hidden = {app.user, app.transcript, app.instructions}
    shown = [variable for variable in variables(told) if variable.name not in hidden and not variable.is_hidden]
    return {
        "needs_query": kind in TALKING if kind else None,
        "inputs": [{**described(variable), **_filled(app, variable.name)} for variable in shown],
        "takes_files": transport.has_app_key and kind is not Kind.WORKFLOW and takes_files(told),
        "opening_statement": _text(features.get("opening_statement")),
        "suggested_questions": [
            text for text in features.get("suggested_questions") or () if isinstance(text, str) and text
        ],
    }


def _filled(app: App, name: str) -> dict[str, Any]:
    """The default that the operator filled in, which outranks the app's own; with it the field may be left out."""
    return {"default": app.inputs[name], "required": False} if app.inputs.get(name) not in (None, "") else {}


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _entry(exchange: Exchange, app: App, told: Mapping[str, Any]) -> dict[str, Any]:
    default = exchange.chosen.default_app
    return {
        "alias": app.alias,
        "title": app.title,
        "about": app.about,
        "kind": app.kind or "",
        "is_default": default is not None and default.app_id == app.app_id,
        **told,
    }


def _limits(exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
    """The limits that hold for calls of this caller: what, how much, and what lifts it."""
    chosen = exchange.chosen
    transport = transport_for(exchange.session, Settings(), App("", ""), caller.name)
    limits = Limits.found(
        os.environ,
        is_local=transport.is_local,
        sdk_silence=transport.max_silence,
        run_timeout=chosen.run_timeout,
        has_app_key=False,
    )
    seconds = {
        "run": (min(limits.run, limits.own), READ_TIMEOUT if limits.run <= limits.own else "run_timeout"),
        "silence": (limits.silence, SILENCE_TIMEOUT),
        "response": (limits.response, RESPONSE_TIMEOUT),
    }
    known = [_limit(name, value, "seconds", knob) for name, (value, knob) in seconds.items() if value != float("inf")]
    rates = [{**_limit("calls", rate.amount, "calls", "rate_limit"), "period": rate.seconds} for rate in chosen.rates]
    streams = min(chosen.max_streams, most_streams(os.environ))
    return [
        *known,
        *rates,
        _limit("runs", streams, "runs", "max_streams"),
        _limit("body", BODY_LIMIT, "bytes", ""),
    ]


def _limit(name: str, value: float, unit: str, lifted_by: str) -> dict[str, Any]:
    return {"name": name, "value": round(value), "unit": unit, "lifted_by": lifted_by}
