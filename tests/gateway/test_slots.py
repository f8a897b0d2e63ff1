from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import gevent
import pytest

from gateway.errors import DuckError
from gateway.slots import MAX_WAIT, MOST_WAITING, RESERVE, WORKERS, Slot, most_streams, take_slot

_numbers: Final = count()


type Take = Callable[..., Slot]


@pytest.fixture
def take() -> Iterator[Take]:
    """`take(max_streams, max_wait=0, endpoint=0)`: a slot of an endpoint that no other test has slots of."""
    name = f"endpoint-{next(_numbers)}"
    taken: list[Slot] = []

    def take(max_streams: int, max_wait: float = 0, endpoint: int = 0) -> Slot:
        taken.append(take_slot(f"{name}-{endpoint}", max_streams, max_wait))
        return taken[-1]

    yield take
    for slot in taken:
        slot.release()


def refused(take: Take, max_streams: int, max_wait: float = 0) -> DuckError:
    with pytest.raises(DuckError) as refusal:
        take(max_streams, max_wait)
    assert (refusal.value.code, refusal.value.status) == ("too_many_streams", 503)
    return refusal.value


def test_the_numbers_are_those_of_the_design() -> None:
    assert (MAX_WAIT, RESERVE) == (10, 100)
    assert MOST_WAITING < RESERVE


def test_as_many_slots_are_given_as_there_are_and_no_more(take: Take) -> None:
    take(2)
    take(2)
    refused(take, 2)


def test_the_refusal_says_when_to_come_back_and_which_knobs_turn(take: Take) -> None:
    take(1)
    refusal = refused(take, 1, max_wait=0.01)
    assert refusal.headers == {"Retry-After": "10"}
    assert all(name in refusal.remedy for name in ("max_streams", "SERVER_WORKER_CONNECTIONS"))


def test_a_released_slot_is_given_to_a_call_that_waits(take: Take) -> None:
    slot = take(1)
    waiting = gevent.spawn(take, 1, 5)
    gevent.sleep(0)
    assert not waiting.ready()
    slot.release()
    assert isinstance(waiting.get(timeout=1), Slot)


def test_two_calls_that_wait_get_two_slots_that_are_released(take: Take) -> None:
    slots = [take(2), take(2)]
    waiting = [gevent.spawn(take, 2, 5) for _ in range(2)]
    gevent.sleep(0)
    for slot in slots:
        slot.release()
    assert all(isinstance(waiter.get(timeout=1), Slot) for waiter in waiting)


def test_a_slot_released_twice_is_one_slot(take: Take) -> None:
    slot = take(1)
    slot.release()
    slot.release()
    take(1)
    refused(take, 1)


def test_endpoints_have_slots_of_their_own(take: Take) -> None:
    take(1)
    take(1, endpoint=1)


@pytest.mark.parametrize(("before", "after", "more"), [(1, 3, 2), (3, 1, 0)], ids=["raised", "lowered"])
def test_a_changed_max_streams_counts_what_is_already_held(take: Take, before: int, after: int, more: int) -> None:
    take(before)
    for _ in range(more):
        take(after)
    refused(take, after)


@pytest.mark.parametrize(
    ("workers", "expected"),
    [("", 900), ("1000", 900), ("250", 150), ("100", 1), ("1", 1), ("0", 1), ("many", 900), ("-5", 900)],
)
def test_the_sdks_workers_less_a_reserve_bound_the_runs(workers: str, expected: int) -> None:
    assert most_streams({WORKERS: workers}) == expected
    assert most_streams({}) == 900


def test_all_endpoints_together_never_go_beyond_the_sdks_workers(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, "102")
    take(1000)
    take(1000, endpoint=1)
    refusal = refused(take, 1000)
    assert "2" in refusal.message
    assert WORKERS in refusal.remedy


def test_a_slot_freed_at_another_endpoint_is_given_to_a_call_that_waits_for_the_process(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKERS, "101")
    slot = take(1000)
    waiting = gevent.spawn(take, 1000, 5, 1)
    gevent.sleep(0)
    slot.release()
    assert isinstance(waiting.get(timeout=1), Slot)


def test_only_so_many_calls_wait_that_short_requests_find_a_worker(take: Take) -> None:
    slot = take(1)
    waiting = [gevent.spawn(take, 1, 5) for _ in range(MOST_WAITING)]
    gevent.sleep(0)
    refused(take, 1, max_wait=5)
    slot.release()
    gevent.killall(waiting)
