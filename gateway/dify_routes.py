"""The routes of Dify's Service API beside those that run an app: what an app is, and what a caller has in it.

What a caller has is reached by the app's own key, for the caller's own user only; what an app is, by any way to Dify.
Every id that a caller gives is opened before Dify is asked, every id that leaves is sealed, and of a request only what
is known is passed on.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pydantic_core
from werkzeug import Request, Response

from gateway.access import app_not_found
from gateway.body import check_given_once, multipart_pairs, read_json_object, unsupported_type
from gateway.conversations import Conversations
from gateway.diagnosis import not_service_api
from gateway.errors import DuckError
from gateway.events import TALKING, Kind, Raw
from gateway.protocols.dify import app_info, records
from gateway.protocols.dify.paths import dify_path, refusal
from gateway.protocols.dify.reply import JSON
from gateway.seals import FILE_IDS, Seals, shown_ids, with_sealed_files
from gateway.settings import App
from gateway.start import LEARNT
from gateway.streaming import paced
from gateway.transports.interface import AppTransport
from gateway.transports.service.client import Upload
from gateway.transports.service_api import ServiceApiTransport
from gateway.uploads import check_size
from gateway.view import View
from gateway.wire import json_bytes, json_text

AUDIO_TYPES: Final = frozenset(f"audio/{name}" for name in "mp3 mp4 mpeg mpga m4a wav webm amr".split())
"""What Dify turns into text (Dify: services/audio_service.py)."""

_OF_CHATS: Final = frozenset(
    {"/conversations", "/conversations/<conversation_id>", "/conversations/<conversation_id>/name", "/messages"}
)

_NO_PARENT: Final = "00000000-0000-0000-0000-000000000000"
"""What Dify says of a message that begins a conversation; it is nobody's id."""

_SUCCESS: Final = {"result": "success"}


@dataclass(frozen=True, slots=True)
class DifyCall:
    """A request for one of these routes.

    is_listed: whether the settings name the app, so that a caller may know that it should be there. transport: any way
    to it. service: the way by its own key, for this caller and user; None for an app without one. is_stranger: whether
    the caller has no key, and so can't be told from others.
    """

    request: Request
    endpoint_id: str
    app: App
    is_listed: bool
    transport: AppTransport
    service: ServiceApiTransport | None
    seals: Seals
    conversations: Conversations
    view: View
    is_stranger: bool = False


def answer(call: DifyCall) -> Response:
    """The reply. Raises `DuckError`, a 404 that says why for a path that is not served for this app."""
    request = call.request
    method = "GET" if request.method == "HEAD" else request.method
    listed = dify_path(request.path)
    if listed is None:
        raise _no_route(method)
    refused = refusal(listed, has_app_key=call.service is not None)
    if refused:
        raise refused
    if call.service and listed.path in _OF_CHATS and call.service.info().kind not in TALKING:
        raise DuckError("wrong_route", "The app is no chat app, and has no conversations.", "Ask for a chat app's.")
    describe, serve = _OF_AN_APP.get((method, listed.path)), _OF_A_CALLER.get((method, listed.path))
    if describe:
        return _json(describe(call))
    if serve and call.service:
        return serve(call, call.service, _id_in(request.path, listed.path))
    raise _no_route(method)


def user_of(request: Request) -> str:
    """Whom the caller names as its user, wherever a request may say it; `""` for nobody. Raises for what is no name."""
    try:
        given = None if request.method in ("GET", "HEAD") else _members(request).get("user")
    except DuckError as error:
        if error.code != "unsupported_media_type":
            raise
        given = None  # the route knows what it takes, and says so
    user = request.args.get("user", "") if given in (None, "") else given
    if isinstance(user, int) and not isinstance(user, bool):
        return str(user)  # clients send their database's ids
    if not isinstance(user, str):
        raise DuckError("invalid_request", "'user' must be a string.", "Send your name for the end user, or none.")
    return user


