"""`python -m benchmarks.stream`: what Duck's streams cost, as ratios to the least that an endpoint on the SDK can do.

Owns the plan: what is measured, in which order, how often. All contenders are measured in turn, round after round, and
every other round backwards, so that whatever else the machine does falls on all of them. Each round has processes of
its own: two of the same program differ by some per cent for as long as they live.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import idle, load, pacing, plot, soak, table
from benchmarks.contenders import CONTENDERS, DUCK_SETTINGS, JUDGED, ON_SDK, PASSTHROUGH, Contender, of_directory
from benchmarks.driver import Driver, PluginFailed
from benchmarks.load import LOADS, Load
from benchmarks.pacing import Pace
from benchmarks.plugin_process import PluginProcess
from benchmarks.reply import Mangled
from benchmarks.requirements import judged
from benchmarks.results import Results, Round
from benchmarks.soak import Hours


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. waiting: streams at once, for the memory of each."""

    rounds: int
    loads: Sequence[Load]
    paced: Pace
    beside_long: Pace
    waiting: int
    soaked: Hours


FULL: Final = Plan(3, LOADS, pacing.MANY, pacing.BESIDE_LONG, 1000, soak.EIGHT)

QUICK: Final = Plan(1, (Load(1, 50), Load(20, 10)), Pace(5, 5, 0.02), Pace(3, 5, 0.02), 20, Hours(2, 2, 3, 10))
"""Shows within half a minute that everything works; its numbers mean nothing."""

REPEATED: Final = 200
"""Streams up to which each round measures all contenders. Beyond, the plain SDK takes half a minute: only those that
are judged there are measured again, and the first round stands for the others."""

COMPARED: Final = (PASSTHROUGH, *JUDGED)
"""Those whose delays and memory are measured, too."""


class Bench:
    """The plugins of all contenders, running and warm. Routes of one plugin share its process."""

    def __init__(self, stack: ExitStack, contenders: Sequence[Contender]) -> None:
        self._contenders = contenders
        plugins = dict.fromkeys(contender.plugin for contender in contenders)
        processes = {plugin: stack.enter_context(PluginProcess(plugin)) for plugin in plugins}
        self._drivers = {plugin: Driver(processes[plugin], plugin.settings) for plugin in plugins}
        for driver in self._drivers.values():
            driver.wait_until_ready()
        for contender in contenders:
            load.warm_up(contender, self.driver(contender))

    def driver(self, contender: Contender) -> Driver:
        return self._drivers[contender.plugin]

    def round[T](
        self, contenders: Sequence[Contender], measure: Callable[[Contender, Driver], T], *, backwards: bool
    ) -> Round[T]:
        """The measurements of these contenders by name, taken one after the other."""
        ordered = reversed(contenders) if backwards else contenders
        taken = {contender.name: measure(contender, self.driver(contender)) for contender in ordered}
        return {contender.name: taken[contender.name] for contender in contenders}


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 when something required is missed, or a stream did not arrive whole."""
    options = _options(arguments)
    contenders = (*CONTENDERS, *(ON_SDK if options.sdk else ()), *options.contenders)
    try:
        results = _measured(options.plan, contenders)
    except (Mangled, PluginFailed) as error:
        print(f"No result: {error}", file=sys.stderr)
        return 1
    requirements = judged(results)
    if options.json:
        judgement = [{**asdict(one), "falls_short": one.falls_short} for one in requirements]
        options.json.write_text(json.dumps({**results.as_json(), "requirements": judgement}, indent=1) + "\n", "utf-8")
    if options.plot:
        options.plot.write_text(plot.svg(results), "utf-8")
    print(table.text(results, requirements))
    return int(any(one.falls_short for one in requirements))


def _measured(plan: Plan, contenders: Sequence[Contender]) -> Results:
    results = Results(loads={each: [] for each in plan.loads})
    _say("idle")
    results.idle = {one.name: idle.measure(one, plan.waiting) for one in COMPARED}
    for number in range(plan.rounds):
        _say(f"round {number + 1} of {plan.rounds}")
        backwards = number % 2 == 1
        with ExitStack() as stack:
            bench = Bench(stack, contenders)
            _take_round(results, bench, plan, contenders, backwards=backwards)
    _say("soak")
    with PluginProcess(JUDGED[0].plugin) as process:
        driver = Driver(process, JUDGED[0].plugin.settings)
        driver.wait_until_ready()
        results.soaked = soak.measure(JUDGED, driver, plan.soaked)
    return results


def _take_round(
    results: Results, bench: Bench, plan: Plan, contenders: Sequence[Contender], *, backwards: bool
) -> None:
    """In the order in which a plugin is less and less as new."""
    results.first_byte.append(bench.round(COMPARED, idle.first_byte, backwards=backwards))
    for each, rounds in results.loads.items():
        is_repeated = each.streams <= REPEATED or not rounds
        chosen = [one for one in contenders if is_repeated or one in JUDGED]
        taken = bench.round(chosen, partial(load.measure, load=each), backwards=backwards)
        rounds.append({one.name: taken.get(one.name) or rounds[0][one.name] for one in contenders})
    paced = partial(pacing.measure, pace=plan.paced)
    results.paced.append(bench.round(COMPARED, paced, backwards=backwards))
    beside_long = partial(pacing.measure, pace=plan.beside_long, beside_long=True)
    results.fair.append(bench.round(COMPARED, beside_long, backwards=backwards))


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description="What Duck's streams cost.")
    parser.add_argument("--quick", dest="plan", action="store_const", const=QUICK, default=FULL, help="try it out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the rates there, as SVG")
    parser.add_argument("--sdk", action="store_true", help="also Duck without its own runtime (DUCK_RUNTIME=sdk)")
    parser.add_argument("--plugin", type=_directory, action="append", default=[], metavar="DIR", help="also this one")
    parser.add_argument("--path", default="/v1/chat/completions", help="of the --plugin's route (default: %(default)s)")
    parser.add_argument(
        "--settings", type=_settings, default=DUCK_SETTINGS, metavar="JSON", help="of the --plugin (default: Duck's)"
    )
    options = parser.parse_args(arguments)
    options.contenders = [of_directory(each, options.path, options.settings) for each in options.plugin]
    return options


def _directory(text: str) -> Path:
    directory = Path(text).resolve()
    if not (directory / "main.py").is_file():
        raise argparse.ArgumentTypeError(f"there is no plugin in {text!r}")
    return directory


def _settings(text: str) -> dict[str, Any]:
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it is no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise argparse.ArgumentTypeError("it is no JSON object")
    return settings


if __name__ == "__main__":
    sys.exit(main())
