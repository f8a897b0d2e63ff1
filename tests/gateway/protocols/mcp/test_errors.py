import json

import pytest

from gateway.errors import DuckError, internal_error
from gateway.protocols.mcp.errors import RpcError, invalid_params, shape_of, unknown_method, unsupported_version


@pytest.mark.parametrize("request_id", [None, 0, "a"], ids=repr)
def test_an_error_repeats_the_requests_id(request_id: int | str | None) -> None:
    shaped = shape_of(request_id)(DuckError("unauthorized", "No.", "Do."), {"request_id": "r"}, with_cause=False)
    assert (shaped.content_type, shaped.headers) == ("application/json", {})
    assert json.loads(shaped.body) == {
        "jsonrpc": "2.0",
        "id": request_id,
        "error": {"code": -32000, "message": "No. Do.", "data": {"code": "unauthorized", "request_id": "r"}},
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DuckError("invalid_request", "x"), -32600),
        (DuckError("payload_too_large", "x"), -32600),
        (DuckError("unsupported_media_type", "x"), -32600),
        (DuckError("misconfigured", "x"), -32603),
        (internal_error(), -32603),
        (DuckError("rate_limited", "x"), -32000),
        (DuckError("origin_not_allowed", "x"), -32000),
        (RpcError(-32700, "x"), -32700),
    ],
    ids=lambda value: value.code if isinstance(value, DuckError) else str(value),
)
def test_an_error_has_json_rpcs_code_where_there_is_one(error: DuckError, code: int) -> None:
    assert json.loads(shape_of(1)(error, {}, with_cause=False).body)["error"]["code"] == code


def test_what_the_protocol_wants_told_is_the_errors_data() -> None:
    shaped = shape_of(1)(unsupported_version("v9"), {"request_id": "r"}, with_cause=False)
    assert json.loads(shaped.body)["error"]["data"] == {"supported": ["2026-07-28"], "requested": "v9"}


def test_the_status_of_an_unknown_method_and_of_bad_params_is_the_eras() -> None:
    assert [unknown_method(is_modern=is_modern).status for is_modern in (True, False)] == [404, 200]
    assert [invalid_params("x", is_modern=is_modern).status for is_modern in (True, False)] == [400, 200]
