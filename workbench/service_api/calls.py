"""One request to the Service API, past the key and the user: what every handler of a route gets, and how it answers.

Owns the answers' headers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from workbench.app import Refused
from workbench.dify_json import answer_json, error_json
from workbench.runs import Runs
from workbench.service_api.catalogue import Entry
from workbench.service_api.faults import Fault
from workbench.service_api.records import Records, UserRecords

HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Env, X-Trace-Id, X-Version",
    "X-Version": "1.16.0",
    "X-Env": "PRODUCTION",
    "Vary": "Cookie",
}
"""On every answer, as recorded."""


@dataclass(frozen=True, slots=True)
class Call:
    """`sent` is the JSON body, the query or the form, wherever the route has its arguments."""

    request: web.Request
    entry: Entry
    user: str
    sent: Mapping[str, Any]
    fault: Fault
    records: Records
    runs: Runs

    @property
    def mode(self) -> str:
        return self.entry.app.mode

    @property
    def own(self) -> UserRecords:
        """What belongs to the caller."""
        return self.records.of(self.entry.app_id, self.user)

    def path_id(self) -> str:
        return self.request.match_info["id"]


def answer(value: Any, status: int = 200) -> web.Response:
    return whole(answer_json(value), "application/json", status)


def whole(body: bytes, content_type: str, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers={**HEADERS, "Content-Type": content_type})


def refusal(refused: Refused) -> web.Response:
    response = whole(error_json(refused), "application/json", refused.status)
    if refused.status == web.HTTPUnauthorized.status_code:
        response.headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return response
