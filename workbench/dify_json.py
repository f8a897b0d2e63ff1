"""JSON as Dify's HTTP interfaces write it, which differs by who writes it: answers, errors, blocking runs, events.

Owns the bytes; compared with the recorded ones.
"""

import json
from typing import Any

from workbench.app import Refused


def answer_json(value: Any) -> bytes:
    """As Flask-RESTX writes an answer or an error: ASCII, slashes escaped, a line end."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode() + b"\n"


def run_json(value: Any) -> bytes:
    """As Dify writes the result of a blocking run: ASCII, with spaces."""
    return json.dumps(value).encode()


def event_json(value: Any) -> bytes:
    """As Dify writes an event of a stream: compact, not escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def error_json(refused: Refused) -> bytes:
    """Which member comes first depends on Dify's handler."""
    body: dict[str, Any] = {"code": refused.code, "message": refused.message, "status": refused.status}
    if refused.code == "unknown":
        body = {"message": refused.message, "code": refused.code, "status": refused.status}
    return answer_json(body)
