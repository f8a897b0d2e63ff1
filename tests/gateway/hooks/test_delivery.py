import itertools
import json
from collections import OrderedDict
from typing import Any, Final

import gevent
import pytest

from gateway.errors import DuckError
from gateway.hooks import delivery
from gateway.hooks.delivery import RUNNING_FOR, Deliveries, State, name_of
from gateway.hooks.schemes import GITHUB, SLACK, STANDARD, STRIPE, Scheme, Signed
from gateway.presence import Presence
from gateway.shelf import BUCKETS, MOST_IN_BUCKET
from gateway.transports.storage import SessionStorage
from tests.gateway.fake_dify import FakeDify, FakeStorage

_numbers: Final = itertools.count()


def new_name() -> str:
    return name_of("endpoint", "app", Signed(GITHUB, "", f"{next(_numbers):064x}"), None)


def deliveries_in(storage: FakeStorage) -> Deliveries:
    return Deliveries(SessionStorage(FakeDify({}, storage=storage).session()))


def make_slow(storage: FakeStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have their turn before anything is written."""

    def save(key: str, val: bytes) -> None:
        gevent.sleep(0.001)
        storage.values[key] = val

    monkeypatch.setattr(storage, "set", save)


@pytest.fixture
def storage() -> FakeStorage:
    return FakeStorage()


@pytest.fixture
def deliveries(storage: FakeStorage) -> Deliveries:
    return deliveries_in(storage)


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Any:
    """From its call on, this is another process."""

    def become() -> None:
        monkeypatch.setattr(delivery, "_PROCESS", "another")
        monkeypatch.setattr(delivery, "_running", {})
        monkeypatch.setattr(delivery, "_succeeded", OrderedDict())

    return become


# -- Whether to run it ---------------------------------------------------------------------------------------------


def test_a_new_delivery_is_run_and_one_that_has_succeeded_is_not_run_again(deliveries: Deliveries) -> None:
    name = new_name()
    assert deliveries.begin(name) is None
    assert deliveries.begin(name) is State.RUNNING
    deliveries.end(name, has_succeeded=True)
    assert [deliveries.begin(name) for _ in range(2)] == [State.SUCCEEDED] * 2


def test_one_that_has_failed_is_run_again(deliveries: Deliveries) -> None:
    name = new_name()
    for _ in range(3):
        assert deliveries.begin(name) is None
        deliveries.end(name, has_succeeded=False)


def test_another_process_knows_what_has_succeeded_and_what_runs(
    deliveries: Deliveries, storage: FakeStorage, another_process: Any
) -> None:
    succeeded, running = new_name(), new_name()
    assert (deliveries.begin(succeeded), deliveries.begin(running)) == (None, None)
    deliveries.end(succeeded, has_succeeded=True)
    another_process()
    other = deliveries_in(storage)
    assert (other.begin(succeeded), other.begin(running)) == (State.SUCCEEDED, State.RUNNING)


def test_a_run_of_a_process_that_has_crashed_does_not_block_for_ever(
    deliveries: Deliveries, another_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, now = new_name(), 1_790_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    assert deliveries.begin(name) is None
    another_process()
    now += RUNNING_FOR - 1
    assert deliveries.begin(name) is State.RUNNING
    now += 1
    assert deliveries.begin(name) is None
    assert deliveries.begin(name) is State.RUNNING


def test_a_run_whose_end_could_not_be_kept_is_over_for_its_own_process(
    deliveries: Deliveries, storage: FakeStorage, duck_log: pytest.LogCaptureFixture
) -> None:
    name = new_name()
    assert deliveries.begin(name) is None
    storage.fault = Exception("gone")
    deliveries.end(name, has_succeeded=False)
    assert "could not be kept" in duck_log.text
    storage.fault = None
    assert deliveries.begin(name) is None


def test_a_success_that_could_not_be_kept_is_none_the_less_known_to_its_own_process(
    deliveries: Deliveries, storage: FakeStorage
) -> None:
    name = new_name()
    assert deliveries.begin(name) is None
    storage.fault = Exception("gone")
    deliveries.end(name, has_succeeded=True)
    storage.fault = None
    assert deliveries.begin(name) is State.SUCCEEDED


def test_a_process_remembers_successes_that_the_storage_has_dropped(
    deliveries: Deliveries, storage: FakeStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_succeeded", OrderedDict())
    monkeypatch.setattr(delivery, "MOST_REMEMBERED", 3)
    names = [new_name() for _ in range(4)]
    for name in names:
        assert deliveries.begin(name) is None
        deliveries.end(name, has_succeeded=True)
    storage.values.clear()
    assert [deliveries.begin(name) for name in names] == [None, *[State.SUCCEEDED] * 3]


@pytest.mark.parametrize("told", [Presence.GONE, Presence.UNANSWERED])
def test_a_run_whose_first_sender_does_not_answer_is_one_that_was_left(
    told: Presence, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionStorage, "presence", lambda _: told)
    name = new_name()
    assert Deliveries(deliveries_storage := SessionStorage(FakeDify({}).session())).begin(name) is None
    assert Deliveries(deliveries_storage).begin(name) is State.LEFT


def test_a_sender_who_never_answers_is_not_waited_for(storage: FakeStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PROBE_WAIT", 0.01)
    monkeypatch.setattr(SessionStorage, "presence", lambda _: gevent.sleep(60))
    name = new_name()
    assert deliveries_in(storage).begin(name) is None
    with gevent.Timeout(30):
        assert deliveries_in(storage).begin(name) is State.LEFT


def test_without_the_storage_nothing_is_run_and_nothing_is_left_claimed(
    deliveries: Deliveries, storage: FakeStorage
) -> None:
    name = new_name()
    storage.fault = Exception("full")
    for _ in range(2):
        with pytest.raises(DuckError) as refusal:
            deliveries.begin(name)
        assert refusal.value.code == "storage_unavailable"
    storage.fault = None
    assert deliveries.begin(name) is None


def test_of_two_at_once_one_is_run(
    deliveries: Deliveries, storage: FakeStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_slow(storage, monkeypatch)
    name = new_name()
    jobs = [gevent.spawn(deliveries.begin, name) for _ in range(5)]
    gevent.joinall(jobs, timeout=10)
    assert [job.value for job in jobs].count(None) == 1


def test_deliveries_that_come_together_are_all_kept(
    deliveries: Deliveries, storage: FakeStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_slow(storage, monkeypatch)
    names = [f"07{new_name()[2:]}" for _ in range(8)]  # all in one bucket

    def run(name: str) -> None:
        assert deliveries.begin(name) is None
        deliveries.end(name, has_succeeded=True)

    gevent.joinall([gevent.spawn(run, name) for name in names], timeout=10, raise_error=True)
    assert {deliveries.begin(name) for name in names} == {State.SUCCEEDED}


# -- What is kept --------------------------------------------------------------------------------------------------


def test_a_bucket_keeps_its_latest_and_all_of_them_are_far_below_the_storages_size(
    deliveries: Deliveries, storage: FakeStorage
) -> None:
    names = [f"07{new_name()[2:]}" for _ in range(MOST_IN_BUCKET + 1)]
    for name in names:
        deliveries.begin(name)
    [(key, value)] = storage.values.items()
    assert key == "hooks-07"
    assert [*json.loads(value)] == names[1:]
    for name in names:
        deliveries.end(name, has_succeeded=False)
    assert len(value) * BUCKETS < 250_000


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"[]", b'{"NAME": 1}', b'{"NAME": []}', b'{"NAME": ["running", "x", 1]}', b'{"NAME": ["x"]}'],
)
def test_what_cannot_be_read_is_as_if_it_were_not_there(
    deliveries: Deliveries, storage: FakeStorage, value: bytes
) -> None:
    name = f"07{new_name()[2:]}"
    storage.values["hooks-07"] = value.replace(b"NAME", name.encode())
    assert deliveries.begin(name) is None
    deliveries.end(name, has_succeeded=True)
    assert deliveries.begin(name) is State.SUCCEEDED


# -- What a delivery is known by -----------------------------------------------------------------------------------


def named(scheme: Scheme, id_: str = "", digest: str = "d", content: Any = None, **more: str) -> str:
    return name_of(more.get("endpoint", "e"), more.get("alias", "a"), Signed(scheme, id_, digest), content)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param(named(STANDARD, "1", "d"), named(STANDARD, "1", "e"), True, id="a signed id, signed again"),
        pytest.param(named(STANDARD, "1"), named(STANDARD, "2"), False, id="another id"),
        pytest.param(named(GITHUB, digest="d"), named(GITHUB, digest="d"), True, id="the same signature"),
        pytest.param(named(GITHUB, digest="d"), named(GITHUB, digest="e"), False, id="another signature"),
        pytest.param(
            named(STRIPE, digest="d", content={"id": "evt_1"}),
            named(STRIPE, digest="e", content={"id": "evt_1", "x": 1}),
            True,
            id="an event of Stripe's, signed again",
        ),
        pytest.param(
            named(SLACK, digest="d", content={"event_id": "Ev1"}),
            named(SLACK, digest="e", content={"event_id": "Ev1"}),
            True,
            id="an event of Slack's, signed again",
        ),
        pytest.param(
            named(SLACK, digest="d", content={"id": "1"}), named(SLACK, digest="e", content={"id": "1"}), False,
            id="an id that is none of Slack's",
        ),
        pytest.param(
            named(GITHUB, digest="d", content={"": "1"}), named(GITHUB, digest="e", content={"": "1"}), False,
            id="a sender that has no id in the body",
        ),
        *(
            pytest.param(
                named(STRIPE, digest="d", content={"id": id_}), named(STRIPE, digest="e", content={"id": id_}), False,
                id=f"an id that is {what}",
            )
            for id_, what in ((3, "a number"), ("", "empty"), (None, "null"), ("x" * 257, "too long"))
        ),
        pytest.param(named(STANDARD, "1"), named(STANDARD, "1", alias="b"), False, id="another app"),
        pytest.param(named(STANDARD, "1"), named(STANDARD, "1", endpoint="f"), False, id="another endpoint"),
        pytest.param(named(STANDARD, "1"), named(GITHUB, digest="1"), False, id="another scheme"),
        pytest.param(named(STANDARD, "d"), named(STANDARD, digest="d"), False, id="an id that looks like a signature"),
    ],
)  # fmt: skip
def test_two_deliveries_are_the_same(one: str, other: str, is_same: bool) -> None:
    assert (one == other) is is_same
