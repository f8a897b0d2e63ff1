"""Streams as models send them, some tokens a second each, and how late each token leaves the plugin.

A token's delay counts from when it is due, so what the pipe makes it wait is part of it; the driver itself comes up to
a millisecond late, which is the clock of its poll.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.app_run import app_run
from benchmarks.contenders import Contender
from benchmarks.driver import Driver, Stream
from benchmarks.flow import Flood, Paced, repeated, tokens_in_turn
from benchmarks.load import calls_of, gaps, percentiles, read_back
from benchmarks.reply import Reply

_PLACE: Final = re.compile(rb"t\d+\.(\d+) ")

_LONG_TOKENS: Final = 2000
"""Of the answer that the endless stream repeats."""


@dataclass(frozen=True, slots=True)
class Pace:
    """streams: how many. tokens: of each. interval: seconds between two tokens of a stream."""

    streams: int
    tokens: int
    interval: float


MANY: Final = Pace(200, 20, 0.1)
"""2,000 tokens a second, half of what the plain SDK can carry on a slow machine."""

BESIDE_LONG: Final = Pace(20, 40, 0.05)


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds. delay: of tokens, from when each is due. gap: between two chunks of a stream."""

    delay_50: float
    delay_99: float
    gap_50: float
    gap_99: float


def measure(contender: Contender, driver: Driver, pace: Pace, *, beside_long: bool = False) -> Delays:
    """beside_long: while another stream of the same route gets events as fast as the plugin takes them."""
    streams = driver.open(contender.request, [app_run(number, pace.tokens) for number in range(pace.streams)])
    endless = driver.open(contender.request, [app_run(pace.streams, _LONG_TOKENS)] if beside_long else [])
    driver.settle()
    start, step = time.perf_counter(), pace.interval / pace.streams
    paced = Paced(tokens_in_turn(calls_of(driver, streams)), start, step)
    driver.finish(
        paced,
        *(Flood(repeated(call, lambda: not any(map(driver.is_open, streams)))) for call in calls_of(driver, endless)),
    )
    found = read_back(contender, driver, [*streams, *endless])[: len(streams)]
    late = [
        delay
        for number, (one, reply) in enumerate(zip(streams, found, strict=True))
        for delay in _delays(one, reply, start + number * step, pace.interval)
    ]
    return Delays(*percentiles(late), *percentiles(gaps(found, start)))


def _delays(stream: Stream, reply: Reply, first_due: float, interval: float) -> Sequence[float]:
    """Of each token but the first, which belongs to the opening; some routes repeat them all at the end."""
    arrived: dict[int, float] = {}
    for chunk in reply.chunks:
        for place in _PLACE.findall(chunk.content):
            arrived.setdefault(int(place), chunk.time)
    return [arrived[place] - first_due - (place - 1) * interval for place in range(1, len(stream.run.tokens) + 1)]
