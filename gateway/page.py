"""The page that a browser gets at `GET /`, and its files.

It is the same for everyone: what a caller may see, its script asks for with the caller's key (`gateway.overview`). It
shares its origin with Dify's console (law 18), so nothing runs in it but its own script, and it asks nobody outside its
origin: see `_POLICY`. A path is no part of an origin, so a script that got in all the same would reach the console.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Final

from werkzeug import Request, Response

from gateway import routes

BUILT: Final = Path(__file__).parent.parent / "pages" / "built"
"""What scripts/pages.sh makes of pages/src."""

_TYPES: Final[Mapping[str, str]] = {
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files, each under 1 MiB (law 7)."""

_KEPT: Final = "public, max-age=31536000, immutable"
"""For an address that holds the content's hash (RFC 9111, 5.2.2; RFC 8246)."""

_ASKED_ANEW: Final = "no-cache"
"""For any other address: while Duck is being replaced, the new page may get an old file, which nobody should keep."""

_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
"""Content Security Policy Level 3; Trusted Types: no text becomes HTML but what the sanitiser has made."""


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    version: str


def is_navigation(request: Request) -> bool:
    """Whether a browser opens the address, as it says itself; over plain HTTP it says only what it accepts."""
    mode = request.headers.get("Sec-Fetch-Mode", "")
    return mode == "navigate" or (not mode and "text/html" in request.headers.get("Accept", ""))


def is_built() -> bool:
    """A package holds the page; a source tree does once `make` has built it."""
    return (BUILT / "index.html").is_file()


def page() -> Response:
    """The page, where it is built."""
    nonce = secrets.token_urlsafe(16)
    versions = {f"{name.partition('.')[0]}_{name.rpartition('.')[2]}": _file(name).version for name in _TYPES}
    html = _template().substitute(nonce=nonce, **versions)
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def page_file(name: str, version: str) -> Response:
    """One of the page's files. version: the hash in its address. Raises `not_found`."""
    if name not in _TYPES or not is_built():
        raise routes.not_found(f"page/{name}")
    file = _file(name)
    kept = _KEPT if version == file.version else _ASKED_ANEW
    return Response(file.content, content_type=_TYPES[name], headers={"Cache-Control": kept})


@lru_cache
def _template() -> Template:
    return Template((BUILT / "index.html").read_text("utf-8"))


@lru_cache
def _file(name: str) -> _File:
    content = (BUILT / name).read_bytes()
    return _File(content, hashlib.sha256(content).hexdigest()[:16])
