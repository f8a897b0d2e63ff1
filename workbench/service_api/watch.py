"""What has reached the Service API: every request as it came, for tests that must prove what was sent, and how often.

Owns the notes. A key is noted by its app's alias, never as it is.
"""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from aiohttp.web_request import FileField

REMEMBERED: Final = 10_000
"""Requests; older ones are forgotten."""

HEADERS: Final = ("Content-Type", "Accept", "User-Agent", "Connection", "Cookie", "X-Request-Id")
"""Noted where they were sent."""


@dataclass(slots=True)
class Watch:
    """`busy` is how many requests are being answered now."""

    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    busy: int = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    async def note(self, request: web.Request, path: str, alias: str | None) -> None:
        """Reads the whole body; raises what reading it raises."""
        body = await _body(request)
        sent = [request.query.get("user"), body.get("user") if isinstance(body, dict) else None]
        self.requests.append(
            {
                "method": request.method,
                "path": path,
                "query": dict(request.query),
                "app": alias,
                "user": next((user for user in sent if user is not None), None),
                "headers": {name.lower(): request.headers[name] for name in HEADERS if name in request.headers},
                "body": body,
            }
        )


async def _body(request: web.Request) -> Any:
    """JSON as it is; a form as its fields, files by name, type and size; anything else as text; None for nothing."""
    if request.content_type.startswith("multipart/"):
        return {name: _field(value) for name, value in (await request.post()).items()}
    data = await request.read()
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _field(value: str | bytes | bytearray | FileField) -> Any:
    if not isinstance(value, FileField):
        return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
    size = value.file.seek(0, 2)
    value.file.seek(0)
    return {"filename": value.filename, "content_type": value.content_type, "size": size}
