"""HTTP to one address: a client with its own pool of connections for each, and one try per request that was sent.

Only the address of the settings is ever contacted (through the environment's proxy, where there is one): redirects are
not followed, cookies are not kept. TLS is always verified, by SSL_CERT_FILE or SSL_CERT_DIR where they are set.
Under gevent, waiting for a byte gives way to other greenlets, and killing one that waits closes its connection.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import gevent
import httpx

from gateway.transports.service.failures import cannot_set_up, from_client

CONNECT_WAIT: Final = 2.0
"""Seconds for a connection, and as many again for TLS; with the second try it fits into the 10 s after which a reply
commits (streaming.FIRST_EVENT_WAIT)."""

CONNECT_PAUSE: Final = 0.5
"""Seconds before the second try: what restarts may be back (own choice)."""

SILENCE: Final = 60.0
"""Seconds without a byte, before the first and between any two. Dify pings every 10 s (wire 14.18), and answers 500
when it waited 30 s for a connection of its database (14.8)."""

POOL_WAIT: Final = 5.0
"""Seconds for a free connection of the pool (own choice)."""

POOL_SIZE: Final = 1000
"""Connections to one address: as many as the SDK has workers, each of which waits for one reply (slots, WORKERS)."""

IDLE_CONNECTIONS: Final = 10
"""Connections that are kept for the next call; the default Dify API serves no more than 10 (wire section 1.5)."""

IDLE: Final = 1.0
"""Seconds that one is kept. Dify's server (gunicorn) closes an idle one after 2 s: a request sent just then would be
lost, and can't be sent again."""

MOST_ADDRESSES: Final = 64
"""Clients of one process (own choice); the least used of more is forgotten, with its idle connections."""


_MIME_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
"""A type without parameters (RFC 6838, 4.2)."""

_ANY_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be sent."""

    filename: str
    content: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class Question:
    """A request to the Service API. path: below the address, beginning with a slash. fields: of a form, with a file.

    max_silence: seconds without a byte after which it is given up.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    file: Upload | None = None
    max_silence: float = SILENCE


@contextmanager
def replied(url: str, key: str, question: Question) -> Iterator[httpx.Response]:
    """The reply, of which only the head was read yet; at the end its connection is free again, or closed if not all
    of the reply was read.

    Every failure of the connection inside, reading the body included, is raised as `DuckError`.
    """
    client = _client(url)
    request = _request(client, key, question)
    try:
        response = _sent(client, request)
        try:
            yield response
        finally:
            response.close()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise from_client(error, question.max_silence) from error


def _sent(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """What could not even be connected is tried a second time; nothing that may have been started ever is."""
    try:
        return client.send(request, stream=True)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        gevent.sleep(CONNECT_PAUSE)
        return client.send(request, stream=True)


def _request(client: httpx.Client, key: str, question: Question) -> httpx.Request:
    headers = {"Authorization": f"Bearer {key}"}
    body: dict[str, Any] = {}
    if question.file:
        body = {"data": dict(question.fields), "files": {"file": _part(question.file)}}
    elif question.content:
        body = {"content": question.content}
        headers["Content-Type"] = "application/json"
    timeout = httpx.Timeout(question.max_silence, connect=CONNECT_WAIT, pool=POOL_WAIT)
    return client.build_request(
        question.method, question.path, params=question.params or None, headers=headers, timeout=timeout, **body
    )


def _part(file: Upload) -> tuple[str, bytes, str]:
    """The file as httpx takes it, which writes the type into the form as it is."""
    filename = file.filename.encode(errors="replace").decode()
    return filename, file.content, file.mime_type if _MIME_TYPE.fullmatch(file.mime_type) else _ANY_TYPE


def _client(url: str) -> httpx.Client:
    """Raises `DuckError` for an environment that the client can't work with."""
    try:
        return _pooled(url)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise cannot_set_up() from error


@lru_cache(maxsize=MOST_ADDRESSES)
def _pooled(url: str) -> httpx.Client:
    return httpx.Client(
        base_url=url,
        verify=True,
        follow_redirects=False,
        trust_env=True,
        limits=httpx.Limits(
            max_connections=POOL_SIZE, max_keepalive_connections=IDLE_CONNECTIONS, keepalive_expiry=IDLE
        ),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": "Duck", "Accept-Encoding": "identity"},  # a packed stream would come in bursts
    )
