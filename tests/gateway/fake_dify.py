"""A Dify behind a session of the SDK's: it refuses, runs and forgets as the real one does (wire sections 1 to 7)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any, Final, cast

from dify_plugin.config.config import InstallMethod
from dify_plugin.core.runtime import Session

from gateway.events import Kind, Raw
from tests.gateway.recorded import HANDMADE, RECORDINGS

INTERNAL_SERVER_ERROR: Final = (
    "invoke app failed: request failed with status code: 500 and respond with: "
    '{"message":"Internal Server Error","code":"unknown","status":500}\n'
)

_endpoints: Final = count()

_CHAT_FAMILY: Final = (Kind.CHAT, Kind.AGENT, Kind.CHATFLOW)
_TYPE_TEXTS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "text-input": (lambda value: isinstance(value, str), "(type 'text-input') {} in input form must be a string"),
    "paragraph": (lambda value: isinstance(value, str), "(type 'paragraph') {} in input form must be a string"),
    "select": (lambda value: isinstance(value, str), "(type 'select') {} in input form must be a string"),
    "number": (lambda value: str(value).isdecimal(), "{} in input form must be a valid number"),
    "file": (lambda value: isinstance(value, dict), "{} in input form must be a file"),
    "file-list": (lambda value: isinstance(value, list), "{} in input form must be a list of files"),
    "json_object": (lambda value: isinstance(value, dict), "{} in input form must be a dict"),
}


def refusal(message: str, status: int = 400) -> Exception:
    """Dify's refusal before a run, as the SDK raises it (wire section 4, shape A)."""
    body = json.dumps({"code": "invalid_param", "message": message, "status": status})
    return Exception(f"invoke app failed: request failed with status code: {status} and respond with: {body}\n")


def variable(kind: str, name: str, *, required: bool = False, is_typed: bool = True) -> dict[str, Any]:
    """An item of an input form; only those of workflows and chatflows name their type again (wire section 7)."""
    return {kind: {"variable": name, "required": required, **({"type": kind} if is_typed else {})}}


@dataclass
class FakeApp:
    """An app. dicts: what a run of it sends; exceptions in them are raised, functions are called. conversations: those
    that exist. tells_form: whether Dify answers when its form is asked for. features: what else it tells then.
    """

    kind: Kind
    form: tuple[dict[str, Any], ...] = ()
    dicts: tuple[Any, ...] = ()
    conversations: frozenset[str] = frozenset()
    tells_form: bool = True
    features: Mapping[str, Any] = field(default_factory=dict)


RUN_OF: Final[Mapping[Kind, tuple[Raw, ...]]] = {
    Kind.CHAT: RECORDINGS["chat-echo-turn1"].dicts,
    Kind.AGENT: RECORDINGS["agent-reason-on"].dicts,
    Kind.CHATFLOW: RECORDINGS["chatflow-trivial"].dicts,
    Kind.WORKFLOW: RECORDINGS["workflow-fail-branch"].dicts,
    Kind.COMPLETION: HANDMADE["completion-answers"].dicts,
}
"""A short good run of each kind."""


@dataclass
class FakeStorage:
    """The SDK's storage. fault: what every call raises; calls: their names and keys, in order."""

    values: dict[str, bytes] = field(default_factory=dict)
    fault: Exception | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)

    def exist(self, key: str) -> bool:
        self._count("exist", key)
        return key in self.values

    def get(self, key: str) -> bytes:
        self._count("get", key)
        if key not in self.values:
            raise Exception("load data failed, please check if the key is correct or you have not set it")  # noqa: TRY002
        return self.values[key]

    def set(self, key: str, val: bytes) -> None:
        self._count("set", key)
        self.values[key] = val

    def _count(self, name: str, key: str) -> None:
        self.calls.append((name, key))
        if self.fault:
            raise self.fault


@dataclass
class FakeDify:
    """The workspace. storage: the plugin's in it. calls: what it was asked to run, by the interface that was used.
    asked: whose form was fetched.
    """

    apps: dict[str, FakeApp]
    install_method: InstallMethod = InstallMethod.Local
    storage: FakeStorage = field(default_factory=FakeStorage)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    endpoint_id: str = field(default_factory=lambda: f"fake-endpoint-{next(_endpoints)}")

    def session(self) -> Session:
        """A session of this endpoint."""
        app = SimpleNamespace(fetch_app=self._fetch_app)
        for interface in ("chat", "workflow", "completion"):
            setattr(app, interface, SimpleNamespace(invoke=self._invoker(interface)))
        session = SimpleNamespace(
            app=app,
            storage=self.storage,
            endpoint_id=self.endpoint_id,
            install_method=self.install_method,
            max_invocation_timeout=250,
        )
        return cast(Session, session)

    def _fetch_app(self, app_id: str) -> dict[str, Any]:
        self.asked.append(app_id)
        if app_id not in self.apps or not self.apps[app_id].tells_form:
            raise Exception("fetch app failed: data is nil")  # noqa: TRY002 - as the SDK does
        return {**self.apps[app_id].features, "user_input_form": list(self.apps[app_id].form)}

    def _invoker(self, interface: str) -> Callable[..., Iterator[Raw]]:
        def invoke(**request: Any) -> Iterator[Raw]:
            def run() -> Iterator[Raw]:  # nothing is sent before the first `next` (law 5)
                self.calls.append((interface, request))
                yield from self._run(request)

            assert request["response_mode"] == "streaming"
            return run()

        return invoke

    def _run(self, request: dict[str, Any]) -> Iterator[Raw]:
        """All interfaces are one call; only the app's mode decides (wire 1.1)."""
        app = self.apps.get(request["app_id"])
        if app is None:
            raise refusal("app not found")
        if app.kind is Kind.COMPLETION and not app.dicts:
            raise Exception(INTERNAL_SERVER_ERROR)  # noqa: TRY002 - as the SDK does
        if app.kind in _CHAT_FAMILY and not request.get("query"):
            raise refusal("missing query")
        conversation = request.get("conversation_id")
        if conversation and app.kind in (Kind.CHAT, Kind.AGENT) and conversation not in app.conversations:
            raise refusal("")
        self._check_inputs(app, request["inputs"])
        for item in app.dicts or RUN_OF[app.kind]:
            if isinstance(item, Exception):
                raise item
            if callable(item):
                item()
            else:
                yield {**item, "conversation_id": conversation} if self._goes_on(app, item, conversation) else item

    @staticmethod
    def _goes_on(app: FakeApp, raw: Raw, conversation: str | None) -> bool:
        """A chatflow starts anew, without a word, where it does not know the conversation (wire section 4)."""
        return bool(conversation) and conversation in app.conversations and "conversation_id" in raw

    @staticmethod
    def _check_inputs(app: FakeApp, inputs: Mapping[str, Any]) -> None:
        for item in app.form:
            for kind, entry in item.items():
                name = entry["variable"]
                if name not in inputs:
                    if entry["required"]:
                        raise refusal(f"{name} is required in input form")
                    continue
                is_right, text = _TYPE_TEXTS.get(kind, (lambda _: True, ""))
                if not is_right(inputs[name]):
                    raise refusal(text.format(name))
