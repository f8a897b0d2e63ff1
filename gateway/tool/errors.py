"""A failure, as a tool tells it: one text that says what went wrong, and what to do.

An exception is a tool's only way to fail. Dify shows one that it does not know as JSON with a Python traceback in it,
to agents too, whose users may see it; of the SDK's own `InvokeError`s and `CredentialsValidateFailedError` it takes the
text alone (Dify: core/plugin/impl/base.py, `_handle_plugin_daemon_error`).
"""

from collections.abc import Mapping
from typing import Final

from dify_plugin.errors.model import (
    CredentialsValidateFailedError,
    InvokeBadRequestError,
    InvokeError,
    InvokeServerUnavailableError,
)

from gateway.errors import DuckError
from gateway.limits import READ_TIMEOUT, RESPONSE_TIMEOUT
from gateway.tool.messages import clean

_SERVERS: Final = 500
"""Statuses from here on are nobody's fault who calls (RFC 9110, 15.6)."""

_WITH_KEY: Final = "with the app's own API key in the dify_api_keys of the tool's authorization"

_REMEDIES: Final[Mapping[str, str]] = {
    "misconfigured": "Whoever has authorized Duck under Tools in Dify mends it there.",
    "wrong_app_kind": "Give the tool what the app needs: a query for a chat, inputs for a workflow.",
    "too_many_streams": "Try again later.",
    "completion_not_supported": f"It runs {_WITH_KEY}.",
    "files_not_supported": f"An app's input for files takes a link that Dify can reach; all files go {_WITH_KEY}.",
    "run_timeout": f"Raise {READ_TIMEOUT} (milliseconds) of the plugin daemon; there is no such limit {_WITH_KEY}.",
    "response_timeout": f"Raise {RESPONSE_TIMEOUT} (seconds) of the plugin daemon.",
}
"""Remedies in a tool's words, where the error's own speaks of routes or endpoints."""


def tool_error(error: DuckError, request_id: str, *, with_cause: bool) -> InvokeError:
    """The exception that says this failure."""
    text = clean(_reworded(error, request_id).sentence(with_cause=with_cause))
    return InvokeServerUnavailableError(text) if error.status >= _SERVERS else InvokeBadRequestError(text)


def invalid_credentials(problems: list[str]) -> CredentialsValidateFailedError:
    """The exception that says what is wrong with credentials."""
    return CredentialsValidateFailedError(clean(" ".join(problems)))


def _reworded(error: DuckError, request_id: str) -> DuckError:
    match error.code:
        case "internal_error":
            return DuckError(error.code, error.message, f"Please report it; the plugin's log names it {request_id}.")
        case "too_many_streams":
            return DuckError(error.code, "Duck holds as many runs as it may.", _REMEDIES[error.code])
        case code if code in _REMEDIES:
            return DuckError(code, error.message, _REMEDIES[code], cause=error.cause, status=error.status)
        case _:
            return error
