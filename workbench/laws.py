"""The limits that Dify's plugin daemon imposes on a plugin, each with its source.

Owns the numbers; the modules that enforce them read them here at the moment of use, so a test may shorten one. Where
the daemon's behaviour varies, the number is the worst case. "Law n" is DESIGN section 5, "wire n" is dify-wire.md;
files without a name before them are the daemon's (main of 2026-08-21, which is 0.6.10).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# -- The request on its way in -------------------------------------------------------------------------------------

METHODS: Final = frozenset({"HEAD", "POST", "GET", "PUT", "DELETE", "OPTIONS"})
"""Law 11. What `internal/server/http_server.go` routes below `/e/`; anything else, PATCH too, is its 404."""

REQUEST_BODY_LIMIT: Final = 10 * 1024 * 1024
"""Law 10. Bytes; the rest of a longer body is cut off without a word (`LimitReader`, internal/service/endpoint.go)."""

REMOVED_HEADERS: Final = frozenset(
    {
        "X-Forwarded-For",
        "X-Real-Ip",
        "X-Forwarded",
        "X-Original-Forwarded-For",
        "X-Original-Url",
        "X-Original-Host",
    }
)
"""Law 11, wire 9. What the plugin never sees, in Go's spelling (`copyRequest`, internal/service/endpoint.go)."""

HEADER_LIMIT: Final = 1024 * 1024
"""Bytes of one request line or header. Go's `DefaultMaxHeaderBytes` (net/http), which the daemon does not change."""

PLUGIN_WAIT: Final = 6.0
"""Seconds that a request waits for a plugin that is not up (`writeRetryBudget`, internal/core/io_tunnel/generic.go)."""

# -- The reply on its way out --------------------------------------------------------------------------------------

RESPONSE_QUEUE_CHUNKS: Final = 128
"""Law 8. Chunks that may wait for the client; what comes while the queue is full is dropped, and the stream ends
cleanly all the same (internal/core/io_tunnel/endpoint_service.go, `Write` in pkg/utils/stream/stream.go)."""

READ_TURN: Final = 64 * 1024
"""Law 8. Bytes of the plugin's output that are handled before the clients' writers get their turn. A Linux pipe holds
as much. With tiny chunks one turn overflows the queue, as on the real thing with a busy scheduler (wire 14.2)."""

SOCKET_SEND_BUFFER: Final = 64 * 1024
"""Law 8. Bytes that the kernel takes off the queue for a client who is not reading. The daemon leaves this to Linux
(up to 4 MiB), which would hide a slow client until it meets a network that buffers less."""

SHORT_REPLY_GAP: Final = 0.050
"""Law 9. Seconds. A reply that ends sooner than this after its first chunk has come keeps that chunk and loses the
rest, with a clean end. Measured: wire 14.1; 50 ms is the shortest pause that was always enough."""

STDOUT_LINE_LIMIT: Final = 5 * 1024 * 1024
"""Law 7. Bytes of one line on the plugin's standard output, its newline included; a longer one gets the process killed
(`PLUGIN_STDIO_MAX_BUFFER_SIZE`; `bufio.Scanner` in internal/core/local_runtime/instance.go). Not under remote
debugging, whose reader knows no limit (internal/core/debugging_runtime/codec.go)."""

SERVERLESS_REQUEST_LIMIT: Final = 5 * 1024 * 1024
"""Bytes of a session's first line under serverless; a longer one is a 500, and never sent
(`MAX_SERVERLESS_REQUEST_BYTES`, internal/core/serverless_runtime/io.go)."""

TRANSACTION_LIMIT: Final = 6 * 1024 * 1024
"""Bytes that are read of a reverse call under serverless
(internal/core/io_tunnel/backwards_invocation/transaction/serverless_handler.go)."""

# -- Clocks --------------------------------------------------------------------------------------------------------

REVERSE_CALL_VARIABLE: Final = "DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT"
REVERSE_CALL_MILLISECONDS: Final = 240_000
"""Law 13. One reverse call in all, from its first event, with data flowing or not (internal/types/app/config.go,
`RequestAndParseStream` in pkg/utils/http_requests/http_warpper.go). The variable sets it, in milliseconds."""

RESPONSE_VARIABLE: Final = "PLUGIN_MAX_EXECUTION_TIMEOUT"
RESPONSE_SECONDS: Final = 600
"""Law 13. One response, from its first chunk (internal/service/endpoint.go). The variable sets it, in seconds."""

HEARTBEAT_LIMIT: Final = 120.0
"""Seconds without a heartbeat after which a plugin is killed, and within which a started one must send its first
(`MAX_HEARTBEAT_INTERVAL`, internal/core/local_runtime/instance.go)."""

REMOTE_HEARTBEAT_LIMIT: Final = 60.0
"""The same under remote debugging, where the connection is closed (internal/core/debugging_runtime/lifetime.go)."""

TRANSACTION_HEARTBEAT: Final = 25.0
"""Seconds after which an empty line keeps the answer to a reverse call alive under serverless (`startHeartbeat`)."""

HANDSHAKE_LIMIT: Final = 10.0
"""Seconds that a remote plugin has to introduce itself (`OnOpen`, internal/core/debugging_runtime/hooks.go)."""

# -- Storage -------------------------------------------------------------------------------------------------------

STORAGE_KEY_LIMIT: Final = 256
"""Bytes of a key (internal/core/persistence/persistence.go)."""

STORAGE_LIMIT: Final = 100 * 1024 * 1024
"""Bytes that one plugin may keep in one workspace, whatever its manifest says (`PERSISTENCE_STORAGE_MAX_SIZE`)."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two limits of law 13 that an operator sets in the daemon's environment, both in seconds."""

    reverse_call: float
    response: float


def read_clocks(environment: Mapping[str, str]) -> Clocks:
    """The clocks as the daemon would read them; raises ValueError for a value that is not a whole number."""
    return Clocks(
        reverse_call=_whole(environment, REVERSE_CALL_VARIABLE, REVERSE_CALL_MILLISECONDS) / 1000,
        response=_whole(environment, RESPONSE_VARIABLE, RESPONSE_SECONDS),
    )


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    try:
        # The daemon takes 0 for "not set" (internal/types/app/default.go).
        return int(text or 0) or default
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {text!r}") from None
