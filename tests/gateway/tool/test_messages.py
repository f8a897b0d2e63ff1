import json
import math
from typing import Any

import pytest
from dify_plugin.core.server.__base.writer_entities import Event, StreamOutputMessage

from gateway.errors import DuckError
from gateway.events import File
from gateway.tool import messages
from gateway.transports.reverse import MAX_LINE

LINE_LIMIT = 5 * 1024 * 1024
"""Bytes (law 7)."""


def a_file(type_: str, url: str, mime_type: str = "") -> File:
    return File("f", type_, url, "name", mime_type, None, None)


def test_a_text_of_the_worst_characters_is_cut_so_that_no_line_is_too_long() -> None:
    text = "\x01" * (2 * messages.MAX_TEXT + 1)
    said = list(messages.texts(text))
    lines = [
        StreamOutputMessage(event=Event.SESSION, session_id="s", data=message.model_dump()).model_dump_json()
        for message in said
    ]
    assert "".join(json.loads(line)["data"]["message"]["text"] for line in lines) == text
    assert max(map(len, lines)) < LINE_LIMIT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("a\u0085b", ["a\nb"], id="what Dify's reader takes for a line's end"),
        pytest.param("a\u2028b", ["a\u2028b"], id="what the daemon escapes"),
        pytest.param("a\ud800b", ["a?b"], id="half a character"),
    ],
)
def test_a_text_is_fit_for_the_way(text: str, said: list[str]) -> None:
    assert [message.message.model_dump()["text"] for message in messages.texts(text) if message.message] == said


@pytest.mark.parametrize("address", ["https://files.example/a\u0085\ud800", "/files/a\u0085\ud800"])
def test_a_files_address_is_fit_for_the_way(address: str) -> None:
    said = messages.file(a_file("image", address, "image/\u0085"))
    assert said.message
    assert said.message.model_dump()["text"] == address[:-2] + "\n?"
    assert (said.meta or {}).get("mime_type", "image/\n") == "image/\n"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param({"a": math.nan, "b": math.inf}, {"a": None, "b": None}, id="numbers that JSON lacks"),
        pytest.param({"a\u0085": ["\u0085"]}, {"a\n": ["\n"]}, id="what Dify's reader takes for a line's end"),
        pytest.param({"a": "\ud800"}, {"a": "\ufffd"}, id="half a character"),
        pytest.param({"a": 2**70}, {"a": 2**70}, id="a large number"),
    ],
)
def test_an_object_is_fit_for_the_way(value: dict[str, Any], told: dict[str, Any]) -> None:
    assert messages.carried(value) == told


def test_an_object_that_would_end_the_plugin_is_refused() -> None:
    messages.carried({"a": "x" * (MAX_LINE - 8)})
    with pytest.raises(DuckError) as raised:
        messages.carried({"a": "x" * (MAX_LINE - 7)})
    assert raised.value.code == "payload_too_large"


@pytest.mark.parametrize(
    ("file", "kind", "meta"),
    [
        (a_file("image", "https://files.example/a", "image/webp"), "image", {"mime_type": "image/webp"}),
        (a_file("image", "https://files.example/a"), "image", {"mime_type": "image/png"}),
        (a_file("image", "/files/tools/a.png", "image/png"), "link", None),
        (a_file("document", "https://files.example/a.pdf", "text/csv"), "image", {"mime_type": "text/csv"}),
        (a_file("document", "https://files.example/a"), "image", {"mime_type": "application/octet-stream"}),
    ],
    ids=[
        "an image", "an image of no told type", "an image that Dify could not fetch", "a document",
        "a document of no told type",
    ],
)  # fmt: skip
def test_a_file_is_one_that_dify_fetches_or_a_link(file: File, kind: str, meta: dict[str, str] | None) -> None:
    said = messages.file(file)
    assert (said.type.value, said.message and said.message.model_dump(), said.meta) == (kind, {"text": file.url}, meta)
