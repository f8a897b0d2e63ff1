"""What every reply must be, whatever was sent.

Judges one reply at a time and sends nothing. A rule says in one sentence what is wrong; the sentence holds nothing of
the request, so that it names the fault and not the case.
"""

import base64
import binascii
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import httpx
from httpx_sse import EventSource

from fuzz.plugin import KEY, ORIGIN, Reply, hook_signature
from gateway.access import TOKEN_PREFIX
from gateway.streaming import MAX_CHUNK

_VISIBLE: Final = re.compile(r"[\x20-\x7e]*")
"""A header's value that no proxy reads differently (RFC 9110, 5.5)."""

_TRACEBACK: Final = re.compile(rb'Traceback \(most|File "[^"]+\.py", line \d')
_LINE: Final = re.compile(r"request=[A-Za-z0-9._-]{1,64}( [a-z_]+=[A-Za-z0-9._:-]+)+")
"""The one line in the log, of plain words only."""

_LISTED: Final = re.compile(rf"{re.escape(ORIGIN)}|https://([a-z0-9_-]+\.)+example\.org|capacitor://localhost")
"""The origins that the closed endpoint lists."""

type Rule = Callable[[Reply], Iterator[str]]


def broken(reply: Reply) -> list[str]:
    """The rules that a reply breaks, each as a sentence."""
    if reply.escaped:
        return [f"an exception escapes: {reply.escaped.partition('(')[0]}"]
    return [sentence for rule in RULES for sentence in rule(reply)]


def _status(reply: Reply) -> Iterator[str]:
    """The apps here all work, so no failure is theirs."""
    if reply.status // 100 not in (2, 4):
        yield f"the status is {reply.status}"


def _log(reply: Reply) -> Iterator[str]:
    """An unforeseen error is logged as such, wherever in the reply it hides."""
    for level, text in reply.log:
        if level >= logging.ERROR:
            yield f"the log has an error: {text.partition('failed: ')[2]}"
    lines = [text for level, text in reply.log if level == logging.INFO]
    if len(lines) != 1 or not _LINE.fullmatch(lines[0]):
        yield "the log has not one line of plain words for the request"


def _headers(reply: Reply) -> Iterator[str]:
    headers = reply.headers
    for name, expected in _ALWAYS.items():
        if not re.fullmatch(expected, headers.get(name, "")):
            yield f"{name} is not as it must be"
    if not all(_VISIBLE.fullmatch(name + value) for name, value in headers.items()):
        yield "a header holds a character that is not visible ASCII"
    if "text/html" in headers.get("content-type", "") and "default-src 'none'" not in headers.get(_POLICY, ""):
        yield "HTML has no strict Content-Security-Policy"
    needed = _WITH_STATUS.get(reply.status)
    if needed and needed not in headers:
        yield f"a {reply.status} has no {needed}"


_POLICY: Final = "content-security-policy"
_ALWAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "x-request-id": "[A-Za-z0-9._-]{1,64}",
        "x-content-type-options": "nosniff",
        "cache-control": "(.*, )?no-store",
        "vary": "(.*, )?Origin",
    }
)
_WITH_STATUS: Final[Mapping[int, str]] = MappingProxyType({401: "www-authenticate", 405: "allow", 429: "retry-after"})


def _origin(reply: Reply) -> Iterator[str]:
    allowed = reply.headers.get("access-control-allow-origin")
    if "access-control-allow-credentials" in reply.headers:
        yield "credentials are allowed to a page"
    if allowed is None:
        if any(name.startswith("access-control-") for name in reply.headers):
            yield "a page that is not allowed gets CORS headers"
        return
    sent = reply.request.headers.get("Origin", "")
    is_right = sent and (allowed in ("*", sent) if reply.is_open else allowed == sent and _LISTED.fullmatch(sent))
    if not is_right:
        yield "a page is allowed that is not listed"


def _access(reply: Reply) -> Iterator[str]:
    if reply.has_asked and not reply.is_open and not _has_credential(reply):
        yield "Dify is asked for a request without a key"


