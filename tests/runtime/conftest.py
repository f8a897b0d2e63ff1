"""The daemon's side of a plugin's standard input and output, for the probe of the workbench's tests on either wire."""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Self
from unittest import mock

import hypothesis
import pytest

with mock.patch("gevent.monkey.patch_all"):  # as in tests/gateway: others in this process use real threads
    import dify_plugin  # noqa: F401 - imported for its effect

from tests.conftest import ROOT, START_SECONDS

hypothesis.settings.register_profile("always the same", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("always the same")

PROBE = ROOT / "tests" / "workbench" / "probe"

MAIN = """
from dify_plugin import DifyPluginEnv, Plugin
from runtime.start import install
from werkzeug import Response

config = DifyPluginEnv()
install(config, lambda session, request, settings, problem: Response(problem, status=400))
Plugin(config).run()
"""

type Message = dict[str, Any]


class Daemon:
    """One plugin process. `before`: Python that runs in it before its own."""

    def __init__(self, environment: dict[str, str], before: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", before + MAIN],
            cwd=PROBE,
            env={**os.environ, "INSTALL_METHOD": "local", "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.heard: list[Message] = []
        self._meet()

    def _meet(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._speak_over(self._process.stdin.fileno(), self._process.stdout.fileno())

    def _speak_over(self, stdin: int, stdout: int) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._received = b""
        self.wait_for(lambda message: message.get("event") == "heartbeat")

    def write(self, data: bytes) -> None:
        """Bytes as they are, read by the plugin meanwhile or not."""
        while data:
            data = data[os.write(self._stdin, data[:65536]) :]

    def say(self, session: str, event: str, data: Any) -> None:
        self.write(json.dumps({"session_id": session, "event": event, "data": data}).encode() + b"\n")

    def request(self, session: str, target: str, body: bytes = b"", head: bytes = b"Host: probe\r\n") -> None:
        raw = f"{target} HTTP/1.1\r\n".encode() + head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        asked = {"type": "endpoint", "action": "invoke_endpoint", "settings": {}, "raw_http_request": raw.hex()}
        self.say(session, "request", asked)

    def run_app(self, session: str) -> str:
        """Has a session run an app; the id of its call."""
        self.request(session, "POST /app", b'{"app_id": "a", "query": "q"}')
        return self.call_of(session)

    def call_of(self, session: str) -> str:
        message = self.wait_for(lambda heard: _kind(heard) == "invoke" and heard["session_id"] == session)
        call_id: str = message["data"]["data"]["backwards_request_id"]
        return call_id

    def answer(self, session: str, call_id: str, event: str, data: Any = None, message: str = "") -> None:
        said = {"backwards_request_id": call_id, "event": event, "message": message, "data": data}
        self.say(session, "backwards_response", said)

    def wait_for(self, is_it: Callable[[Message], bool]) -> Message:
        """The first message of which it is true, from the last that was waited for on; all are kept in `heard`."""
        while True:
            message = self._next()
            self.heard.append(message)
            if is_it(message):
                return message

    def end_of(self, session: str) -> list[Message]:
        """All that a session has said, to its end."""
        if not any(_kind(message) == "end" and message["session_id"] == session for message in self.heard):
            self.wait_for(lambda heard: _kind(heard) == "end" and heard["session_id"] == session)
        return [message["data"] for message in self.heard if message.get("session_id") == session]

    def body_of(self, session: str) -> bytes:
        said = [message["data"] for message in self.end_of(session) if message["type"] == "stream"]
        return b"".join(bytes.fromhex(data.get("result", "")) for data in said)

    def _next(self) -> Message:
        deadline = time.monotonic() + START_SECONDS
        while b"\n" not in self._received:
            readable, _, _ = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._stdout, 1 << 20) if readable else b""
            if not data:
                raise AssertionError(f"the plugin says nothing more, after {self.heard[-3:]}")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return self._message(line) if line.strip() else self._next()

    def _message(self, line: bytes) -> Message:
        try:
            message = json.loads(line)
        except ValueError:
            message = {"event": "text", "text": line.decode()}
        return message if isinstance(message, dict) else {"event": "text", "text": line.decode()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class DebuggingPort(Daemon):
    """The daemon's side of remote debugging, which can drop the plugin's connection."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(START_SECONDS)
        address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        key = {"REMOTE_INSTALL_URL": address, "REMOTE_INSTALL_KEY": "a-key"}
        super().__init__({"INSTALL_METHOD": "remote", "HEARTBEAT_INTERVAL": "0.2", **key}, RECONNECTING_SOON)

    def _meet(self) -> None:
        """Waits for the plugin to connect, and to say what it is."""
        self._connection, _ = self._listening.accept()
        self._speak_over(self._connection.fileno(), self._connection.fileno())

    def drop(self) -> None:
        """Closes the connection, and waits for the next."""
        self._connection.close()
        self._meet()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._connection.close()
        self._listening.close()


RECONNECTING_SOON = """
import dify_plugin
from dify_plugin.core.server.tcp.request_reader import TCPReaderWriter
TCPReaderWriter.__init__.__defaults__ = (3, 0.1, None)
"""
"""The SDK's own wait is 5 s."""


def _kind(message: Message) -> str:
    return str(message["data"]["type"]) if message.get("event") == "session" else ""


@pytest.fixture(scope="module")
def fast() -> Iterator[Daemon]:
    with Daemon({}) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def sdk() -> Iterator[Daemon]:
    with Daemon({"DUCK_RUNTIME": "sdk"}) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Daemon]]:
    """Starts others; they end with the module."""
    started: list[Daemon] = []

    def begin(before: str = "", **environment: str) -> Daemon:
        started.append(Daemon(environment, before))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.__exit__()