def _members(request: Request) -> Mapping[str, Any]:
    if not _is_form(request):
        return read_json_object(request)
    pairs, _ = multipart_pairs(request)
    check_given_once(name for name, _ in pairs)
    return dict(pairs)


def _is_form(request: Request) -> bool:
    return request.mimetype == "multipart/form-data"


def _id_in(path: str, listed: str) -> str:
    """What stands in the place of the listed path's only placeholder; `""` where it has none."""
    names = listed.strip("/").split("/")
    parts = [part for part in path.split("/") if part][-len(names) :]
    return next((part for name, part in zip(names, parts, strict=True) if name.startswith("<")), "")


def _no_route(method: str) -> DuckError:
    return DuckError(
        "not_found", f"Duck serves no {method} at this path.", "GET / at the endpoint's own address lists."
    )


# -- What an app is ------------------------------------------------------------------------------------------------


def _parameters(call: DifyCall) -> Raw:
    try:
        return app_info.parameters(call.transport.parameters(call.app.app_id))
    except DuckError as error:
        raise (error if call.is_listed else app_not_found()) from error


def _info(call: DifyCall) -> Raw:
    _check_is_there(call)
    told = call.service.info().raw if call.service else {}
    kind = LEARNT.find(call.endpoint_id, call.app, call.transport)
    return app_info.info(call.app, kind, told, call.view)


def _site(call: DifyCall) -> Raw:
    _check_is_there(call)
    return app_info.site(call.app, _told(call, "/site"), call.view)


def _meta(call: DifyCall) -> Raw:
    _check_is_there(call)
    return app_info.meta(_told(call, "/meta"), call.view)


def _told(call: DifyCall, path: str) -> Raw:
    return call.service.forward("GET", path).object() if call.service else {}


def _check_is_there(call: DifyCall) -> None:
    """An app that nobody listed, and that Dify does not know, is no app (DESIGN section 3)."""
    if call.service is None and not call.is_listed:
        try:
            LEARNT.form(call.endpoint_id, call.app, call.transport)
        except DuckError as error:
            raise app_not_found() from error


# -- A caller's runs, conversations and messages -------------------------------------------------------------------


def _stop(kind: Kind) -> "_Served":
    def stop(call: DifyCall, service: ServiceApiTransport, id_: str) -> Response:
        task_id = call.seals.opened("task", id_)
        if kind is Kind.COMPLETION and service.info().kind is not kind:
            # Dify says of this what it says of an app that is not published.
            raise DuckError("wrong_app_kind", "The app is no text generator.", "Stop a run by the route of its kind.")
        service.stop(kind, task_id)
        return _json(_SUCCESS)

    return stop


def _conversations(call: DifyCall, service: ServiceApiTransport, _: str) -> Response:
    """All other routes ask for an id that was given to the caller; strangers would be given each other's here."""
    if call.is_stranger:
        raise DuckError(
            "forbidden", "Callers without a key can't be told apart, so nothing is listed.", "Send an access key."
        )
    params = _params(call.request, "limit", "sort_by")
    last_id = call.request.args.get("last_id")
    if last_id:
        params["last_id"] = call.conversations.opened(last_id)
    listed = service.forward("GET", "/conversations", params=params).object()
    return _json({**_page(listed), "data": [_conversation(item, call) for item in _items(listed)]})


def _delete_conversation(call: DifyCall, service: ServiceApiTransport, id_: str) -> Response:
    service.forward("DELETE", f"/conversations/{call.conversations.opened(id_)}")
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def _name_conversation(call: DifyCall, service: ServiceApiTransport, id_: str) -> Response:
    path = f"/conversations/{call.conversations.opened(id_)}/name"
    reply = service.forward("POST", path, members=_named(call.request, "name", "auto_generate"))
    return _json(_conversation(reply.object(), call))


