"""One request on its way; it fills up as it goes, for the error that may come, and for the log."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from dify_plugin.core.runtime import Session
from werkzeug import Request
from werkzeug.datastructures import Headers

from gateway.access import Caller
from gateway.detail import Detail
from gateway.events import Started
from gateway.journal import Record
from gateway.protocols.protocol import Shape
from gateway.routes import Route
from gateway.settings import Settings

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context 3.2.2; the trace's id is the part that all its requests share."""

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(?=/|$)")


@dataclass(slots=True)
class Exchange:
    """What is known so far. route: None where no path matched. caller: None until it was let in.

    shape: of errors, where they repeat a part of the request; None for the route's own.
    """

    session: Session
    request: Request
    record: Record
    route: Route | None
    chosen: Settings = field(default_factory=Settings)
    caller: Caller | None = None
    started: Started | None = None
    rate_headers: Mapping[str, str] = field(default_factory=dict)
    shape: Shape | None = None

    @property
    def endpoint_id(self) -> str:
        return self.session.endpoint_id or ""

    @property
    def detail(self) -> Detail:
        """Nothing but the answer for whoever is not known."""
        return self.chosen.detail if self.caller else Detail.ANSWER

    @property
    def origin(self) -> str:
        """Scheme and host of the hook, as far as a plugin can know them.

        `Dify-Hook-Url` lacks the port behind Dify's nginx, and a caller can forge it, for its own reply (law 16).
        """
        origin = _ORIGIN.match(self.request.headers.get("Dify-Hook-Url", ""))
        return origin[0] if origin else ""


def request_id_of(headers: Headers) -> str:
    """The caller's own id for the request, or its trace's, where it has a form that can be repeated."""
    given = headers.get("X-Request-Id", "")
    if _REQUEST_ID.fullmatch(given):
        return given
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return trace[1] if trace else uuid.uuid4().hex
