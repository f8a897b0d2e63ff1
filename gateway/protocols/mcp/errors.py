"""Errors as JSON-RPC says them: `{"jsonrpc", "id", "error": {"code", "message", "data"}}`.

What went wrong inside a tool is no such error but a result that says so (`results.failure`), for the model to read.
"""

from collections.abc import Mapping
from typing import Any, Final

from mcp_types import HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, RequestId

from gateway.errors import DuckError
from gateway.protocols.mcp.revisions import SERVED_MODERN
from gateway.protocols.protocol import Shape, Shaped
from gateway.wire import json_bytes

SERVER_ERROR: Final = -32000
"""Of the codes that are each implementation's own (MCP 2026-07-28, "Error codes"; -32000 to -32019)."""

_CODES: Final[Mapping[str, int]] = {
    "invalid_request": INVALID_REQUEST,
    "payload_too_large": INVALID_REQUEST,
    "unsupported_media_type": INVALID_REQUEST,
    "internal_error": INTERNAL_ERROR,
    "misconfigured": INTERNAL_ERROR,
}
"""Duck's codes for which JSON-RPC has one."""


class RpcError(DuckError):
    """A message that the protocol does not allow. rpc_code: JSON-RPC's number. data: what the protocol wants told.
    request_id: the message's, where it could be read; None where it could not.
    """

    def __init__(
        self,
        rpc_code: int,
        message: str,
        *,
        status: int = 400,
        data: Mapping[str, Any] | None = None,
        request_id: RequestId | None = None,
    ) -> None:
        code = "not_found" if rpc_code == METHOD_NOT_FOUND else "invalid_request"
        super().__init__(code, message, status=status)
        self.rpc_code = rpc_code
        self.data = data
        self.request_id = request_id


def unknown_method(*, is_modern: bool) -> RpcError:
    """The status is part of the protocol: a client tells by it that there is no such method."""
    return RpcError(METHOD_NOT_FOUND, "There is no such method here.", status=404 if is_modern else 200)


def invalid_params(message: str, *, is_modern: bool) -> RpcError:
    """For parameters that are not as the protocol has them; the arguments of a tool are another matter."""
    return RpcError(INVALID_PARAMS, message, status=400 if is_modern else 200)


def header_mismatch(name: str, place: str) -> RpcError:
    """For a header that does not repeat what the body says, which a proxy may have gone by."""
    return RpcError(HEADER_MISMATCH, f"The header {name} is not the same as {place}.")


def unsupported_version(requested: str) -> RpcError:
    supported = {"supported": list(SERVED_MODERN), "requested": requested}
    return RpcError(UNSUPPORTED_PROTOCOL_VERSION, "This revision of the protocol is not served here.", data=supported)


def shape_of(request_id: RequestId | None) -> Shape:
    """How an error is said that answers this request; None where the id is not known."""

    def shape(error: DuckError, known: Mapping[str, Any], *, with_cause: bool) -> Shaped:
        told = {"code": error.code, "request_id": known.get("request_id", "")}
        said: dict[str, Any] = {"code": SERVER_ERROR, "message": error.sentence(with_cause=with_cause), "data": told}
        if isinstance(error, RpcError):
            said |= {"code": error.rpc_code, "data": error.data or told}
        else:
            said["code"] = _CODES.get(error.code, SERVER_ERROR)
        return Shaped("application/json", json_bytes({"jsonrpc": "2.0", "id": request_id, "error": said}), {})

    return shape
