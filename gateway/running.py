"""The routes that run an app: what was asked, of which app, and the reply as the run goes on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from werkzeug import Response

from gateway import access, dify_routes
from gateway.access import Caller
from gateway.answer import Answer
from gateway.call import AppCall, Asked
from gateway.chats import Chats, chat_id_of
from gateway.conversations import Conversations
from gateway.errors import DuckError
from gateway.events import Failed, Kind, Started, Writer
from gateway.exchange import Exchange
from gateway.protocols.late import late_writer
from gateway.protocols.protocol import Streamed, Whole, WireProtocol
from gateway.routes import Route
from gateway.seals import Holder, Seals, opened_files, opened_inputs
from gateway.settings import ANONYMOUS, App, ConversationIds, ThinkTags
from gateway.slots import take_slot
from gateway.start import Place, start
from gateway.streaming import FIRST_EVENT_WAIT, HEARTBEAT, Run, paced, stream
from gateway.transports.choice import service_transport, transport_for
from gateway.transports.interface import AppTransport
from gateway.transports.reverse import ReverseTransport
from gateway.transports.storage import SessionStorage
from gateway.uploads import links_only
from gateway.view import View

KEEP_ALIVE_AFTER: Final = 20.0
"""Seconds that a one-body reply waits before it commits to 200, under `keep_alive: on` (DESIGN section 4)."""

OPEN_WEBUI_CHAT: Final = "X-OpenWebUI-Chat-Id"
"""What Open WebUI sends with ENABLE_FORWARD_USER_INFO_HEADERS (Open WebUI: routers/openai.py)."""

STREAM_AFTER: Final = 5.0
"""Seconds that a reply waits which may be one body or a stream (own choice: below what any proxy or client waits)."""

_STANDS_FOR: Final[Mapping[Route | None, Kind]] = {
    Route.COMPLETION: Kind.COMPLETION,
    Route.COMPLETION_MESSAGES: Kind.COMPLETION,
}
"""The kind that a route's name promises for a call without a query; else a workflow."""

type ErrorBody = Callable[[DuckError], bytes]


def answer_of_app(
    exchange: Exchange, protocol: WireProtocol, caller: Caller, app_id: str | None, error_body: ErrorBody
) -> Response:
    """The reply. error_body: of an error that comes after the reply has begun. Raises `DuckError` for one before."""
    chosen = exchange.chosen
    app = _app_of_address(exchange, caller, app_id)
    asked, reply_in = protocol.read(exchange.request)
    app = app or _app_of_body(exchange, caller, asked.app_name)
    splits_thinking = protocol.may_split_thinking and chosen.think_tags is ThinkTags.SPLIT
    view = _view(exchange, app, splits_thinking=splits_thinking)
    reply = reply_in(view)
    if exchange.request.method == "HEAD":
        headers = reply.headers if isinstance(reply, Streamed) else {}
        return Response(status=200, content_type=reply.content_type, headers=headers)
    run = _start(exchange, protocol, caller, app, asked, view)
    exchange.record.run = run
    try:
        if isinstance(reply, Streamed):
            return _streamed(run, reply, FIRST_EVENT_WAIT)
        if reply.late and not run.ends_within(STREAM_AFTER):
            return _streamed(run, reply.late, 0.0)
        return _whole(exchange, run, reply, protocol.new_answer(view), error_body)
    except BaseException:
        run.stop()
        raise


def answer_of_dify(exchange: Exchange, caller: Caller, app_id: str | None) -> Response:
    """The reply of the routes of Dify's API that run no app. Raises `DuckError`."""
    session, chosen, request = exchange.session, exchange.chosen, exchange.request
    app = _app_of_address(exchange, caller, app_id) or _app_of_body(exchange, caller, "")
    user = caller.user or dify_routes.user_of(request)
    service = service_transport(session, chosen, app, f"{caller.name}:{user}")
    storage = SessionStorage(session)
    holder = Holder(exchange.endpoint_id, caller.name, caller.user, app.app_id)
    call = dify_routes.DifyCall(
        request,
        exchange.endpoint_id,
        app,
        app in chosen.apps,
        service or ReverseTransport(session),
        service,
        Seals(holder, storage, user),
        _conversations(exchange, holder, storage),
        _view(exchange, app, splits_thinking=False),
        is_stranger=caller.name == ANONYMOUS,
    )
    slot = take_slot(exchange.endpoint_id, chosen.max_streams)  # what is passed on may take minutes, as a run does
    try:
        return dify_routes.answer(call)
    finally:
        slot.release()


def _conversations(exchange: Exchange, holder: Holder, storage: SessionStorage) -> Conversations:
    is_sealed = exchange.chosen.conversation_ids is ConversationIds.SEALED
    return Conversations(holder, storage, is_sealed=is_sealed)


def _view(exchange: Exchange, app: App, *, splits_thinking: bool) -> View:
    chosen = exchange.chosen
    origin = chosen.files_url or exchange.origin
    return View(chosen.detail, origin, app.answer, splits_thinking, app.alias, int(time.time()))


def _app_of_address(exchange: Exchange, caller: Caller, app_id: str | None) -> App | None:
    """The app of the path, else of the header."""
    named = app_id or exchange.request.headers.get("X-Duck-App")
    if not named:
        return None
    app = access.choose_app(exchange.chosen, caller, named)
    exchange.record.app = app.alias
    return app


