"""Errors as OpenAI says them: `{"error": {"message", "type", "param", "code"}}` (protocols section 3, "Errors").

The code is OpenAI's own where it has one for the case, else Duck's.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from gateway.errors import DuckError
from gateway.protocols.protocol import Shaped
from gateway.wire import json_bytes

_CODES: Final[Mapping[str, str]] = {
    "unauthorized": "invalid_api_key",
    "app_not_found": "model_not_found",
    "payload_too_large": "request_too_large",
    "rate_limited": "rate_limit_exceeded",
    "quota_exceeded": "insufficient_quota",
    "run_timeout": "timeout",
    "silence_timeout": "timeout",
    "response_timeout": "timeout",
}

_TYPES: Final[Mapping[int, str]] = {403: "permission_error", 429: "rate_limit_error"}
_PARAMS: Final[Mapping[str, str]] = {"app_not_found": "model"}
_WORDS: Final = (
    ("The key is not valid.", "Incorrect API key provided."),  # by which LiteLLM tells a 401 (exception_mapping_utils)
    ("There is no app of this name here.", "There is no model of this name here."),
    ("Use an alias or an id of an app that the endpoint exposes.", "GET /v1/models lists those that there are."),
)
"""Sentences of `access`, and what a client of OpenAI's expects in their place."""

_MEMBER: Final = re.compile(r"'([^']+)'")


def shape(error: DuckError, _known: Mapping[str, Any], *, with_cause: bool) -> Shaped:
    """The error's body. The request's id and the conversation are in headers, where OpenAI has them."""
    return Shaped("application/json", json_bytes({"error": failure(error, with_cause=with_cause)}), {})


def responses_shape(error: DuckError, _known: Mapping[str, Any], *, with_cause: bool) -> Shaped:
    """The same for Responses, where the response before names the conversation."""
    told = failure(error, with_cause=with_cause)
    if error.code == "conversation_not_found":
        told |= {
            "code": "previous_response_not_found",
            "param": "previous_response_id",
            "message": "There is no such response, or conversation, for this key and this app. Leave "
            "previous_response_id out to begin anew, or send the id of a response that Duck gave.",
        }
    return Shaped("application/json", json_bytes({"error": told}), {})


def _sentence(error: DuckError, *, with_cause: bool) -> str:
    """What is wrong, in OpenAI's words where it has some."""
    sentence = error.sentence(with_cause=with_cause)
    for own, openais in _WORDS:
        sentence = sentence.replace(own, openais)
    return sentence


def _member_in(error: DuckError) -> str | None:
    """The member of the request that an error is about, whose name its sentence then begins with."""
    named = _MEMBER.match(error.message) if error.status == HTTPStatus.BAD_REQUEST else None
    return named[1] if named else None


def failure(error: DuckError, *, with_cause: bool) -> dict[str, Any]:
    """The members of the error, before a stream or inside one."""
    is_callers = 400 <= error.status < 500  # noqa: PLR2004 - RFC 9110, 15.5
    type_ = "insufficient_quota" if error.code == "quota_exceeded" else _TYPES.get(error.status)
    is_providers_limit = error.code == "provider_error" and error.status == 429  # noqa: PLR2004 - RFC 6585, 4
    return {
        "message": _sentence(error, with_cause=with_cause),
        "type": type_ or ("invalid_request_error" if is_callers else "api_error"),
        "param": _PARAMS.get(error.code) or _member_in(error),
        "code": "rate_limit_exceeded" if is_providers_limit else _CODES.get(error.code, error.code),
    }
