"""The raw request, to the byte: what the daemon's `copyRequest`, compiled with Go 1.26, made of the same requests."""

import pytest

from workbench.raw_request import ClientRequest, MalformedTarget, raw_request, split_target

_HOOK = "Dify-Hook-Id: duck\r\nDify-Hook-Url: "
_GO = "User-Agent: Go-http-client/1.1\r\n"

CASES = {
    "path, query and headers are normalised": (
        b"POST /chat/a%2Fb%20c!*(x);y=1@:$&+,~%C3%A9%5B%5D?b=2&a=1&a=0&c&d=%zz&e=x+y%2B&f=1;g=2&=h&%41=z",
        [
            b"Host: example.com:8787",
            b"X-b: 2",
            b"x-b: 3",
            b"x_under: u",
            b"Content-Type: application/json",
            b"X-Forwarded-For: 1.2.3.4",
            b"X-Real-Ip: 1",
            b"Accept: */*",
            b"Content-Length: 2",
        ],
        b"{}",
        (
            "POST /chat/a/b%20c%21%2A%28x%29;y=1@:$&+,~%C3%A9%5B%5D?=h&A=z&a=1&a=0&b=2&c=&e=x+y%2B HTTP/1.1\r\n"
            f"Host: example.com:8787\r\n{_GO}Content-Length: 2\r\nAccept: */*\r\nContent-Type: application/json\r\n"
            f"{_HOOK}http://example.com:8787/e/duck/chat/a/b c!*(x);y=1@:$&+,~é[]\r\n"
            "X-B: 2\r\nX-B: 3\r\nX_under: u\r\n\r\n{}"
        ),
    ),
    "an empty POST arrives as an empty chunked body": (
        b"POST /",
        [b"Host: h", b"Content-Length: 0", b"User-Agent: curl/8"],
        b"",
        (
            f"POST / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nTransfer-Encoding: chunked\r\n"
            f"{_HOOK}http://h/e/duck/\r\n\r\n0\r\n\r\n"
        ),
    ),
    "an empty PUT too": (
        b"PUT /x",
        [b"Host: h"],
        b"",
        f"PUT /x HTTP/1.1\r\nHost: h\r\n{_GO}Transfer-Encoding: chunked\r\n{_HOOK}http://h/e/duck/x\r\n\r\n0\r\n\r\n",
    ),
    "an empty DELETE has no body": (
        b"DELETE /x",
        [b"Host: h"],
        b"",
        f"DELETE /x HTTP/1.1\r\nHost: h\r\n{_GO}{_HOOK}http://h/e/duck/x\r\n\r\n",
    ),
    "an empty OPTIONS has no body": (
        b"OPTIONS /x",
        [b"Host: h"],
        b"",
        f"OPTIONS /x HTTP/1.1\r\nHost: h\r\n{_GO}{_HOOK}http://h/e/duck/x\r\n\r\n",
    ),
    "an empty user agent stays away": (
        b"HEAD /x",
        [b"Host: h", b"User-Agent: "],
        b"",
        f"HEAD /x HTTP/1.1\r\nHost: h\r\n{_HOOK}http://h/e/duck/x\r\n\r\n",
    ),
    "a chunked upload gets a length": (
        b"POST /x",
        [b"Host: h", b"Transfer-Encoding: chunked", b"Trailer: X-T"],
        b"ab",
        f"POST /x HTTP/1.1\r\nHost: h\r\n{_GO}Content-Length: 2\r\n{_HOOK}http://h/e/duck/x\r\n\r\nab",
    ),
    "the client's own hook headers": (
        b"GET /x",
        [
            b"Host: h",
            b"X-Original-Host: evil.example",
            b"Dify-Hook-Url: http://x/",
            b"Dify-Hook-Id: forged",
            b"Cookie: a=1",
            b"Cookie: b=2",
        ],
        b"",
        f"GET /x HTTP/1.1\r\nHost: evil.example\r\n{_GO}Cookie: a=1\r\nCookie: b=2\r\n{_HOOK}http://x/\r\n\r\n",
    ),
    "the original host makes the hook's url": (
        b"GET /x",
        [
            b"Host: h",
            b"X-Forwarded-Proto: https",
            b"X-Original-Host: evil.example",
            b"TE: trailers",
            b"AUTHORIZATION: Bearer k",
            b"x-a-1b: v",
        ],
        b"",
        (
            f"GET /x HTTP/1.1\r\nHost: evil.example\r\n{_GO}Authorization: Bearer k\r\n"
            f"{_HOOK}https://evil.example/e/duck/x\r\nTe: trailers\r\nX-A-1b: v\r\nX-Forwarded-Proto: https\r\n\r\n"
        ),
    ),
    "dots, double slashes and letters beyond ASCII": (
        b"GET //x/../y/./z?q=%C3%A9&q2=\xc3\xa9&Q=a%26b%3D",
        [b"Host: h", b"X-Latin: \xe9"],
        b"",
        (
            f"GET //x/../y/./z?Q=a%26b%3D&q=%C3%A9&q2=%C3%A9 HTTP/1.1\r\nHost: h\r\n{_GO}"
            f"{_HOOK}http://h/e/duck//x/../y/./z\r\nX-Latin: \udce9\r\n\r\n"
        ),
    ),
    "bytes that no path should have": (
        b'GET /\xc3\xa9/"<>^`{|}\\%7F',
        [b"Host: h"],
        b"",
        (
            f"GET /%C3%A9/%22%3C%3E%5E%60%7B%7C%7D%5C%7F HTTP/1.1\r\nHost: h\r\n{_GO}"
            f'{_HOOK}http://h/e/duck/é/"<>^`{{|}}\\\x7f\r\n\r\n'
        ),
    ),
    "line breaks in a decoded path forge no header": (
        b"GET /a%0d%0ab%00c%09",
        [b"Host: h", b"x-empty: ", b"x-sp: a b"],
        b"",
        (
            f"GET /a%0D%0Ab%00c%09 HTTP/1.1\r\nHost: h\r\n{_GO}{_HOOK}http://h/e/duck/a  b\x00c\r\n"
            "X-Empty: \r\nX-Sp: a b\r\n\r\n"
        ),
    ),
    "a host that is none": (
        b"GET /x",
        [b"Host: h", b"X-Original-Host: a b/c"],
        b"",
        f"GET /x HTTP/1.1\r\nHost: \r\n{_GO}{_HOOK}http://a b/c/e/duck/x\r\n\r\n",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_plugin_gets_what_the_daemon_would_send(case: tuple[bytes, list[bytes], bytes, str]) -> None:
    line, headers, body, expected = case
    method, _, target = line.partition(b" ")
    path, query = split_target(target)
    pairs = [(name, value) for name, _, value in (header.partition(b": ") for header in headers)]
    request = ClientRequest(method.decode(), "duck", path, query, pairs, body)
    assert raw_request(request) == expected.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("target", [b"/e/duck/%zz", b"/e/duck/%", b"/e/duck/%4"])
def test_a_bad_escape_in_the_path_is_refused(target: bytes) -> None:
    with pytest.raises(MalformedTarget):
        split_target(target)
