from dataclasses import replace
from typing import Any

import pytest

from benchmarks import table
from benchmarks.contenders import CHAT, JUDGED, NULL, SSE
from benchmarks.idle import Idle
from benchmarks.load import LOADS, Measurement
from benchmarks.pacing import Delays
from benchmarks.plot import svg
from benchmarks.requirements import MISSED, Requirement, judged
from benchmarks.results import BASE, Results

MEASURED = Measurement(
    rate=1000.0, cpu=1e-5, request_cpu=1e-3, first_byte=0.01, gap_50=0.1, gap_99=0.2, memory=5e7, joined=1.0, driver=0.1
)
NAMES = (BASE, *(one.name for one in JUDGED))
MIB = 1024 * 1024


def _results(rate: float = 10_000.0, many: float = 6_000.0) -> Results:
    """Just good enough in every respect."""
    duck = {one.name: replace(MEASURED, rate=rate) for one in JUDGED}
    measured = {BASE: MEASURED, **duck, NULL.name: replace(MEASURED, rate=15_000.0)}
    slower = {**measured, **{one.name: replace(MEASURED, rate=many) for one in JUDGED}}
    delays = Delays(delay_50=0.001, delay_99=0.02, gap_50=0.1, gap_99=0.11)
    return Results(
        loads={load: [slower if load.streams == 1000 else measured] for load in LOADS},
        first_byte=[{BASE: 0.001, **{one.name: 0.0011 for one in JUDGED}}],
        idle={name: Idle(1.0, 30 * 1024) for name in NAMES},
        paced=[dict.fromkeys(NAMES, delays)],
        fair=[dict.fromkeys(NAMES, delays)],
        soaked=[60 * MIB, 90 * MIB, 90 * MIB, 90 * MIB, 91 * MIB, 92 * MIB, 92 * MIB, 92 * MIB],
    )


def _with(results: Results, **changed: Any) -> Results:
    return replace(results, **changed)


def _missed(results: Results) -> list[str]:
    return [one.what for one in judged(results) if one.falls_short]


def test_results_that_reach_each_limit_exactly_meet_all_requirements() -> None:
    requirements = judged(_results())
    assert [one.what for one in requirements if one.falls_short] == []
    assert table.text(_results(), requirements).splitlines()[-1] == f"All {len(requirements)} requirements are met."


def _delays(results: Results, **changed: float) -> list[dict[str, Delays]]:
    return [{name: delays if name == BASE else replace(delays, **changed) for name, delays in results.paced[0].items()}]


@pytest.mark.parametrize(
    ("results", "missed"),
    [
        pytest.param(_results(rate=6_900.0), ["1 streams", "20 streams", "200 streams"], id="rates below 7.0 and 10.0"),
        pytest.param(_results(rate=9_900.0), ["200 streams"], id="a rate below 10.0"),
        pytest.param(_results(many=5_900.0), ["1000 streams"], id="slower with many"),
        pytest.param(
            _with(_results(), paced=_delays(_results(), gap_99=0.12)),
            ["p99 between chunks"],
            id="longer between chunks",
        ),
        pytest.param(
            _with(_results(), fair=_delays(_results(), delay_99=0.021)), ["beside an endless"], id="unfair to others"
        ),
        pytest.param(
            _with(_results(), first_byte=[{BASE: 0.001, **{one.name: 0.0012 for one in JUDGED}}]),
            ["first byte"],
            id="a later first byte",
        ),
        pytest.param(
            _with(_results(), idle={name: Idle(1.0, 31 * 1024) for name in NAMES}), ["memory"], id="more memory"
        ),
    ],
)
def test_what_misses_a_limit_falls_short_for_each_route_and_nothing_else_does(
    results: Results, missed: list[str]
) -> None:
    found = _missed(results)
    assert len(found) == len(missed) * len(JUDGED)
    for place, part in enumerate(missed):
        assert [part in what for what in found[place * 2 : place * 2 + 2]] == [True, True]
    last = table.text(results, judged(results)).splitlines()[-1]
    assert last.startswith(f"{MISSED}: {len(found)} of ")


def test_memory_that_grows_falls_short_but_one_hour_that_stands_out_does_not() -> None:
    steady = _results().soaked
    growing = [held + number * MIB for number, held in enumerate(steady)]
    assert _missed(_with(_results(), soaked=growing)) == ["growth from the third to the seventh hour's worth of events"]
    assert _missed(_with(_results(), soaked=[*steady[:-1], steady[-1] + 9 * MIB])) == []


@pytest.mark.parametrize(
    ("null", "busy", "missed"),
    [
        pytest.param(14_000.0, 0.1, "events/s to those of the faster route", id="a slow null plugin"),
        pytest.param(15_000.0, 0.6, "part of its time that it is busy", id="a busy driver"),
    ],
)
def test_a_driver_that_could_be_the_bottleneck_falls_short(null: float, busy: float, missed: str) -> None:
    results = _results()
    load = LOADS[0]
    [measured] = results.loads[load]
    results.loads[load] = [
        {**{name: replace(one, driver=busy) for name, one in measured.items()}, NULL.name: replace(MEASURED, rate=null)}
    ]
    assert [missed in what for what in _missed(results)] == [True]


def test_a_ratio_is_taken_within_its_round_and_is_the_median_of_them() -> None:
    results = _results()
    load = LOADS[0]
    rounds = [
        {**results.loads[load][0], BASE: replace(MEASURED, rate=base), CHAT.name: replace(MEASURED, rate=rate)}
        for base, rate in ((1000.0, 8000.0), (2000.0, 18000.0), (500.0, 500.0))
    ]
    results.loads[load] = rounds
    found = next(one for one in judged(results) if one.what.startswith(f"{CHAT.name}, 1 streams"))
    assert found.value == 8.0


@pytest.mark.parametrize(
    ("value", "is_most", "falls_short"),
    [(6.994, False, True), (6.995, False, False), (7.004, True, False), (7.006, True, True)],
)
def test_what_is_printed_is_what_is_judged(value: float, *, is_most: bool, falls_short: bool) -> None:
    one = Requirement("it", value, 7.0, is_most=is_most)
    assert one.falls_short is falls_short
    assert str(one).startswith(MISSED if falls_short else "met")


def test_the_plot_has_a_line_and_a_name_for_each_contender_and_all_points_lie_within_it() -> None:
    drawn = svg(_results())
    assert all(f">{name}</text>" in drawn for name in (*NAMES, NULL.name))
    points = [
        [float(number) for number in point.split(",")]
        for line in drawn.split('points="')[1:]
        for point in line.split('"')[0].split()
    ]
    assert all(0 <= x <= 760 and 0 <= y <= 420 for x, y in points)
    assert drawn.count("<polyline") >= len(NAMES) + 1
    assert SSE.name in drawn
