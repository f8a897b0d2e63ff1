"""What the plugin says on standard output: whole pieces, in order, as few writes as possible, and nobody waits.

A piece leaves in the same turn of the loop in which it was written, together with all that is written in that turn; it
is not held for others. Where the daemon reads slower than the plugin writes, writers wait once `MOST_WAITING` lies
here, as they would for a full pipe. Owns the file descriptor and the order; knows nothing of messages.
"""

import contextlib
import fcntl
import io
import os
import stat
from typing import Final

from gevent.event import Event as Signal
from gevent.hub import get_hub, getcurrent
from gevent.monkey import get_original

MOST_WAITING: Final = 64 * 1024
"""Characters that may lie here while writers go on: as much again as a pipe of Linux holds."""

PIPE_SIZE: Final = 1024 * 1024
"""Bytes that a pipe may hold without privileges (Linux: fs.pipe-max-size). A chunk of 1 MiB is a line of 2 MiB, of
which one turn of the loop hands over what the pipe holds; with its usual 64 KiB all others would wait for 32 turns."""

_thread_id: Final = get_original("_thread", "get_ident")
"""The system's thread; gevent's own is the greenlet's."""

WRITABLE: Final = 2
"""libev's number for "can be written" (gevent: `loop.io`)."""


class Outbox(io.TextIOBase):
    """A text file for `sys.stdout`: what is written is on its way, `flush` need not be called.

    Raises from `write` `TypeError` for what is no text, and `OSError` when nobody reads any more.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pieces: list[str] = []
        self._size = 0
        self._unsent = memoryview(b"")
        self._is_under_way = False
        self._is_empty = Signal()
        self._failure: OSError | None = None
        self._hub = get_hub()
        self._thread = _thread_id()
        self._is_watched = False
        self._ready = self._hub.loop.io(descriptor, WRITABLE)
        if _can_wait(descriptor):
            _widen(descriptor)
            os.set_blocking(descriptor, False)

    def write(self, text: str) -> int:
        """Waits only behind a line's end: what others write meanwhile is not to stand in the middle of a line."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._failure is not None:
            raise self._failure
        self._pieces.append(text)
        self._size += len(text)
        if not self._is_under_way:
            self._begin()
        if self._size > MOST_WAITING and text.endswith("\n"):
            self.drain()
        return len(text)

    def drain(self) -> None:
        """Returns when all that was written has been handed to the system, or can't be any more."""
        if self._is_under_way and getcurrent() is not self._hub and _thread_id() == self._thread:
            self._is_empty.wait()

    def flush(self) -> None:
        """Nothing is kept back that this could let go."""

    def close(self) -> None:
        """Hands over what is left, at the end of the process, however long it takes; the descriptor stays open."""
        self._ready.stop()
        os.set_blocking(self._descriptor, True)
        self._send()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def _begin(self) -> None:
        """Sees to it that the pieces leave. Another thread (a resolver that logs) may not touch the loop directly."""
        self._is_under_way = True
        self._is_empty.clear()
        if _thread_id() == self._thread:
            self._hub.loop.run_callback(self._send)
        else:
            self._hub.loop.run_callback_threadsafe(self._send)

    def _send(self) -> None:
        try:
            while self._unsent or self._pieces:
                self._unsent = self._unsent or self._taken()
                self._unsent = self._unsent[os.write(self._descriptor, self._unsent) :]
        except BlockingIOError:
            if not self._is_watched:
                self._is_watched = True
                self._ready.start(self._send)
            return
        except OSError as error:
            self._failure = error
            self._pieces, self._unsent = [], memoryview(b"")
        if self._is_watched:
            self._is_watched = False
            self._ready.stop()
        self._is_under_way = False
        self._is_empty.set()

    def _taken(self) -> memoryview:
        """All pieces as bytes. What no UTF-8 can hold is escaped: it must not keep the rest from leaving."""
        pieces, self._pieces, self._size = self._pieces, [], 0
        return memoryview("".join(pieces).encode("utf-8", "backslashreplace"))


def _widen(descriptor: int) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux has it
        with contextlib.suppress(OSError):  # not a pipe, or an operator who allows less
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def _can_wait(descriptor: int) -> bool:
    """Whether it is what a daemon gives: a file never blocks, and a terminal is shared with those who read it."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
