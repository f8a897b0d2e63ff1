"""The lines of many calls as one sequence, one of every stream in turn, and how fast they go.

Owns what is sent when. Nothing here is done for each event but by C: lines are put together by `map`, `zip` and `join`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Protocol

from benchmarks.app_run import AppRun

BATCH: Final = 32
"""Lines that are handed to the pipe together, some 18 KiB: less than it holds, so that what comes by the clock need not
wait behind much."""


type Condition = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Call:
    """A reverse call of an app that a plugin waits for. head: what each line of its answer begins with."""

    head: bytes
    run: AppRun

    def opening(self) -> bytes:
        return b"".join(map(self.head.__add__, self.run.opening))

    def closing(self) -> bytes:
        return b"".join(map(self.head.__add__, self.run.closing))


class Flow(Protocol):
    """Lines to come."""

    def due(self, now: float) -> bytes | None:
        """What is to be sent by now; None when there is nothing left at all."""

    def wait(self, now: float) -> float:
        """Seconds until more is due."""


class Flood:
    """As fast as the pipe takes it."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines

    def due(self, now: float) -> bytes | None:  # noqa: ARG002 - more is always due
        return b"".join(islice(self._lines, BATCH)) or None

    def wait(self, now: float) -> float:  # noqa: ARG002
        return 0.0


class Paced:
    """One line every `step` seconds from `start` on."""

    def __init__(self, lines: Iterator[bytes], start: float, step: float) -> None:
        self._lines = lines
        self._start = start
        self._step = step
        self._sent = 0

    def due(self, now: float) -> bytes | None:
        number = max(0, math.floor((now - self._start) / self._step) + 1 - self._sent)
        self._sent += number
        return b"".join(islice(self._lines, number)) or (None if number else b"")

    def wait(self, now: float) -> float:
        return max(0.0, self._start + self._sent * self._step - now)


def in_turn(calls: Sequence[Call]) -> Iterator[bytes]:
    """The rest of all these calls, which have as many lines each, one line of each in turn."""
    return chain.from_iterable(zip(*(map(call.head.__add__, call.run.rest) for call in calls), strict=True))


def tokens_in_turn(calls: Sequence[Call]) -> Iterator[bytes]:
    """The same where only tokens count: the closing of each call is one line of it."""
    lines = [(*map(call.head.__add__, call.run.tokens), call.closing()) for call in calls]
    return chain.from_iterable(zip(*lines, strict=True))


def repeated(call: Call, is_over: Condition) -> Iterator[bytes]:
    """The tokens of a call again and again, whole answers of them, until it is over; then its closing."""
    yield from map(call.head.__add__, call.run.tokens)
    while not is_over():
        yield from map(call.head.__add__, call.run.opening[-1:] + call.run.tokens)
    yield call.closing()
