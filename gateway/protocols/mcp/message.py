"""A message from a client, and which revision of the protocol it is of.

The checks, in order; the first that fails is the answer (protocols section 6, "Modern validation order"):

1. The body is JSON, and one request or notification of JSON-RPC 2.0. Batches are refused.
2. A notification is taken whatever it is, unless its header names a revision that is not served.
3. A request is modern when its `_meta` names a revision, or the header names one that is not legacy. Then `_meta` must
   hold the revision and the client's capabilities, the header must repeat the revision, the revision must be served,
   and the headers for the method and the tool's name must repeat those.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCNotification,
    JSONRPCRequest,
    RequestId,
)
from pydantic import ValidationError
from werkzeug import Request
from werkzeug.datastructures import Headers

from gateway.body import check_charset, is_json, read_body, unsupported_type
from gateway.errors import DuckError
from gateway.protocols.mcp.errors import RpcError, header_mismatch, unsupported_version
from gateway.protocols.mcp.revisions import SERVED_LEGACY, SERVED_MODERN, WITHOUT_HEADER
from gateway.wire import read_json

VERSION_HEADER: Final = "MCP-Protocol-Version"
METHOD_HEADER: Final = "Mcp-Method"
NAME_HEADER: Final = "Mcp-Name"

MAX_ID_LENGTH: Final = 256
"""Characters of a request's id, and of a progress token, which replies repeat (own choice: clients send UUIDs)."""

_NAMED: Final[Mapping[str, str]] = {"tools/call": "name"}
"""Methods whose parameter of this name is repeated in the header, of those that are served."""

_ENCODED: Final = re.compile(r"=\?base64\?(.*)\?=")
"""How a header holds what is not ASCII (MCP 2026-07-28, transports)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request, or with `id` None a notification."""

    method: str
    params: Mapping[str, Any]
    id: RequestId | None

    @property
    def meta(self) -> Mapping[str, Any]:
        """Empty where there is none, or one that is no object."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}


def read_message(request: Request) -> Message:
    """The one message in the body. Raises `RpcError` for what is none, and `DuckError`: 413, 415."""
    body = read_body(request)
    check_charset(request)
    if not is_json(request, body):
        raise unsupported_type(request.mimetype, "application/json")
    try:
        value = read_json(body, "The body")
    except DuckError as error:
        if error.code != "invalid_request":
            raise
        raise RpcError(PARSE_ERROR, error.message) from error
    if isinstance(value, list):
        raise RpcError(INVALID_REQUEST, "Batches are not served: send one message in each request.")
    return _message(value)


def _message(value: object) -> Message:
    given = value.get("id") if isinstance(value, dict) else None
    if isinstance(given, str) and len(given) > MAX_ID_LENGTH:
        raise RpcError(INVALID_REQUEST, f"The request's id is longer than {MAX_ID_LENGTH} characters.")
    try:
        if isinstance(value, dict) and "id" not in value:
            notification = JSONRPCNotification.model_validate(value)
            return Message(notification.method, notification.params or {}, None)
        request = JSONRPCRequest.model_validate(value)
    except ValidationError as error:
        known = given if isinstance(given, str | int) and not isinstance(given, bool) else None
        raise RpcError(
            INVALID_REQUEST, "The body is no request or notification of JSON-RPC 2.0.", request_id=known
        ) from error
    return Message(request.method, request.params or {}, request.id)


def revision_of(message: Message, headers: Headers) -> str:
    """The revision that a message is of, one that is served. Raises `RpcError`."""
    header = headers.get(VERSION_HEADER, "").strip()
    if message.id is None:
        if header and header not in SERVED_MODERN + SERVED_LEGACY:
            raise unsupported_version(header)
        return header or WITHOUT_HEADER
    if PROTOCOL_VERSION_META_KEY not in message.meta and (not header or header in SERVED_LEGACY):
        return header or WITHOUT_HEADER
    return _modern(message, headers, header)


def _modern(message: Message, headers: Headers, header: str) -> str:
    revision, capabilities = (
        message.meta.get(key) for key in (PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY)
    )
    if not isinstance(revision, str) or not isinstance(capabilities, dict):
        raise RpcError(
            INVALID_PARAMS,
            f"params._meta must hold {PROTOCOL_VERSION_META_KEY}, a string, and {CLIENT_CAPABILITIES_META_KEY}, an "
            "object.",
        )
    if header != revision:
        raise header_mismatch(VERSION_HEADER, f"{PROTOCOL_VERSION_META_KEY} in params._meta")
    if revision not in SERVED_MODERN:
        raise unsupported_version(revision)
    if headers.get(METHOD_HEADER, "").strip() != message.method:
        raise header_mismatch(METHOD_HEADER, "the body's method")
    member = _NAMED.get(message.method)
    if member and _decoded(headers.get(NAME_HEADER, "").strip()) != message.params.get(member):
        raise header_mismatch(NAME_HEADER, f"params.{member}")
    return revision


def _decoded(value: str) -> str | None:
    """A header's text; None for one that is not well encoded, which so is the same as nothing in a body."""
    encoded = _ENCODED.fullmatch(value)
    if encoded is None:
        return value
    try:
        return base64.b64decode(encoded[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
