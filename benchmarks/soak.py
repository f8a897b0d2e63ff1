"""Eight hours' worth of events, one answer after the other, and what the plugin holds after each hour.

An hour is 144,000 tokens: what four streams say at 10 tokens a second. Time itself is not compressed: what a plugin
does once a minute, it does less often here.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.app_run import app_run
from benchmarks.contenders import Contender
from benchmarks.driver import Driver
from benchmarks.flow import Flood, in_turn
from benchmarks.load import calls_of, read_back


@dataclass(frozen=True, slots=True)
class Hours:
    """batches: in an hour; streams: of a batch, at once; tokens: of each stream."""

    hours: int
    batches: int
    streams: int
    tokens: int


EIGHT: Final = Hours(8, 16, 30, 300)

EDGE: Final = 3
"""Hours of which the median is taken: the heap itself comes and goes by some MiB (measured: 89 to 98)."""


def measure(contenders: Sequence[Contender], driver: Driver, soaked: Hours) -> list[int]:
    """Resident bytes after each hour. contenders: routes of one plugin, which take turns."""
    memory = []
    for _ in range(soaked.hours):
        for batch in range(soaked.batches):
            _carry(contenders[batch % len(contenders)], driver, soaked)
        driver.settle()
        memory.append(driver.process.memory())
    return memory


def _carry(contender: Contender, driver: Driver, soaked: Hours) -> None:
    streams = driver.open(contender.request, [app_run(number, soaked.tokens) for number in range(soaked.streams)])
    driver.finish(Flood(in_turn(calls_of(driver, streams))))
    read_back(contender, driver, streams)


def growth(memory: Sequence[int]) -> float:
    """Bytes that the last hours hold more than the first, but for the first of all, in which pools and caches fill."""
    return statistics.median(memory[-EDGE:]) - statistics.median(memory[1 : 1 + EDGE])
