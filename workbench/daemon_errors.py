"""The daemon's own error bodies, byte for byte as its Go code writes them.

Owns their JSON; when one is sent, and under which status, is decided elsewhere.
"""

from typing import Any

from pydantic_core import to_json

ROUTE_NOT_FOUND = b'{"code":"not_found","message":"route not found"}'
"""404 for a path or a method that the daemon does not route (internal/server/http_server.go)."""


def internal_server_error(message: str) -> bytes:
    """500, also appended to a body that has begun (internal/types/exception/factory.go)."""
    return _daemon_error(-500, "PluginDaemonInternalServerError", message)


def bad_request_error(message: str) -> bytes:
    """The daemon's 404 for an unknown hook carries this one's code -400 (internal/server/endpoint.go)."""
    return _daemon_error(-400, "PluginDaemonBadRequestError", message)


def invoke_error(message: str) -> bytes:
    """What Dify gets of a tool that has failed; `message` is `plugin_error`'s (internal/service/base_sse.go)."""
    return _daemon_error(-500, "PluginInvokeError", message)


def plugin_error(data: dict[str, Any]) -> bytes:
    """What a plugin's error message becomes: its members sorted (pkg/entities/plugin_entities/event.go)."""
    return go_json({"args": data.get("args"), "error_type": data["error_type"], "message": data["message"]})


def connection_closed() -> bytes:
    """What open requests get when a remote plugin disconnects (internal/core/debugging_runtime/io.go)."""
    return plugin_error(
        {"error_type": "ConnectionClosedError", "message": "Connection closed unexpectedly", "args": {}}
    )


def _daemon_error(code: int, kind: str, message: str) -> bytes:
    cause = go_json({"message": message, "error_type": kind, "args": None})
    return go_json({"code": code, "message": cause.decode(), "data": None})


def go_json(value: object) -> bytes:
    """Compact JSON in which `<`, `>` and `&` are escaped, as Go's encoding/json does by default."""
    return to_json(value).replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")
