"""The daemon's side of a plugin's standard input and output, as lean as Python allows, and no HTTP.

Owns the messages, and the one loop that feeds and hears a plugin: as many streams at once as asked for, each sent its
events as fast as the pipe takes them, one of every stream in turn, as they would come from so many models. Measures
time; judges nothing.
"""

import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from pydantic_core import from_json, to_json

from benchmarks.app_run import AppRun
from benchmarks.plugin_process import PluginProcess

READ_SIZE: Final = 1024 * 1024
"""Bytes; a pipe of Linux holds 64 KiB, so this takes all there is."""

WRITE_SIZE: Final = 64 * 1024
"""Bytes that are made ready for the pipe at a time: what it holds."""

SAMPLING: Final = 0.02
"""Seconds between two looks at the plugin's memory."""

PATIENCE: Final = 60.0
"""Seconds without a word from any stream after which the run has failed."""

ENDPOINT_ID: Final = "benchmark"

_FETCHED: Final = b'{"user_input_form":[]}'
"""What Dify says of an app without inputs, as far as a plugin can use it (`recordings/plugin/fetch_app.chat.json`)."""

_DONE: Final = b'{"data":"ok"}'
"""What the daemon says of a value that was written (`workbench/reverse.py` has all of its storage)."""


class PluginFailed(Exception):
    """The plugin said so, ended, or fell silent."""


@dataclass(slots=True, eq=False)
class Stream:
    """One request. Times in seconds of `time.perf_counter`; chunks: the body as hexadecimal text."""

    run: AppRun
    sent: float = 0.0
    first_byte: float = 0.0
    last_byte: float = 0.0
    status: int = 0
    chunks: list[str] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return bytes.fromhex("".join(self.chunks))


@dataclass(frozen=True, slots=True)
class Batch:
    """Streams that ran at once, and the plugin's peak memory meanwhile, in bytes."""

    streams: list[Stream]
    peak_memory: int


