"""Real Dify apps, run through Dify's Service API with their own keys, seen as over reverse invocation.

Owns the HTTP calls and their failures; the events are put right in `service_events.py`. A completion app refuses, as
it does on the reverse path, although the Service API would run it.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import httpx
from httpx_sse import EventSource

from workbench.app import App, Broken, DifyEvent, Invocation, Refused, Unreachable
from workbench.apps.refusals import internal_server_error, invalid_param
from workbench.apps.service_events import ReversePath

USER: Final = "workbench"
"""The end user of every call, for reverse invocation has only one (facts: wire section 5)."""

TIMEOUT: Final = httpx.Timeout(10.0, read=60.0)
"""Seconds. Dify sends a ping every 10 s of silence, so 60 s without a byte mean that it is gone."""

_RUN_PATHS: Final[Mapping[str, str]] = {
    "chat": "/v1/chat-messages",
    "agent-chat": "/v1/chat-messages",
    "advanced-chat": "/v1/chat-messages",
    "workflow": "/v1/workflows/run",
}


class ServiceError(Exception):
    """Dify does not know the app, or cannot be reached, when the workbench starts. Names the app, never its key."""


def service_apps(url: str, keys: Mapping[str, str]) -> dict[str, App]:
    """Alias to app, for `keys` from alias to the app's key. `url` is Dify's, with or without `/v1`.

    Asks Dify for each app's mode and form now, once. Raises `ServiceError`.
    """
    origin = url.rstrip("/").removesuffix("/v1")
    with httpx.Client(base_url=origin, timeout=TIMEOUT) as client:
        return {alias: _service_app(client, origin, alias, key) for alias, key in keys.items()}


def _service_app(client: httpx.Client, origin: str, alias: str, key: str) -> "ServiceApp":
    mode = _fetched(client, "/v1/info", alias, key).get("mode")
    if not isinstance(mode, str):
        raise ServiceError(f"app {alias!r}: /v1/info of {origin} names no mode; Dify 1.16.0 does")
    return ServiceApp(origin, key, mode, _fetched(client, "/v1/parameters", alias, key))


def _fetched(client: httpx.Client, path: str, alias: str, key: str) -> dict[str, Any]:
    try:
        response = client.get(path, params={"user": USER}, headers=_authorization(key))
        response.raise_for_status()
        body = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServiceError(f"app {alias!r}: {path} of {client.base_url} failed: {_named(error)}") from error
    if not isinstance(body, dict):
        raise ServiceError(f"app {alias!r}: {path} of {client.base_url} answered {body!r}, expected an object")
    return body


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True, slots=True)
class ServiceApp:
    """One app of a real Dify. `form` is the body of `/v1/parameters`, which is that of `fetch_app`."""

    origin: str
    key: str = field(repr=False)
    mode: str
    form: dict[str, Any]

    async def run(self, call: Invocation) -> AsyncGenerator[DifyEvent]:
        self._check(call)
        path = ReversePath(self.mode)
        headers = _authorization(self.key)
        async with httpx.AsyncClient(base_url=self.origin, headers=headers, timeout=TIMEOUT) as client:
            response = await self._start(client, call)
            async with aclosing(_received(response)) as received:
                async for event in received:
                    for sent in path.feed(event):
                        yield sent
            for sent in path.end():
                yield sent

    def parameters(self) -> dict[str, Any]:
        return self.form

    def _check(self, call: Invocation) -> None:
        """What the reverse path refuses on its own, in its order: the mode, the query, a malformed conversation."""
        if self.mode == "completion":
            raise internal_server_error()
        if self.mode not in _RUN_PATHS:
            raise invalid_param("unexpected app type")
        if self.mode == "workflow":
            return
        if not call.query:
            raise invalid_param("missing query")
        if call.conversation_id and not _is_uuid(call.conversation_id):
            raise internal_server_error()

    async def _start(self, client: httpx.AsyncClient, call: Invocation) -> httpx.Response:
        """The response that streams. An unknown conversation is put as the reverse path puts it: a chatflow starts a
        new one, a chat refuses without a word (facts: wire section 4).
        """
        body: dict[str, Any] = {"inputs": call.inputs, "response_mode": "streaming", "user": USER}
        if self.mode == "workflow":
            return await self._post(client, body)
        body["query"] = call.query
        if not call.conversation_id:
            return await self._post(client, body)
        try:
            return await self._post(client, {**body, "conversation_id": call.conversation_id})
        except Refused as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise
        if self.mode != "advanced-chat":
            raise invalid_param("")
        return await self._post(client, body)

    async def _post(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> httpx.Response:
        request = client.build_request("POST", _RUN_PATHS[self.mode], json=body)
        try:
            response = await client.send(request, stream=True)
            if response.is_success:
                return response
            refused = await response.aread()
        except httpx.HTTPError as error:
            # The daemon's client is Go's, which words it so.
            raise Unreachable(f'Post "{request.url}": {_named(error)}') from error
        raise _refusal(response.status_code, refused)


async def _received(response: httpx.Response) -> AsyncGenerator[DifyEvent]:
    try:
        async with aclosing(EventSource(response).aiter_sse()) as messages:
            async for message in messages:
                # A ping has no data.
                if message.data:
                    yield json.loads(message.data)
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        raise Broken(_named(error)) from error


def _refusal(status: int, body: bytes) -> Refused:
    """An error of Dify's own, or of whatever stands before it."""
    try:
        error = json.loads(body)
        return Refused(status, error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return Refused(status, "unknown", body.decode("utf-8", "replace"))


def _named(error: Exception) -> str:
    """Timeouts of httpx have no text of their own."""
    return str(error) or type(error).__name__


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
