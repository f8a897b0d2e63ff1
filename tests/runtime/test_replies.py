"""A reply's messages, as the faster wire sends them."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from dify_plugin.core.runtime import Session
from dify_plugin.core.server.stdio.response_writer import StdioResponseWriter
from werkzeug import Response

from runtime.replies import _messages


class Writer(StdioResponseWriter):
    """Notes what is written."""

    def __init__(self, noted: list[str]) -> None:
        self._noted = noted

    def write(self, data: str) -> None:
        self._noted.append(bytes.fromhex(json.loads(data)["data"]["data"]["result"]).decode())


class OneSession:
    session_id = "s"

    def __init__(self, noted: list[str]) -> None:
        self.writer = Writer(noted)


def replied(body: Any, noted: list[str]) -> list[dict[str, object]]:
    """The messages that the SDK is to send; noted: those that have left by themselves, and when all had."""
    response = Response()
    response.response = body
    return list(_messages(response, cast("Session", OneSession(noted)), lambda: noted.append("all has left")))


def test_the_first_chunk_has_left_before_the_next_is_asked_for() -> None:
    noted: list[str] = []

    def body() -> Iterator[bytes]:
        for number in range(1, 4):
            noted.append(f"asked for {number}")
            yield b"chunk %d" % number

    [head] = replied(body(), noted)
    assert head["status"] == 200
    assert noted == [
        *("asked for 1", "chunk 1", "all has left"),
        *("asked for 2", "chunk 2"),
        *("asked for 3", "chunk 3"),
    ]


@pytest.mark.parametrize(
    "body",
    ["aö", "aö".encode(), bytearray("aö".encode()), memoryview("aö".encode()), ["a", b"\xc3", memoryview(b"\xb6")]],
    ids=lambda body: type(body).__name__,
)
def test_a_body_that_is_there_is_one_message(body: Any) -> None:
    [message] = replied(body, [])
    assert message["result"] == "aö".encode().hex()


def test_a_chunk_that_is_neither_bytes_nor_text_is_an_error_and_no_length() -> None:
    with pytest.raises(AttributeError):
        replied([3], [])
