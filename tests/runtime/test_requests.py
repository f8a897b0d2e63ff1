import hypothesis.strategies as st
import pytest
from hypothesis import given
from werkzeug import Request

from runtime.requests import Unreadable, read_request

UNDERSCORE = "The name of one of the request's headers has an underscore."
NOT_UTF8 = "The value of one of the request's headers is not UTF-8."
HOST = "The request's Host header names no host."
HOSTS = "The request's Host header stands there twice."
TYPES = "The request's Content-Type header stands there twice."
OTHER = "The request can't be read as HTTP/1.1."


def raw(*headers: bytes, line: bytes = b"POST /chat/a?b=1 HTTP/1.1", body: bytes = b"{}") -> bytes:
    return b"\r\n".join((line, *headers, b"Content-Length: %d" % len(body), b"", body))


def test_a_request_that_the_sdk_reads_is_read_by_the_sdk() -> None:
    request = read_request(raw(b"Host: duck:81", b"X-A: 1"))
    assert isinstance(request, Request)
    assert (request.method, request.full_path, request.host) == ("POST", "/chat/a?b=1", "duck:81")
    assert (request.headers["X-A"], request.get_data()) == ("1", b"{}")


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        pytest.param((b"Host: a", b"X_Api_Key: 1"), UNDERSCORE, id="an underscore in a name"),
        pytest.param((b"Host: a", b"X-Name: J\xf6rg"), NOT_UTF8, id="a value in another encoding"),
        pytest.param((b"Host: a:b",), HOST, id="a port that is no number"),
        pytest.param((b"Host: a:99999",), HOST, id="a port that is too large"),
        pytest.param((b"Host: [::1",), HOST, id="a bracket that is not closed"),
        pytest.param((b"Host: a", b"Host: b"), HOSTS, id="two hosts"),
        pytest.param((b"Host: a", b"Content-Type: a/b", b"content-type: c/d"), TYPES, id="two types"),
        pytest.param((b"Host: a", b"Transfer-Encoding: chunked"), OTHER, id="two ways to tell the length"),
        pytest.param((b"Host: a", b"X-A 1"), OTHER, id="a line without a colon"),
    ],
)
def test_what_the_sdk_would_not_read_says_what_is_wrong(headers: tuple[bytes, ...], problem: str) -> None:
    read = read_request(raw(*headers, b"Origin: https://a.example", b"X-Request-Id: abc", b"Authorization: Bearer k"))
    assert isinstance(read, Unreadable)
    assert (read.problem, read.request.method, read.request.path) == (problem, "POST", "/chat/a")
    assert dict(read.request.headers) == {
        "Host": "localhost",
        "Origin": "https://a.example",
        "X-Request-Id": "abc",
    }


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"POST /chat HTTP/3", id="another protocol"),
        pytest.param(b"POST", id="a method alone"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /\xff HTTP/1.1", id="a path that is not UTF-8"),
    ],
)
def test_a_request_line_that_can_not_be_read_leaves_a_request_for_the_root(line: bytes) -> None:
    read = read_request(raw(b"Host: a", line=line))
    assert isinstance(read, Unreadable)
    assert (read.problem, read.request.path) == (OTHER, "/")


@given(st.binary() | st.builds(raw, st.binary(), st.binary(), line=st.binary() | st.just(b"GET /a HTTP/1.1")))
def test_any_bytes_are_a_request_or_what_remains_of_one(data: bytes) -> None:
    read = read_request(data)
    assert isinstance(read if isinstance(read, Request) else read.request, Request)
