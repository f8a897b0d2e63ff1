"""The measurements as people read them: values, ratios to the pass-through, and the verdict.

Every ratio is 1.00 for the pass-through, and more is better in each column: rates are divided by the pass-through's,
costs the other way round.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.contenders import PASSTHROUGH, SSE
from benchmarks.measurement import Load, Measurement

REQUIRED: Final = 1.0
"""Of the pass-through's events per second, on Duck's SSE route."""

REQUIRED_AT: Final = 20
"""Streams at once."""

MISSED: Final = "FALLS SHORT"

_LEGEND: Final = "x: ratio to the pass-through, median of the rounds; more is better in every column"
_HEADER: Final = (
    "streams  route           events/s     x   CPU/event     x  first byte     x    memory     x  events/chunk"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A contender under a load: the medians of its rounds, and of each round's ratios."""

    name: str
    streams: int
    values: Measurement
    ratios: Measurement

    @property
    def is_judged(self) -> bool:
        return self.name == SSE.name and self.streams == REQUIRED_AT

    @property
    def falls_short(self) -> bool:
        """What is printed is what is judged, so the ratio is rounded first."""
        return self.is_judged and round(self.ratios.rate, 2) < REQUIRED


def rows(carried: Load, rounds: Sequence[Mapping[str, Measurement]]) -> list[Row]:
    """rounds: each the measurements of all contenders by name, taken one after the other."""
    return [
        Row(
            name,
            carried.streams,
            _median([measured[name] for measured in rounds]),
            _median([_ratios(measured[name], measured[PASSTHROUGH.name]) for measured in rounds]),
        )
        for name in rounds[0]
    ]


def text(measured: Sequence[Row]) -> str:
    return "\n".join([_LEGEND, _HEADER, *map(_line, measured), "", summary(measured)])


def summary(measured: Sequence[Row]) -> str:
    """One line: the ratio that is required, and whether it is reached."""
    judged = next((row for row in measured if row.is_judged), None)
    if judged is None:
        return f"Not judged: the requirement is for {REQUIRED_AT} streams, which were not measured."
    verdict = f"{MISSED} of" if judged.falls_short else "at least"
    return (
        f"{SSE.name}, {REQUIRED_AT} streams: {judged.ratios.rate:.2f} of the pass-through's events per second, "
        f"{verdict} the required {REQUIRED:.2f}."
    )


def as_json(measured: Sequence[Row]) -> list[dict[str, Any]]:
    """The same, in events per second, seconds and bytes."""
    return [{**asdict(row), "falls_short": row.falls_short} for row in measured]


def _median(measurements: Sequence[Measurement]) -> Measurement:
    names = asdict(measurements[0])
    return Measurement(**{name: statistics.median(getattr(one, name) for one in measurements) for name in names})


def _ratios(one: Measurement, base: Measurement) -> Measurement:
    return Measurement(
        one.rate / base.rate,
        base.cpu / one.cpu,
        base.first_byte / one.first_byte,
        base.memory / one.memory,
        one.joined / base.joined,
    )


def _line(row: Row) -> str:
    values, ratios = row.values, row.ratios
    return (
        f"{row.streams:7}  {row.name:14} {values.rate:9,.0f} {ratios.rate:5.2f}"
        f" {values.cpu * 1e6:8.1f} µs {ratios.cpu:5.2f}"
        f" {values.first_byte * 1e3:8.1f} ms {ratios.first_byte:5.2f}"
        f" {values.memory / 1e6:6.0f} MB {ratios.memory:5.2f}"
        f" {values.joined:13.1f}{'  ' + MISSED if row.falls_short else ''}"
    )