def _messages(call: DifyCall, service: ServiceApiTransport, _: str) -> Response:
    args = call.request.args
    conversation_id, first_id = args.get("conversation_id"), args.get("first_id")
    if not conversation_id:
        raise DuckError("invalid_request", "'conversation_id' must be given.", "Send it in the query string.")
    params = {**_params(call.request, "limit"), "conversation_id": call.conversations.opened(conversation_id)}
    if first_id:
        params["first_id"] = call.seals.opened("message", first_id)
    listed = service.forward("GET", "/messages", params=params).object()
    return _json({**_page(listed), "data": [_message(item, call) for item in _items(listed)]})


def _rate(call: DifyCall, service: ServiceApiTransport, id_: str) -> Response:
    path = f"/messages/{call.seals.opened('message', id_)}/feedbacks"
    service.forward("POST", path, members=_named(call.request, "rating", "content"))
    return _json(_SUCCESS)


def _suggest(call: DifyCall, service: ServiceApiTransport, id_: str) -> Response:
    reply = service.forward("GET", f"/messages/{call.seals.opened('message', id_)}/suggested")
    questions = reply.object().get("data")
    listed = questions if isinstance(questions, list) else []
    return _json({**_SUCCESS, "data": [question for question in listed if isinstance(question, str)]})


def _run(call: DifyCall, service: ServiceApiTransport, id_: str) -> Response:
    run_id = call.seals.opened("run", id_)
    told = service.forward("GET", f"/workflows/run/{run_id}").object()
    event = {"event": "workflow_finished", "workflow_run_id": run_id, "data": {**told, "inputs": _inputs(told)}}
    (sealed,) = shown_ids([event], call.seals)
    data = sealed["data"]
    if isinstance(told.get("inputs"), str):
        data = {**data, "inputs": json_text(data["inputs"])}
    is_chatflow = service.info().kind is Kind.CHATFLOW
    return _json(records.run(data, call.view, is_chatflow=is_chatflow))


def _inputs(run: Raw) -> Any:
    """A run's inputs, which Dify tells as JSON in a text: there are ids in it."""
    inputs = run.get("inputs")
    if not isinstance(inputs, str):
        return inputs
    try:
        return pydantic_core.from_json(inputs)
    except ValueError:
        return {}


def _conversation(raw: Raw, call: DifyCall) -> Raw:
    shown = call.conversations.shown(_text(raw, "id"))
    return records.conversation({**with_sealed_files(raw, call.seals), "id": shown}, call.view)


def _message(raw: Raw, call: DifyCall) -> Raw:
    """A message is like the end of its own stream, but for the texts, in which nothing is replaced."""
    event = {**raw, "event": "message_end", "message_id": _text(raw, "id")}
    (sealed,) = shown_ids(call.conversations.shown_in(iter([event])), call.seals)
    own = {name: raw[name] if name in ("query", "answer") else sealed[name] for name in raw}
    parent, thoughts = _text(raw, "parent_message_id"), own.get("agent_thoughts")
    if parent and parent != _NO_PARENT:
        own["parent_message_id"] = call.seals.sealed("message", parent)
    if isinstance(thoughts, list):
        own["agent_thoughts"] = [_thought(item, call.seals) for item in thoughts if isinstance(item, dict)]
    return records.message(own, call.view)


def _thought(raw: Raw, seals: Seals) -> Raw:
    """An agent's thought with sealed ids of its files."""
    files = raw.get("files")
    if not isinstance(files, list):
        return raw
    return {**raw, "files": [seals.sealed("file", item) if isinstance(item, str) else item for item in files]}


# -- A caller's files, and sound -----------------------------------------------------------------------------------


def _upload(call: DifyCall, service: ServiceApiTransport, _: str) -> Response:
    file = _file(call.request)
    if not file.mime_type:
        raise DuckError("unsupported_media_type", "The file has no Content-Type.", "Send its MIME type with it.")
    check_size(file.filename, file.content, service.parameters(call.app.app_id))
    reply = service.forward("POST", "/files/upload", file=file)
    told = reply.object()
    sealed = {name: call.seals.sealed("file", _text(told, name)) for name in ("id", *FILE_IDS) if _text(told, name)}
    return _json(records.upload({**told, **sealed}, call.view), reply.status)


