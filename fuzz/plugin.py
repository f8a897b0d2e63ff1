"""The plugin in this process, from the bytes of a request to those of its reply, over a Dify that always works.

Requests take the way that they take in the running plugin: the SDK's parser, its routing by the endpoints' files, the
endpoint's class, and the SDK's reading of the response. What the platform would never bring there is sorted out first.
Two endpoints get each request: a closed one, and one that is as open as can be.
"""

import contextlib
import hmac
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

from dify_plugin import DifyPluginEnv
from dify_plugin.core.entities.plugin.request import EndpointInvokeRequest
from dify_plugin.core.plugin_executor import PluginExecutor
from dify_plugin.core.plugin_registration import PluginRegistration
from dify_plugin.core.utils.http_parser import deserialize_request
from werkzeug import Request

from gateway import secret, settings, streaming
from gateway.access import Caller
from gateway.conversations import Conversations
from gateway.events import Kind
from gateway.log import logger
from gateway.seals import Holder
from gateway.settings import App
from gateway.tokens import Tokens
from gateway.transports.storage import SessionStorage
from tests.gateway.fake_dify import FakeApp, FakeDify, FakeStorage, variable

ROOT: Final = Path(__file__).parent.parent

METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")
"""What the daemon brings to a plugin (law 11)."""

KEY: Final = "fuzz-key-of-no-secret"
HOOK_SECRET: Final = "fuzz-hook-of-no-secret"  # noqa: S105 - of no real sender
CALLER: Final = "fuzz"
ORIGIN: Final = "https://app.example.com"
CONVERSATION: Final = "fbd966e1-9f06-4fa8-9e4a-59100c620363"

ALIASES: Final = ("chat", "agent", "chatflow", "workflow", "completion")
IDS: Final = {alias: f"{number:08}-1111-4111-8111-111111111111" for number, alias in enumerate(ALIASES)}

_FORM: Final = (
    variable("text-input", "city"),
    variable("number", "amount"),
    variable("file", "document"),
    variable("json_object", "more"),
)
_APPS: Final = {
    IDS["chat"]: FakeApp(Kind.CHAT, conversations=frozenset({CONVERSATION})),
    IDS["agent"]: FakeApp(Kind.AGENT),
    IDS["chatflow"]: FakeApp(Kind.CHATFLOW, conversations=frozenset({CONVERSATION})),
    IDS["workflow"]: FakeApp(Kind.WORKFLOW, _FORM),
    IDS["completion"]: FakeApp(Kind.COMPLETION, (variable("paragraph", "query", is_typed=False),)),
}
"""Apps whose every run is a good one, so that a 5xx is never theirs."""

