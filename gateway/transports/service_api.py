"""Dify's Service API: a call of an app over HTTP, with the app's own key (wire sections 14.9, 14.18).

What reverse invocation can't do works here: completion apps, files, a true end user, stopping a run, and runs of any
length, since Dify's pings are a sign of life. Always streaming, as `reverse` is and for the same reasons.
"""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import gevent
import httpx
import pydantic_core

from gateway.call import AppCall
from gateway.diagnosis import from_service_reply, not_service_api
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.log import logger
from gateway.settings import App, Service
from gateway.transports.service.client import Question, Upload, replied
from gateway.transports.service.failures import slow, too_large
from gateway.transports.service.info import AppInfo, Infos, info_of
from gateway.transports.service.sse import dicts_of
from gateway.transports.service.user import dify_user
from gateway.wire import json_bytes, json_text

MAX_SILENCE: Final = 1200.0
"""Seconds; no run of Dify's is longer (APP_MAX_EXECUTION_TIME, wire section 1.5). Its pings are no events, so a run
that is silent for minutes is alive as long as they come; `client` gives up where they don't."""

ASK_WAIT: Final = 20.0
"""Seconds for a short question in all, the second try to connect included (own choice)."""

FORWARD_WAIT: Final = 120.0
"""Seconds for an upload, or a request that is passed on, in all: sound is turned into text by a model (own choice)."""

MAX_REPLY: Final = 30 * 1024 * 1024
"""Bytes of a reply in one body (own choice, as of one event)."""

MAX_REFUSAL: Final = 64 * 1024
"""Bytes of an error's body that are read (own choice; Dify's own take some hundred)."""

REFUSAL_WAIT: Final = 5.0
"""Seconds for them (own choice); the status counts, whatever comes."""

_RUNS: Final[Mapping[Kind, str]] = {
    Kind.CHAT: "/chat-messages",
    Kind.AGENT: "/chat-messages",
    Kind.CHATFLOW: "/chat-messages",
    Kind.COMPLETION: "/completion-messages",
    Kind.WORKFLOW: "/workflows/run",
}
_TASKS: Final[Mapping[Kind, str]] = {**_RUNS, Kind.WORKFLOW: "/workflows/tasks"}

_LAST_EVENTS: Final = frozenset({"message_end", "workflow_finished", "workflow_paused", "error"})
"""After one of these nothing is left to be stopped (wire section 2, "Sequences")."""

_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+", re.ASCII)
"""A path below the address: no way out of it, nothing that has to be escaped."""

_known: Final = Infos()


