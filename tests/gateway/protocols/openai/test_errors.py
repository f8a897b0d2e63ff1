import json
from typing import Any, Final

import pytest

from gateway.errors import STATUS, DuckError
from gateway.limits import Limits, own_timeout_error, response_timeout_error, run_timeout_error, silence_timeout_error
from gateway.protocols.openai.errors import failure, shape

LIMITS: Final = Limits(1, 1, 1, 1)

ROWS: Final[dict[str, tuple[DuckError, int, str, str, str | None]]] = {
    "no key, or a bad one": (DuckError("unauthorized", "x"), 401, "invalid_request_error", "invalid_api_key", None),
    "not allowed": (DuckError("forbidden", "x"), 403, "permission_error", "forbidden", None),
    "another site's page": (
        DuckError("origin_not_allowed", "x"),
        403,
        "permission_error",
        "origin_not_allowed",
        None,
    ),
    "unknown model": (DuckError("app_not_found", "x"), 404, "invalid_request_error", "model_not_found", "model"),
    "unknown conversation": (
        DuckError("conversation_not_found", "x"),
        404,
        "invalid_request_error",
        "conversation_not_found",
        None,
    ),
    "unknown path": (DuckError("not_found", "x"), 404, "invalid_request_error", "not_found", None),
    "wrong method": (DuckError("method_not_allowed", "x"), 405, "invalid_request_error", "method_not_allowed", None),
    "what can't be read": (DuckError("invalid_request", "x"), 400, "invalid_request_error", "invalid_request", None),
    "a missing input": (DuckError("invalid_input", "x"), 400, "invalid_request_error", "invalid_input", None),
    "a file": (DuckError("files_not_supported", "x"), 400, "invalid_request_error", "files_not_supported", None),
    "body too large": (
        DuckError("payload_too_large", "x"),
        413,
        "invalid_request_error",
        "request_too_large",
        None,
    ),
    "Duck's own rate limit": (
        DuckError("rate_limited", "x"),
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        None,
    ),
    "the provider's rate limit": (
        DuckError("provider_error", "x", status=429),
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        None,
    ),
    "the provider's quota": (DuckError("quota_exceeded", "x"), 429, "insufficient_quota", "insufficient_quota", None),
    "the provider failed": (DuckError("provider_error", "x"), 502, "api_error", "provider_error", None),
    "the app failed": (DuckError("app_failed", "x"), 502, "api_error", "app_failed", None),
    "Dify failed": (DuckError("dify_error", "x"), 502, "api_error", "dify_error", None),
    "no slot": (DuckError("too_many_streams", "x"), 503, "api_error", "too_many_streams", None),
    "the operator's fault": (DuckError("misconfigured", "x"), 500, "api_error", "misconfigured", None),
    "Duck's fault": (DuckError("internal_error", "x"), 500, "api_error", "internal_error", None),
    "too long a run": (run_timeout_error(LIMITS), 504, "api_error", "timeout", None),
    "too long for the operator": (own_timeout_error(LIMITS), 504, "api_error", "timeout", None),
    "too long a silence": (silence_timeout_error(LIMITS), 504, "api_error", "timeout", None),
    "too long a response": (response_timeout_error(LIMITS), 504, "api_error", "timeout", None),
}
"""Error, and its status, type, code and param: the table of protocols.md, section 3, and what else there is."""


@pytest.mark.parametrize("name", ROWS)
def test_an_error_is(name: str) -> None:
    error, status, type_, code, param = ROWS[name]
    told = failure(error, with_cause=False)
    assert (error.status, told["type"], told["code"], told["param"]) == (status, type_, code, param)
    assert list(told) == ["message", "type", "param", "code"]


@pytest.mark.parametrize("code", STATUS)
def test_whose_fault_it_is_can_be_told_from_the_type(code: str) -> None:
    error = DuckError(code, "x")
    callers = {"invalid_request_error", "permission_error", "rate_limit_error", "insufficient_quota"}
    assert (failure(error, with_cause=False)["type"] in callers) is (error.status < 500)


def test_the_body_is_these_bytes() -> None:
    error = DuckError("unauthorized", "The key is not valid.", "Send one.", headers={"WWW-Authenticate": "Bearer"})
    shaped = shape(error, {"request_id": "r", "conversation_id": "c"}, with_cause=False)
    assert (shaped.content_type, dict(shaped.headers)) == ("application/json", {})
    assert shaped.body == (
        b'{"error":{"message":"Incorrect API key provided. Send one.","type":"invalid_request_error","param":null,'
        b'"code":"invalid_api_key"}}'
    )


@pytest.mark.parametrize(("with_cause", "said"), [(False, "It failed."), (True, "It failed. It reported: boom.")])
def test_the_apps_own_words_are_shown_when_they_may(with_cause: bool, said: str) -> None:
    error = DuckError("app_failed", "It failed.", cause="boom")
    told: Any = json.loads(shape(error, {}, with_cause=with_cause).body)
    assert told["error"]["message"] == said


@pytest.mark.parametrize(
    ("error", "param"),
    [
        pytest.param(
            DuckError("invalid_request", "'messages[0].content' must be a string."), "messages[0].content", id="named"
        ),
        pytest.param(DuckError("invalid_request", "The body is no JSON."), None, id="none is named"),
        pytest.param(DuckError("app_not_found", "There is no app of this name here."), "model", id="an app"),
        pytest.param(DuckError("app_failed", "'x' failed."), None, id="a failure of the app"),
    ],
)
def test_a_request_that_is_refused_says_which_member_is_wrong(error: DuckError, param: str | None) -> None:
    assert failure(error, with_cause=False)["param"] == param
