"""What was measured, contender by contender and round by round, and its medians.

A ratio is taken within its round, between measurements of the same minute, and then the median of the rounds.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from benchmarks.idle import Idle
from benchmarks.load import Load, Measurement
from benchmarks.pacing import Delays

BASE: Final = "pass-through"
"""The contender that all are compared with."""

type Round[T] = dict[str, T]
"""By contender."""


@dataclass(slots=True)
class Results:
    """Lists of rounds, but for what is measured once. fair: paced streams beside an endless one. soaked: resident bytes
    after each hour.
    """

    loads: dict[Load, list[Round[Measurement]]] = field(default_factory=dict)
    first_byte: list[Round[float]] = field(default_factory=list)
    idle: Round[Idle] = field(default_factory=dict)
    paced: list[Round[Delays]] = field(default_factory=list)
    fair: list[Round[Delays]] = field(default_factory=list)
    soaked: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it in seconds, bytes and events per second, times and sizes as they were measured."""
        loads = [
            {"streams": load.streams, "tokens": load.tokens, "rounds": [_plain(one) for one in rounds]}
            for load, rounds in self.loads.items()
        ]
        return {
            "loads": loads,
            "first_byte": self.first_byte,
            "idle": _plain(self.idle),
            "paced": [_plain(one) for one in self.paced],
            "beside_long": [_plain(one) for one in self.fair],
            "soak": self.soaked,
        }


def _plain(measured: Round[Any]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in measured.items()}


def median[T: (Measurement, Delays)](rounds: list[Round[T]], name: str) -> T:
    """Field by field."""
    taken = [one[name] for one in rounds]
    kind = type(taken[0])
    return kind(*(statistics.median(getattr(one, each.name) for one in taken) for each in fields(kind)))


def ratio[T](rounds: list[Round[T]], name: str, value: Callable[[T], float]) -> float:
    """Of a contender's value to the base's."""
    return statistics.median(value(measured[name]) / value(measured[BASE]) for measured in rounds)


def names(rounds: list[Round[Any]]) -> Mapping[str, None]:
    """The contenders, in their order."""
    return dict.fromkeys(name for measured in rounds for name in measured)