@dataclass(frozen=True, slots=True)
class Reply:
    """What Dify answered to a request that was passed on. content_type: `""` where there is no body."""

    status: int
    content_type: str
    body: bytes

    def object(self) -> Raw:
        """The body's JSON object. Raises `DuckError` where it has none."""
        try:
            value = pydantic_core.from_json(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise not_service_api(self.status)
        return value


class ServiceApiTransport:
    """One app that has a key in the settings, for one end user."""

    def __init__(self, service: Service, app: App, user: str, *, endpoint_id: str, is_local: bool) -> None:
        """service: holds a key of this app. user: `caller:user`. is_local: as the session's own transport says."""
        self._url = service.url
        self._key = service.keys[app.app_id]
        self._app = app
        self._user = dify_user(user)
        self._endpoint_id = endpoint_id
        self._is_local = is_local

    @property
    def is_local(self) -> bool:
        """Whether the daemon runs this plugin as a process of its own; its limit of a response holds here too."""
        return self._is_local

    @property
    def max_silence(self) -> float:
        """Seconds without an event after which the way itself gives up."""
        return MAX_SILENCE

    @property
    def has_app_key(self) -> bool:
        return True

    def kind(self) -> Kind | None:
        return self.info().kind

    def start(self, call: AppCall, kind: Kind | None) -> Generator[Raw]:
        """The run's events. kind: chooses the route; None asks Dify for the app's mode.

        A run that is given up before Dify has told its end is stopped there too, for Dify goes on with it otherwise.
        Raises `DuckError` from the first `next` on.
        """
        kind = kind or self.info().kind or Kind.CHAT
        question = Question("POST", _RUNS[kind], content=json_bytes({**_asked(call, kind), "user": self._user}))
        task_id, has_ended = "", False
        try:
            with replied(self._url, self._key, question) as response:
                self._check(response, "text/event-stream")
                for raw in dicts_of(response.iter_bytes()):
                    task_id = task_id or str(raw.get("task_id") or "")
                    has_ended = has_ended or str(raw.get("event")) in _LAST_EVENTS
                    yield raw
        finally:
            if task_id and not has_ended:
                gevent.spawn(self._stop_given_up, kind, task_id)

    def _stop_given_up(self, kind: Kind, task_id: str) -> None:
        try:
            self.stop(kind, task_id)
        except DuckError as error:
            logger.warning("a run that was given up could not be stopped in Dify: %s", error.code)

    def parameters(self, app_id: str) -> Raw:  # noqa: ARG002 - the key is of one app
        """The app's features and input form. Raises `DuckError`."""
        return self._object(Question("GET", "/parameters"))

    def info(self) -> AppInfo:
        """The app's name and kind; asked once in ten minutes. Raises `DuckError`."""
        key = (self._endpoint_id, self._app.app_id, self._url, self._key)
        info = _known.known(key)
        if info is None:
            info = info_of(self._object(Question("GET", "/info")))
            _known.remember(key, info)
        return info

    def stop(self, kind: Kind, task_id: str) -> None:
        """Asks Dify to end a run of this user. It says yes to tasks that it does not know, too (wire 14.18)."""
        if "/" in task_id:
            raise _no_such_path()
        path = _sound_path(f"{_TASKS[kind]}/{task_id}/stop")
        self._object(Question("POST", path, content=json_bytes({"user": self._user})))

    def upload(self, filename: str, content: bytes, mime_type: str) -> str:
        """Gives Dify a file of this user; its `upload_file_id`. Raises `DuckError`."""
        file = Upload(filename, content, mime_type)
        reply = self.forward("POST", "/files/upload", file=file)
        file_id = reply.object().get("id")
        if not isinstance(file_id, str) or not file_id:
            raise not_service_api(reply.status)
        return file_id

    def forward(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        file: Upload | None = None,
    ) -> Reply:
        """Passes a request on, for this user, whatever the request itself says.

        path: below `/v1`; one that could lead elsewhere is a 404. params: of the query string, for a GET. members: of
        the JSON object that is sent otherwise, or with a file of the form, whose fields are text. Raises `DuckError`
        for every status from 300 on.
        """
        path = _sound_path(path)
        given = {**(members or {}), "user": self._user}
        if method == "GET":
            question = Question(method, path, params={**(params or {}), "user": self._user})
        elif file:
            question = Question(method, path, fields={name: _field(value) for name, value in given.items()}, file=file)
        else:
            question = Question(method, path, content=json_bytes(given))
        return self._reply(question, ASK_WAIT if method == "GET" else FORWARD_WAIT)

    def _object(self, question: Question) -> Raw:
        return self._reply(question, ASK_WAIT).object()

    def _reply(self, question: Question, wait: float) -> Reply:
        """The whole reply, within that time."""
        over = gevent.Timeout(wait)
        try:
            with over, replied(self._url, self._key, replace(question, max_silence=2 * wait)) as response:
                self._check(response)
                return Reply(response.status_code, response.headers.get("Content-Type", ""), _body(response))
        except gevent.Timeout as timeout:
            if timeout is not over:
                raise
            raise slow(wait) from timeout

    def _check(self, response: httpx.Response, media_type: str = "") -> None:
        """Raises for an error, for a page in place of a reply, and for what is not of this type where one is named."""
        given = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        is_sound = given == media_type if media_type else given != "text/html"
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES or not is_sound:
            raise from_service_reply(response.status_code, _refusal(response), self._app.alias, is_run=bool(media_type))


def _asked(call: AppCall, kind: Kind) -> dict[str, Any]:
    """The body of a run's request, without its user; what the call does not have is left out."""
    asked: dict[str, Any] = {"inputs": dict(call.inputs), "response_mode": "streaming"}
    if kind is not Kind.WORKFLOW:
        asked["query"] = call.query
    if call.conversation_id and kind not in (Kind.WORKFLOW, Kind.COMPLETION):
        asked["conversation_id"] = call.conversation_id
    if call.dify_files:
        asked["files"] = [dict(file) for file in call.dify_files]
    return asked


def _field(value: object) -> str:
    """A member as the text of a form's field."""
    return value if isinstance(value, str) else json_text(value)


def _sound_path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise _no_such_path()
    return path


def _no_such_path() -> DuckError:
    return DuckError("not_found", "The path, or an id in it, can't be one of Dify's.", "Send ids as they were given.")


def _refusal(response: httpx.Response) -> bytes:
    """The beginning of an error's body, as far as it comes in time."""
    said = bytearray()

    def read() -> None:
        for chunk in response.iter_bytes():
            said.extend(chunk)
            if len(said) >= MAX_REFUSAL:
                return

    gevent.with_timeout(REFUSAL_WAIT, read, timeout_value=None)
    return bytes(said[:MAX_REFUSAL])


def _body(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_REPLY:
            raise too_large(MAX_REPLY)
        chunks.append(chunk)
    return b"".join(chunks)
