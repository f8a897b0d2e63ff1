"""The measurements as people read them: values, ratios to the contender that each is compared with, and the verdict.

More is better in each column: rates are divided by the base's, costs the other way round.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.contenders import Contender
from benchmarks.measurement import Load, Measurement

REQUIRED_AT: Final = 20
"""Streams at once."""

REQUIRED_OF_BASELINE: Final = 0.95
"""Of another Duck's events per second, on all routes: what a change may cost (issue "Access")."""

MISSED: Final = "FALLS SHORT"

_LEGEND: Final = "x: ratio to the {}, median of the rounds; more is better in every column"
_HEADER: Final = (
    "streams  route                      events/s     x  (rounds)   CPU/event     x  first byte     x    memory     x"
    "  events/chunk"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A contender under a load: the medians of its rounds, and of each round's ratios.

    spread: the lowest and the highest ratio of a round, of events per second. required: the least that the median may
    be; None where it is not judged.
    """

    name: str
    streams: int
    base: str
    values: Measurement
    ratios: Measurement
    spread: tuple[float, float]
    required: float | None

    @property
    def falls_short(self) -> bool:
        """What is printed is what is judged, so the ratio is rounded first."""
        return self.required is not None and round(self.ratios.rate, 2) < self.required


def rows(carried: Load, contenders: Sequence[Contender], rounds: Sequence[Mapping[str, Measurement]]) -> list[Row]:
    """rounds: each the measurements of all contenders by name, taken one after the other."""
    return [
        _row(contender.name, contender.base, contender.required, carried, (contender,), rounds)
        for contender in contenders
    ]


def rows_against(
    carried: Load, contenders: Sequence[Contender], rounds: Sequence[Mapping[str, Measurement]]
) -> list[Row]:
    """The same, and a last row for all routes together: what a machine's noise does to one, it seldom does to all."""
    here = [contender for contender in contenders if contender.name != contender.base]
    together = _row("all routes", "the baseline", REQUIRED_OF_BASELINE, carried, here, rounds)
    return [*rows(carried, contenders, rounds), together]


def _row(
    name: str,
    base: str,
    required: float | None,
    carried: Load,
    contenders: Sequence[Contender],
    rounds: Sequence[Mapping[str, Measurement]],
) -> Row:
    ratios = [_ratios(measured[one.name], measured[one.base]) for measured in rounds for one in contenders]
    rates = [ratio.rate for ratio in ratios]
    return Row(
        name,
        carried.streams,
        base,
        _median([measured[one.name] for measured in rounds for one in contenders]),
        _median(ratios),
        (min(rates), max(rates)),
        required if carried.streams == REQUIRED_AT else None,
    )


def text(measured: Sequence[Row]) -> str:
    bases = {row.base for row in measured}
    base = bases.pop() if len(bases) == 1 else "same route of the baseline"
    return "\n".join([_LEGEND.format(base), _HEADER, *map(_line, measured), "", summary(measured)])


def summary(measured: Sequence[Row]) -> str:
    """A line for each ratio that is required, and whether it is reached."""
    judged = [_verdict(row, row.required) for row in measured if row.required is not None]
    return "\n".join(judged) or (f"Not judged: the requirement is for {REQUIRED_AT} streams, which were not measured.")


def _verdict(row: Row, required: float) -> str:
    verdict = f"{MISSED} of" if row.falls_short else "at least"
    return (
        f"{row.name}, {row.streams} streams: {row.ratios.rate:.2f} of the events per second of {row.base}, {verdict} "
        f"the required {required:.2f}."
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
    lowest, highest = row.spread
    return (
        f"{row.streams:7}  {row.name:25} {values.rate:9,.0f} {ratios.rate:5.2f}  {lowest:.2f}-{highest:.2f}"
        f" {values.cpu * 1e6:8.1f} µs {ratios.cpu:5.2f}"
        f" {values.first_byte * 1e3:8.1f} ms {ratios.first_byte:5.2f}"
        f" {values.memory / 1e6:6.0f} MB {ratios.memory:5.2f}"
        f" {values.joined:13.1f}{'  ' + MISSED if row.falls_short else ''}"
    )
