"""Errors as Dify says them: `{"code", "message", "status"}`. The code is Dify's own for the case, the status Duck's.

Dify's codes are the names of its exceptions and of werkzeug's (Dify: libs/external_api.py, controllers/service_api/app/
error.py). An unknown conversation is `not_found` there, as everything that is not found.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.errors import DuckError
from gateway.protocols.protocol import Shape, Shaped
from gateway.wire import json_bytes

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "invalid_request": "invalid_param",
        "invalid_input": "invalid_param",
        "wrong_app_kind": "invalid_param",
        "wrong_route": "not_chat_app",
        "files_not_supported": "invalid_param",
        "unauthorized": "unauthorized",
        "forbidden": "forbidden",
        "origin_not_allowed": "forbidden",
        "not_found": "not_found",
        "app_not_found": "not_found",
        "conversation_not_found": "not_found",
        "method_not_allowed": "method_not_allowed",
        "not_acceptable": "not_acceptable",
        "payload_too_large": "request_entity_too_large",
        "unsupported_media_type": "unsupported_media_type",
        "rate_limited": "too_many_requests",
        "client_gone": "client_disconnected",
        "quota_exceeded": "provider_quota_exceeded",
        "completion_not_supported": "app_unavailable",
        "app_failed": "completion_request_error",
        "app_not_published": "app_unavailable",
        "app_unavailable": "app_unavailable",
        "incomplete_run": "completion_request_error",
        "provider_error": "completion_request_error",
        "dify_error": "internal_server_error",
        "dify_unreachable": "bad_gateway",
        "dify_busy": "service_unavailable",
        "storage_unavailable": "service_unavailable",
        "too_many_streams": "service_unavailable",
        "run_timeout": "gateway_timeout",
        "silence_timeout": "gateway_timeout",
        "response_timeout": "gateway_timeout",
        "misconfigured": "internal_server_error",
        "permission_denied": "internal_server_error",
        "internal_error": "internal_server_error",
    }
)
"""Duck's codes to Dify's."""


def shape(error: DuckError, _known: Mapping[str, Any], *, with_cause: bool) -> Shaped:
    """The error's body. The request's id and the conversation are in headers, for Dify's bodies have no place."""
    return _shaped(failure(error, with_cause=with_cause))


def shape_naming(wrong_route: str, *codes: str) -> Shape:
    """The same of a route that is for apps of some kind. wrong_route: Dify's code there for an app of another.

    codes: what else says that it is one, where that is all that the platform tells.
    """

    def shape_of_route(error: DuckError, _known: Mapping[str, Any], *, with_cause: bool) -> Shaped:
        told = failure(error, with_cause=with_cause)
        return _shaped({**told, "code": wrong_route} if error.code in ("wrong_route", *codes) else told)

    return shape_of_route


def failure(error: DuckError, *, with_cause: bool) -> dict[str, Any]:
    """The members of the error, before a stream or inside one."""
    is_providers_limit = error.code == "provider_error" and error.status == 429  # noqa: PLR2004 - RFC 6585, 4
    return {
        "code": "rate_limit_error" if is_providers_limit else CODES.get(error.code, error.code),
        "message": error.sentence(with_cause=with_cause),
        "status": error.status,
    }


def _shaped(members: Mapping[str, Any]) -> Shaped:
    return Shaped("application/json", json_bytes(members), {})
