"""The plugin's tools: a call in, the tool's messages out, as the daemon's dispatch API does it for Dify.

Owns `POST /workbench/tools/NAME` and `POST /workbench/tool-credentials`, which stand for the daemon's
`/plugin/<tenant>/dispatch/tool/invoke` and `/validate_credentials`. The body is a JSON object, see `Call` and `Check`;
the answer is what the daemon says, one JSON object in a line where it sends `data: …` (internal/service/base_sse.go).
Nothing of a tool's messages is lost on the way: the daemon blocks the plugin where Dify is slow, and reads the queue to
its end (`WriteBlocking`, pkg/utils/stream/stream.go).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.daemon_errors import go_json, internal_server_error, invoke_error
from workbench.hooks import stable_id
from workbench.laws import Clocks
from workbench.replicas import Replicas
from workbench.sessions import Origin
from workbench.supervisor import PluginDown

TOOLS: Final = "/workbench/tools/{tool}"
CREDENTIALS: Final = "/workbench/tool-credentials"

USER_ID: Final = "0d9b3c1e-52f4-4f0e-8a55-6f2c9d1b7e30"
"""Whoever runs the app that calls, where a call says nobody: some end user of Dify's."""


class Check(BaseModel):
    """Credentials to be checked. `provider` None is the one that is called like the plugin."""

    model_config = ConfigDict(extra="forbid")

    workspace: str = "demo"
    provider: str | None = None
    credentials: dict[str, Any] = {}
    user_id: str = USER_ID


class Call(Check):
    """A call of a tool; the last three are the calling app's, as far as Dify tells them."""

    parameters: dict[str, Any] = {}
    app_id: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None


class Messages:
    """What the plugin has said and the client has not yet got; `error` is the JSON that tells of its failure."""

    def __init__(self) -> None:
        self.error: bytes | None = None
        self.over = False
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._news = asyncio.Event()

    def stream(self, data: Mapping[str, Any]) -> None:
        if not self.over:
            self._waiting.append(data)
            self._news.set()

    def end(self) -> None:
        self.over = True
        self._news.set()

    def fail(self, error: bytes) -> None:
        if not self.over:
            self.error = error
        self.end()

    async def next(self) -> Mapping[str, Any] | None:
        """The next message, waited for; None when there are no more."""
        while not self._waiting:
            if self.over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class Tools:
    """The tools of the plugin behind `replicas`."""

    def __init__(self, replicas: Replicas, clocks: Clocks) -> None:
        self._replicas = replicas
        self._clocks = clocks

    def routes(self) -> list[web.RouteDef]:
        return [web.post(TOOLS, self._invoke), web.post(CREDENTIALS, self._validate)]

    async def _invoke(self, request: web.Request) -> web.StreamResponse:
        call = await _read(request, Call)
        asked = {"tool": request.match_info["tool"], "tool_parameters": call.parameters, "credential_type": "api-key"}
        return await self._dispatch(request, call, "invoke_tool", asked)

    async def _validate(self, request: web.Request) -> web.StreamResponse:
        return await self._dispatch(request, await _read(request, Check), "validate_tool_credentials", {})

    async def _dispatch(
        self, request: web.Request, given: Check, action: str, asked: Mapping[str, Any]
    ) -> web.StreamResponse:
        try:
            runtime = await self._replicas.runtime()
        except PluginDown as down:
            raise web.HTTPBadGateway(text=f"workbench: {down}") from None
        messages = Messages()
        session = runtime.open_session(_origin(given), messages)
        try:
            session.request(
                {
                    "user_id": given.user_id,
                    "type": "tool",
                    "action": action,
                    "provider": given.provider or runtime.declaration.name,
                    "credentials": given.credentials,
                    **asked,
                }
            )
            return await self._relay(request, messages)
        finally:
            runtime.close_session(session)

    async def _relay(self, request: web.Request, messages: Messages) -> web.StreamResponse:
        """The clock runs from here on, unlike an endpoint's (law 13)."""
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            try:
                async with asyncio.timeout(self._clocks.response):
                    while (message := await messages.next()) is not None:
                        await response.write(go_json({"code": 0, "message": "success", "data": message}) + b"\n")
                if messages.error is not None:
                    await response.write(invoke_error(messages.error.decode()) + b"\n")
            except TimeoutError:
                await response.write(internal_server_error("killed by timeout") + b"\n")
            await response.write_eof()
        return response


def _origin(given: Check) -> Origin:
    tenant_id = stable_id("workspace", given.workspace)
    if not isinstance(given, Call):
        return Origin(tenant_id)
    return Origin(tenant_id, None, given.app_id, given.conversation_id, given.message_id)


async def _read[T: Check](request: web.Request, kind: type[T]) -> T:
    """The body. Only JSON that says so: a page of another site can't send that without being allowed to."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send Content-Type: application/json")
    try:
        return kind.model_validate_json(await request.content.read())
    except ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
