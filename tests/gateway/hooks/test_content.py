import contextlib
import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.call import Attachment
from gateway.errors import DuckError
from gateway.hooks.content import FORM, Content, read_content

JSON: Final = "application/json"
MULTIPART: Final = "multipart/form-data; boundary=x"


def request(body: bytes, content_type: str | None = JSON) -> Request:
    return Request(EnvironBuilder(method="POST", data=body, content_type=content_type).get_environ())


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), more.encode(), value)


def file(name: str = "f", filename: str = "a.png", mime_type: str = "image/png") -> bytes:
    return part(name, b"\x00\xff", f'; filename="{filename}"\r\nContent-Type: {mime_type}')


PNG: Final = Attachment("image", "data:image/png;base64,AP8=", "f")


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        pytest.param(b'{"a": 1}', JSON, Content({"a": 1}, '{"a": 1}'), id="JSON"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', JSON, Content({"a": 1}, '{"a": 1}'), id="a byte order mark"),
        pytest.param(b'[{"a": 1}]', JSON, Content([{"a": 1}], '[{"a": 1}]'), id="a list"),
        pytest.param(b'{"a": 1}', "application/cloudevents+json", Content({"a": 1}, '{"a": 1}'), id="a kind of JSON"),
        pytest.param(b'{"a": 1}', FORM, Content({"a": 1}, '{"a": 1}'), id="JSON as curl -d sends it"),
        pytest.param(b"a=1&b=x+y", FORM, Content({"a": "1", "b": "x y"}, "a=1&b=x+y"), id="a form"),
        pytest.param(b"a=1&a=2&b=", FORM, Content({"a": ["1", "2"], "b": ""}, "a=1&a=2&b="), id="a field twice"),
        pytest.param(b"payload=%7B%22a%22%3A1%7D", FORM, Content({"a": 1}, '{"a":1}'), id="JSON in the only field"),
        pytest.param(
            b"payload=%7B%7D&b=1",
            FORM,
            Content({"payload": "{}", "b": "1"}, "payload=%7B%7D&b=1"),
            id="and in one of two",
        ),
        pytest.param("Grüße".encode(), "text/plain", Content(None, "Grüße"), id="text"),
        pytest.param(b'{"a": 1}', "text/plain", Content({"a": 1}, '{"a": 1}'), id="text that is JSON"),
        pytest.param(b"{a}", "text/plain", Content(None, "{a}"), id="text that only begins as JSON"),
        pytest.param(b"<a/>", "application/xml", Content(None, "<a/>"), id="XML"),
        pytest.param(b"<a/>", "application/soap+xml", Content(None, "<a/>"), id="a kind of XML"),
        pytest.param(b"hi", None, Content(None, "hi"), id="no type"),
        pytest.param(b"", JSON, Content(None, ""), id="nothing"),
        pytest.param(b"", None, Content(None, ""), id="nothing at all"),
        pytest.param(b"0\r\n\r\n", None, Content(None, ""), id="what the SDK makes of nothing"),
        pytest.param(
            part("a", b"1") + b"--x--\r\n", MULTIPART, Content({"a": "1"}, '{"a":"1"}'), id="a multipart form"
        ),
        pytest.param(
            part("a", b"1") + file() + b"--x--\r\n",
            MULTIPART,
            Content({"a": "1"}, '{"a":"1"}', (PNG,)),
            id="a file beside a field",
        ),
        pytest.param(file() + b"--x--\r\n", MULTIPART, Content({}, "", (PNG,)), id="a file alone"),
        pytest.param(
            file(filename="a.mp3", mime_type="application/octet-stream") + b"--x--\r\n",
            MULTIPART,
            Content({}, "", (Attachment("audio", "data:audio/mpeg;base64,AP8=", "f"),)),
            id="a file that only its name tells",
        ),
        pytest.param(
            part("payload", b'{"a": 1}') + file() + b"--x--\r\n",
            MULTIPART,
            Content({"a": 1}, '{"a": 1}', (PNG,)),
            id="a file beside JSON",
        ),
    ],
)
def test_a_body_is_read_as(body: bytes, content_type: str | None, expected: Content) -> None:
    assert read_content(request(body, content_type)) == expected


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        pytest.param(b'{"a": ', JSON, "invalid_request", id="JSON, cut"),
        pytest.param(b'{"a": 1, "a": 2}', JSON, "invalid_request", id="a name twice"),
        pytest.param(b"payload=%7B", FORM, "invalid_request", id="no JSON where it has to be"),
        pytest.param(b"\xff", "text/plain", "invalid_request", id="no UTF-8"),
        pytest.param(b"\xff", None, "invalid_request", id="no UTF-8, and no type"),
        pytest.param(b"a=%ff", FORM, "invalid_request", id="a form of other bytes"),
        pytest.param(b"x", "image/png", "unsupported_media_type", id="an image"),
        pytest.param(b"{}", "application/json; charset=utf-16", "unsupported_media_type", id="another charset"),
        pytest.param(file() + file("g") + b"--x--\r\n", MULTIPART, "invalid_request", id="two files"),
        pytest.param(b"--x--\r\n", MULTIPART, "invalid_request", id="an empty multipart form"),
    ],
)
def test_a_body_is_refused(body: bytes, content_type: str | None, code: str) -> None:
    with pytest.raises(DuckError) as refusal:
        read_content(request(body, content_type))
    assert refusal.value.code == code


@given(st.binary(max_size=80), st.sampled_from([JSON, FORM, MULTIPART, "text/plain", None]))
def test_any_body_is_read_or_refused(body: bytes, content_type: str | None) -> None:
    with contextlib.suppress(DuckError):
        json.dumps(read_content(request(body, content_type)).value)