def _has_credential(reply: Reply) -> bool:
    """Whether a header holds the key or a token, however it is written, or a webhook's signature."""
    headers = reply.request.headers
    if headers.get("X-Hub-Signature-256", "").strip() == hook_signature(reply.request.get_data()):
        return True
    authorization = headers.get("Authorization", "")
    try:
        basic = base64.b64decode(authorization.strip().partition(" ")[2], validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        basic = ""
    held = (authorization, headers.get("X-API-Key", ""), basic)
    return any(KEY in text or TOKEN_PREFIX in text for text in held)


def _body(reply: Reply) -> Iterator[str]:
    if any(len(chunk) > MAX_CHUNK for chunk in reply.chunks):
        yield "a chunk is too large for the daemon"
    if _TRACEBACK.search(reply.body):
        yield "the body holds a traceback"
    if reply.status in (HTTPStatus.NO_CONTENT, HTTPStatus.ACCEPTED):
        if reply.body or "content-type" in reply.headers:
            yield f"a {reply.status} has a body, or the type of one"
    elif reply.request.method != "HEAD":
        yield from _readable(reply)


def _readable(reply: Reply) -> Iterator[str]:
    content_type = reply.headers.get("content-type", "")
    read = READERS.get(content_type)
    if read is None:
        yield f"no reader is known for the type {content_type}"
        return
    try:
        read(reply)
    except (ValueError, LookupError, TypeError) as error:
        yield f"the body is no good {content_type}: {type(error).__name__}"


def _read_json(reply: Reply) -> None:
    _object(reply.body)


def _read_problem(reply: Reply) -> None:
    """RFC 9457, with the members that DESIGN names."""
    problem = _object(reply.body)
    texts = [problem[name] for name in ("type", "title", "detail", "code", "request_id")]
    _check(all(isinstance(text, str) and text for text in texts))
    _check(problem["status"] == reply.status and problem["request_id"] == reply.headers["x-request-id"])


def _read_sse(reply: Reply) -> None:
    """Read by another's parser; the last event is an end, or an error that is told so.

    Chat Completions has no names for its events, and a last one that is not JSON (protocols section 3).
    """
    _check(reply.body.endswith(b"\n\n"))
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=reply.body)
    *events, last = EventSource(response).iter_sse()
    for event in events:
        _object(event.data)
    if (last.event, last.data) != ("message", "[DONE]"):
        ends = ("end", "error", "response.completed", "response.failed")
        _check("result" in _object(last.data) if last.event == "message" else last.event in ends)


def _read_ndjson(reply: Reply) -> None:
    _check(reply.body.endswith(b"\n"))
    events = [_object(line) for line in reply.body.decode().splitlines()]
    _check(events[-1]["event"] in ("end", "error"))


def _read_text(reply: Reply) -> None:
    reply.body.decode()


def _read_page(reply: Reply) -> None:
    """`/duck`: nothing in it can become markup but what stands between the events."""
    *events, rest = reply.body.decode().split(" <br>")
    _check(bool(events) and not rest.strip() and not re.search("[<>&]", "".join(events)))
    for event in events:
        _object(event)


def _object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; NaN and its like are none."""
    value: dict[str, Any] = json.loads(text, parse_constant=lambda _: _check(is_right=False))
    _check(isinstance(value, dict))
    return value


def _check(is_right: bool) -> None:
    if not is_right:
        raise ValueError


RULES: Final[tuple[Rule, ...]] = (_status, _log, _headers, _origin, _access, _body)

READERS: Final[Mapping[str, Callable[[Reply], None]]] = MappingProxyType(
    {
        "application/json": _read_json,
        "application/problem+json": _read_problem,
        "text/event-stream": _read_sse,
        "application/x-ndjson": _read_ndjson,
        "text/plain; charset=utf-8": _read_text,
        "text/html; charset=utf-8": _read_page,
    }
)
"""How a body is read by what it says that it is. A new form of reply is one line here."""