def _app_of_body(exchange: Exchange, caller: Caller, model: str) -> App:
    """The app that the body names, else the only or the default one."""
    chosen = exchange.chosen
    app = access.choose_model(chosen, caller, model) if model else access.choose_app(chosen, caller, None)
    exchange.record.app = app.alias
    return app


def _start(exchange: Exchange, protocol: WireProtocol, caller: Caller, app: App, asked: Asked, view: View) -> Run:
    session, chosen, endpoint_id = exchange.session, exchange.chosen, exchange.endpoint_id
    storage = SessionStorage(session)
    holder = Holder(endpoint_id, caller.name, caller.user, app.app_id)
    user = caller.user or asked.user
    transport = transport_for(session, chosen, app, f"{caller.name}:{user}")
    seals = Seals(holder, storage, user)
    place = Place(
        endpoint_id,
        transport,
        storage,
        _conversations(exchange, holder, storage),
        Chats(holder, storage),
        chosen,
        view,
        exchange.record.request_id,
        seals if protocol.shows_difys_ids else None,
        protocol.kinds,
    )
    asked = _with_files(asked, transport, seals, is_difys=protocol.shows_difys_ids)
    is_known = caller.name != ANONYMOUS  # strangers share one name, and would guess each other's chats
    chat_id = _chat_id(exchange) if protocol.has_chat_ids and is_known else ""
    return start(_call(caller, app, asked, chat_id), place, _STANDS_FOR.get(exchange.route, Kind.WORKFLOW))


def _with_files(asked: Asked, transport: AppTransport, seals: Seals, *, is_difys: bool) -> Asked:
    """What was asked, with the ids of uploaded files opened.

    is_difys: whether the request is for Dify's own API, whose `files` stay as they are where the way carries them; else
    the links among them go where the app takes links. Raises a 400 for the first that no way carries, and a 404 for an
    uploaded file that is not this caller's.
    """
    asked = replace(asked, inputs=opened_inputs(asked.inputs, seals))
    if is_difys and transport.has_app_key:
        return replace(asked, files=(), dify_files=opened_files(asked.dify_files, seals))
    links = {file.part for file in asked.files}
    others = {f"files[{n}]": file for n, file in enumerate(asked.dify_files) if f"files[{n}]" not in links}
    if others and not transport.has_app_key:
        raise links_only(next(iter(others)))
    return replace(asked, dify_files=opened_files(others.values(), seals))


def _call(caller: Caller, app: App, asked: Asked, chat_id: str) -> AppCall:
    inputs = dict(asked.inputs)
    user = caller.user or asked.user  # a token's user is not for the caller to change
    if app.user and user:
        inputs = {**inputs, app.user: user} if caller.user else {app.user: user, **inputs}
    return AppCall(
        app,
        asked.query,
        inputs,
        asked.conversation_id,
        chat_id,
        asked.instructions,
        asked.metadata,
        asked.history,
        asked.files,
        asked.dify_files,
    )


def _chat_id(exchange: Exchange) -> str:
    """The client's own id of its chat, in the configured header or a known one."""
    names = (exchange.chosen.conversation_header, OPEN_WEBUI_CHAT)
    headers = exchange.request.headers
    return next((found for name in names if name and (found := chat_id_of(headers.get(name, "")))), "")


def _streamed(run: Run, reply: Streamed, max_wait: float) -> Response:
    """Commits to 200 once the first event has come, or these seconds have passed without one."""
    first = run.first(max_wait)
    if isinstance(first, Failed):
        raise first.error
    started = first if isinstance(first, Started) else None
    return _body_of(run, reply.write, reply.content_type, {**reply.headers, **conversation_header(started)})


def _body_of(run: Run, write: Writer, content_type: str, headers: Mapping[str, str]) -> Response:
    unbuffered = {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
    return Response(stream(run, write), content_type=content_type, headers={**headers, **unbuffered})


def _whole(exchange: Exchange, run: Run, reply: Whole, answer: Answer, error_body: ErrorBody) -> Response:
    """The run's answer as one body, when it has ended; under `keep_alive` it may begin before."""
    may_be_late = exchange.chosen.keep_alive and reply.is_json
    commit_at = time.monotonic() + KEEP_ALIVE_AFTER if may_be_late else float("inf")
    failed: bytes | None = None
    while answer.ending is None and failed is None:
        if time.monotonic() >= commit_at:
            write = late_writer(answer, reply, error_body)
            return _body_of(run, write, reply.content_type, conversation_header(answer.started))
        event = run.next(min(HEARTBEAT, commit_at - time.monotonic()))
        if isinstance(event, Failed):
            failed = _failed(reply, answer, event)
        answer.add(event)
        exchange.started = answer.started
    run.stop()
    body, status = (reply.write(answer), reply.status(answer)) if failed is None else (failed, 200)
    return Response(paced(body), status, content_type=reply.content_type, headers=conversation_header(answer.started))


def _failed(reply: Whole, answer: Answer, failure: Failed) -> bytes:
    """The body of a run that has failed, where the protocol has one; raises its error where it has none."""
    body = reply.write_failed(answer)
    if body is None:
        raise failure.error
    return body


def conversation_header(started: Started | None) -> dict[str, str]:
    """The header that carries the conversation also where the body does not, or breaks off."""
    return {"X-Conversation-Id": started.conversation_id} if started and started.conversation_id else {}
