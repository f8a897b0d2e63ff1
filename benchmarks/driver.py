"""The daemon's side of a plugin's standard input and output, without HTTP, and without work for each event.

Owns the one loop that feeds and hears a plugin. What is sent comes ready from `flow`; what is heard is kept as it came,
with its time, and read when all is over (`reply`): meanwhile it is only searched for what asks for an answer. Measures
time; judges nothing.
"""

import os
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from pydantic_core import from_json, to_json

from benchmarks.app_run import AppRun
from benchmarks.flow import Call, Condition, Flow
from benchmarks.plugin_process import PluginProcess

READ_SIZE: Final = 1024 * 1024
"""Bytes; a pipe of Linux holds 64 KiB, so this takes all there is."""

PATIENCE: Final = 60.0
"""Seconds without a word from any stream after which the run has failed."""

LONGEST_WAIT: Final = 0.05
"""Seconds; how often the loop looks up when nothing comes."""

ENDPOINT_ID: Final = "benchmark"

_REST: Final = 0.05
"""Seconds over which a plugin is watched for whether it rests."""

_AT_REST: Final = 0.15
"""Part of a processor that a plugin may use when it rests: 1,000 streams that wait on the plain SDK wake up once a
second each."""

_INVOKE, _END, _FAILURE = b'"type":"invoke"', b'"type":"end"', b'"type":"error"'
_HEARTBEAT, _ERROR, _SESSION = b'"event":"heartbeat"', b'"event":"error"', b'"event":"session"'
"""How a line of these kinds is found. What a plugin sends of a body is in hexadecimal, and what it logs has its quotes
escaped, so that neither can hold these; a plugin that serialises otherwise is never heard, which `PATIENCE` ends."""

_HEAD: Final = (
    b'{"session_id":"%b","conversation_id":null,"message_id":null,"app_id":null,"endpoint_id":"%b","context":null,'
)
_ANSWER: Final = b'%b"event":"backwards_response","data":{"backwards_request_id":"%b",'
_ANSWERED: Final = b'%b"event":"response","message":"","data":%b}}\n%b"event":"end","message":"","data":null}}\n'

_FETCHED: Final = b'{"user_input_form":[]}'
"""What Dify says of an app without inputs, as far as a plugin can use it (`recordings/plugin/fetch_app.chat.json`)."""

_DONE: Final = b'{"data":"ok"}'
"""What the daemon says of a value that was written (`workbench/reverse.py` has all of its storage)."""


class PluginFailed(Exception):
    """The plugin said so, ended, or fell silent."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One request. sent: when, in seconds of `time.perf_counter`."""

    session_id: str
    run: AppRun
    sent: float


@dataclass(frozen=True, slots=True)
class Heard:
    """Complete lines that were read at once."""

    time: float
    lines: bytes


