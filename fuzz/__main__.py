"""`python -m fuzz`: tries the kept requests, then made-up ones until the time is over; keeps each that breaks a rule.

What it finds becomes a file in `fuzz/seeds/`, made as small as hypothesis can, and is tried first from then on, by
`make test` too. Looks on for faults of other kinds.
"""

import argparse
import hashlib
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import hypothesis
from hypothesis.errors import Flaky, HypothesisWarning, NoSuchExample

from fuzz.plugin import Plugin, loaded_plugin
from fuzz.requests import requests
from fuzz.rules import broken

SEEDS: Final = Path(__file__).parent / "seeds"

SECONDS: Final = 60.0

ROUND: Final = 500
"""Requests between two looks at the clock, some two seconds; hypothesis begins each round with short ones."""

_SETTINGS: Final = hypothesis.settings(
    max_examples=ROUND,
    deadline=None,
    database=None,
    derandomize=False,
    suppress_health_check=list(hypothesis.HealthCheck),
)
"""No database: what is found is kept as the request itself, which outlives every change of the strategies."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when a request breaks a rule."""
    options = _options(arguments)
    kept = {path.name: path.read_bytes() for path in sorted(options.seeds.glob("*.http"))}
    with loaded_plugin() as plugin:
        search = Search(plugin)
        for name, raw in kept.items():
            search.report(name, search.faults(raw))
        print(f"{len(kept)} kept requests tried")
        ends_at = time.monotonic() + options.seconds
        while time.monotonic() < ends_at:
            raw = search.round(list(kept.values()))
            if raw is not None:
                path = options.seeds / f"found-{hashlib.sha256(raw).hexdigest()[:8]}.http"
                path.write_bytes(raw)
                search.report(path.name, search.faults(raw))
    print(search.summary())
    return int(bool(search.known))


class Search:
    """A run over one plugin. known: the faults that were reported, which are not looked for again."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._random = Random()
        self._statuses: Counter[int] = Counter()
        self._latest = b""
        self.known: set[str] = set()

    def faults(self, raw: bytes) -> list[str]:
        """The rules that a request's replies break."""
        replies = self._plugin.replies(raw)
        self._statuses.update(reply.status for reply in replies)
        return [sentence for reply in replies for sentence in broken(reply)]

    def round(self, kept: Sequence[bytes]) -> bytes | None:
        """A request with a new fault, as small as can be; None when this round has found none.

        A fault that depends on what was sent before, and so did not come again, is kept as it came.
        """
        strategy = requests(self._plugin.token, self._plugin.handle, kept)
        with warnings.catch_warnings(action="ignore", category=HypothesisWarning):  # of how long the strategy's name is
            try:
                return hypothesis.find(strategy, self._is_new, settings=_SETTINGS, random=self._random)
            except NoSuchExample:
                return None
            except Flaky:
                return self._latest

    def _is_new(self, raw: bytes) -> bool:
        is_new = not self.known.issuperset(self.faults(raw))
        if is_new:
            self._latest = raw
        return is_new

    def report(self, name: str, faults: Sequence[str]) -> None:
        for fault in dict.fromkeys(faults):
            print(f"{name}: {fault}")
        self.known.update(faults)

    def summary(self) -> str:
        """How many replies were judged, and their statuses: a run of nothing but refusals would prove little."""
        statuses = ", ".join(f"{status}: {number:,}" for status, number in sorted(self._statuses.items()))
        verdict = f"{len(self.known)} faults" if self.known else "no fault"
        return f"{self._statuses.total():,} replies ({statuses}), {verdict}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Requests made up to break Duck.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long (default: 60)")
    parser.add_argument("--seeds", type=Path, default=SEEDS, metavar="DIR", help="where requests are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
