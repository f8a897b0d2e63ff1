"""A plugin's reply to one request, on its way from the plugin's output to the client's socket.

Owns the bounded queue of law 8 and the moments of a reply: begun, over, failed. Knows neither HTTP nor the plugin's
protocol (internal/core/io_tunnel/endpoint_service.go).
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from itertools import islice
from time import monotonic
from typing import Any

from workbench import laws


class Reply:
    """`stream`, `end` and `fail` are the plugin's side, the rest is the client's, of which there is one.

    `begun`: the first chunk of the body is here, or the end is. `error` is the JSON that tells of the plugin's failure.
    `dropped` counts the chunks lost to a full queue.
    """

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.begun = False
        self.over = False
        self.error: bytes | None = None
        self.dropped = 0
        self._begun_at = 0.0
        self._over_at = 0.0
        self._queue: deque[bytes] = deque()
        self._news = asyncio.Event()

    def stream(self, data: Mapping[str, Any]) -> None:
        """Takes `{"status", "headers"}`, `{"result": <hex>}`, or both in one. Law 2: the first alone is no news."""
        if self.over:
            return
        if not self.begun and "status" in data:
            self.status, self.headers = data["status"], data["headers"]
        result = data.get("result")
        if result is None:
            return
        if len(self._queue) >= laws.RESPONSE_QUEUE_CHUNKS:
            self.dropped += 1
            return
        self._queue.append(bytes.fromhex(result))
        if not self.begun:
            self.begun = True
            self._begun_at = monotonic()
        self._news.set()

    def end(self) -> None:
        if not self.over:
            self.begun = self.over = True
            self._over_at = monotonic()
        self._news.set()

    def fail(self, error: bytes) -> None:
        """Ends the reply with an error, unless it has ended before."""
        if not self.over:
            self.error = error
        self.end()

    def gap_left(self) -> float:
        """Law 9. Seconds for which an end would still be too soon, or by which the end was; 0 or less when it is not.

        Counted between what came from the plugin, so that a busy host does not make a reply shorter than it is.
        """
        now = self._over_at if self.over else monotonic()
        return self._begun_at + laws.SHORT_REPLY_GAP - now

    async def news(self) -> None:
        """Waits until something came since the last time."""
        await self._news.wait()
        self._news.clear()

    def take_first(self) -> bytes | None:
        return self._queue.popleft() if self._queue else None

    def next_chunks(self, size: int) -> list[bytes]:
        """The chunks that wait, oldest first, up to the one that makes them `size` bytes. They keep their places in the
        queue until `sent` is called: a chunk that the client's socket has not taken is still one of the 128."""
        chosen, total = 0, 0
        for chunk in self._queue:
            chosen += 1
            total += len(chunk)
            if total >= size:
                break
        return list(islice(self._queue, chosen))

    def sent(self, chunks: int) -> None:
        for _ in range(chunks):
            self._queue.popleft()

    def take_all(self) -> list[bytes]:
        chunks = list(self._queue)
        self._queue.clear()
        return chunks
