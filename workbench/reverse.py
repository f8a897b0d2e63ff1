"""The plugin's reverse calls: what it asks of Dify, answered as the daemon and Dify's inner API would.

Owns the dispatch, the checks of permissions and arguments, the clock of law 13 and the texts of the errors. What an app
answers is the app's affair (internal/core/io_tunnel/backwards_invocation/task.go; wire 1, 4, 11).
"""

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Final, cast

from workbench import storage
from workbench.app import App, Broken, DifyEvent, Invocation, Refused, Unreachable
from workbench.apps.refusals import internal_server_error
from workbench.declaration import Declaration
from workbench.dify_json import error_json
from workbench.laws import Clocks
from workbench.runs import Run, Runs
from workbench.sessions import Session
from workbench.storage import Drawer, Storage, StorageError
from workbench.terminal import Terminal

_LLM: Final = ("model", "llm", "llm")
_EMBEDDING: Final = ("model", "text_embedding", "text-embedding")
_RERANK: Final = ("model", "rerank", "rerank")
_NODE: Final = ("node", "enabled", "node")
_APP: Final = ("app", "enabled", "app")
_PERMISSIONS: Final[Mapping[str, tuple[str, str, str] | None]] = {
    "tool": ("tool", "enabled", "tool"),
    "llm": _LLM,
    "llm_structured_output": _LLM,
    "system_summary": _LLM,
    "text_embedding": _EMBEDDING,
    "multimodal_embedding": _EMBEDDING,
    "rerank": _RERANK,
    "multimodal_rerank": _RERANK,
    "tts": ("model", "tts", "tts"),
    "speech2text": ("model", "speech2text", "speech2text"),
    "moderation": ("model", "moderation", "moderation"),
    "node_parameter_extractor": _NODE,
    "node_question_classifier": _NODE,
    "app": _APP,
    "fetch_app": _APP,
    "storage": ("storage", "enabled", "storage"),
    "upload_file": None,
}
"""Kind of call: the manifest's permission, its member, and its name in the daemon's error. None: always allowed."""

_CUT: Final = "read tcp 127.0.0.1:34388->127.0.0.1:5001: use of closed network connection\nfailed to read system header"
"""Law 13, wire 14.5. The daemon closes its connection to Dify; the ports are any."""

_LEFT_IN_STREAM: Final = "read app failed: context canceled\nfailed to read system header"
_LEFT_BEFORE_STREAM: Final = 'invoke app failed: Post "http://api:5001/inner/api/invoke/app": context canceled'
"""Law 14, remote debugging: what a call hears when its client leaves after, or before, the first event."""

_STORAGE_FAILURES: Final = {
    "get": "load data failed, please check if the key is correct or you have not set it",
    "set": "save data failed: {}",
    "del": "delete data failed: {}",
    "exist": "exist data failed: {}",
}

_INPUTS_MISSING: Final = (
    "invalid payload: 1 validation error for RequestInvokeApp\ninputs\n  Input should be a valid dictionary "
    "[type=dict_type, input_value=None, input_type=NoneType]"
)
_APP_ID_MISSING: Final = (
    "error validating struct: Key: 'InvokeAppRequest.InvokeAppSchema.AppId' "
    "Error:Field validation for 'AppId' failed on the 'required' tag"
)
_GO_KINDS: Final = {bool: "bool", int: "float64", float: "float64", str: "string", list: "slice", dict: "map"}


class BadArguments(ValueError):
    """The daemon can't read the call's arguments; the text is its decoder's."""