class Driver:
    """Feeds one plugin."""

    def __init__(self, process: PluginProcess, settings: Mapping[str, Any]) -> None:
        self._process = process
        self._settings = dict(settings)
        self._numbers = count()
        self._open: dict[str, Stream] = {}
        self._stored: dict[str, str] = {}
        self._ready = False
        self._received = b""
        self._unsent = memoryview(b"")
        self._urgent: list[bytes] = []
        self._feeds: deque[Iterator[bytes]] = deque()
        self._now = self._heard = 0.0

    def wait_until_ready(self) -> None:
        """The SDK's first heartbeat says that it takes requests."""
        self._turn_until(lambda: self._ready)

    def run(self, request: bytes, runs: Sequence[AppRun]) -> Batch:
        """Sends the HTTP request once for each run, all at once, and hears all replies to their end."""
        streams = [Stream(run, sent=time.perf_counter()) for run in runs]
        for stream in streams:
            session_id = f"session{next(self._numbers)}"
            self._open[session_id] = stream
            self._urgent.append(self._request_line(session_id, request))
        return Batch(streams, self._turn_until(lambda: not self._open))

    def _turn_until(self, is_done: "_Condition") -> int:
        """The loop. The peak of the plugin's memory meanwhile, in bytes."""
        self._heard = sampled = time.perf_counter()
        peak_memory = self._process.memory()
        while not is_done():
            is_writing = bool(self._unsent or self._urgent or self._feeds)
            readable, writable, _ = select.select(
                [self._process.stdout], [self._process.stdin] if is_writing else [], [], SAMPLING
            )
            self._now = time.perf_counter()
            if readable:
                self._hear()
            if writable:
                self._write()
            if self._now - sampled > SAMPLING:
                sampled = self._now
                peak_memory = max(peak_memory, self._process.memory())
            if self._now - self._heard > PATIENCE:
                raise PluginFailed(f"{len(self._open)} streams have said nothing for {PATIENCE:.0f} s")
        return max(peak_memory, self._process.memory())

    def _hear(self) -> None:
        data = os.read(self._process.stdout, READ_SIZE)
        if not data:
            raise PluginFailed("the plugin has ended")
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            if line:
                self._receive(line)

    def _write(self) -> None:
        if not self._unsent:
            self._unsent = memoryview(self._next_lines())
        try:
            sent = os.write(self._process.stdin, self._unsent)
        except BrokenPipeError as error:
            raise PluginFailed("the plugin has ended") from error
        self._unsent = self._unsent[sent:]

    def _next_lines(self) -> bytes:
        """Requests and short answers first, then one event of each stream in turn."""
        lines, self._urgent = self._urgent, []
        size = sum(map(len, lines))
        while self._feeds and size < WRITE_SIZE:
            feed = self._feeds.popleft()
            line = next(feed, None)
            if line is not None:
                lines.append(line)
                size += len(line)
                self._feeds.append(feed)
        return b"".join(lines)

    def _receive(self, line: bytes) -> None:
        message = from_json(line)
        match message.get("event"):
            case "session":
                self._receive_of_session(message["session_id"], message["data"]["type"], message["data"]["data"])
            case "heartbeat":
                self._ready = True
            case "error":
                raise PluginFailed(str(message["data"]))
            case _:
                pass  # its configuration, and its log

    def _receive_of_session(self, session_id: str, kind: str, data: dict[str, Any]) -> None:
        self._heard = self._now
        match kind:
            case "stream":
                _grow(self._open[session_id], data, self._now)
            case "invoke":
                self._answer(session_id, data["type"], data["backwards_request_id"], data["request"])
            case "end":
                del self._open[session_id]
            case _:
                raise PluginFailed(str(data))

    def _answer(self, session_id: str, kind: str, call_id: str, arguments: dict[str, Any]) -> None:
        head = (
            f'{{"session_id":"{session_id}","event":"backwards_response","data":{{"backwards_request_id":"{call_id}",'
            '"event":"response","message":"","data":'
        ).encode()
        end = head.replace(b'"response",', b'"end",', 1) + b"null}}\n"
        match kind:
            case "app":
                self._feeds.append(_feed(head, self._open[session_id].run.events, end))
            case "fetch_app":
                self._urgent += [head + _FETCHED + b"}}\n", end]
            case "storage":
                self._urgent += [head + self._storage(**arguments) + b"}}\n", end]
            case _:
                raise PluginFailed(f"the plugin asked for {kind}, which the driver does not have")

    def _storage(self, opt: str, key: str, value: str = "") -> bytes:
        """A storage that never fails. value: in hexadecimal, as it is answered again."""
        match opt:
            case "exist":
                return to_json({"data": key in self._stored})
            case "get":
                return to_json({"data": self._stored[key]})
            case "set":
                self._stored[key] = value
                return _DONE
            case _:
                raise PluginFailed(f"the plugin asked its storage for {opt}, which the driver does not have")

    def _request_line(self, session_id: str, request: bytes) -> bytes:
        data = {
            "user_id": "",
            "type": "endpoint",
            "action": "invoke_endpoint",
            "settings": self._settings,
            "raw_http_request": request.hex(),
        }
        message = {"session_id": session_id, "event": "request", "endpoint_id": ENDPOINT_ID, "data": data}
        return to_json(message) + b"\n"


def _feed(head: bytes, events: tuple[bytes, ...], end: bytes) -> Iterator[bytes]:
    """The lines of one reverse call."""
    for event in events:
        yield b"%b%b}}\n" % (head, event)
    yield end


def _grow(stream: Stream, data: Mapping[str, Any], now: float) -> None:
    stream.status = data.get("status", stream.status)
    chunk = data.get("result")
    if chunk:
        stream.first_byte = stream.first_byte or now
        stream.last_byte = now
        stream.chunks.append(chunk)


type _Condition = Callable[[], bool]
