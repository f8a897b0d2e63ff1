"""Streams as fast as a plugin can carry them: so many at once through one route, checked to the last token.

In two parts, for they cost different things: first all requests are sent, and every stream begins; then, when the
plugin rests, the events of all of them come at once.
"""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from benchmarks.app_run import app_run
from benchmarks.contenders import Contender
from benchmarks.driver import Driver, Stream
from benchmarks.flow import Call, Flood, in_turn
from benchmarks.reply import Mangled, Reply, check, replies

WARM_UP: Final = 20
"""Tokens of the call that each route gets first: imports, caches, and what Duck asks about an app it doesn't know."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many streams at once, each with an answer of so many tokens."""

    streams: int
    tokens: int


LOADS: Final = (Load(1, 5000), Load(20, 500), Load(200, 80), Load(1000, 80))
"""What `make bench` measures: at least as many events as take the pass-through half a second. Answers that are shorter
than these say less of events than of how streams begin and end."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Times in seconds, memory in bytes.

    rate: events per second, from the first that follows the opening to the last byte of the last body. cpu: of the
    plugin's process, per event. request_cpu: the same, per request with its opening. first_byte: from a request to its
    first byte, median. gap_50, gap_99: from one chunk of a stream to the next. memory: resident at the end. joined:
    events that leave together, on average. driver: part of its time that the driver was busy meanwhile.
    """

    rate: float
    cpu: float
    request_cpu: float
    first_byte: float
    gap_50: float
    gap_99: float
    memory: float
    joined: float
    driver: float


def warm_up(contender: Contender, driver: Driver) -> None:
    streams = driver.open(contender.request, [app_run(0, WARM_UP)])
    driver.finish(Flood(in_turn(calls_of(driver, streams))))
    read_back(contender, driver, streams)


def measure(contender: Contender, driver: Driver, load: Load) -> Measurement:
    """Raises `Mangled` when a single token is missing, twice there or out of order."""
    process = driver.process
    cpu_before = process.cpu_seconds()
    opened = driver.open(contender.request, [app_run(number, load.tokens) for number in range(load.streams)])
    driver.settle()
    calls, began, cpu, busy = calls_of(driver, opened), driver.now, process.cpu_seconds(), time.process_time()
    driver.finish(Flood(in_turn(calls)))
    carrying_cpu, busy = process.cpu_seconds() - cpu, time.process_time() - busy
    found = read_back(contender, driver, opened)
    events = sum(call.run.rest_events for call in calls)
    seconds = max(reply.chunks[-1].time for reply in found) - began
    gap_50, gap_99 = percentiles(gaps(found, began))
    return Measurement(
        events / seconds,
        carrying_cpu / events,
        (cpu - cpu_before) / load.streams,
        statistics.median(reply.chunks[0].time - one.sent for reply, one in zip(found, opened, strict=True)),
        gap_50,
        gap_99,
        process.memory(),
        events / sum(len(reply.chunks) for reply in found),
        busy / (driver.now - began),
    )


def calls_of(driver: Driver, streams: Sequence[Stream]) -> list[Call]:
    """The calls that these streams have made. Raises `Mangled` where one has ended without."""
    if all(one.session_id in driver.calls for one in streams):
        return [driver.calls.pop(one.session_id) for one in streams]
    found = replies(driver.heard)
    refused = next(one for one in streams if one.session_id not in driver.calls)
    raise Mangled(f"no app was asked for, but the reply is {found[refused.session_id].body[:500]!r}")


def read_back(contender: Contender, driver: Driver, streams: Sequence[Stream]) -> list[Reply]:
    """The replies to these streams, all of them whole. What was heard is forgotten."""
    found = replies(driver.heard)
    driver.heard.clear()
    for one in streams:
        events = len(one.run.opening) + one.run.rest_events
        check(contender.name, found[one.session_id], one.run.answer, events, contender.is_whole)
    return [found[one.session_id] for one in streams]


def gaps(found: Sequence[Reply], began: float) -> list[float]:
    """From one chunk to the next of its stream, where both came after that time."""
    return [
        later.time - earlier.time
        for reply in found
        for earlier, later in pairwise(chunk for chunk in reply.chunks if chunk.time > began)
    ]


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile; zero where there is no value."""
    ordered = sorted(values) or [0.0]
    return statistics.median(ordered), ordered[math.ceil(0.99 * len(ordered)) - 1]