class Driver:
    """Feeds one plugin.

    calls: of each stream whose app was asked for, by session. heard: all that came since it was last emptied. now: when
    the loop last turned, in seconds of `time.perf_counter`.
    """

    def __init__(self, process: PluginProcess, settings: Mapping[str, Any]) -> None:
        self.process = process
        self.calls: dict[str, Call] = {}
        self.heard: list[Heard] = []
        self._settings = dict(settings)
        self._numbers = count()
        self._open: dict[str, AppRun] = {}
        self._stored: dict[str, str] = {}
        self._ready = False
        self._unread = b""
        self._unsent = memoryview(b"")
        self._urgent: list[bytes] = []
        self._flows: list[Flow] = []
        self.now = self._last_heard = 0.0
        self._is_writing = False
        self._poll = select.epoll()
        self._poll.register(process.stdout, select.EPOLLIN)
        self._poll.register(process.stdin, 0)

    def wait_until_ready(self) -> float:
        """The SDK's first heartbeat says that it takes requests. Seconds since the process was started."""
        self._turn_until(lambda: self._ready)
        return self.now - self.process.started

    def open(self, request: bytes, runs: Sequence[AppRun]) -> list[Stream]:
        """Sends the HTTP request once for each run, all at once, and each call's opening as it is asked for.

        When it returns each stream has made its call, or has ended without one.
        """
        streams = []
        for run in runs:
            session_id = f"s{next(self._numbers):07}"
            self._open[session_id] = run
            self._urgent.append(self._request_line(session_id, request))
            streams.append(Stream(session_id, run, time.perf_counter()))
        self._turn_until(lambda: all(one.session_id in self.calls or not self.is_open(one) for one in streams))
        return streams

    def is_open(self, stream: Stream) -> bool:
        return stream.session_id in self._open

    def settle(self) -> None:
        """Hears the plugin until it rests."""
        while True:
            before, began = self.process.cpu_seconds(), time.perf_counter()
            self._turn_until(lambda began=began: self.now - began >= _REST)  # type: ignore[misc] # of a lambda's default
            if self.process.cpu_seconds() - before < (self.now - began) * _AT_REST:
                return

    def send(self, *flows: Flow, until: Condition) -> None:
        """Sends them until then; where several have lines for the same moment, the first goes first."""
        self._flows = list(flows)
        self._turn_until(until)

    def finish(self, *flows: Flow) -> None:
        """Sends them until all streams have ended."""
        self.send(*flows, until=lambda: not self._open)

    def _turn_until(self, is_done: Condition) -> None:
        """The loop."""
        self.now = self._last_heard = time.perf_counter()
        while not is_done():
            self._unsent = self._unsent or memoryview(self._next_lines())
            self._want_to_write(wanted=bool(self._unsent))
            events = dict(self._poll.poll(self._wait()))
            self.now = time.perf_counter()
            if events.get(self.process.stdout):
                self._hear()
            if events.get(self.process.stdin):
                self._write()
            if self._open and self.now - self._last_heard > PATIENCE:
                raise PluginFailed(f"{len(self._open)} streams have said nothing for {PATIENCE:.0f} s")

    def _wait(self) -> float:
        if self._unsent:
            return LONGEST_WAIT
        return min([LONGEST_WAIT, *(flow.wait(self.now) for flow in self._flows)])

    def _want_to_write(self, *, wanted: bool) -> None:
        if wanted is not self._is_writing:
            self._is_writing = wanted
            self._poll.modify(self.process.stdin, select.EPOLLOUT if wanted else 0)

    def _hear(self) -> None:
        data = os.read(self.process.stdout, READ_SIZE)
        if not data:
            raise PluginFailed("the plugin has ended")
        data = self._unread + data
        length = data.rfind(b"\n") + 1
        lines, self._unread = data[:length], data[length:]
        if lines:
            self.heard.append(Heard(self.now, lines))
            self._search(lines)

    def _search(self, lines: bytes) -> None:
        if _SESSION in lines:
            self._last_heard = self.now
        self._ready = self._ready or _HEARTBEAT in lines
        for line in _lines_with(_ERROR, lines):
            raise PluginFailed(str(from_json(line)["data"]))
        for line in _lines_with(_FAILURE, lines):
            raise PluginFailed(str(from_json(line)["data"]["data"]))
        for line in _lines_with(_INVOKE, lines):
            message = from_json(line)
            called = message["data"]["data"]
            self._answer(message["session_id"], called["type"], called["backwards_request_id"], called["request"])
        for line in _lines_with(_END, lines):
            del self._open[from_json(line)["session_id"]]

    def _write(self) -> None:
        try:
            sent = os.write(self.process.stdin, self._unsent)
        except BrokenPipeError as error:
            raise PluginFailed("the plugin has ended") from error
        self._unsent = self._unsent[sent:]

    def _next_lines(self) -> bytes:
        """Requests and short answers first, then what the first flow has that is due."""
        if self._urgent:
            lines, self._urgent = self._urgent, []
            return b"".join(lines)
        for flow in self._flows:
            due = flow.due(self.now)
            if due is None:
                self._flows = [other for other in self._flows if other is not flow]
            elif due:
                return due
        return b""

    def _answer(self, session_id: str, kind: str, call_id: str, arguments: dict[str, Any]) -> None:
        head = _ANSWER % (_head(session_id), call_id.encode())
        match kind:
            case "app":
                call = Call(head, self._open[session_id])
                self.calls[session_id] = call
                self._urgent.append(call.opening())
            case "fetch_app":
                self._urgent.append(_ANSWERED % (head, _FETCHED, head))
            case "storage":
                self._urgent.append(_ANSWERED % (head, self._storage(**arguments), head))
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
        return b'%b"event":"request","data":%b}\n' % (_head(session_id), to_json(data))


def _head(session_id: str) -> bytes:
    return _HEAD % (session_id.encode(), ENDPOINT_ID.encode())


def _lines_with(mark: bytes, lines: bytes) -> Iterator[bytes]:
    found = lines.find(mark)
    while found >= 0:
        end = lines.index(b"\n", found)
        yield lines[lines.rfind(b"\n", 0, found) + 1 : end]
        found = lines.find(mark, end)
