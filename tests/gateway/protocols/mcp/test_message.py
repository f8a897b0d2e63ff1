import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from werkzeug import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from gateway.errors import DuckError
from gateway.protocols.mcp.errors import RpcError
from gateway.protocols.mcp.message import Message, read_message, revision_of

MODERN: Final = "2026-07-28"
META: Final = {PROTOCOL_VERSION_META_KEY: MODERN, CLIENT_CAPABILITIES_META_KEY: {}}


def request(body: bytes | str, content_type: str = "application/json") -> Request:
    return Request(EnvironBuilder(method="POST", data=body, content_type=content_type).get_environ())


def read(**members: Any) -> Message:
    return read_message(request(json.dumps({"jsonrpc": "2.0", **members})))


# -- The body ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [1, 0, -7, "a", "1", "", 2**60], ids=repr)
def test_a_requests_id_keeps_its_json_type(request_id: int | str) -> None:
    message = read(id=request_id, method="ping")
    assert (message.id, type(message.id)) == (request_id, type(request_id))


def test_a_request_without_params_has_empty_ones() -> None:
    assert read(id=1, method="ping") == Message("ping", {}, 1)


def test_a_message_without_an_id_is_a_notification() -> None:
    assert read(method="tools/call", params={"name": "echo"}) == Message("tools/call", {"name": "echo"}, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("", -32700, id="nothing"),
        pytest.param("{", -32700, id="cut"),
        pytest.param('{"a":1}x', -32700, id="text behind it"),
        pytest.param(b'{"a":"\xff"}', -32700, id="not UTF-8"),
        pytest.param("[]", -32600, id="an empty batch"),
        pytest.param('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, id="a batch"),
        pytest.param("3", -32600, id="a number"),
        pytest.param("null", -32600, id="null"),
        pytest.param("{}", -32600, id="an empty object"),
        pytest.param('{"id":1,"method":"ping"}', -32600, id="no version"),
        pytest.param('{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600, id="another version"),
        pytest.param('{"jsonrpc":"2.0","id":1}', -32600, id="no method"),
        pytest.param('{"jsonrpc":"2.0","id":1,"method":3}', -32600, id="a method that is no text"),
        pytest.param('{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, id="an id that is null"),
        pytest.param('{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, id="an id that is true"),
        pytest.param('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, id="an id that is a fraction"),
        pytest.param('{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600, id="an id that is an object"),
        pytest.param('{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32600, id="params that are a list"),
        pytest.param('{"jsonrpc":"2.0","id":1,"result":{}}', -32600, id="a response, which nobody awaits"),
    ],
)
def test_what_is_no_single_message_is_refused(body: bytes | str, code: int) -> None:
    with pytest.raises(RpcError) as refusal:
        read_message(request(body))
    assert (refusal.value.rpc_code, refusal.value.status) == (code, 400)


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("text/plain", "[]", "unsupported_media_type"),
        ("application/json; charset=utf-16", "{}", "unsupported_media_type"),
        ("application/json", "[" + "0," * 100_001 + "0]", "payload_too_large"),
    ],
)
def test_a_body_of_another_kind_is_refused_as_everywhere(content_type: str, body: str, code: str) -> None:
    with pytest.raises(DuckError) as refusal:
        read_message(request(body, content_type))
    assert refusal.value.code == code


# -- The revision --------------------------------------------------------------------------------------------------


def headers(**more: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in more.items()})


def modern(method: str = "tools/list", meta: Mapping[str, Any] = META, **params: Any) -> Message:
    return Message(method, {"_meta": dict(meta), **params}, 1)


LEGACY: Final = Message("tools/list", {}, 1)


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", " 2025-06-18 "])
def test_a_legacy_request_is_of_its_headers_revision(version: str) -> None:
    assert revision_of(LEGACY, headers(MCP_Protocol_Version=version)) == version.strip()


def test_a_request_that_names_no_revision_is_of_the_oldest() -> None:
    assert revision_of(LEGACY, headers()) == "2025-03-26"


MODERN_HEADERS: Final = {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/list"}
CALL_HEADERS: Final = {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/call"}
ENCODED: Final = f"=?base64?{base64.b64encode('日本'.encode()).decode()}?="


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        pytest.param(modern(), MODERN_HEADERS, id="a list"),
        pytest.param(modern(meta={**META, CLIENT_INFO_META_KEY: {}}), MODERN_HEADERS, id="a client that says its name"),
        pytest.param(
            modern(), {name: f"  {value} " for name, value in MODERN_HEADERS.items()}, id="spaces around the values"
        ),
        pytest.param(modern("tools/call", name="echo"), {**CALL_HEADERS, "Mcp_Name": " echo "}, id="a call"),
        pytest.param(modern("tools/call", name="日本"), {**CALL_HEADERS, "Mcp_Name": ENCODED}, id="an encoded name"),
    ],
)
def test_a_modern_request_is_of_its_own_revision(message: Message, sent: dict[str, str]) -> None:
    assert revision_of(message, headers(**sent)) == MODERN


@pytest.mark.parametrize(
    ("message", "sent", "code"),
    [
        pytest.param(LEGACY, MODERN_HEADERS, -32602, id="no _meta"),
        pytest.param(Message("tools/list", {"_meta": 3}, 1), MODERN_HEADERS, -32602, id="a _meta that is no object"),
        pytest.param(modern(meta={CLIENT_CAPABILITIES_META_KEY: {}}), MODERN_HEADERS, -32602, id="no revision in it"),
        pytest.param(modern(meta={PROTOCOL_VERSION_META_KEY: MODERN}), MODERN_HEADERS, -32602, id="no capabilities"),
        pytest.param(
            modern(meta={**META, CLIENT_CAPABILITIES_META_KEY: []}), MODERN_HEADERS, -32602, id="capabilities, a list"
        ),
        pytest.param(modern(meta={**META, PROTOCOL_VERSION_META_KEY: 3}), MODERN_HEADERS, -32602, id="revision 3"),
        pytest.param(modern(), {"Mcp_Method": "tools/list"}, -32020, id="no header"),
        pytest.param(
            modern(),
            {**MODERN_HEADERS, "MCP_Protocol_Version": "2025-11-25"},
            -32020,
            id="a header of another revision",
        ),
        pytest.param(
            modern(meta={**META, PROTOCOL_VERSION_META_KEY: "v9"}), MODERN_HEADERS, -32020, id="a _meta of another"
        ),
        pytest.param(
            modern(meta={**META, PROTOCOL_VERSION_META_KEY: "v9"}),
            {"MCP_Protocol_Version": "v9"},
            -32022,
            id="a revision that is not served, before the method's header",
        ),
        pytest.param(modern(), {"MCP_Protocol_Version": MODERN}, -32020, id="no method in the headers"),
        pytest.param(modern(), {**MODERN_HEADERS, "Mcp_Method": "TOOLS/LIST"}, -32020, id="another method there"),
        pytest.param(modern("tools/call", name="echo"), CALL_HEADERS, -32020, id="no name there"),
        pytest.param(
            modern("tools/call", name="echo"), {**CALL_HEADERS, "Mcp_Name": "Echo"}, -32020, id="another name"
        ),
        pytest.param(
            modern("tools/call", name="echo"), {**CALL_HEADERS, "Mcp_Name": "=?base64?!?="}, -32020, id="no base64"
        ),
        pytest.param(
            modern("tools/call", name="\ufffd"),
            {**CALL_HEADERS, "Mcp_Name": "=?base64?/w==?="},
            -32020,
            id="base64 of what is not UTF-8",
        ),
    ],
)
def test_a_modern_request_that_contradicts_itself_is_refused(message: Message, sent: dict[str, str], code: int) -> None:
    with pytest.raises(RpcError) as refusal:
        revision_of(message, headers(**sent))
    assert (refusal.value.rpc_code, refusal.value.status) == (code, 400)


def test_a_revision_that_is_not_served_is_answered_with_those_that_are() -> None:
    with pytest.raises(RpcError) as refusal:
        revision_of(modern(meta={**META, PROTOCOL_VERSION_META_KEY: "v9"}), headers(MCP_Protocol_Version="v9"))
    assert refusal.value.data == {"supported": [MODERN], "requested": "v9"}


@pytest.mark.parametrize("version", [MODERN, "2025-11-25", "2025-06-18", "2025-03-26"])
def test_a_notification_needs_no_meta(version: str) -> None:
    assert revision_of(Message("notifications/cancelled", {}, None), headers(MCP_Protocol_Version=version)) == version


def test_a_notification_of_a_revision_that_is_not_served_is_refused() -> None:
    with pytest.raises(RpcError) as refusal:
        revision_of(Message("notifications/cancelled", {}, None), headers(MCP_Protocol_Version="v9"))
    assert (refusal.value.rpc_code, refusal.value.status) == (-32022, 400)
