"""What is required of Duck's streams (issue "Speed"), and whether it is met.

What is printed is what is judged, so each value is rounded to two decimals first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from benchmarks.contenders import JUDGED, NULL
from benchmarks.results import BASE, Results, median, ratio
from benchmarks.soak import growth

LEAST_RATE: Final[Mapping[int, float]] = MappingProxyType({1: 7.0, 20: 7.0, 200: 10.0})
"""Ratios to the base's events per second, by streams at once."""

OF_FEW: Final = 0.6
"""Of the rate at `FEW` streams, at `MOST`."""

FEW: Final = 20
MOST: Final = 1000

MOST_GAP: Final = 1.0
"""Ratio of the 99th percentile of the time between two chunks, with 200 paced streams."""

MOST_FIRST_BYTE: Final = 1.1

MOST_PER_STREAM: Final = 30.0
"""KiB."""

MOST_DELAY: Final = 20.0
"""Milliseconds at the 99th percentile, beside an endless stream."""

MOST_GROWTH: Final = 2.0
"""MiB from the third of eight hours to the seventh (own choice: 4 bytes for each event between them)."""

LEAST_CEILING: Final = 1.5
"""The null plugin's rate, as a ratio to the faster of those that are judged."""

MOST_BUSY: Final = 0.5
"""Part of its time that the driver is busy with those that are judged: with more it would be in the numbers."""

MISSED: Final = "FALLS SHORT"


@dataclass(frozen=True, slots=True)
class Requirement:
    """limit: what the value must reach, or where `is_most` may not exceed."""

    what: str
    value: float
    limit: float
    unit: str = ""
    is_most: bool = False

    @property
    def falls_short(self) -> bool:
        value = round(self.value, 2)
        return value > self.limit if self.is_most else value < self.limit

    def __str__(self) -> str:
        bound = "most" if self.is_most else "least"
        verdict = MISSED if self.falls_short else "met"
        return f"{verdict}  {self.what}: {self.value:.2f}{self.unit} (at {bound} {self.limit:g}{self.unit})"


def judged(results: Results) -> list[Requirement]:
    """Each requirement that these results can say something about."""
    return [*_rates(results), *_of_many(results), *_waits(results), *_growth(results), *_ceiling(results)]


def summary(requirements: list[Requirement]) -> str:
    missed = sum(one.falls_short for one in requirements)
    if missed:
        return f"{MISSED}: {missed} of {len(requirements)} requirements."
    return f"All {len(requirements)} requirements are met."


def _rates(results: Results) -> Iterator[Requirement]:
    for load, rounds in results.loads.items():
        for one in JUDGED if load.streams in LEAST_RATE else ():
            what = f"{one.name}, {load.streams} streams, events/s to those of the {BASE}"
            yield Requirement(what, ratio(rounds, one.name, lambda found: found.rate), LEAST_RATE[load.streams])


def _of_many(results: Results) -> Iterator[Requirement]:
    by_streams = {load.streams: rounds for load, rounds in results.loads.items()}
    if FEW not in by_streams or MOST not in by_streams:
        return
    for one in JUDGED:
        rate = median(by_streams[MOST], one.name).rate / median(by_streams[FEW], one.name).rate
        yield Requirement(f"{one.name}, {MOST} streams, events/s to those of {FEW} streams", rate, OF_FEW)


def _waits(results: Results) -> Iterator[Requirement]:
    for one in JUDGED:
        what = f"{one.name}, 200 paced streams, p99 between chunks to that of the {BASE}"
        gap = ratio(results.paced, one.name, lambda found: found.gap_99)
        yield Requirement(what, gap, MOST_GAP, is_most=True)
    for one in JUDGED:
        what = f"{one.name}, idle, first byte to that of the {BASE}"
        yield Requirement(what, ratio(results.first_byte, one.name, float), MOST_FIRST_BYTE, is_most=True)
    for one in JUDGED:
        held = results.idle[one.name].per_stream / 1024
        yield Requirement(f"{one.name}, memory of an idle stream", held, MOST_PER_STREAM, " KiB", is_most=True)
    for one in JUDGED:
        late = median(results.fair, one.name).delay_99 * 1000
        yield Requirement(f"{one.name}, p99 token delay beside an endless one", late, MOST_DELAY, " ms", is_most=True)


def _growth(results: Results) -> Iterator[Requirement]:
    grown = growth(results.soaked) / 1024 / 1024
    yield Requirement(
        "growth from the third to the seventh hour's worth of events", grown, MOST_GROWTH, " MiB", is_most=True
    )


def _ceiling(results: Results) -> Iterator[Requirement]:
    for load, rounds in results.loads.items():
        measured = [median(rounds, one.name) for one in JUDGED]
        what = f"{NULL.name}, {load.streams} streams, events/s to those of the faster route"
        ceiling = median(rounds, NULL.name).rate / max(one.rate for one in measured)
        yield Requirement(what, ceiling, LEAST_CEILING)
        what = f"driver, {load.streams} streams, part of its time that it is busy"
        yield Requirement(what, max(one.driver for one in measured), MOST_BUSY, is_most=True)