class ReverseCalls:
    """`apps` are by id, the same ones in every workspace; storage is per workspace. `runs`: see there."""

    def __init__(
        self, apps: Mapping[str, App], storage: Storage, runs: Runs, clocks: Clocks, terminal: Terminal
    ) -> None:
        self._apps = apps
        self._storage = storage
        self._runs = runs
        self._clocks = clocks
        self._terminal = terminal

    def invoke(self, session: Session, data: Mapping[str, Any]) -> None:
        """Answers `{"type", "backwards_request_id", "request"}`: at once, or with a task of the session's."""
        kind, call_id, arguments = data["type"], data["backwards_request_id"], data["request"]
        refusal = _refusal(session.declaration, kind)
        if refusal:
            _finish(session, call_id, refusal)
        elif kind == "storage":
            _serve_storage(session, call_id, arguments, self._storage.drawer(session.origin.tenant_id))
        elif kind == "app":
            _spawn(session, self._run_app(session, call_id, arguments))
        elif kind == "fetch_app":
            _spawn(session, self._fetch_app(session, call_id, arguments))
        else:
            _finish(session, call_id, f"the workbench does not serve {kind}")

    async def _run_app(self, session: Session, call_id: str, arguments: Mapping[str, Any]) -> None:
        clock = asyncio.timeout(None)
        error = ""
        try:
            await self._forward(session, call_id, _read_invocation(arguments), clock)
        except BadArguments as bad:
            error = f"unmarshal backwards invoke request failed: {bad}"
        except Refused as refused:
            error = f"invoke app failed: {_refused_text(refused)}"
        except Unreachable as unreachable:
            error = f"invoke app failed: {unreachable}"
        except Broken as broken:
            error = f"read app failed: {broken}"
        except TimeoutError:
            error = f"read app failed: {_CUT}"
        except asyncio.CancelledError:
            error = _LEFT_BEFORE_STREAM if clock.when() is None else _LEFT_IN_STREAM
            raise
        except Exception:  # noqa: BLE001 - an app's bug must be seen here, and by the plugin as Dify's would be
            self._terminal.say(f"an app's run failed:\n{traceback.format_exc()}")
            error = f"invoke app failed: {_refused_text(Refused(500, 'unknown', 'Internal Server Error'))}"
        finally:
            _finish(session, call_id, error)

    async def _forward(self, session: Session, call_id: str, call: Invocation, clock: asyncio.Timeout) -> None:
        """Passes the run's events on until its end; `clock` runs from the first one. Raises what the run raises."""
        app = self._apps.get(call.app_id)
        if app is None:
            raise Refused(400, "invalid_param", "app not found")
        if app.mode == "completion":
            # Its generator reads a query that the inner API does not pass on (wire 3).
            raise internal_server_error()
        run = self._runs.begin(call.app_id, call.user, "reverse")
        stopped = asyncio.timeout(None)
        run.interrupt = lambda: stopped.reschedule(0)
        try:
            async with clock, stopped:
                await self._carry(session, call_id, run, app.run(call), clock)
            run.ended()
        except TimeoutError:
            if not stopped.expired():
                raise
            for event in run.ending.events():
                session.answer(call_id, "response", "stream", event)
        except (Refused, Unreachable, Broken):
            run.ended()
            raise
        finally:
            run.closed()

    async def _carry(
        self, session: Session, call_id: str, run: Run, events: AsyncIterator[DifyEvent], clock: asyncio.Timeout
    ) -> None:
        loop = asyncio.get_running_loop()
        # A run is a generator, which the contract lets us close (`App.run`).
        async with aclosing(cast("AsyncGenerator[DifyEvent, None]", events)):
            async for event in events:
                if clock.when() is None:
                    clock.reschedule(loop.time() + self._clocks.reverse_call)
                if isinstance(event, dict):  # Law 6: Dify's pings are bare strings, and dropped.
                    run.observe(event)
                    session.answer(call_id, "response", "stream", event)
                    await session.channel.sender.drain(call_id)

    async def _fetch_app(self, session: Session, call_id: str, arguments: Mapping[str, Any]) -> None:
        """Whatever goes wrong, the daemon says the same (wire 4, E)."""
        app = self._apps.get(str(arguments.get("app_id")))
        parameters = None
        try:
            # An app may have to ask a real Dify.
            parameters = await asyncio.to_thread(app.parameters) if app else None
        except Exception:  # noqa: BLE001 - as above
            self._terminal.say(f"an app's parameters failed:\n{traceback.format_exc()}")
        if parameters is not None:
            session.answer(call_id, "response", "struct", parameters)
        _finish(session, call_id, "" if parameters is not None else "fetch app failed: data is nil")


