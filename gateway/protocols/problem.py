"""Errors outside a protocol of their own: RFC 9457, `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from gateway.errors import DuckError
from gateway.protocols.protocol import Shaped
from gateway.wire import json_bytes

CONTENT_TYPE: Final = "application/problem+json"


def shape(error: DuckError, known: Mapping[str, Any], *, with_cause: bool) -> Shaped:
    """The problem details. known: extension members beside `code`, such as `request_id` (RFC 9457, 3.2).

    `type` is `about:blank`, so `title` is the status' own phrase (RFC 9457, 4.2.1); what differs is in `code`.
    """
    details = json_bytes(
        {
            "type": "about:blank",
            "title": title_of(error.status),
            "status": error.status,
            "detail": error.sentence(with_cause=with_cause),
            "code": error.code,
            **known,
        }
    )
    return Shaped(CONTENT_TYPE, details, {})


def title_of(status: int) -> str:
    """The status' own phrase; 499 is nginx's, for a client that closed the request."""
    return "Client Closed Request" if status == 499 else HTTPStatus(status).phrase  # noqa: PLR2004