_CLOSED: Final[dict[str, Any]] = {
    "app": {"app_id": IDS["chat"]},
    "aliases": "chat",
    "apps": ", ".join(f"{alias}={app_id}" for alias, app_id in IDS.items() if alias != "chat"),
    "access_keys": f"{CALLER}={KEY}",
    "webhook_secrets": ", ".join(f"{alias}=github:{HOOK_SECRET}" for alias in ("chat", "workflow", "completion")),
    "cors_origins": f"{ORIGIN}, https://*.example.org, capacitor://localhost",
}
_OPEN: Final[dict[str, Any]] = {
    **_CLOSED,
    "access": "open",
    "cors_origins": "*",
    "detail": "full",
    "conversation_ids": "plain",
    "keep_alive": "on",
    "rate_limit": "99999/s",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """request: as the plugin saw it. is_open: whether the endpoint needs no key. status: 0 where an exception came
    first. headers: by names in small letters. escaped: the exception that got out, `""` for none. has_asked: whether
    Dify heard of the request. log: level and text of each line.
    """

    request: Request
    is_open: bool
    status: int
    headers: dict[str, str]
    chunks: tuple[bytes, ...]
    escaped: str
    has_asked: bool
    log: tuple[tuple[int, str], ...]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


def hook_signature(body: bytes) -> str:
    """The value of `X-Hub-Signature-256` for this body."""
    return "sha256=" + hmac.digest(HOOK_SECRET.encode(), body, "sha256").hex()


class Plugin:
    """The plugin, loaded; make it with `loaded_plugin`."""

    def __init__(self, executor: PluginExecutor, log: "_Log") -> None:
        self._executor = executor
        self._log = log
        self._endpoints = [_Endpoint("closed", _CLOSED), _Endpoint("open", _OPEN)]
        self.token, self.handle = _signed(self._endpoints[0])

    def replies(self, raw: bytes) -> list[Reply]:
        """What each endpoint answers; nothing for a request that never gets past the daemon or the SDK."""
        request = _parsed(raw)
        if request is None:
            return []
        return [self._reply(endpoint, raw, request) for endpoint in self._endpoints]

    def _reply(self, endpoint: "_Endpoint", raw: bytes, request: Request) -> Reply:
        dify = endpoint.dify
        dify.calls.clear()
        dify.asked.clear()
        self._log.lines.clear()
        data = EndpointInvokeRequest(settings=endpoint.settings, raw_http_request=raw.hex())
        messages, escaped = list[dict[str, Any]](), ""
        try:
            for message in self._executor.invoke_endpoint(dify.session(), data):
                messages.append(message)
        except Exception as error:  # noqa: BLE001 - the rules judge it
            escaped = repr(error)
        head: dict[str, Any] = messages[0] if messages else {"status": 0, "headers": {}}
        return Reply(
            request,
            endpoint.settings is _OPEN,
            head["status"],
            {name.lower(): value for name, value in head["headers"].items()},
            tuple(bytes.fromhex(message["result"]) for message in messages if "result" in message),
            escaped,
            bool(dify.calls or dify.asked),
            tuple(self._log.lines),
        )


@contextlib.contextmanager
def loaded_plugin() -> Iterator[Plugin]:
    """The plugin, with its log kept to itself, and without the waits that only a real platform needs."""
    with contextlib.chdir(ROOT):  # the SDK reads the manifest, and all that it names, from there
        config = DifyPluginEnv()
        executor = PluginExecutor(config, PluginRegistration(config))
    log = _Log()
    with (
        mock.patch.object(logger, "handlers", [log]),
        mock.patch.object(secret, "BETWEEN_READS", 0.0),
        mock.patch.multiple(streaming, MIN_STREAM=0.0, MAX_HOLD=0.0),
    ):
        yield Plugin(executor, log)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelno, record.getMessage()))


class _Endpoint:
    """An endpoint of a workspace whose secret is always the same, so that a kept token or handle stays valid."""

    def __init__(self, name: str, raw_settings: dict[str, Any]) -> None:
        storage = FakeStorage({secret.KEY: bytes(range(secret.SIZE))})
        self.settings = raw_settings
        self.dify = FakeDify(dict(_APPS), storage=storage, endpoint_id=f"fuzz-{name}")


def _signed(endpoint: _Endpoint) -> tuple[str, str]:
    """A token that outlives the project, and a conversation's handle."""
    storage, endpoint_id = SessionStorage(endpoint.dify.session()), endpoint.dify.endpoint_id
    tokens = Tokens(endpoint_id, storage, settings.parse(endpoint.settings))
    token = tokens.issue(Caller(CALLER), App("chat", IDS["chat"]), "somebody", 2**40)
    holder = Holder(endpoint_id, CALLER, "", IDS["chat"])
    return token, Conversations(holder, storage, is_sealed=True).shown(CONVERSATION)


def _parsed(raw: bytes) -> Request | None:
    """The request as Duck sees it; None for what it never sees."""
    method, _, rest = raw.partition(b" ")
    if method.decode("latin-1") not in METHODS or not rest.startswith(b"/"):
        return None  # the daemon sends none such
    try:
        request = deserialize_request(raw)
    except Exception:  # noqa: BLE001 - whatever it is, it is the SDK's (law 19)
        return None
    is_websocket = "websocket" in request.headers.get("Upgrade", "").lower()
    return None if "\n" in request.path or is_websocket else request  # no rule of the SDK's routing takes these