def _spawn(session: Session, call: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(call)
    session.calls.add(task)
    task.add_done_callback(session.calls.discard)


def _finish(session: Session, call_id: str, error: str = "") -> None:
    """The daemon ends every call, also one that has failed."""
    if error:
        session.answer(call_id, "error", error)
    session.answer(call_id, "end")


def _refusal(declaration: Declaration, kind: str) -> str:
    """Why the manifest does not allow this kind of call; empty if it does."""
    if kind not in _PERMISSIONS:
        return f"unsupported invoke type: {kind}"
    needed = _PERMISSIONS[kind]
    if needed is None or declaration.allows(*needed[:2]):
        return ""
    return f"permission denied, you need to enable {needed[2]} access in plugin manifest"


def _read_invocation(arguments: Mapping[str, Any]) -> Invocation:
    """What is left of the call's arguments at Dify's door; raises BadArguments and Refused.

    First the daemon's decoder speaks, then its check for an app id, then Dify's of the payload.
    """
    strings = ("app_id", "query", "response_mode", "conversation_id", "user")
    faults = [
        f"* '{name}' expected type 'string', got unconvertible type '{_GO_KINDS[type(value)]}', value: '{value}'"
        for name in strings
        if not isinstance(value := arguments.get(name), str | None)
    ]
    inputs = arguments.get("inputs")
    if not isinstance(inputs, dict | None):
        faults.append(f"* 'inputs' expected a map, got '{_GO_KINDS[type(inputs)]}'")
    if faults:
        points = "\n".join(sorted(faults))
        raise BadArguments(f"error decoding map: {len(faults)} error(s) decoding:\n\n{points}")
    if not arguments.get("app_id"):
        raise BadArguments(_APP_ID_MISSING)
    if inputs is None:
        raise Refused(400, "invalid_param", _INPUTS_MISSING)
    mode = arguments.get("response_mode")
    if mode != "streaming":
        raise Refused(400, "invalid_param", f"the workbench serves response_mode streaming only, not {mode!r}")
    return Invocation(
        app_id=arguments["app_id"],
        query=arguments.get("query") or "",
        inputs=inputs,
        conversation_id=arguments.get("conversation_id") or "",
    )


def _refused_text(refused: Refused) -> str:
    return f"request failed with status code: {refused.status} and respond with: {error_json(refused).decode()}"


def _serve_storage(session: Session, call_id: str, arguments: Mapping[str, Any], drawer: Drawer) -> None:
    operation, key = arguments["opt"], arguments["key"]
    drawer.calls[operation] += 1
    data, failure = None, ""
    try:
        data = _use_storage(drawer, operation, key, arguments, session.declaration.storage_size)
    except StorageError as error:
        failure = _STORAGE_FAILURES[operation].format(error)

    def answer() -> None:
        if data is not None:
            session.answer(call_id, "response", "struct", data)
        _finish(session, call_id, failure)

    if drawer.delay:
        # No task of the session's: the daemon does not stop such a call when the session ends, only the answer is lost.
        asyncio.get_running_loop().call_later(drawer.delay, answer)
    else:
        answer()


def _use_storage(drawer: Drawer, operation: str, key: str, arguments: Mapping[str, Any], quota: int) -> dict[str, Any]:
    match operation:
        case "get":
            return {"data": storage.load(drawer, key).hex()}
        case "set":
            storage.save(drawer, key, bytes.fromhex(arguments["value"]), quota)
            return {"data": "ok"}
        case "del":
            storage.delete(drawer, key)
            return {"data": "ok", "deleted_num": 0}
        case "exist":
            found = storage.exists(drawer, key)
            return {"data": found, "exist_num": int(found)}
    raise StorageError(f"unknown operation {operation}")