def _audio_to_text(call: DifyCall, service: ServiceApiTransport, _: str) -> Response:
    file = _file(call.request)
    if file.mime_type not in AUDIO_TYPES:
        raise DuckError(
            "unsupported_media_type",
            "The file is of no type of sound that Dify takes.",
            f"Send one of {', '.join(sorted(AUDIO_TYPES))}, and name its type.",
        )
    return _json({"text": _text(service.forward("POST", "/audio-to-text", file=file).object(), "text")})


def _text_to_audio(call: DifyCall, service: ServiceApiTransport, _: str) -> Response:
    members = _named(call.request, "message_id", "text", "voice", "streaming")
    if members.get("message_id"):
        members["message_id"] = call.seals.opened("message", str(members["message_id"]))
    reply = service.forward("POST", "/text-to-audio", members=members)
    if not reply.content_type.lower().startswith("audio/"):
        raise not_service_api(reply.status)
    return Response(paced(reply.body), reply.status, content_type=reply.content_type)


def _file(request: Request) -> Upload:
    """The one file of the form."""
    if not _is_form(request):
        raise unsupported_type(request.mimetype, "multipart/form-data")
    multipart_pairs(request)
    files = list(request.files.items(multi=True))
    if len(files) != 1 or files[0][0] != "file" or not files[0][1].filename:
        raise DuckError("invalid_request", "The form must have one file, named 'file'.", "Send one file at a time.")
    file = files[0][1]
    return Upload(file.filename or "", file.read(), file.mimetype)


# -- Requests and replies ------------------------------------------------------------------------------------------


def _params(request: Request, *names: str) -> dict[str, str]:
    """Those of the query string that are given."""
    return {name: request.args[name] for name in names if request.args.get(name)}


def _named(request: Request, *names: str) -> dict[str, Any]:
    """Those members of the body that are given, a null among them."""
    members = _members(request)
    return {name: members[name] for name in names if name in members}


def _page(listed: Raw) -> Raw:
    return {"limit": listed.get("limit"), "has_more": listed.get("has_more") is True}


def _items(listed: Raw) -> Iterable[Raw]:
    data = listed.get("data")
    return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []


def _text(raw: Raw, name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _json(content: Raw, status: int = 200) -> Response:
    return Response(paced(json_bytes(content)), status, content_type=JSON)


type _Described = Callable[[DifyCall], Raw]
type _Served = Callable[[DifyCall, ServiceApiTransport, str], Response]

_OF_AN_APP: Final[Mapping[tuple[str, str], _Described]] = {
    ("GET", "/parameters"): _parameters,
    ("GET", "/info"): _info,
    ("GET", "/site"): _site,
    ("GET", "/meta"): _meta,
}
_OF_A_CALLER: Final[Mapping[tuple[str, str], _Served]] = {
    ("POST", "/chat-messages/<task_id>/stop"): _stop(Kind.CHAT),
    ("POST", "/completion-messages/<task_id>/stop"): _stop(Kind.COMPLETION),
    ("POST", "/workflows/tasks/<task_id>/stop"): _stop(Kind.WORKFLOW),
    ("POST", "/files/upload"): _upload,
    ("GET", "/conversations"): _conversations,
    ("DELETE", "/conversations/<conversation_id>"): _delete_conversation,
    ("POST", "/conversations/<conversation_id>/name"): _name_conversation,
    ("GET", "/messages"): _messages,
    ("POST", "/messages/<message_id>/feedbacks"): _rate,
    ("GET", "/messages/<message_id>/suggested"): _suggest,
    ("GET", "/workflows/run/<workflow_run_id>"): _run,
    ("POST", "/audio-to-text"): _audio_to_text,
    ("POST", "/text-to-audio"): _text_to_audio,
}
"""By method and listed path; the runs themselves are `running`'s."""
