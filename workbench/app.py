"""What the workbench's host and its apps agree on: the Dify side of one reverse invocation.

The host (`host.py` and its neighbours) speaks to the plugin; an app answers as Dify's inner API would. Neither knows
more of the other than the names in this module.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

type DifyEvent = dict[str, Any]
"""One event as Dify sends it, e.g. `{"event": "message", "answer": "Hi", …}` (facts: wire section 2)."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What is left of a plugin's call when it reaches Dify's inner API.

    The daemon keeps only these members: `files` is dropped and `user` is ignored (daemon: dify_invocation/types.go,
    `InvokeAppSchema`). `query` and `conversation_id` are `""` when the plugin sent none.
    """

    app_id: str
    query: str
    inputs: dict[str, Any]
    conversation_id: str


class Refused(Exception):
    """The run did not start: Dify answered with an HTTP error.

    The host tells the plugin `invoke app failed: request failed with status code: <status> and respond with: <json>`
    (daemon: http_requests/http_warpper.go).
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Unreachable(Exception):
    """The daemon could not speak to Dify. The host passes the text on as `invoke app failed: <text>`."""


class Broken(Exception):
    """The run's stream broke after it began. The host passes the text on as `read app failed: <text>`."""


class App(Protocol):
    """One app of a Dify workspace."""

    def run(self, call: Invocation) -> AsyncIterator[DifyEvent]:
        """Yields the run's events in Dify's order and pace.

        Raises `Refused` or `Unreachable` before the first event, `Broken` after it. The host closes the iterator
        (`aclose`) when the reverse call is cut or the plugin has gone.
        """
        ...

    def parameters(self) -> dict[str, Any]:
        """What `session.app.fetch_app` returns (facts: wire section 7)."""
        ...
