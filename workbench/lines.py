"""A plugin's output, line by line, a bounded amount at a time.

Owns the cutting into lines. Knows nothing of what they say.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from workbench import laws


class Source(Protocol):
    """What `asyncio.StreamReader` is, as far as it is needed here."""

    async def read(self, n: int) -> bytes: ...

    def at_eof(self) -> bool: ...


class LineTooLong(Exception):
    """The line that is coming has already more bytes than allowed."""


async def read_turns(reader: Source, longest: int | None = None) -> AsyncIterator[list[bytes]]:
    """Complete lines without their newline, at most `laws.READ_TURN` bytes of input at a time, until the end of it.

    Between two turns all that became ready in the first one runs, above all the writers to the clients. `longest` is
    in bytes and counts the newline; None is no limit. An unfinished last line is dropped, as the daemon does.
    """
    pending: list[bytes] = []
    length = 0
    while data := await reader.read(laws.READ_TURN):
        head, *rest = data.split(b"\n")
        pending.append(head)
        length += len(head)
        if longest is not None and length >= longest:
            raise LineTooLong
        if rest:
            lines = [b"".join(pending), *rest[:-1]]
            pending, length = [rest[-1]], len(rest[-1])
            yield lines
        await asyncio.sleep(0)
