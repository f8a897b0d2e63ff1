"""From what a caller asked to a running app: which kind it is, where the query goes, a slot, and the run."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from gateway.access import app_not_found
from gateway.call import AppCall
from gateway.decoder import decode
from gateway.diagnosis import app_unavailable, completion_not_supported
from gateway.errors import DuckError
from gateway.events import Event, Failed, Kind, Started
from gateway.kinds import Kinds
from gateway.limits import Limits
from gateway.links import absolute_links
from gateway.settings import Settings, canonical_id
from gateway.slots import take_slot
from gateway.streaming import Run
from gateway.transports.reverse import ReverseTransport

_KINDS: Final = Kinds()

_WHAT_IT_IS: Final = {
    Kind.CHAT: "a chat app",
    Kind.AGENT: "an agent",
    Kind.CHATFLOW: "a chatflow",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call happens. endpoint_id: what all caches and slots are keyed by (law 17). origin: where relative links
    to files lead.
    """

    endpoint_id: str
    transport: ReverseTransport
    settings: Settings
    origin: str


def start(call: AppCall, place: Place, fallback: Kind) -> Run:
    """The app, running; it holds a slot until it has ended.

    fallback: the kind that the route stands for, used where nothing is known and the call has no query. Raises
    `DuckError` for a call that does not fit the app; all that Dify says comes as the run's events.
    """
    transport = place.transport
    if call.conversation_id and not canonical_id(call.conversation_id):
        raise conversation_not_found()
    limits = Limits.found(
        os.environ,
        is_local=transport.is_local,
        sdk_silence=transport.max_silence,
        run_timeout=place.settings.run_timeout,
    )
    slot = take_slot(place.endpoint_id, place.settings.max_streams)
    try:
        call, kind = _fitted(call, place, fallback)
        events = _watched(decode(transport.start(call, kind)), call, place)
        return Run(absolute_links(events, place.origin), limits, slot.release)
    except BaseException:
        slot.release()
        raise


def conversation_not_found() -> DuckError:
    """Dify would answer a malformed id with a 500, and start anew for an unknown one (wire section 4)."""
    return DuckError(
        "conversation_not_found",
        "There is no conversation with this conversation_id in this app.",
        "Leave conversation_id out to start a new one.",
    )


def _fitted(call: AppCall, place: Place, fallback: Kind) -> tuple[AppCall, Kind | None]:
    """The call as the app takes it, and the kind that it is taken for; a query goes to a workflow's input."""
    endpoint, transport = place.endpoint_id, place.transport
    kind = _KINDS.find(endpoint, call.app, transport) if call.query else _KINDS.known(endpoint, call.app)
    if kind is Kind.COMPLETION:
        raise completion_not_supported()
    if call.query and kind is Kind.WORKFLOW:
        return _with_query_as_input(call, _KINDS.query_variable(endpoint, call.app, transport)), kind
    if not call.query and kind is None:
        return call, fallback
    if not call.query and kind is not Kind.WORKFLOW:
        raise _needs_query(kind)
    return call, kind


def _with_query_as_input(call: AppCall, variable: str) -> AppCall:
    given = call.inputs.get(variable)
    if given not in (None, "", call.query, call.app.inputs.get(variable)):
        raise DuckError(
            "invalid_request",
            f"This workflow takes the query as its input {variable}, and inputs.{variable} is given too.",
            "Send only one of them.",
        )
    return replace(call, query="", inputs={**call.inputs, variable: call.query})


def _needs_query(kind: Kind | None) -> DuckError:
    return DuckError(
        "wrong_app_kind",
        f"This is {_WHAT_IT_IS.get(kind or Kind.CHAT, 'a chat app')}, and the call has no query.",
        "Send a non-empty query, as /chat/<app_id> takes it.",
    )


def _watched(events: Iterator[Event], call: AppCall, place: Place) -> Iterator[Event]:
    """The run's events, with what only the first of them can tell.

    The app's kind is learnt. A run that Dify began in a new conversation, though an old one was asked for, ends here.
    """
    is_first = True
    for event in events:
        if isinstance(event, Started):
            _KINDS.learn(place.endpoint_id, call.app, event.kind)
            if call.conversation_id and event.conversation_id not in ("", call.conversation_id):
                yield Failed(conversation_not_found())
                return
        yield Failed(_explained(event.error, call, place)) if is_first and isinstance(event, Failed) else event
        is_first = False


def _explained(error: DuckError, call: AppCall, place: Place) -> DuckError:
    """A refusal before the run, as far as it depends on the app that was asked for.

    An app that is not listed and that Dify does not know is the same 404 as any unknown name (DESIGN section 3).
    Dify's own 500 is what it says of every completion app.
    """
    if error.code == "app_unavailable":
        is_listed = call.app in place.settings.apps
        return app_unavailable(call.app.alias) if is_listed else app_not_found()
    if error.code == "dify_error" and _KINDS.is_completion(place.endpoint_id, call.app, place.transport):
        return completion_not_supported()
    return error
