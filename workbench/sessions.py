"""A session: one request inside the plugin, its reply, and the reverse calls that the plugin makes for it.

Owns the session's end: from then on it is unknown, and whoever waits for it is told nothing (law 14).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic_core import to_json

from workbench.channel import Channel, NotSent
from workbench.declaration import Declaration


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. All but the workspace is told to the plugin; None where there is none."""

    tenant_id: str
    endpoint_id: str | None = None
    app_id: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None


class Reply(Protocol):
    """The plugin's side of a reply; `error` is the JSON that tells of its failure."""

    def stream(self, data: Mapping[str, Any]) -> None: ...

    def end(self) -> None: ...

    def fail(self, error: bytes) -> None: ...


@dataclass(slots=True, eq=False)
class Session:
    """`calls` are the reverse calls under way; they are cancelled when the session closes."""

    id: str
    origin: Origin
    channel: Channel
    declaration: Declaration
    reply: Reply
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    open: bool = True

    def request(self, data: Mapping[str, Any]) -> None:
        """Hands the request to the plugin."""
        try:
            self.channel.sender.request(self.id, data["action"], self._line("request", data))
        except NotSent as problem:
            self.reply.fail(str(problem).encode())

    def answer(self, call_id: str, event: str, message: str = "", data: dict[str, Any] | None = None) -> None:
        """Says something to a reverse call: `response`, `error` or `end`. Lost once the session is over, where the
        channel knows sessions."""
        if self.open or not self.channel.knows_sessions:
            said = {"backwards_request_id": call_id, "event": event, "message": message, "data": data}
            self.channel.sender.answer(call_id, self._line("backwards_response", said), is_last=event == "end")

    def close(self) -> None:
        self.open = False
        self.channel.sender.over(self.id)
        self.reply.end()
        for call in self.calls:
            call.cancel()

    def _line(self, event: str, data: Mapping[str, Any]) -> bytes:
        return to_json(
            {
                "session_id": self.id,
                "conversation_id": self.origin.conversation_id,
                "message_id": self.origin.message_id,
                "app_id": self.origin.app_id,
                "endpoint_id": self.origin.endpoint_id,
                "context": None,
                "event": event,
                "data": data,
            }
        )
