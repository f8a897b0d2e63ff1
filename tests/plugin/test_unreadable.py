"""Requests that the SDK refuses with a traceback (law 19), as the faster wire lets Duck answer them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import sent

HEADERS = [
    pytest.param(b"X_Api_Key: 1", "The name of one of the request's headers has an underscore.", id="underscore"),
    pytest.param(b"X-Name: J\xf6rg", "The value of one of the request's headers is not UTF-8.", id="not UTF-8"),
    pytest.param(b"X-Original-Host: a:b", "The request's Host header names no host.", id="host"),
]


def reply(url: str, request_line: str, *headers: bytes) -> tuple[int, Mapping[str, str], Any]:
    """Status, headers and JSON of the answer."""
    with sent(url, request_line, *headers, body=b"{}") as connection:
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    named = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split(" ")[1]), named, json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])


@pytest.mark.parametrize(("header", "problem"), HEADERS)
def test_it_is_a_400_that_says_what_is_wrong(duck: RunningWorkbench, header: bytes, problem: str) -> None:
    status, headers, body = reply(duck.url, "POST /chat/echo", header, b"X-Request-Id: mine")
    assert (status, headers["content-type"], headers["x-request-id"]) == (400, "application/problem+json", "mine")
    assert (body["code"], body["status"], body["request_id"]) == ("invalid_request", 400, "mine")
    assert body["detail"].startswith(problem)
    assert "Traceback" not in json.dumps(body)


@pytest.mark.parametrize(
    ("path", "members"),
    [
        pytest.param("/v1/chat/completions", {"error"}, id="OpenAI"),
        pytest.param("/v1/chat-messages", {"code", "message", "status"}, id="Dify"),
        pytest.param("/mcp", {"jsonrpc", "error", "id"}, id="MCP"),
    ],
)
def test_it_has_the_shape_of_its_protocol(duck: RunningWorkbench, path: str, members: set[str]) -> None:
    status, _, body = reply(duck.url, f"POST {path}", b"X_Api_Key: 1")
    assert status == 400
    assert members <= set(body)


def test_the_next_request_is_answered(duck: RunningWorkbench) -> None:
    reply(duck.url, "POST /chat/echo", b"X_Api_Key: 1")
    status, _, body = reply(duck.url, "GET /healthz")
    assert (status, body["status"]) == (200, "ok")
