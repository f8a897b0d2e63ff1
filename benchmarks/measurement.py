"""One measurement: some streams through one route of one plugin, checked to the last token, as a few numbers."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.contenders import Contender, Mangled
from benchmarks.driver import Driver, Stream
from benchmarks.plugin_process import PluginProcess

EVENTS: Final = 1000
"""Events of a stream, where nothing else is said."""

FEWEST: Final = 10_000
"""Events of a measurement, reached by running few streams several times: some 0.4 s of CPU time, against its step."""

MOST: Final = 20_000
"""Events of a measurement; so many streams that they would have more share `FEWEST`, for the time it takes: each event
costs the SDK more, the more streams there are."""

WARM_UP: Final = 20
"""Events of the call that each route gets first: imports, caches, and what Duck asks about an app it doesn't know."""

CPU_STEP: Final = 0.01
"""Seconds; what the system counts CPU time in, so no measurement says less."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many streams at once, each of so many events, and the whole so many times."""

    streams: int
    events: int
    times: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """rate: events per second, from the requests to the last byte of the last body. cpu: seconds of the plugin process
    per event. first_byte: seconds from a request to the first byte of its body, the median of all streams. memory:
    bytes, the peak. joined: events per chunk of a body.
    """

    rate: float
    cpu: float
    first_byte: float
    memory: float
    joined: float


def load(streams: int, events: int | None) -> Load:
    """events: as asked for; None keeps a measurement between `FEWEST` and `MOST` events."""
    if events is not None:
        return Load(streams, events, 1)
    events = EVENTS if streams * EVENTS <= MOST else max(1, FEWEST // streams)
    return Load(streams, events, max(1, FEWEST // (streams * events)))


def warm_up(contender: Contender, driver: Driver) -> None:
    check(contender, driver.run(contender.request, [contender.run(0, WARM_UP)]).streams)


def measure(contender: Contender, driver: Driver, process: PluginProcess, carried: Load) -> Measurement:
    """Raises `Mangled` when a single token is missing, twice there or out of order."""
    runs = [contender.run(number, carried.events - 1) for number in range(carried.streams)]
    seconds, cpu, memory, streams = 0.0, 0.0, 0, list[Stream]()
    for _ in range(carried.times):
        cpu_before = process.cpu_seconds()
        batch = driver.run(contender.request, runs)
        cpu += process.cpu_seconds() - cpu_before
        seconds += max(stream.last_byte for stream in batch.streams) - batch.streams[0].sent
        memory = max(memory, batch.peak_memory)
        streams += batch.streams
    check(contender, streams)
    events = sum(len(stream.run.events) for stream in streams)
    return Measurement(
        events / seconds,
        max(cpu, CPU_STEP) / events,
        statistics.median(stream.first_byte - stream.sent for stream in streams),
        memory,
        events / sum(len(stream.chunks) for stream in streams),
    )


def check(contender: Contender, streams: Sequence[Stream]) -> None:
    """Raises `Mangled` unless every stream carries its whole answer, in order, to its end."""
    for stream in streams:
        body = stream.body
        if stream.status != 200:  # noqa: PLR2004 - HTTP
            raise Mangled(f"{contender.name}: status {stream.status}: {body[:500].decode('utf-8', 'replace')}")
        try:
            answer = contender.read(body)
        except (ValueError, KeyError) as error:
            raise Mangled(f"{contender.name}: {error!r} in a body of {len(body)} bytes") from error
        if answer != stream.run.answer:
            raise Mangled(f"{contender.name}: {_difference(stream.run.answer, answer)}")


def _difference(expected: str, got: str) -> str:
    tokens, found = expected.split(" "), got.split(" ")
    place = next((at for at, (one, other) in enumerate(zip(tokens, found, strict=False)) if one != other), len(found))
    return f"{len(tokens)} tokens expected and {len(found)} got; number {place} is not what it should be"
