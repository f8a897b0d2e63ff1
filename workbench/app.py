"""What the workbench's host and its apps agree on: the Dify side of one run of an app.

The host (`host.py` and its neighbours) speaks to the plugin, over reverse invocation or over the Service API; an app
answers as Dify's inner API would. Neither knows more of the other than the names in this module.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

END_USER_ID: Final = "5f0c3d6e-4b7a-4c1e-9d28-6a1e0b7f9c34"
"""The user of every run over reverse invocation, which has one end user for all callers (facts: wire section 5)."""

type DifyEvent = dict[str, Any]
"""One event as Dify sends it, e.g. `{"event": "message", "answer": "Hi", …}` (facts: wire section 2)."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a user has uploaded. `extension` has no dot; `size` is in bytes."""

    id: str
    name: str
    extension: str
    mime_type: str
    size: int
    url: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """What is left of a call when it reaches the app.

    Of a reverse invocation the daemon keeps only the first four members: `files` is dropped and `user` is ignored
    (daemon: dify_invocation/types.go, `InvokeAppSchema`). `query` and `conversation_id` are `""` when none was sent.
    `files` are the items of Dify's `files`; `uploads`, by id, are those that this user may name.
    """

    app_id: str
    query: str
    inputs: dict[str, Any]
    conversation_id: str
    user: str = END_USER_ID
    files: tuple[Mapping[str, Any], ...] = ()
    uploads: Mapping[str, Upload] = field(default_factory=dict)


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
    """One app of a Dify workspace. `mode` is Dify's word for its kind; "" where there is no such app."""

    @property
    def mode(self) -> str: ...

    def run(self, call: Invocation) -> AsyncIterator[DifyEvent]:
        """Yields the run's events in Dify's order and pace.

        Raises `Refused` or `Unreachable` before the first event, `Broken` after it. The host closes the iterator
        (`aclose`) when the reverse call is cut or the plugin has gone.
        """
        ...

    def parameters(self) -> dict[str, Any]:
        """What `session.app.fetch_app` returns (facts: wire section 7)."""
        ...
