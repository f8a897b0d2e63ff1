"""What is described of requests, held against what the readers take: each body of these tables is put before both."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.errors import DuckError
from gateway.protocols.dify.request import ChatRequestPayload, CompletionRequestPayload, Payload, WorkflowRunPayload
from gateway.protocols.dify.request import read_payload as read_difys
from gateway.protocols.mcp.message import read_message
from gateway.protocols.native.request import read_native
from gateway.protocols.openai.chat.request import read_chat
from gateway.protocols.openai.responses.request import read_responses
from gateway.tokens import read_token_request
from tests.gateway.openapi.described import DOCUMENT, is_described

USER: Final = {"role": "user", "content": "hi"}
LINK: Final = {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}
UPLOADED: Final = {"type": "document", "transfer_method": "local_file", "upload_file_id": "u"}


def _of_dify(model: type[Payload]) -> Callable[[Request], object]:
    return lambda request: read_difys(request, model).asked()


READERS: Final[Mapping[str, Callable[[Request], object]]] = {
    "RunRequest": lambda request: read_native(request).asked(),
    "ChatCompletionRequest": lambda request: read_chat(request).asked(),
    "ResponseRequest": lambda request: read_responses(request).asked(),
    "DifyChatRequest": _of_dify(ChatRequestPayload),
    "DifyCompletionRequest": _of_dify(CompletionRequestPayload),
    "DifyWorkflowRequest": _of_dify(WorkflowRunPayload),
    "McpRequest": read_message,
    "TokenRequest": read_token_request,
}
"""By the schema of the request that they read."""

OF_DIFY: Final[tuple[dict[str, Any], ...]] = (
    {"inputs": None, "files": None, "response_mode": None, "user": None},
    {"inputs": {"a": [1]}, "response_mode": "blocking", "user": "u"},
    {"user": 7, "files": [LINK, UPLOADED]},
    {"unheard": "of"},
)
NOT_OF_DIFY: Final[tuple[dict[str, Any], ...]] = (
    {"inputs": []},
    {"files": {}},
    {"files": ["a"]},
    {"files": [{**LINK, "url": "ftp://example.com"}]},
    {"files": [{**LINK, "type": "picture"}]},
    {"response_mode": "both"},
    {"user": True},
)

TAKEN: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    "RunRequest": (
        {},
        {"query": "hi", "inputs": {"a": 1}, "conversation_id": "c", "user": "u", "response_mode": "streaming"},
        {"query": None, "inputs": None, "conversation_id": None, "user": None, "response_mode": None, "files": None},
        {"files": [LINK, UPLOADED, {**LINK, "url": "data:image/png;base64,AA=="}]},
    ),
    "ChatCompletionRequest": (
        {"messages": [USER]},
        {"messages": [{"role": "system"}, {"role": "tool", "content": "7"}, USER], "temperature": 2, "unheard": "of"},
        {"messages": [{"role": "user", "content": ["hi", {"type": "text", "text": "hi"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": LINK["url"]}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "refusal", "refusal": "no"}]}]},
        {"messages": [USER], "stream": True, "stream_options": {"include_usage": True}, "n": 1, "model": "m"},
        {"messages": [USER], "tool_choice": "auto", "function_call": "none", "tools": [{"type": "function"}]},
        {"messages": [USER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        {"messages": [USER], "metadata": {"a": 1}, "inputs": {}, "conversation_id": "c", "user": "u"},
        {"messages": [USER], "n": None, "stream": None, "extra_body": None, "metadata": None, "tool_choice": None},
    ),
    "ResponseRequest": (
        {"input": "hi"},
        {"input": [USER, {"type": "item_reference", "id": "msg_1"}, {"type": "function_call_output"}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
        {"input": "hi", "conversation": "c", "background": False, "instructions": "be kind", "stream": True},
        {"input": "hi", "conversation": {"id": "c"}, "previous_response_id": "resp_c.1", "temperature": "hot"},
        {"input": "hi", "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}, "unheard": "of"},
    ),
    "DifyChatRequest": tuple({"query": "hi", "conversation_id": "c", **more} for more in OF_DIFY),
    "DifyCompletionRequest": (*OF_DIFY, {"query": "hi"}),
    "DifyWorkflowRequest": OF_DIFY,
    "McpRequest": (
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": "a" * 256, "method": "tools/call", "params": {"name": "app"}},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": None},
    ),
    "TokenRequest": ({"user": "ann"}, {"user": "ann", "app": None}, {"user": "a" * 256, "app": "app", "expires_in": 1}),
}

REFUSED: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    "RunRequest": (
        {"query": 7},
        {"unheard": "of"},
        {"inputs": []},
        {"response_mode": "both"},
        {"files": ["a"]},
        {"files": [{**LINK, "url": "ftp://example.com"}]},
        {"files": [{"type": "image", "transfer_method": "remote_url"}]},
    ),
    "ChatCompletionRequest": (
        {},
        {"messages": []},
        {"messages": ["hi"]},
        {"messages": [{"content": "hi"}]},
        {"messages": [{"role": "user", "content": {"text": "hi"}}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "unheard of"}]}]},
        {"messages": [USER], "n": 2},
        {"messages": [USER], "stream": "yes"},
        {"messages": [USER], "tool_choice": "required"},
        {"messages": [USER], "tool_choice": {}},
        {"messages": [USER], "function_call": {"name": "f"}},
        {"messages": [USER], "extra_body": {}},
        {"messages": [USER], "metadata": "m"},
    ),
    "ResponseRequest": (
        {},
        {"input": 7},
        {"input": [7]},
        {"input": "hi", "background": True},
        {"input": "hi", "conversation": 7},
        {"input": "hi", "conversation": {}},
        {"input": "hi", "tool_choice": "required"},
        {"input": [{"role": "user", "content": [{"type": "unheard of"}]}]},
    ),
    "DifyChatRequest": (
        {},
        {"query": 7},
        {"query": "hi", "workflow_id": "w"},
        *({"query": "hi", **more} for more in NOT_OF_DIFY),
    ),
    "DifyCompletionRequest": ({"query": 7}, *NOT_OF_DIFY),
    "DifyWorkflowRequest": NOT_OF_DIFY,
    "McpRequest": (
        {},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": "a" * 257, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []},
    ),
    "TokenRequest": (
        {},
        {"user": ""},
        {"user": "a" * 257},
        {"user": "ann", "expires_in": 0},
        {"user": "ann", "expires_in": 3601},
        {"user": "ann", "expires_in": "60"},
        {"user": "ann", "unheard": "of"},
    ),
}

LENIENT: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    "RunRequest": ({"files": [{"type": "image", "upload_file_id": "u"}]},),
    "DifyWorkflowRequest": ({"files": [{"upload_file_id": "u"}]},),
    "ChatCompletionRequest": (
        {"messages": [{"role": "assistant", "content": 7}, USER]},
        {"messages": [USER], "n": 1.0},
    ),
    "ResponseRequest": ({"input": [USER, {"type": 7}]},),
}
"""What a reader takes for the sake of some client, or leaves to Dify, and a client had better not send."""


def is_taken(schema: str, body: Mapping[str, Any]) -> bool:
    """Whether the reader takes it."""
    builder = EnvironBuilder(method="POST", data=json.dumps(body).encode(), content_type="application/json")
    try:
        READERS[schema](Request(builder.get_environ()))
    except DuckError:
        return False
    return True


def _rows(table: Mapping[str, tuple[dict[str, Any], ...]]) -> pytest.MarkDecorator:
    rows = [
        pytest.param(schema, body, id=f"{schema} {json.dumps(body)[:80]}")
        for schema, bodies in table.items()
        for body in bodies
    ]
    return pytest.mark.parametrize(("schema", "body"), rows)


@_rows(TAKEN)
def test_what_is_described_is_taken(schema: str, body: dict[str, Any]) -> None:
    assert (is_described(schema, body), is_taken(schema, body)) == (True, True)


@_rows(REFUSED)
def test_what_is_refused_is_not_described(schema: str, body: dict[str, Any]) -> None:
    assert (is_described(schema, body), is_taken(schema, body)) == (False, False)


@_rows(LENIENT)
def test_a_reader_may_take_more(schema: str, body: dict[str, Any]) -> None:
    assert is_taken(schema, body)


def test_each_request_that_has_a_reader_of_its_own_is_tried() -> None:
    bodies = {
        name
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
        for name in _named(operation.get("requestBody", {}).get("content", {}).get("application/json", {}))
    }
    passed_on = {"DifyUserRequest", "DifyNameRequest", "DifyFeedbackRequest", "DifySpeechRequest"}
    assert bodies - passed_on - {"McpNotification"} == READERS.keys() == TAKEN.keys() == REFUSED.keys()


def _named(media: Mapping[str, Any]) -> list[str]:
    schema = media.get("schema", {})
    return [item["$ref"].rpartition("/")[2] for item in schema.get("anyOf", [schema]) if "$ref" in item]
