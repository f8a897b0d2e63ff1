"""What an operation answers with when something is wrong: each protocol's errors, made by its own shape.

The sentences are examples: a real error names what it is about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pydantic_core

from gateway.errors import STATUS, DuckError
from gateway.openapi.schema import Schema
from gateway.protocols.problem import title_of
from gateway.protocols.protocol import Shape

MEANS: Final[Mapping[str, str]] = {
    "invalid_request": "The body, or the query string, is not as it is described here.",
    "invalid_input": "An input is missing, or is not what the app's form takes.",
    "wrong_route": "The route is for apps of another kind.",
    "wrong_app_kind": "The call does not fit the app: a chat without a query, or a workflow that can't take one.",
    "files_not_supported": "A file that no way to the app carries.",
    "completion_not_supported": "A text generator runs only with its own key in the endpoint's settings.",
    "unauthorized": "There is no valid key, token or signature.",
    "forbidden": "Only a caller with an access key may do this.",
    "origin_not_allowed": "A page of another site has sent this.",
    "not_found": "There is nothing at this path, or not for this app.",
    "app_not_found": "There is no app of this name here.",
    "conversation_not_found": "There is no such conversation for this caller, its user and this app.",
    "method_not_allowed": "The method is not for this path.",
    "not_acceptable": "This path can't answer in any of the types that Accept names.",
    "payload_too_large": "The body has 10 MiB or more, or a part of it is too large.",
    "unsupported_media_type": "Duck does not read bodies of this type here.",
    "rate_limited": "The caller has called too often.",
    "quota_exceeded": "The workspace's model quota is used up.",
    "misconfigured": "The endpoint's settings have a fault.",
    "permission_denied": "The plugin may not do this in its workspace.",
    "internal_error": "Duck failed on this request.",
    "app_failed": "The app failed while it ran.",
    "app_not_published": "The app is not published.",
    "app_unavailable": "The app is listed, but not in this workspace.",
    "incomplete_run": "Dify stopped telling before the run had ended.",
    "provider_error": "The app's model provider failed.",
    "dify_error": "Dify failed.",
    "dify_unreachable": "Dify was not reached.",
    "dify_busy": "Dify has no free connection.",
    "storage_unavailable": "The storage that keeps the secret of handles and tokens fails.",
    "too_many_streams": "There is no free slot for a run.",
    "run_timeout": "The run took longer than it may.",
    "silence_timeout": "The app was silent for too long.",
    "response_timeout": "The response took longer than it may.",
}
"""By code: what it means. `client_gone` is not among them, for nobody is there to be told."""

MODELS_LIMIT: Final = 429
"""A model provider's own limit is passed on as one."""

_HEADERS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy", "x-should-retry"),
    500: ("x-should-retry",),
    502: ("x-should-retry",),
    503: ("Retry-After",),
    504: ("x-should-retry",),
}
_REQUEST_ID: Final = "4f7a75a0a9a74c499459528088730978"


@dataclass(frozen=True, slots=True)
class Failures:
    """A protocol's errors. name: how the names of its responses begin. schema: of their body, where that is JSON."""

    name: str
    content_type: str
    schema: Schema
    shape: Shape

    def responses(self, statuses: Iterator[int] | set[int]) -> dict[str, Any]:
        """The components of these statuses, by name."""
        return {f"{self.name}{status}": self._response(status) for status in sorted(statuses)}

    def _response(self, status: int) -> dict[str, Any]:
        codes = codes_of(status)
        names = ("X-Request-Id", *_HEADERS.get(status, ()))
        return {
            "description": f"{title_of(status)}. " + " ".join(MEANS[code] for code in codes),
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
            "content": {
                bare_type(self.content_type): {
                    "schema": self.schema,
                    "examples": {code: {"value": self._example(code, status)} for code in codes},
                }
            },
        }

    def _example(self, code: str, status: int) -> Any:
        error = DuckError(code, MEANS[code], status=status)
        body = self.shape(error, {"request_id": _REQUEST_ID}, with_cause=False).body
        return pydantic_core.from_json(body) if "json" in self.content_type else body.decode()


def bare_type(content_type: str) -> str:
    """A media type without its parameters, for generators of clients look for `application/json`."""
    return content_type.partition(";")[0]


def codes_of(status: int) -> list[str]:
    """Duck's codes that have this status, all that a caller may be told."""
    codes = [code for code in MEANS if STATUS[code] == status]
    return [*codes, "provider_error"] if status == MODELS_LIMIT else codes
