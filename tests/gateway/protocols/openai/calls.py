"""Calls of OpenAI's clients through the one way, and what they are answered."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from werkzeug import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from gateway import serve
from gateway.events import Kind
from tests.gateway.fake_dify import RUN_OF, FakeApp, FakeDify

KEY: Final = "a-long-enough-key"
CHAT: Final = "11111111-1111-4111-8111-111111111111"
WORKFLOW: Final = "22222222-2222-4222-8222-222222222222"
CONVERSATION: Final = str(RUN_OF[Kind.CHAT][0]["conversation_id"])
"""Of the run that a chat gives."""

CHAT_PATH: Final = "/v1/chat/completions"
RESPONSES_PATH: Final = "/v1/responses"
TWO_APPS: Final[Mapping[str, Any]] = {"apps": f"support={CHAT}, report={WORKFLOW}", "access_keys": f"web={KEY}"}
ONE_APP: Final[Mapping[str, Any]] = {"apps": f"support={CHAT}", "access_keys": f"web={KEY}"}


@dataclass(frozen=True)
class Reply:
    """A response, read to its end."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """An error's members; the body must hold nothing else."""
        assert self.headers["Content-Type"] == "application/json"
        ((name, members),) = self.json().items()
        assert name == "error"
        return dict(members)


def workspace() -> FakeDify:
    """A chat app that knows its conversation, and a workflow."""
    return FakeDify(
        {
            CHAT: FakeApp(Kind.CHAT, conversations=frozenset({CONVERSATION})),
            WORKFLOW: FakeApp(Kind.WORKFLOW),
        }
    )


def call(
    method: str,
    path: str,
    dify: FakeDify | None = None,
    *,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    settings: Mapping[str, Any] = TWO_APPS,
    key: str = KEY,
) -> Reply:
    """A request as it comes through a catch-all route. members: of its JSON body."""
    sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **headers}
    builder = EnvironBuilder(method=method, path=path, headers=list(sent.items()), json=members)
    response = serve.handle((dify or workspace()).session(), Request(builder.get_environ()), settings, None)
    chunks: Iterable[Any] = response.response
    body = b"".join(chunk if isinstance(chunk, bytes) else chunk.encode() for chunk in chunks)
    return Reply(response.status_code, response.headers, body)


def ask(text: str = "hi", dify: FakeDify | None = None, **more: Any) -> Reply:
    """A chat completion of the app `support`. more: `headers`, `settings`, `key`, and members of the body."""
    known = {name: more.pop(name) for name in ("headers", "settings", "key", "path") if name in more}
    members = {"model": "support", "messages": [{"role": "user", "content": text}], **more}
    return call("POST", known.pop("path", CHAT_PATH), dify, members=members, **known)


def respond(text: str = "hi", dify: FakeDify | None = None, **more: Any) -> Reply:
    """The same of a response."""
    known = {name: more.pop(name) for name in ("headers", "settings", "key", "path") if name in more}
    return call(
        "POST", known.pop("path", RESPONSES_PATH), dify, members={"model": "support", "input": text, **more}, **known
    )


def sent_to(dify: FakeDify) -> dict[str, Any]:
    """What the latest run was started with."""
    return dify.calls[-1][1]
