"""The tool that runs an app: a call in, messages out."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from dify_plugin.core.runtime import Session
from dify_plugin.entities.tool import ToolInvokeMessage

from gateway import settings
from gateway.call import AppCall
from gateway.chats import Chats
from gateway.conversations import Conversations
from gateway.errors import DuckError
from gateway.events import Event, Kind, Started
from gateway.journal import Record
from gateway.seals import Holder
from gateway.settings import App, Settings, ThinkTags
from gateway.start import Place, start
from gateway.tool.boundary import CALLER, guarded, new_record
from gateway.tool.nesting import Level, level
from gateway.tool.parameters import ToolCall, read_call
from gateway.tool.reply import reply
from gateway.tool.workspace import workspace_key
from gateway.transports.choice import transport_for
from gateway.transports.storage import SessionStorage
from gateway.view import View


def run_app(
    session: Session, credentials: Mapping[str, Any], user: str, parameters: Mapping[str, Any]
) -> Iterator[ToolInvokeMessage]:
    """The messages of one call. user: Dify's id of whoever runs the calling app, `""` where it does not say.

    Raises `InvokeError` for whatever fails, from any `next`.
    """
    return _guarded_run("run_app", session, credentials, user, parameters, can_pick=True)


def run_listed_app(
    session: Session, credentials: Mapping[str, Any], user: str, parameters: Mapping[str, Any]
) -> Iterator[ToolInvokeMessage]:
    """The same for models, which can name an app of the credentials by its alias and no other.

    In an Agent node Dify lets a model's arguments outrank the author's, also for parameters that are the author's alone
    (Dify: core/workflow/nodes/agent), so an `app` is not read here.
    """
    return _guarded_run("run_listed_app", session, credentials, user, parameters, can_pick=False)


def _guarded_run(
    tool: str,
    session: Session,
    credentials: Mapping[str, Any],
    user: str,
    parameters: Mapping[str, Any],
    *,
    can_pick: bool,
) -> Iterator[ToolInvokeMessage]:
    chosen, record = settings.parse(credentials), new_record(tool)

    def said() -> Iterator[ToolInvokeMessage]:
        yield from _run(session, chosen, user, read_call(parameters, chosen, can_pick=can_pick), record)

    return guarded(said(), record, chosen)


def _run(session: Session, chosen: Settings, user: str, call: ToolCall, record: Record) -> Iterator[ToolInvokeMessage]:
    record.app = call.app.alias
    place = _place(session, chosen, user, call.app, record.request_id)
    inside = level(
        call.app.app_id,
        calling_app=session.app_id or "",
        conversation_id=session.conversation_id or "",
        presence=place.storage.presence,
    )
    with inside as entered:
        run = record.run = start(_app_call(call, user), place, Kind.WORKFLOW)
        try:
            yield from reply(run, _noted(run.events(), entered, place.conversations), place.view)
        except DuckError as error:
            if error.code != "app_not_found":
                raise
            raise _picked_app_gone() from error
        finally:
            run.stop()


def _noted(events: Iterator[Event], entered: Level, conversations: Conversations) -> Iterator[Event]:
    """The events, with the conversation that they tell of noted, so that a call inside it is known for one."""
    for event in events:
        if isinstance(event, Started) and event.conversation_id:
            entered.conversation_id = conversations.known
        yield event


def _place(session: Session, chosen: Settings, user: str, app: App, request_id: str) -> Place:
    storage = SessionStorage(session)
    workspace = workspace_key(storage)
    holder = Holder(workspace, CALLER, user, app.app_id)
    splits_thinking = chosen.think_tags is ThinkTags.SPLIT
    return Place(
        workspace,
        transport_for(session, chosen, app, f"{CALLER}:{user}"),
        storage,
        Conversations(holder, storage, is_sealed=True),
        Chats(holder, storage),
        chosen,
        View(chosen.detail, chosen.files_url, app.answer, splits_thinking, app.alias, int(time.time())),
        request_id,
    )


def _app_call(call: ToolCall, user: str) -> AppCall:
    inputs = dict(call.inputs)
    if call.app.user and user:
        inputs[call.app.user] = user  # Dify knows who it is, so a model's word does not count
    return AppCall(call.app, call.query, inputs, call.conversation_id)


def _picked_app_gone() -> DuckError:
    """A run's own "not found" is said of no listed app (`gateway.start`), so this one was picked."""
    return DuckError("app_not_found", "Dify has no such app any more.", "Pick another one in the tool's settings.")
