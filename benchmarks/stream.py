"""`python -m benchmarks.stream`: what Duck's streams cost, as ratios to the least that an endpoint can do.

Owns the plan: which loads, in which order, how often. All contenders are measured in turn, round after round, and every
other round backwards, so that whatever else the machine does falls on all of them. Each round has processes of its own:
two of the same program differ by some per cent for as long as they live.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks import table
from benchmarks.contenders import CONTENDERS, Contender, Mangled, against
from benchmarks.driver import Driver, PluginFailed
from benchmarks.measurement import Load, Measurement, load, measure, warm_up
from benchmarks.plugin_process import PluginProcess

ROUNDS: Final = 3

STREAMS: Final = (1, 20, 200)

FEWEST_EVENTS: Final = 2
"""A token and the end."""


class Bench:
    """The plugins of all contenders, running and warm. Routes of one plugin share its process."""

    def __init__(self, stack: ExitStack, contenders: Sequence[Contender]) -> None:
        self._contenders = contenders
        plugins = dict.fromkeys(contender.plugin for contender in contenders)
        self._processes = {plugin: stack.enter_context(PluginProcess(plugin)) for plugin in plugins}
        self._drivers = {plugin: Driver(self._processes[plugin], plugin.settings) for plugin in plugins}
        for driver in self._drivers.values():
            driver.wait_until_ready()
        for contender in contenders:
            warm_up(contender, self._drivers[contender.plugin])

    def round(self, carried: Load, *, backwards: bool) -> dict[str, Measurement]:
        """The measurements of all contenders by name, taken one after the other."""
        ordered = reversed(self._contenders) if backwards else self._contenders
        return {contender.name: self._measure(contender, carried) for contender in ordered}

    def _measure(self, contender: Contender, carried: Load) -> Measurement:
        return measure(contender, self._drivers[contender.plugin], self._processes[contender.plugin], carried)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 when the required ratio is missed, or a stream did not arrive whole."""
    options = _options(arguments)
    contenders, rows = (against(options.baseline), table.rows_against) if options.baseline else (CONTENDERS, table.rows)
    loads = [load(streams, options.events) for streams in options.streams]
    try:
        taken = _measured(contenders, loads, options.rounds)
    except (Mangled, PluginFailed) as error:
        print(f"No result: {error}", file=sys.stderr)
        return 1
    measured = [row for carried, rounds in zip(loads, taken, strict=True) for row in rows(carried, contenders, rounds)]
    print(table.text(measured))
    if options.json:
        options.json.write_text(json.dumps(table.as_json(measured), indent=2) + "\n", "utf-8")
    return int(any(row.falls_short for row in measured))


def _measured(
    contenders: Sequence[Contender], loads: Sequence[Load], rounds: int
) -> list[list[dict[str, Measurement]]]:
    """Load by load, its rounds."""
    taken: list[list[dict[str, Measurement]]] = [[] for _ in loads]
    for number in range(rounds):
        with ExitStack() as stack:
            bench = Bench(stack, contenders)
            for carried, measurements in zip(loads, taken, strict=True):
                measurements.append(bench.round(carried, backwards=number % 2 == 1))
    return taken


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description="What Duck's streams cost.")
    parser.add_argument("--streams", type=_numbers, default=STREAMS, help="how many at once (default: 1,20,200)")
    parser.add_argument(
        "--events",
        type=_events,
        help="of each stream, which is then run once a round (default: 1000, fewer in many streams, few streams "
        "several times)",
    )
    parser.add_argument("--rounds", type=_rounds, default=ROUNDS, help=f"how often all is measured (default: {ROUNDS})")
    parser.add_argument(
        "--baseline", type=_plugin, metavar="DIR", help="compare with the Duck in this directory, route by route"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    return parser.parse_args(arguments)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_number(part, 1) for part in text.split(","))


def _events(text: str) -> int:
    return _number(text, FEWEST_EVENTS)


def _rounds(text: str) -> int:
    return _number(text, 1)


def _plugin(text: str) -> Path:
    directory = Path(text).resolve()
    if not (directory / "main.py").is_file():
        raise argparse.ArgumentTypeError(f"there is no plugin in {text!r}")
    return directory


def _number(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
