"""Reverse invocation: a call of an app through the plugin's own session with the daemon (wire section 1).

The only module that knows the SDK's session. Always streaming: agent apps refuse the other mode, and it has neither
early errors nor progress.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final

from dify_plugin.config.config import InstallMethod
from dify_plugin.core.runtime import Session

from gateway.call import AppCall
from gateway.diagnosis import from_platform
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.wire import json_bytes

MAX_LINE: Final = 4 * 1024 * 1024
"""Bytes of a call's serialised line; the daemon kills the plugin at 5 MiB (law 7)."""


class ReverseTransport:
    """The apps of the workspace that one request's session belongs to."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def is_local(self) -> bool:
        """Whether the daemon runs this plugin as a process of its own, with its own environment."""
        return self._session.install_method is InstallMethod.Local

    @property
    def max_silence(self) -> float:
        """Seconds without an event after which the SDK gives up."""
        return float(self._session.max_invocation_timeout)

    @property
    def has_app_key(self) -> bool:
        return False

    def kind(self) -> Kind | None:
        """Dify does not tell a plugin."""
        return None

    def upload(self, filename: str, content: bytes, mime_type: str) -> str:  # noqa: ARG002 - it takes none
        """What is uploaded this way is a tool's file, and none that a call could name (wire section 6)."""
        raise DuckError("files_not_supported", "The platform's way from a plugin to an app carries links only.")

    def start(self, call: AppCall, kind: Kind | None) -> Generator[Raw]:
        """The run's events. kind: chooses the interface; all three are one call to Dify, which goes by the app's mode.

        Raises `DuckError`: `payload_too_large` at once, all else from the first `next` on.
        """
        _check_size({"query": call.query, "inputs": call.inputs})
        return _diagnosed(self._invoke(call, kind))

    def parameters(self, app_id: str) -> Raw:
        try:
            return self._session.app.fetch_app(app_id=app_id)
        except Exception as error:  # the SDK raises plain Exception for all it is told
            raise from_platform(str(error)) from error

    def _invoke(self, call: AppCall, kind: Kind | None) -> Generator[Raw]:
        app, inputs = self._session.app, dict(call.inputs)
        if kind is Kind.WORKFLOW:
            return app.workflow.invoke(app_id=call.app.app_id, inputs=inputs, response_mode="streaming")
        if kind is Kind.COMPLETION:
            return app.completion.invoke(app_id=call.app.app_id, inputs=inputs, response_mode="streaming")
        return app.chat.invoke(
            app_id=call.app.app_id,
            query=call.query,
            inputs=inputs,
            response_mode="streaming",
            conversation_id=call.conversation_id or None,
        )


def _diagnosed(dicts: Iterator[Raw]) -> Generator[Raw]:
    try:
        yield from dicts
    except DuckError:
        raise
    except Exception as error:  # the SDK raises plain Exception for all it is told
        raise from_platform(str(error)) from error


def _check_size(content: Mapping[str, Any]) -> None:
    size = len(json_bytes(content))
    if size > MAX_LINE:
        raise DuckError(
            "payload_too_large",
            f"The query and the inputs take {size:,} bytes as JSON; the platform carries {MAX_LINE:,}.",
            "Send less, or a link to a file as a file input.",
        )
