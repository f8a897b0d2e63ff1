"""One line in the log for each request, when its reply has ended.

The line names who asked for what and how it went. Nothing in it comes from the request but its id, whose form is
checked: never a key, a handle, a query, an answer or a header's value.
"""

import time
import weakref
from collections.abc import Generator
from dataclasses import dataclass, field

from gateway.log import logger
from gateway.streaming import Run


@dataclass(slots=True)
class Record:
    """What the line will say. route, caller, app: `""` where it did not come so far. error: the code of what failed."""

    request_id: str
    route: str = ""
    caller: str = ""
    app: str = ""
    status: int = 0
    error: str = ""
    size: int = 0
    run: Run | None = None
    reason: str = ""
    _began: float = field(default_factory=time.monotonic)
    _first: float | None = None
    _is_told: bool = False

    def sent(self, size: int) -> None:
        """Counts a chunk of the body, in bytes, that leaves just now."""
        if self._first is None:
            self._first = time.monotonic()
        self.size += size

    def finish(self) -> None:
        """Writes the line; once, however often it is called."""
        if self._is_told:
            return
        self._is_told = True
        now = time.monotonic()
        first = now if self._first is None else self._first
        said = {
            "request": self.request_id,
            "route": self.route,
            "caller": self.caller,
            "app": self.app,
            "status": self.status,
            "events": self.run.seen if self.run else 0,
            "bytes": self.size,
            "first_ms": round((first - self._began) * 1000),
            "ms": round((now - self._began) * 1000),
            "error": self.error or (self.run.failure if self.run else ""),
            "reason": self.reason,
        }
        logger.info(" ".join(f"{name}={value}" for name, value in said.items() if value != ""))


def recorded(body: Generator[bytes], record: Record) -> Generator[bytes]:
    """The body, with its line written when it has ended, was closed, or was never begun and is forgotten."""
    counted = _counted(body, record)
    weakref.finalize(counted, record.finish).atexit = False
    return counted


def _counted(body: Generator[bytes], record: Record) -> Generator[bytes]:
    try:
        for chunk in body:
            record.sent(len(chunk))
            yield chunk
    finally:
        record.finish()
