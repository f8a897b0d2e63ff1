import json
import logging
from dataclasses import replace
from typing import Any, Final

import pytest
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from fuzz.plugin import KEY, ORIGIN, Reply
from fuzz.rules import broken

LINE: Final = (logging.INFO, "request=abc route=chat status=200 events=0 bytes=2 first_ms=0 ms=0")
HEADERS: Final = {
    "content-type": "application/json",
    "x-request-id": "abc",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "vary": "Origin",
}


def request(method: str = "POST", **headers: str) -> Request:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(EnvironBuilder(method=method, path="/chat/chat", headers=named).get_environ())


GOOD: Final = Reply(
    request=request(Authorization=f"Bearer {KEY}"),
    is_open=False,
    status=200,
    headers=HEADERS,
    chunks=(b"{}",),
    escaped="",
    has_asked=True,
    log=(LINE,),
)
PROBLEM: Final = {"type": "about:blank", "title": "a", "status": 400, "detail": "b", "code": "c", "request_id": "abc"}


def with_headers(**headers: str | None) -> dict[str, Any]:
    named = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {"headers": {name: value for name, value in named.items() if value is not None}}


def body(content_type: str, content: bytes) -> dict[str, Any]:
    policy = "sandbox; default-src 'none'" if "html" in content_type else None
    return {**with_headers(content_type=content_type, content_security_policy=policy), "chunks": (content,)}


