"""Which pages of the web may call: the setting `cors_origins`, and the headers by which a browser tells where from.

Pure: knows headers and origins, no callers and no apps. An origin is compared as a whole and never with `Host`, which a
caller can forge (law 16).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from werkzeug.datastructures import Headers

MAX_AGE: Final = 7200
"""Seconds that a browser may keep a preflight's answer (Chromium keeps none longer)."""

EXPOSED: Final = "X-Conversation-Id, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, x-should-retry"
"""Headers that a page may read beside the safe-listed ones (WHATWG Fetch 3.3.2)."""

ANY: Final = "*"

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
"""A serialised origin (RFC 6454, 6.2), in small letters, of any scheme: `capacitor://localhost` too."""

_SUBDOMAINS: Final = re.compile(r"(https?)://\*\.([a-z0-9-]+(?:\.[a-z0-9-]+)+|localhost)(:[0-9]{1,5})?")
"""`https://*.example.com`; a whole top-level domain is never meant."""

_LABELS: Final = r"(?:[a-z0-9_-]+\.)+"
_DEFAULT_PORTS: Final[Mapping[str, int]] = MappingProxyType({"http": 80, "https": 443})
_TOKENS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2000}")
"""A list of header names (RFC 9110, 5.6.2), no longer than any client sends."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins that may call from a page.

    exact: serialised origins. subdomains: patterns of those whose every subdomain is meant. is_any: `*` is listed.
    """

    exact: frozenset[str] = frozenset()
    subdomains: tuple[re.Pattern[str], ...] = ()
    is_any: bool = False

    @classmethod
    def of(cls, items: Iterable[str]) -> "Origins":
        """From entries in which `origin_problem` found nothing."""
        normal = [_normal(item) for item in items]
        wild = [found for item in normal if (found := _SUBDOMAINS.fullmatch(item))]
        return cls(
            frozenset(item for item in normal if _ORIGIN.fullmatch(item)),
            tuple(
                re.compile(re.escape(f"{found[1]}://") + _LABELS + re.escape(found[2] + (found[3] or "")))
                for found in wild
            ),
            ANY in normal,
        )

    def names(self, origin: str) -> bool:
        """Whether this origin is listed by name, or as a subdomain; `*` names none."""
        return origin in self.exact or any(pattern.fullmatch(origin) for pattern in self.subdomains)


def origin_problem(item: str) -> str:
    """Why an entry of `cors_origins` can't be one; `""` when it can."""
    normal = _normal(item)
    if normal == ANY or _ORIGIN.fullmatch(normal) or _SUBDOMAINS.fullmatch(normal):
        return ""
    if normal == "null":
        return "null is what any sandboxed page calls itself, so it can't be listed"
    return "expected an origin such as https://app.example.com, https://*.example.com or capacitor://localhost"


def _normal(item: str) -> str:
    """The entry as a browser writes it: small letters, no slash at the end, no port that the scheme implies."""
    text = item.lower().rstrip("/")
    for scheme, port in _DEFAULT_PORTS.items():
        if text.startswith(f"{scheme}://"):
            text = text.removesuffix(f":{port}")
    return text


def cors_headers(headers: Headers, origins: Origins) -> dict[str, str]:
    """The headers by which a browser lets the page read a reply (WHATWG Fetch 3.3.2); none for an unlisted origin.

    Credentials are never allowed, so `*` may be answered with itself.
    """
    origin = headers.get("Origin", "")
    if origins.names(origin):
        allowed = origin
    elif origin and origins.is_any:
        allowed = ANY
    else:
        return {}
    return {"Access-Control-Allow-Origin": allowed, "Access-Control-Expose-Headers": EXPOSED}


def preflight_headers(headers: Headers, origins: Origins, methods: Iterable[str]) -> dict[str, str]:
    """What a browser wants to know before a call that no plain form could make (WHATWG Fetch 4.8).

    The headers that it asks for are granted whatever they are: clients send many of their own (`x-stainless-*`).
    """
    granted = cors_headers(headers, origins)
    if not granted or "Access-Control-Request-Method" not in headers:
        return granted
    granted["Access-Control-Allow-Methods"] = ", ".join(methods)
    granted["Access-Control-Max-Age"] = str(MAX_AGE)
    asked = headers.get("Access-Control-Request-Headers", "")
    if _TOKENS.fullmatch(asked):
        granted["Access-Control-Allow-Headers"] = asked
    return granted


def is_foreign(headers: Headers, origins: Origins, *, any_may: bool) -> bool:
    """Whether a page that is not listed has sent this request; one from no page at all is not foreign.

    For requests that a browser sends by itself: nothing in them but what it adds tells the visitor's wish from a
    stranger's. any_may: whether `*` lists every page. `Sec-Fetch-Site` can't be set by a page (W3C Fetch Metadata 2.3).
    """
    origin, site = headers.get("Origin", ""), headers.get("Sec-Fetch-Site", "")
    if any_may and origins.is_any and origin != "null":
        return False
    if origin:
        return not origins.names(origin) and (origin == "null" or site != "same-origin")
    return site not in ("", "none", "same-origin")
