"""A session: one HTTP request inside the plugin, its reply, and the reverse calls that the plugin makes for it.

Owns the session's end: from then on it is unknown, and whoever waits for it is told nothing (law 14).
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from workbench.channel import Channel
from workbench.declaration import Declaration
from workbench.hooks import Hook
from workbench.reply import Reply


@dataclass(slots=True, eq=False)
class Session:
    """`calls` are the reverse calls under way; they are cancelled when the session closes."""

    id: str
    hook: Hook
    channel: Channel
    declaration: Declaration
    reply: Reply = field(default_factory=Reply)
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    open: bool = True

    def request(self, raw: bytes) -> None:
        """Hands the HTTP request to the plugin."""
        self._send(
            "request",
            {
                "user_id": "",
                "type": "endpoint",
                "action": "invoke_endpoint",
                "settings": self.hook.settings,
                "raw_http_request": raw.hex(),
            },
        )

    def answer(self, call_id: str, event: str, message: str = "", data: dict[str, Any] | None = None) -> None:
        """Says something to a reverse call: `response`, `error` or `end`. Lost once the session is over, except under
        remote debugging."""
        if self.open or not self.channel.knows_sessions:
            self._send(
                "backwards_response",
                {"backwards_request_id": call_id, "event": event, "message": message, "data": data},
            )

    def close(self) -> None:
        self.open = False
        self.reply.end()
        for call in self.calls:
            call.cancel()

    def _send(self, event: str, data: dict[str, Any]) -> None:
        self.channel.send(
            to_json(
                {
                    "session_id": self.id,
                    "conversation_id": None,
                    "message_id": None,
                    "app_id": None,
                    "endpoint_id": self.hook.endpoint_id,
                    "context": None,
                    "event": event,
                    "data": data,
                }
            )
        )
