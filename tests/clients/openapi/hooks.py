"""What schemathesis is told beside the description: what an event of a stream is, and how a webhook is signed.

Loaded by schemathesis in an environment of its own (schemathesis.toml beside this file).
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final

import requests
import schemathesis

SECRET: Final = b"duck-demo-webhook-secret"
STREAM: Final = "text/event-stream"


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Gives an event's schema for the stream's, which is how schemathesis holds each event to it (OpenAPI 3.2 has a
    word of its own for that, and the description an extension).
    """
    for media in _media(raw_schema):
        if STREAM in media:
            media[STREAM]["schema"] = media[STREAM]["x-itemSchema"]


def _media(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("content"), dict):
            yield value["content"]
        for item in value.values():
            yield from _media(item)


class _Signature(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        content = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        request.headers["X-Hub-Signature-256"] = f"sha256={hmac.new(SECRET, content, hashlib.sha256).hexdigest()}"
        return request


schemathesis.auth.set_from_requests(_Signature()).apply_to(path="/hooks/{app_id}")
