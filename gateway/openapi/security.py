"""Who is let in, as OpenAPI says it: a key in any of three places, or a webhook's signature."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.hooks.schemes import ID, SCHEMES, TIMESTAMP, HeaderNames, Scheme

KEYS: Final[Mapping[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access key of the endpoint, or a token of `POST /tokens`.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
    "basic": {"type": "http", "scheme": "basic", "description": "An access key as the password; any user name."},
}
"""One of them is enough. An endpoint whose operator has set `access: open` lets in whoever sends none."""


def signatures() -> dict[str, Any]:
    """The headers by which the senders that Duck knows sign a delivery; an operator may name others (`generic`)."""
    return {headers.signature: _signature(scheme, headers) for scheme, headers in _signed()}


def _signed() -> Iterator[tuple[Scheme, HeaderNames]]:
    for scheme in dict.fromkeys(SCHEMES.values()):
        for headers in scheme.headers:
            yield scheme, headers


def _signature(scheme: Scheme, headers: HeaderNames) -> dict[str, Any]:
    named = {TIMESTAMP: headers.timestamp, ID: headers.id}
    beside = " and ".join(f"`{named[part]}`" for part in scheme.signed if named.get(part))
    return {
        "type": "apiKey",
        "in": "header",
        "name": headers.signature,
        "description": f"HMAC-{scheme.algorithm.upper()} over `{''.join(scheme.signed)}` in {scheme.encoding}, with "
        f"`{scheme.prefix}` before it" + (f"; beside it {beside}." if beside else "."),
    }
