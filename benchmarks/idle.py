"""A plugin with nothing to do: how long it takes to start, what a lone request waits, what a silent stream holds."""

import statistics
from dataclasses import dataclass
from typing import Final

from benchmarks.app_run import app_run
from benchmarks.contenders import Contender
from benchmarks.driver import Driver
from benchmarks.flow import Flood, in_turn
from benchmarks.load import calls_of, read_back, warm_up
from benchmarks.plugin_process import PluginProcess

REQUESTS: Final = 9
"""One after the other; Duck pauses for 0.2 s before it ends each (law 9)."""

_TOKENS: Final = 20


@dataclass(frozen=True, slots=True)
class Idle:
    """start_up: seconds until it takes requests. per_stream: resident bytes of a stream that has begun and waits."""

    start_up: float
    per_stream: float


def first_byte(contender: Contender, driver: Driver) -> float:
    """Seconds from a request to the first byte of its body, median of requests that have the plugin for themselves."""
    waited = []
    for _ in range(REQUESTS):
        streams = driver.open(contender.request, [app_run(0, _TOKENS)])
        driver.settle()
        driver.finish(Flood(in_turn(calls_of(driver, streams))))
        [reply] = read_back(contender, driver, streams)
        waited.append(reply.chunks[0].time - streams[0].sent)
    return statistics.median(waited)


def measure(contender: Contender, streams: int) -> Idle:
    """In a process of its own, which has carried one stream before: greenlets that exist already would cost nothing."""
    with PluginProcess(contender.plugin) as process:
        driver = Driver(process, contender.plugin.settings)
        start_up = driver.wait_until_ready()
        warm_up(contender, driver)
        driver.settle()
        before = process.memory()
        opened = driver.open(contender.request, [app_run(number, _TOKENS) for number in range(streams)])
        driver.settle()
        calls_of(driver, opened)
        return Idle(start_up, (process.memory() - before) / streams)
