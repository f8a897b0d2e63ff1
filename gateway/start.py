"""From what a caller asked to a running app: which kind it is, where the query goes, a slot, and the run."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from gateway.access import app_not_found
from gateway.call import AppCall
from gateway.chats import Chats
from gateway.conversations import Conversations, conversation_not_found
from gateway.decoder import decode
from gateway.diagnosis import app_unavailable, completion_not_supported
from gateway.errors import DuckError
from gateway.events import TALKING, Event, Failed, Kind, Started
from gateway.fitting import with_declared, with_defaults, with_history, with_instructions
from gateway.kinds import Kinds, Variable
from gateway.limits import Limits
from gateway.links import absolute_links
from gateway.presence import Attendance, watch
from gateway.seals import Seals, shown_ids
from gateway.settings import Fault, Settings
from gateway.slots import take_slot
from gateway.streaming import HEARTBEAT, Run
from gateway.thinking import split_thinking
from gateway.transports.interface import AppTransport, Storage
from gateway.uploads import with_uploads
from gateway.view import View

LEARNT: Final = Kinds()
"""What this process knows of the apps."""

_NAMES: Final = {
    Kind.CHAT: "a chat app",
    Kind.AGENT: "an agent",
    Kind.CHATFLOW: "a chatflow",
    Kind.WORKFLOW: "a workflow",
    Kind.COMPLETION: "a text generator",
}


MOST_INPUTS: Final = 500
"""Inputs of one call (own choice; an app's form has some dozens at most). Their size is the transport's limit."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call happens. endpoint_id: what all caches and slots are keyed by (law 17). conversations, chats: the
    caller's, with this app. view: how much of the run is shown. request_id: for the log.
    seals: what Dify's other ids leave in, where a reply holds them. kinds: of the apps that the route is for; empty for
    any.
    """

    endpoint_id: str
    transport: AppTransport
    storage: Storage
    conversations: Conversations
    chats: Chats
    settings: Settings
    view: View
    request_id: str
    seals: Seals | None = None
    kinds: frozenset[Kind] = frozenset()


def start(call: AppCall, place: Place, fallback: Kind) -> Run:
    """The app, running; it holds a slot until it has ended.

    fallback: the kind that the route stands for, used where nothing is known and the call has no query. Raises
    `DuckError` for a conversation that can't exist and when there is no slot; all else comes as the run's events.
    """
    if len(call.inputs) > MOST_INPUTS:
        raise DuckError("invalid_request", f"The call has more than {MOST_INPUTS} inputs.", "Send fewer.")
    if call.conversation_id:
        call = replace(call, conversation_id=place.conversations.opened(call.conversation_id), chat_id="")
    elif call.chat_id:
        call = replace(call, conversation_id=_conversation_of_chat(call.chat_id, place))
    limits = Limits.found(
        os.environ,
        is_local=place.transport.is_local,
        sdk_silence=place.transport.max_silence,
        run_timeout=place.settings.run_timeout,
        has_app_key=place.transport.has_app_key,
    )
    attendance = Attendance(place.storage.presence)
    with ExitStack() as held:
        held.callback(attendance.leave)
        held.callback(take_slot(place.endpoint_id, place.settings.max_streams).release)
        events = absolute_links(_events(call, place, fallback), place.view.origin)
        if place.view.splits_thinking:
            events = split_thinking(events)
        until_gone = partial(watch, attendance, heartbeat=HEARTBEAT)
        return Run(events, limits, held.pop_all().close, place.request_id, until_gone)


def _conversation_of_chat(chat_id: str, place: Place) -> str:
    """Dify's id of the conversation that belongs to a client's chat; `""` for a chat that begins."""
    known = place.chats.conversation(chat_id)
    try:
        return place.conversations.opened(known) if known else ""
    except DuckError as error:
        if error.code != "conversation_not_found":
            raise
        return ""  # signed with a secret that is lost: the chat begins anew


def _events(call: AppCall, place: Place, fallback: Kind) -> Iterator[Event]:
    """The run's events; what has to be asked of Dify before it begins is asked here, under the run's own limits."""
    try:
        fitted, kind = _fitted(call, place, fallback)
        if kind is not Kind.WORKFLOW:  # the only kind that surely has no conversation
            place.conversations.prepare()
        if place.seals:
            place.seals.prepare()
        source = place.transport.start(fitted, kind)
    except DuckError as error:
        yield Failed(error)
        return
    with closing(source):  # here, not wherever what a failure has left behind is collected
        dicts = place.conversations.shown_in(source)
        yield from _watched(decode(shown_ids(dicts, place.seals) if place.seals else dicts), call, place, fallback)


def _fitted(call: AppCall, place: Place, fallback: Kind) -> tuple[AppCall, Kind | None]:
    """The call as the app takes it, and the kind that it is taken for; a query goes to a workflow's input."""
    app, endpoint, transport = call.app, place.endpoint_id, place.transport
    call = with_instructions(with_history(call, place.settings.memory_mode))
    may_ask = call.query or transport.has_app_key
    kind = LEARNT.find(endpoint, app, transport) if may_ask else LEARNT.known(endpoint, app)
    if kind and place.kinds and kind not in place.kinds:
        raise _wrong_route(kind)
    call = with_uploads(call, transport)
    if call.metadata or call.files:
        form, has_app_key = _form(call, place), transport.has_app_key
        may_take_files = call.files and has_app_key and kind is not Kind.WORKFLOW
        takes_files = bool(may_take_files) and LEARNT.takes_files(endpoint, app, transport)
        call = with_declared(call, form, takes_files=takes_files, has_app_key=has_app_key)
    call = with_defaults(call)
    takes_query_as_input = kind is Kind.WORKFLOW or (kind is Kind.COMPLETION and transport.has_app_key)
    if call.query and takes_query_as_input:
        return _with_query_as_input(call, LEARNT.query_variable(endpoint, app, transport)), kind
    if not call.query and kind is None:
        return call, fallback
    if not call.query and kind in TALKING:
        raise _needs_query(kind)
    return call, kind


def _form(call: AppCall, place: Place) -> tuple[Variable, ...]:
    """The app's input form; none where Dify does not tell it and the call can do without."""
    try:
        return LEARNT.form(place.endpoint_id, call.app, place.transport)
    except DuckError as error:
        if not call.files:
            return ()
        is_listed = call.app in place.settings.apps
        raise (error if is_listed else app_not_found()) from error


def _with_query_as_input(call: AppCall, variable: str) -> AppCall:
    """The call with its query as that input; a workflow without inputs (`""`) is run without it."""
    if not variable:
        return replace(call, query="")
    given = call.inputs.get(variable)
    if given not in (None, "", call.query, call.app.inputs.get(variable), call.metadata.get(variable)):
        raise DuckError(
            "invalid_request",
            f"This workflow takes the query as its input {variable}, and inputs.{variable} is given too.",
            "Send only one of them.",
        )
    return replace(call, query="", inputs={**call.inputs, variable: call.query})


def _wrong_route(kind: Kind) -> DuckError:
    """As Dify's API refuses it (recordings/service/workflow-via-chat-messages, chat-via-workflows-run)."""
    route = {Kind.WORKFLOW: "/workflows/run", Kind.COMPLETION: "/completion-messages"}.get(kind, "/chat-messages")
    return DuckError("wrong_route", f"This is {_NAMES[kind]}, and this route is for other apps.", f"Call {route}.")


def _needs_query(kind: Kind) -> DuckError:
    return DuckError(
        "wrong_app_kind",
        f"This is {_NAMES[kind]}, and the call has no query.",
        "Send a non-empty query, as /chat/<app_id> takes it; with OpenAI's API, a last message of the user with text.",
    )


def _watched(events: Iterator[Event], call: AppCall, place: Place, fallback: Kind) -> Iterator[Event]:
    """The run's events, with what only the first of them can tell: the app's kind, and what a refusal means."""
    first = next(events, None)
    match first:
        case Started():
            problem = _problem(first, call, place)
            if problem:
                yield Failed(problem)
                return
            LEARNT.learn(place.endpoint_id, call.app, first.kind)
            yield first
            if call.chat_id and first.conversation_id:
                place.chats.remember(call.chat_id, _to_remember(first, call, place))
        case Failed(error=error) if error.code == "conversation_not_found" and call.chat_id and call.conversation_id:
            # The client can't know that its chat's conversation was deleted in Dify, so it begins anew.
            yield from _events(replace(call, conversation_id=""), place, fallback)
            return
        case Failed(error=error):
            yield Failed(_explained(error, call, place))
        case None:
            return
        case _:
            yield first
    yield from events


def _to_remember(started: Started, call: AppCall, place: Place) -> str:
    """The conversation of a client's chat; none where a chatflow began anew without a word, as its old one is gone:
    the next call then comes with the earlier messages.
    """
    has_begun_anew = call.conversation_id and started.conversation_id != place.conversations.shown(call.conversation_id)
    return "" if has_begun_anew else started.conversation_id


def _problem(started: Started, call: AppCall, place: Place) -> DuckError | None:
    """Why a run that has begun is not the one that was asked for.

    Dify begins a new conversation where a chatflow does not know the old one (wire section 4).
    """
    if (
        call.conversation_id
        and not call.chat_id
        and started.conversation_id not in ("", place.conversations.shown(call.conversation_id))
    ):
        return conversation_not_found()
    if place.kinds and started.kind not in place.kinds:
        return _wrong_route(started.kind)
    configured = call.app.kind
    if configured and (configured is Kind.WORKFLOW) != (started.kind is Kind.WORKFLOW):
        return _wrong_kind_configured(call, started.kind)
    return None


def _wrong_kind_configured(call: AppCall, found: Kind) -> DuckError:
    return Fault("apps", 0, f"the kind of {call.app.alias} is wrong, for it is {_NAMES[found]}").as_error()


def _explained(error: DuckError, call: AppCall, place: Place) -> DuckError:
    """A refusal before the run, as far as it depends on what was asked for.

    An app that is not listed and that Dify does not know is the same 404 as any unknown name (DESIGN section 3).
    Dify's own 500 is what it says of every completion app.
    """
    match error.code:
        case "app_unavailable":
            is_listed = call.app in place.settings.apps
            return app_unavailable(call.app.alias) if is_listed else app_not_found()
        case "conversation_not_found":
            return conversation_not_found() if call.conversation_id else _no_model(call)
        case "wrong_app_kind" if place.kinds and Kind.CHAT not in place.kinds:
            return _wrong_route(Kind.CHAT)
        case "wrong_app_kind" if call.query and call.app.kind is Kind.WORKFLOW:
            return _wrong_kind_configured(call, Kind.CHAT)
        case "dify_error" if not place.transport.has_app_key and _is_completion(call, place):
            return completion_not_supported()
        case _:
            return error


def _no_model(call: AppCall) -> DuckError:
    """Dify's refusal without a word, of a call that names no conversation (wire section 4)."""
    return DuckError(
        "app_not_published",
        f"Dify can't run the app {call.app.alias}: no model is configured in it.",
        "Its author chooses one in Dify and publishes the app.",
    )


def _is_completion(call: AppCall, place: Place) -> bool:
    return call.app.kind is Kind.COMPLETION or LEARNT.is_completion(place.endpoint_id, call.app, place.transport)
