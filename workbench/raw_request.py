"""The HTTP request as the plugin gets it: the daemon's `copyRequest` and Go's `Request.Write`, to the byte.

Pure: bytes in, bytes out. Knows no sockets and no sessions. (internal/service/endpoint.go; checked against Go 1.26.)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes, quote_plus, unquote_to_bytes

from workbench import laws

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PATH_SAFE: Final = "$&+,/:;=@-_.~"
"""What Go leaves alone in a path (net/url, `shouldEscape` with `encodePath`)."""
_HOST_BYTES: Final = re.compile(rb"[A-Za-z0-9!$%&()*+,.:;=@\[\]'_~-]*")
"""What Go accepts in a Host header (golang.org/x/net/http/httpguts, `validHostByte`)."""
_WRITTEN_APART: Final = frozenset({"Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer"})
"""Headers that `Request.Write` does not copy but writes itself (net/http, `reqWriteExcludeHeader`)."""
_USUALLY_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods for which Go looks whether there is a body at all (net/http, `requestMethodUsuallyLacksBody`)."""


class MalformedTarget(ValueError):
    """The request target holds a `%` that begins no escape. Go's server answers 400 and the daemon never sees it."""


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What a client sent to `/e/<hook><path>`.

    `path` is decoded and begins with `/`; `query` is as it was sent; header names are as they were sent, and `body` is
    already cut to `laws.REQUEST_BODY_LIMIT`.
    """

    method: str
    hook: str
    path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Decoded path and raw query of a request target; raises MalformedTarget."""
    path, _, query = target.partition(b"?")
    if _BAD_ESCAPE.search(path):
        raise MalformedTarget(path)
    return unquote_to_bytes(path), query


def raw_request(request: ClientRequest) -> bytes:
    headers = _canonical(request.headers)
    # `Get` takes the first of repeated headers.
    original_host = _first(headers, "X-Original-Host")
    host = original_host or _first(headers, "Host")
    agent = headers.get("User-Agent", [b"Go-http-client/1.1"])[0]
    _add_hook(headers, request, host)

    target = quote_from_bytes(request.path, safe=_PATH_SAFE)
    query = _sorted_query(request.query)
    lines = [
        f"{request.method} {target}{'?' + query if query else ''} HTTP/1.1".encode(),
        b"Host: " + (host if _HOST_BYTES.fullmatch(host) else b""),
    ]
    if agent:
        lines.append(b"User-Agent: " + agent)
    framing, body = _framed(request.method, request.body)
    lines += framing
    for name in sorted(headers.keys() - _WRITTEN_APART - laws.REMOVED_HEADERS):
        lines += [name.encode() + b": " + _one_line(value) for value in headers[name]]
    return b"\r\n".join([*lines, b"", body])


def _canonical(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, list[bytes]]:
    """Values by name in Go's spelling (`x-api-key` is `X-Api-Key`), in the order they came."""
    named: dict[str, list[bytes]] = {}
    for name, value in headers:
        spelled = "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
        named.setdefault(spelled, []).append(value)
    return named


def _first(headers: dict[str, list[bytes]], name: str) -> bytes:
    return headers.get(name, [b""])[0]


def _add_hook(headers: dict[str, list[bytes]], request: ClientRequest, host: bytes) -> None:
    """Law 16: a client's own `Dify-Hook-Url` stays; else it is made of a host that the client may also have chosen."""
    headers["Dify-Hook-Id"] = [request.hook.encode()]
    if not _first(headers, "Dify-Hook-Url"):
        scheme = b"https" if _first(headers, "X-Forwarded-Proto") == b"https" else b"http"
        # The decoded path, spaces and all: that is what the daemon puts there.
        headers["Dify-Hook-Url"] = [scheme + b"://" + host + b"/e/" + request.hook.encode() + request.path]


def _framed(method: str, body: bytes) -> tuple[list[bytes], bytes]:
    if body:
        return [b"Content-Length: %d" % len(body)], body
    if method in _USUALLY_BODILESS:
        return [], b""
    # The daemon hands Go a body of unknown length, which Go writes in chunks; the SDK does not decode chunks, so the
    # plugin reads the five bytes that end them.
    return [b"Transfer-Encoding: chunked"], b"0\r\n\r\n"


def _sorted_query(query: bytes) -> str:
    """Go's `Values.Encode` of what `ParseQuery` keeps: pairs with `;` or a bad escape are dropped without a word."""
    pairs = []
    for pair in query.split(b"&"):
        if not pair or b";" in pair or _BAD_ESCAPE.search(pair):
            continue
        key, _, value = (unquote_to_bytes(part) for part in pair.replace(b"+", b" ").partition(b"="))
        pairs.append((key, value))
    pairs.sort(key=lambda pair: pair[0])
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs)


def _one_line(value: bytes) -> bytes:
    """Go's `headerNewlineToSpace` and `TrimString`: a decoded path may hold line breaks."""
    return value.replace(b"\r", b" ").replace(b"\n", b" ").strip(b" \t\r\n")
