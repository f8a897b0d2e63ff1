"""Every failure of Duck as one exception type.

A failure has a stable `code`, an HTTP status, one sentence that names the cause and one that names the remedy. How it
looks on the wire is each protocol's business; what a platform text means is `diagnosis`'s.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        # the caller's
        "invalid_request": 400,
        "invalid_input": 400,
        "wrong_app_kind": 400,
        "wrong_route": 400,
        "files_not_supported": 400,
        "unauthorized": 401,
        "forbidden": 403,
        "origin_not_allowed": 403,
        "not_found": 404,
        "app_not_found": 404,
        "conversation_not_found": 404,
        "method_not_allowed": 405,
        "not_acceptable": 406,
        "payload_too_large": 413,
        "unsupported_media_type": 415,
        "rate_limited": 429,
        "client_gone": 499,
        # the app's, or its model provider's
        "quota_exceeded": 429,
        "completion_not_supported": 400,
        "app_failed": 502,
        "app_not_published": 502,
        "app_unavailable": 502,
        "incomplete_run": 502,
        "provider_error": 502,
        # the platform's
        "dify_error": 502,
        "dify_unreachable": 502,
        "dify_busy": 503,
        "storage_unavailable": 503,
        "too_many_streams": 503,
        "run_timeout": 504,
        "silence_timeout": 504,
        "response_timeout": 504,
        # the operator's, and Duck's own
        "misconfigured": 500,
        "permission_denied": 500,
        "internal_error": 500,
    }
)
"""Code to HTTP status. A code may be raised with another status only where its docstring below says so."""

NOT_STARTED: Final = frozenset({"dify_busy", "storage_unavailable", "too_many_streams"})
"""Failures of a call that Dify has not run."""


class DuckError(Exception):
    """A failure that a caller is told about.

    code: a key of `STATUS`; callers may rely on it.
    message: one sentence that names the cause; never a secret, a traceback or a raw platform text.
    remedy: one sentence that says what to do about it; `""` when there is nothing to do.
    cause: what the app itself reported, cleaned; shown only from `detail: progress` on (DESIGN section 3).
    status: overrides `STATUS[code]`: a provider's 429, and what an operator wants said to a webhook's sender.
    headers: HTTP headers that belong to the failure, such as `Retry-After` and `Allow`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str = "",
        *,
        cause: str = "",
        status: int | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.status = STATUS[code] if status is None else status
        self.message = message
        self.remedy = remedy
        self.cause = cause
        self.headers = headers

    def replace_text(self, old: str, new: str) -> None:
        """Puts `new` in place of `old` in all that a caller may be told."""
        self.message = self.message.replace(old, new)
        self.remedy = self.remedy.replace(old, new)
        self.cause = self.cause.replace(old, new)

    def sentence(self, *, with_cause: bool) -> str:
        """Message, the app's own words when `with_cause`, and remedy, as one text."""
        cause = f"It reported: {self.cause.rstrip('.')}." if with_cause and self.cause else ""
        return " ".join(part for part in (self.message, cause, self.remedy) if part)


def internal_error() -> DuckError:
    """For what nobody foresaw; the log line with the same request id has the place."""
    return DuckError(
        "internal_error",
        "Duck failed on this request.",
        "Please report it with the request id; the plugin's log has a line with the same id.",
    )