SSE: Final = "text/event-stream"
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain; charset=utf-8"
PAGE: Final = "text/html; charset=utf-8"
PROBLEM_TYPE: Final = "application/problem+json"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="JSON"),
        pytest.param({**body(PROBLEM_TYPE, json.dumps(PROBLEM).encode()), "status": 400}, id="a problem"),
        pytest.param(body(SSE, b': ping\n\nevent: text\ndata: {}\n\nevent: end\ndata: {"a": 1}\n\n'), id="SSE"),
        pytest.param(body(SSE, b": ping\n\ndata: {}\n\ndata: [DONE]\n\n"), id="chat completions"),
        pytest.param(body(SSE, b"event: response.completed\ndata: {}\n\n"), id="a response"),
        pytest.param(body(NDJSON, b'{"event": "ping"}\n{"event": "error"}\n'), id="NDJSON"),
        pytest.param(body(TEXT, "é".encode()), id="text"),
        pytest.param(body(PAGE, b'\n{"a": 1} <br>\n{"b": 2} <br>'), id="the page of /duck"),
        pytest.param({"status": 204, "chunks": (), **with_headers(content_type=None)}, id="nothing"),
        pytest.param({"request": request("HEAD", X_API_Key=KEY), "chunks": ()}, id="HEAD"),
        pytest.param(
            {"request": request(Authorization="Basic " + "OmZ1enota2V5LW9mLW5vLXNlY3JldA==")}, id="HTTP Basic"
        ),
        pytest.param({"request": request(), "is_open": True}, id="open, and without a key"),
        pytest.param(
            {
                "request": request(X_API_Key=KEY, Origin=ORIGIN),
                **with_headers(access_control_allow_origin=ORIGIN, access_control_expose_headers="a"),
            },
            id="a listed origin",
        ),
    ],
)
def test_a_good_reply_breaks_no_rule(changed: dict[str, Any]) -> None:
    assert broken(replace(GOOD, **changed)) == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"escaped": "ValueError('x')"}, "an exception escapes: ValueError"),
        ({"status": 500}, "the status is 500"),
        ({"status": 502}, "the status is 502"),
        ({"status": 302}, "the status is 302"),
        (
            {"log": (LINE, (logging.ERROR, "request abc failed: KeyError at gateway.x:1"))},
            "the log has an error: KeyError at gateway.x:1",
        ),
        ({"log": ()}, "the log has not one line of plain words for the request"),
        ({"log": (LINE, LINE)}, "the log has not one line of plain words for the request"),
        (
            {"log": ((logging.INFO, f"{LINE[1]} error=a\nb"),)},
            "the log has not one line of plain words for the request",
        ),
        (with_headers(x_request_id="a b"), "x-request-id is not as it must be"),
        (with_headers(x_content_type_options=None), "x-content-type-options is not as it must be"),
        (with_headers(cache_control="no-cache"), "cache-control is not as it must be"),
        (with_headers(vary=None), "vary is not as it must be"),
        (with_headers(allow="a\r\nb"), "a header holds a character that is not visible ASCII"),
        (with_headers(allow="é"), "a header holds a character that is not visible ASCII"),
        ({**body(PAGE, b"{} <br>"), **with_headers(content_type=PAGE)}, "HTML has no strict Content-Security-Policy"),
        ({"status": 401}, "a 401 has no www-authenticate"),
        ({"status": 405}, "a 405 has no allow"),
        (with_headers(access_control_allow_credentials="true"), "credentials are allowed to a page"),
        (with_headers(access_control_max_age="1"), "a page that is not allowed gets CORS headers"),
        (with_headers(access_control_allow_origin="*"), "a page is allowed that is not listed"),
        (
            {
                "request": request(X_API_Key=KEY, Origin="https://evil.example"),
                **with_headers(access_control_allow_origin="https://evil.example"),
            },
            "a page is allowed that is not listed",
        ),
        (
            {
                "request": request(X_API_Key=KEY, Origin="https://evil.example"),
                **with_headers(access_control_allow_origin=ORIGIN),
            },
            "a page is allowed that is not listed",
        ),
        ({"request": request()}, "Dify is asked for a request without a key"),
        ({"request": request(Authorization="Basic !!!")}, "Dify is asked for a request without a key"),
        ({"chunks": (b" " * (1024 * 1024 + 1), b"{}")}, "a chunk is too large for the daemon"),
        (body(TEXT, b'File "x.py", line 3, in y'), "the body holds a traceback"),
        ({"status": 204, "chunks": (b"a",)}, "a 204 has a body, or the type of one"),
        (body("image/png", b""), "no reader is known for the type image/png"),
        (body("application/json", b"[]"), "the body is no good application/json: ValueError"),
        (body("application/json", b'{"a": NaN}'), "the body is no good application/json: ValueError"),
        (body("application/json", b'{"a": 1'), "the body is no good application/json: JSONDecodeError"),
        (body(PROBLEM_TYPE, json.dumps(PROBLEM).encode()), "the body is no good application/problem+json: ValueError"),
        (body(PROBLEM_TYPE, b"{}"), "the body is no good application/problem+json: KeyError"),
        (body(SSE, b"event: end\ndata: {}\n"), "the body is no good text/event-stream: ValueError"),
        (body(SSE, b"event: text\ndata: {}\n\n"), "the body is no good text/event-stream: ValueError"),
        (body(SSE, b"data: {}\n\n"), "the body is no good text/event-stream: ValueError"),
        (body(SSE, b"data: [DONE]\n\ndata: [DONE]\n\n"), "the body is no good text/event-stream: JSONDecodeError"),
        (body(SSE, b": ping\n\n"), "the body is no good text/event-stream: ValueError"),
        (body(NDJSON, b'{"event": "end"}'), "the body is no good application/x-ndjson: ValueError"),
        (body(NDJSON, b'{"event": "text"}\n'), "the body is no good application/x-ndjson: ValueError"),
        (body(TEXT, b"\xff"), "the body is no good text/plain; charset=utf-8: UnicodeDecodeError"),
        (body(PAGE, b'{"a": "<b>"} <br>'), "the body is no good text/html; charset=utf-8: ValueError"),
        (body(PAGE, b'{"a": 1}'), "the body is no good text/html; charset=utf-8: ValueError"),
    ],
    ids=str,
)
def test_a_rule_that_is_broken_is_named(changed: dict[str, Any], sentence: str) -> None:
    assert sentence in broken(replace(GOOD, **changed))
