import gc
from collections.abc import Iterator

import gevent
import pytest

from runtime import memory
from runtime.memory import Breaks


class Cycle:
    """What only the collector frees."""

    freed = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Cycle.freed += 1


@pytest.fixture(autouse=True)
def automatic() -> Iterator[None]:
    """The collector looks when it is told to, and soon."""
    gc.collect()
    gc.disable()
    Cycle.freed = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "BREAK", 0.01)
        patch.setattr(memory, "WORTH_A_LOOK", 1)
        yield
    gc.enable()


def test_garbage_of_requests_is_freed_when_none_is_under_way() -> None:
    breaks = Breaks()
    breaks.begin()
    breaks.begin()
    Cycle()
    breaks.end()
    gevent.sleep(0.05)
    assert Cycle.freed == 0
    breaks.end()
    gevent.sleep(0.05)
    assert Cycle.freed == 1


def test_a_request_that_comes_soon_is_not_kept_waiting() -> None:
    breaks = Breaks()
    breaks.begin()
    Cycle()
    breaks.end()
    breaks.begin()
    gevent.sleep(0.05)
    assert Cycle.freed == 0


def test_what_was_alive_in_a_break_is_freed_in_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a tool's session, which runs on while no request to an endpoint is under way."""
    monkeypatch.setattr(memory, "BREAKS_TO_ALL", 4)
    breaks, tool = Breaks(), [Cycle()]
    kept: list[list[int]] = []
    for number in range(6):
        breaks.begin()
        kept += [[] for _ in range(1000)]  # so that there is something to look at
        breaks.end()
        gevent.sleep(0.05)
        if number == 2:  # it has become one of the oldest
            tool.clear()
    assert Cycle.freed == 1


def test_little_garbage_is_left_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WORTH_A_LOOK", 1_000_000)
    breaks = Breaks()
    breaks.begin()
    Cycle()
    breaks.end()
    gevent.sleep(0.05)
    assert Cycle.freed == 0
