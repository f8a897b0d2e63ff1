"""What is compared: each route of each plugin with the request that it gets, and how its answer is read back.

Reading back is the proof that a stream arrived whole: every reader below returns the answer's text, and raises
`Mangled` where the end of the stream is missing.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from benchmarks.app_run import AppRun, app_run, workflow_run

ROOT: Final = Path(__file__).parent.parent

APP_ID: Final = "d14a6568-6c6d-401c-b48c-25dcf785b4bb"
_WORKFLOW_ID: Final = "e5547cb2-bd39-4513-b6de-1d324b1b5d7c"
_KEY: Final = "benchmark-key-of-no-secret"

type Reader = Callable[[bytes], str]


class Mangled(Exception):
    """A stream lost something, or has it in another order. There is no number for that."""


@dataclass(frozen=True, slots=True, eq=False)
class Plugin:
    """A process to measure. settings: the endpoint's, as the daemon would pass them."""

    command: tuple[str, ...]
    directory: Path
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contender:
    """name: as the table shows it. request: raw HTTP. read: the answer's text, from the reply's body. run: what the app
    sends, from a number and how many tokens. base: the name of the contender that it is compared with. required: the
    least ratio of its events per second to the base's; None where nothing is.
    """

    name: str
    plugin: Plugin
    request: bytes
    read: Reader
    run: Callable[[int, int], AppRun] = app_run
    base: str = "pass-through"
    required: float | None = None


def _request(path: str, accept: str, body: bytes = b'{"query":"Hello"}') -> bytes:
    head = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(body)}",
        f"Accept: {accept}",
        f"Authorization: Bearer {_KEY}",
        "Content-Type: application/json",
        "Dify-Hook-Id: benchmark",
        f"Dify-Hook-Url: http://localhost/e/benchmark{path}",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def _read_passthrough(body: bytes) -> str:
    events = [json.loads(frame.removeprefix(b"data: ")) for frame in body.split(b"\n\n") if frame]
    _check_last(events, "message_end")
    return "".join(event["answer"] for event in events if event["event"] == "message")


def _read_sse(body: bytes) -> str:
    frames = [frame.removeprefix(b"event: ").split(b"\ndata: ") for frame in body.split(b"\n\n") if frame[:1] == b"e"]
    return _native_text([{"event": name.decode(), **json.loads(data)} for name, data in frames])


def _read_ndjson(body: bytes) -> str:
    return _native_text([json.loads(line) for line in body.split(b"\n") if line])


def _native_text(events: list[dict[str, Any]]) -> str:
    _check_last(events, "end")
    return "".join(event["text"] for event in events if event["event"] == "text")


def _read_text(body: bytes) -> str:
    return body.decode()


def _read_duck(body: bytes) -> str:
    events = [json.loads(line) for line in body.split(b" <br>") if line.strip()]
    _check_last(events, "message_end")
    return "".join(event["answer"] for event in events if event["event"] == "message")


def _read_chat_completions(body: bytes) -> str:
    *frames, done = [frame.removeprefix(b"data: ") for frame in body.split(b"\n\n") if frame[:1] == b"d"]
    if done != b"[DONE]":
        raise Mangled(f"the stream ends not with [DONE] but with {done[:300]!r}")
    deltas = [choice["delta"] for frame in frames for choice in json.loads(frame)["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)


def _check_last(events: list[dict[str, Any]], name: str) -> None:
    if not events or events[-1]["event"] != name:
        raise Mangled(f"the stream ends not with {name} but with {str(events[-1:])[:300]}")


_PYTHON_MAIN: Final = (sys.executable, "-m", "main")

_DUCK: Final = Plugin(
    _PYTHON_MAIN,
    ROOT,
    MappingProxyType(
        {"apps": f"bench={APP_ID}, flow={_WORKFLOW_ID}", "access_keys": f"bench={_KEY}", "max_streams": "900"}
    ),
)
_PASSTHROUGH: Final = Plugin(_PYTHON_MAIN, ROOT / "benchmarks" / "passthrough", MappingProxyType({}))
_NULL: Final = Plugin((sys.executable, "-m", "benchmarks.null_plugin"), ROOT, MappingProxyType({}))

PASSTHROUGH: Final = Contender("pass-through", _PASSTHROUGH, _request(f"/chat/{APP_ID}", "*/*"), _read_passthrough)
SSE: Final = Contender("/chat, SSE", _DUCK, _request("/chat/bench", "text/event-stream"), _read_sse, required=1.0)
WORKFLOW: Final = Contender(
    "/workflow, SSE", _DUCK, _request("/workflow/flow", "text/event-stream", b"{}"), _read_sse, workflow_run
)

_CHAT_COMPLETION: Final = json.dumps(
    {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
).encode()
CHAT_COMPLETIONS: Final = Contender(
    "/v1/chat/completions",
    _DUCK,
    _request("/v1/chat/completions", "*/*", _CHAT_COMPLETION),
    _read_chat_completions,
    required=1.1,
)

_OTHERS: Final = (
    Contender("/chat, NDJSON", _DUCK, _request("/chat/bench", "application/x-ndjson"), _read_ndjson),
    Contender("/chat, text", _DUCK, _request("/chat/bench", "text/plain"), _read_text),
    Contender("/duck", _DUCK, _request("/duck/bench", "text/html"), _read_duck),
)

CONTENDERS: Final = (
    PASSTHROUGH,
    SSE,
    CHAT_COMPLETIONS,
    *_OTHERS,
    Contender("driver alone", _NULL, b"", _read_passthrough),
)


def against(directory: Path) -> tuple[Contender, ...]:
    """Duck's routes, each after the same route of the Duck in that directory, and compared with it."""
    other = replace(_DUCK, directory=directory)
    pairs: list[Contender] = []
    for route in (SSE, WORKFLOW, *_OTHERS):
        there = f"{route.name} (baseline)"
        pairs.append(replace(route, name=there, plugin=other, base=there, required=None))
        pairs.append(replace(route, base=there, required=None))
    return tuple(pairs)
