"""A server on loopback that answers exactly what a test tells it, faults of all kinds included.

It runs in threads of its own, which are greenlets where the process is patched with gevent.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

PATIENCE: Final = 60.0
"""Seconds for what must come, on a machine with much else to do."""


@dataclass(frozen=True)
class Received:
    """A request. headers: by small names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Do(Enum):
    CLOSE = "close the connection"
    AWAIT_CLIENT = "wait until the client closes the connection"


type Step = bytes | Callable[[], object] | Do
"""Bytes to send; something to do, or to wait for."""

type Answer = Callable[[Received], Iterator[Step]]


@dataclass
class Loopback:
    """answer: the steps of one reply; a reply that does not close the connection is followed by the next. listens:
    whether it does from the start; until then connections are refused.

    requests: all that came. open: connections that are open now. most_open: the most that were at once.
    """

    answer: Answer
    tls: ssl.SSLContext | None = None
    listens: bool = True
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        if self.listens:
            self.listen()

    def listen(self) -> None:
        self._listener.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def wait_until_open(self, number: int) -> None:
        """Until so many connections are open; fails when it takes too long."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.open == number, PATIENCE), f"{self.open} connections are open"

    def wait_for_requests(self, number: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= number, PATIENCE), f"{self.requests} came"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._count(1)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _count(self, more: int) -> None:
        with self._changed:
            self.open += more
            self.connections += max(more, 0)
            self.most_open = max(self.most_open, self.open)
            self._changed.notify_all()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            reader = connection.makefile("rb")
            while request := _read(reader):
                with self._changed:
                    self.requests.append(request)
                    self._changed.notify_all()
                for step in self.answer(request):
                    match step:
                        case bytes():
                            connection.sendall(step)
                        case Do.CLOSE:
                            return
                        case Do.AWAIT_CLIENT:
                            connection.recv(1)
                            return
                        case _:
                            step()
        except OSError:
            pass  # the client has left
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            self._count(-1)


def _read(reader: Any) -> Received | None:
    """The next request; None where the client has closed."""
    line = reader.readline().decode("latin-1").split()
    if not line:
        return None
    headers: dict[str, str] = {}
    while head := reader.readline().decode("latin-1").strip():
        name, _, value = head.partition(":")
        headers[name.lower()] = value.strip()
    return Received(line[0], line[1], headers, reader.read(int(headers.get("content-length", 0))))


def reply(status: int, content_type: str, body: bytes, *headers: str) -> bytes:
    """A whole reply."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_reply(status: int, value: object) -> bytes:
    return reply(status, "application/json", json.dumps(value).encode())


STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)
STREAM_END: Final = b"0\r\n\r\n"


def chunk(content: bytes) -> bytes:
    """One chunk of a stream."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def event(value: object) -> bytes:
    """One event as Dify frames it, in a chunk."""
    return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")
