"""The Model Context Protocol: one message in, one response out."""

from typing import Any, Final

from mcp_types.jsonrpc import JSONRPCNotification, JSONRPCRequest

from gateway.answer import Answer
from gateway.openapi import sample
from gateway.openapi.failures import Failures
from gateway.openapi.openai import CHOICE
from gateway.openapi.operation import ADMITTING, CHOOSING, READING, Media, Operation, Parameter, Reply
from gateway.openapi.schema import (
    Schema,
    any_of,
    anything,
    constant,
    flag,
    items,
    mapping,
    number,
    of_model,
    record,
    ref,
    says,
    sse_event,
    text,
    whole,
    word,
)
from gateway.protocols.mcp.errors import shape_of
from gateway.protocols.mcp.message import MAX_ID_LENGTH, METHOD_HEADER, NAME_HEADER, VERSION_HEADER
from gateway.protocols.mcp.reply import ToolCall
from gateway.protocols.mcp.revisions import SERVED_LEGACY, SERVED_MODERN
from gateway.wire import json_bytes

TAG: Final = "MCP"

_ID: Final[Schema] = {"anyOf": [whole(), text("", maxLength=MAX_ID_LENGTH)]}
_REQUEST_ID: Final = 1
_FAILURES: Final = Failures("McpError", "application/json", ref("McpError"), shape_of(_REQUEST_ID))
_MEMBERS: Final = {
    "jsonrpc": says("JSON-RPC's own version."),
    "method": says("`tools/list`, `tools/call`, `server/discover`, or from older clients `initialize` and `ping`."),
    "params": says("As the protocol has them for the method."),
}
_CALL: Final = {
    "jsonrpc": "2.0",
    "id": _REQUEST_ID,
    "method": "tools/call",
    "params": {"name": sample.APP, "arguments": {"query": sample.QUERY}},
}


def _result(about: str, required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """A result; clients of the revisions from 2026-07-28 on get two members more."""
    modern = {"resultType": constant("complete"), "_meta": mapping()}
    return record(about, required, {**(optional or {}), **modern})


def _results() -> dict[str, Schema]:
    kept = {"ttlMs": whole("Milliseconds that it may be kept."), "cacheScope": constant("private")}
    said = {"capabilities": mapping(), "instructions": text()}
    tool = record(
        "An app.",
        {"name": text("Its alias."), "description": text(), "inputSchema": mapping("JSON Schema 2020-12.")},
        {"title": text()},
    )
    content = any_of(
        "",
        record("", {"type": constant("text"), "text": text()}, {"annotations": mapping()}),
        record(
            "A file.",
            {"type": constant("resource_link"), "uri": text(), "name": text()},
            {"mimeType": text(), "size": whole()},
        ),
    )
    told = {
        "answer": text(),
        "conversation_id": text("Sent with the next call of the same tool, it goes on."),
        "outputs": mapping("A workflow's."),
        "files": items(ref("OutputFile")),
        "sources": items(ref("Source")),
        "status": text("Where the run has not succeeded wholly."),
        "error": record("Why the tool has failed.", {"code": ref("ErrorCode"), "message": text()}),
    }
    return {
        "McpInitialized": _result(
            "Of `initialize`.", {"protocolVersion": word("", *SERVED_LEGACY), "serverInfo": mapping(), **said}
        ),
        "McpDiscovered": _result("Of `server/discover`.", {"supportedVersions": items(text()), **said, **kept}),
        "McpToolList": _result("Of `tools/list`.", {"tools": items(tool)}, kept),
        "McpToolResult": _result(
            "Of `tools/call`; also where the tool has failed.",
            {"content": items(content), "structuredContent": record("", {}, told), "isError": flag()},
        ),
        "McpPong": {**mapping("Of `ping`."), "maxProperties": 0},
    }


def schemas() -> dict[str, Schema]:
    results = _results()
    error = record("", {"code": whole("JSON-RPC's number."), "message": text()}, {"data": anything()})
    return {
        **of_model(JSONRPCRequest, "McpRequest", "A message that is answered.", {**_MEMBERS, "id": _ID}),
        "McpNotification": _notification(),
        **results,
        "McpResult": any_of("Depends on the method.", *(ref(name) for name in results)),
        "McpResponse": record("", {"jsonrpc": constant("2.0"), "id": _ID, "result": ref("McpResult")}),
        "McpProgress": record(
            "What is told while a tool runs.",
            {
                "jsonrpc": constant("2.0"),
                "method": constant("notifications/progress"),
                "params": record("", {"progressToken": _ID, "progress": number(), "message": text()}),
            },
        ),
        "McpError": record(
            "JSON-RPC's form of an error.",
            {"jsonrpc": constant("2.0"), "id": {"anyOf": [*_ID["anyOf"], {"type": "null"}]}, "error": error},
        ),
    }


def _notification() -> Schema:
    told = of_model(JSONRPCNotification, "McpNotification", "A message that is not answered.", _MEMBERS)
    return {**told["McpNotification"], "not": {"required": ["id"]}}


def _called(call: ToolCall, answer: Answer) -> bytes:
    return json_bytes(call.answered(answer, sample.VIEW))


def _call() -> ToolCall:
    return ToolCall(_REQUEST_ID, SERVED_LEGACY[0], None, takes_stream=True, elapsed=lambda: 0.0)


def _header(name: str, about: str, schema: Schema) -> Parameter:
    return Parameter(name, about, schema, "header")


def operations() -> dict[tuple[str, str], Operation]:
    """By method and path of the route table."""
    call = _call()
    response: Any = sample.body(lambda answer: _called(call, answer))
    content = {
        "application/json": Media(any_of("", ref("McpResponse"), ref("McpError")), response),
        "text/event-stream": Media(
            text("Server-Sent Events. The `data` of each is an `McpProgress`, of the last one the `McpResponse`."),
            event=sse_event(any_of("", ref("McpProgress"), ref("McpResponse")), "message"),
        ),
    }
    return {
        ("POST", "/mcp"): Operation(
            "sendMcpMessage",
            "The apps as tools of the Model Context Protocol.",
            TAG,
            {
                200: Reply("The response; also one that says what was wrong.", content, ("X-Conversation-Id",)),
                202: Reply("The notification was taken."),
            },
            "Point a client of the protocol here (Streamable HTTP): it knows the rest.",
            parameters=(
                CHOICE,
                _header(VERSION_HEADER, "The revision.", word("", *SERVED_MODERN, *SERVED_LEGACY)),
                _header(METHOD_HEADER, "The body's method; modern clients send it.", text()),
                _header(NAME_HEADER, "The tool's name; modern clients send it.", text()),
            ),
            body={"application/json": Media(any_of("", ref("McpRequest"), ref("McpNotification")), _CALL)},
            failures=_FAILURES,
            statuses=(*READING, *ADMITTING, *CHOOSING),
        ),
    }
