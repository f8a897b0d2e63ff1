"""The raw HTTP request of an endpoint's invocation, read; and what remains of one that the SDK would not read.

Some requests pass the daemon and are refused by the SDK with an error of its own and a traceback, before the endpoint
is asked (law 19). Pure.
"""

import contextlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from dify_plugin.core.utils.http_parser import deserialize_request
from werkzeug import Request

_KEPT: Final = (b"accept", b"dify-hook-url", b"origin", b"traceparent", b"x-request-id")
"""Headers that an error's reply may depend on."""

_ONCE: Final = ("Host", "Content-Type", "Content-Length")
"""Headers of which a request has one at most."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """request: its method and its path, without a body, with those headers of `_KEPT` that can be read. problem: what
    is wrong with it, as a sentence.
    """

    request: Request
    problem: str


def read_request(raw: bytes) -> Request | Unreadable:
    try:
        return deserialize_request(raw)
    except Exception:  # noqa: BLE001 - it raises several, by accident too, and none must reach the caller
        return _unreadable(raw)


def _unreadable(raw: bytes) -> Unreadable:
    head = raw.partition(b"\r\n\r\n")[0]
    first, *lines = head.split(b"\r\n")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    kept = [b"%b: %b" % header for header in headers if header[0].lower() in _KEPT and _is_text(header[1])]
    return Unreadable(_first_readable((first, *kept), (first,), (b"GET / HTTP/1.1",)), _problem(headers))


def _first_readable(*heads: tuple[bytes, ...]) -> Request:
    """heads: each the lines of one, without a host; the last can be read."""
    *others, last = (b"\r\n".join((*lines, b"Host: localhost", b"", b"")) for lines in heads)
    for head in others:
        with contextlib.suppress(Exception):
            return deserialize_request(head)
    return deserialize_request(last)


def _problem(headers: list[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if b"_" in name:
            return "The name of one of the request's headers has an underscore."
        if not _is_text(value):
            return "The value of one of the request's headers is not UTF-8."
        if name.lower() == b"host" and not _is_host(value.decode()):
            return "The request's Host header names no host."
    names = [name.lower() for name, _ in headers]
    for once in _ONCE:
        if names.count(once.lower().encode()) > 1:
            return f"The request's {once} header stands there twice."
    return "The request can't be read as HTTP/1.1."


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_host(host: str) -> bool:
    try:
        _ = urlsplit(f"//{host}").port
    except ValueError:
        return False
    return True
