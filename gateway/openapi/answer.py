"""The reply that holds the description."""

import hashlib
from functools import cache
from typing import Final

from werkzeug import Request, Response

from gateway.wire import json_bytes

REVALIDATED: Final = "no-cache"
"""It may be kept, and is asked for again with its `ETag`: an upgrade of the plugin changes it (RFC 9111, 5.2.2.4)."""


def answer(request: Request) -> Response:
    """The description, or that it is still as the client has it."""
    body, etag = _written()
    is_known = request.if_none_match.contains_weak(etag)
    response = Response(status=304) if is_known else Response(body, content_type="application/json")
    if is_known:
        del response.headers["Content-Type"]
    response.set_etag(etag)
    response.headers["Cache-Control"] = REVALIDATED
    return response


@cache
def _written() -> tuple[bytes, str]:
    """The same for all endpoints of a process; read and made when it is first asked for, not when the plugin starts."""
    from gateway.openapi.document import document  # noqa: PLC0415

    body = json_bytes(document())
    return body, hashlib.sha256(body).hexdigest()[:32]
