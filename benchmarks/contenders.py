"""What is compared: each route of each plugin, with the request that it gets and how its reply is read back."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from benchmarks import reply
from benchmarks.null_plugin import FRAME
from benchmarks.plugin_process import Plugin

ROOT: Final = Path(__file__).parent.parent

_APP_ID: Final = "d14a6568-6c6d-401c-b48c-25dcf785b4bb"
_KEY: Final = "benchmark-key-of-no-secret"


@dataclass(frozen=True, slots=True)
class Contender:
    """name: as the table shows it. request: raw HTTP. is_whole: checks the reply's body."""

    name: str
    plugin: Plugin
    request: bytes
    is_whole: reply.Check


def _request(path: str, body: Mapping[str, Any], accept: str = "*/*") -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(content)}",
        f"Accept: {accept}",
        f"Authorization: Bearer {_KEY}",
        "Content-Type: application/json",
        "Dify-Hook-Id: benchmark",
        f"Dify-Hook-Url: http://localhost/e/benchmark{path}",
    )
    return "\r\n".join((*head, "", "")).encode() + content


DUCK_SETTINGS: Final = MappingProxyType(
    {"apps": f"bench={_APP_ID}", "access_keys": f"bench={_KEY}", "max_streams": "1100"}
)
"""Room for 1,000 streams, where the default is 100."""

_DUCK: Final = Plugin(ROOT, DUCK_SETTINGS)
_DUCK_ON_SDK: Final = Plugin(ROOT, DUCK_SETTINGS, MappingProxyType({"DUCK_RUNTIME": "sdk"}))
_PLAIN: Final = Plugin(ROOT / "benchmarks" / "passthrough")
_NULL: Final = Plugin(ROOT, command=(sys.executable, "-m", "benchmarks.null_plugin"))

_QUERY: Final = {"query": "Hello"}
_CHAT: Final = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
_RESPONSES: Final = {"model": "bench", "stream": True, "input": "Hello"}
_DIFY: Final = {"inputs": {}, "query": "Hello", "response_mode": "streaming", "user": "bench"}
_CALL: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "bench", "arguments": {"query": "Hello"}},
}

_FRAME_END: Final = b"\n\n"
_DONE: Final = reply.whole(b"data: [DONE]", _FRAME_END)
_LAST_EVENT: Final = reply.whole(b"workflow_finished", _FRAME_END)
_NATIVE_END: Final = reply.whole(b"event: end\n", _FRAME_END)

PASSTHROUGH: Final = Contender("pass-through", _PLAIN, _request(f"/chat/{_APP_ID}", _QUERY), _LAST_EVENT)
SINK: Final = Contender("sink", _PLAIN, _request(f"/sink/{_APP_ID}", _QUERY), reply.whole(b"", b""))
NULL: Final = Contender("driver alone", _NULL, b"", reply.counted(FRAME))

SSE: Final = Contender("native SSE", _DUCK, _request("/chat/bench", _QUERY, "text/event-stream"), _NATIVE_END)
CHAT: Final = Contender("Chat", _DUCK, _request("/v1/chat/completions", _CHAT), _DONE)

CONTENDERS: Final = (
    PASSTHROUGH,
    SINK,
    SSE,
    CHAT,
    Contender(
        "native NDJSON",
        _DUCK,
        _request("/chat/bench", _QUERY, "application/x-ndjson"),
        reply.whole(b'"event":"end"', b"\n"),
    ),
    Contender(
        "Responses",
        _DUCK,
        _request("/v1/responses", _RESPONSES),
        reply.whole(b"event: response.completed", _FRAME_END),
    ),
    Contender("Dify-shaped", _DUCK, _request("/v1/chat-messages", _DIFY), _LAST_EVENT),
    Contender(
        "MCP tools/call",
        _DUCK,
        _request("/mcp", _CALL, "application/json, text/event-stream"),
        reply.whole(b'"result"', b""),
    ),
    NULL,
)

JUDGED: Final = (SSE, CHAT)
"""Those that something is required of."""

ON_SDK: Final = (
    Contender("native SSE, sdk", _DUCK_ON_SDK, SSE.request, SSE.is_whole),
    Contender("Chat, sdk", _DUCK_ON_SDK, CHAT.request, CHAT.is_whole),
)
"""The same Duck without its own runtime."""


def of_directory(directory: Path, path: str, settings: Mapping[str, Any]) -> Contender:
    """A plugin that is not this Duck. Its body need only carry the tokens, for its frames are not known.

    The request's body has what chat APIs read: `messages` and `model`, and the native `query`.
    """
    request = _request(path, {**_CHAT, **_QUERY}, "text/event-stream")
    return Contender(directory.name, Plugin(directory, settings), request, reply.whole(b"", b""))
