from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final

import gevent
import pytest

from gateway import secret
from gateway.conversations import Conversations
from gateway.diagnosis import storage_unavailable
from gateway.errors import DuckError
from gateway.presence import Presence
from gateway.seals import Holder
from gateway.secret import BETWEEN_REREADS, KEY, MOST_READS, SIZE, reread_secret, workspace_secret

ONE: Final = b"1" * SIZE
OTHER: Final = b"2" * SIZE
THIRD: Final = b"3" * SIZE
ID: Final = "fbd966e1-9f06-4fa8-9e4a-59100c620363"

PATIENCE: Final = 10.0
"""Seconds that a test waits for what must come, on a machine with much else to do."""


@dataclass
class Kept:
    """A workspace's storage. calls: what it was asked, in order. loads: what the next reads give, before `value`.

    failing: numbers of the calls that fail, from 0 on; `is_full`: a write is done and fails all the same (wire 11).
    takes: seconds that each call takes; it answers with what there is at its end.
    """

    value: bytes | None = None
    calls: list[str] = field(default_factory=list)
    loads: list[bytes] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)
    is_full: bool = False
    takes: Callable[[str], float] = lambda _: 0.0

    def exists(self, key: str) -> bool:
        self._call("exists", key)
        return self.value is not None

    def load(self, key: str) -> bytes:
        self._call("load", key)
        if self.loads:
            return self.loads.pop(0)
        if self.value is None:
            raise storage_unavailable()
        return self.value

    def save(self, key: str, value: bytes) -> None:
        self._call("save", key)
        self.value = value
        if self.is_full:
            raise storage_unavailable()

    def presence(self) -> Presence:
        return Presence.HERE

    def _call(self, name: str, key: str) -> None:
        assert key == KEY
        self.calls.append(name)
        number = len(self.calls) - 1
        gevent.sleep(self.takes(name))
        if number in self.failing:
            raise storage_unavailable()


class Clock:
    """Seconds, as the module sees them."""

    now = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """A process that knows no secret yet, with a clock that stands still."""
    stopped = Clock()
    monkeypatch.setattr(secret, "_known", {})
    monkeypatch.setattr(secret, "time", SimpleNamespace(monotonic=lambda: stopped.now))
    with gevent.Timeout(PATIENCE):
        yield stopped


def refused(call: Callable[[], object]) -> DuckError:
    with pytest.raises(DuckError) as caught:
        call()
    return caught.value


# -- The first look ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        pytest.param(None, ["exists", "save", "load", "load"], id="there is none"),
        pytest.param(ONE, ["exists", "load", "load"], id="there is one"),
    ],
)
def test_a_secret_is_written_only_after_the_storage_said_that_there_is_none(
    value: bytes | None, calls: list[str]
) -> None:
    kept = Kept(value)
    found = workspace_secret("e", kept)
    assert (found, len(found), kept.calls) == (kept.value, SIZE, calls)
    assert value in (None, found)


def test_each_workspace_has_a_secret_of_its_own() -> None:
    assert len({workspace_secret(f"endpoint {number}", Kept()) for number in range(20)}) == 20


def test_a_known_secret_is_not_read_again() -> None:
    kept = Kept(ONE)
    workspace_secret("e", kept)
    kept.calls.clear()
    kept.value = OTHER
    assert (workspace_secret("e", kept), kept.calls) == (ONE, [])


def test_endpoints_know_their_own_secret_only() -> None:
    assert [workspace_secret(name, Kept(value)) for name, value in (("a", ONE), ("b", OTHER))] == [ONE, OTHER]
    assert [workspace_secret(name, Kept(THIRD)) for name in "ab"] == [ONE, OTHER]


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([ONE, ONE], ONE),
        ([ONE, OTHER, OTHER], OTHER),
        ([ONE, OTHER, ONE, ONE], ONE),
        ([ONE, OTHER, THIRD, ONE, OTHER, OTHER], OTHER),
    ],
    ids=["at once", "another was written meanwhile", "and the first again", "as late as can be"],
)
def test_a_secret_is_used_once_two_reads_in_a_row_are_alike(loads: list[bytes], expected: bytes) -> None:
    kept = Kept(ONE, loads=list(loads))
    assert (workspace_secret("e", kept), kept.loads) == (expected, [])


def test_a_secret_that_never_settles_is_a_503() -> None:
    loads = [ONE, OTHER] * MOST_READS
    kept = Kept(ONE, loads=loads)
    error = refused(lambda: workspace_secret("e", kept))
    assert (error.code, error.status, kept.calls) == (
        "storage_unavailable",
        503,
        ["exists", *["load"] * MOST_READS],
    )


def test_reads_are_a_second_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(ONE)
    waits: list[tuple[float, int]] = []
    monkeypatch.setattr(secret, "BETWEEN_READS", 1.0)
    monkeypatch.setattr(
        secret, "gevent", SimpleNamespace(sleep=lambda seconds: waits.append((seconds, len(kept.calls))))
    )
    workspace_secret("e", kept)
    assert waits == [(1.0, len(["exists", "load"]))]


@pytest.mark.parametrize("value", [b"", b"x", ONE[:-1], ONE + b"1", b"x" * 1000], ids=len)
def test_a_value_of_another_size_is_a_503_and_is_never_replaced(value: bytes) -> None:
    kept = Kept(value)
    for _ in range(2):
        assert refused(lambda: workspace_secret("e", kept)).code == "storage_unavailable"
    assert (kept.value, "save" in kept.calls) == (value, False)


# -- A storage that fails ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(3), ids=["exists", "the first read", "the second read"])
def test_a_call_that_fails_is_a_503_and_replaces_nothing(number: int) -> None:
    kept = Kept(ONE, failing={number})
    error = refused(lambda: workspace_secret("e", kept))
    assert (error.code, error.status) == ("storage_unavailable", 503)
    assert (kept.value, "save" in kept.calls) == (ONE, False)
    assert workspace_secret("e", kept) == ONE


@pytest.mark.parametrize("number", range(4), ids=["exists", "the write", "the first read", "the second read"])
def test_a_first_write_that_fails_on_its_way_ends_with_one_secret(number: int) -> None:
    kept = Kept(failing={number})
    refused(lambda: workspace_secret("e", kept))
    written = kept.value
    found = workspace_secret("e", kept)
    assert (found, kept.calls.count("save")) == (kept.value, 2 if number == 1 else 1)
    assert written in (None, found)


def test_a_full_storage_is_a_503_and_what_it_wrote_all_the_same_is_used_then() -> None:
    kept = Kept(is_full=True)
    error = refused(lambda: workspace_secret("e", kept))
    assert (error.code, error.status) == ("storage_unavailable", 503)
    written = kept.value
    assert (workspace_secret("e", kept), kept.calls.count("save")) == (written, 1)


def test_a_first_look_that_was_given_up_leaves_the_next_one_free() -> None:
    kept = Kept(ONE, takes=lambda _: 60 * PATIENCE)
    looking = gevent.spawn(workspace_secret, "e", kept)
    gevent.sleep(0)
    assert kept.calls == ["exists"]
    looking.kill()
    assert workspace_secret("e", Kept(ONE)) == ONE


# -- Several at once -----------------------------------------------------------------------------------------------


def test_many_first_calls_write_the_same_secret() -> None:
    kept = Kept(takes=lambda _: 0.001)
    looking = [gevent.spawn(workspace_secret, "e", kept) for _ in range(20)]
    gevent.joinall(looking, raise_error=True)
    assert {greenlet.value for greenlet in looking} == {kept.value}


def test_a_first_call_whose_storage_is_silent_holds_up_no_other() -> None:
    silent = gevent.spawn(workspace_secret, "e", Kept(takes=lambda _: 60.0))
    gevent.sleep(0)
    with gevent.Timeout(1):
        assert workspace_secret("e", Kept(ONE)) == ONE
    silent.kill()


SLOW: Final = 0.01
"""Seconds of a slow call; two reads are ten of them apart here, as a second is many of the storage's real ones."""


@pytest.mark.parametrize("begins", [0.0, 0.5, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("slow", ["exists", "save", "load", ""])
def test_two_processes_that_begin_at_once_end_with_one_secret(
    slow: str, begins: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two endpoints over one storage stand for two processes, each with its own module. begins: of the second, in slow
    calls after the first; slow: the call that takes its time in the second.
    """
    monkeypatch.setattr(secret, "BETWEEN_READS", 10 * SLOW)
    shared = Kept()
    shared.takes = lambda name: SLOW if gevent.getcurrent() is first or name == slow else 0.0
    first = gevent.spawn(workspace_secret, "one process", shared)
    second = gevent.spawn_later(begins * SLOW, workspace_secret, "another", shared)
    gevent.joinall([first, second], raise_error=True)
    assert (first.value, second.value) == (shared.value, shared.value)


def test_a_process_that_comes_later_takes_the_secret_that_is_there() -> None:
    shared = Kept()
    first = workspace_secret("one process", shared)
    shared.calls.clear()
    assert (workspace_secret("another", shared), shared.calls) == (first, ["exists", "load", "load"])


# -- Looking again -------------------------------------------------------------------------------------------------


def known(clock: Clock, value: bytes = ONE, *, since: float = BETWEEN_REREADS) -> Kept:
    """A storage whose secret the process knows since so many seconds."""
    kept = Kept(value)
    workspace_secret("e", kept)
    kept.calls.clear()
    clock.now += since
    return kept


@pytest.mark.parametrize("since", [0.0, 1.0, BETWEEN_REREADS - 0.001])
def test_a_second_look_too_soon_is_none(clock: Clock, since: float) -> None:
    kept = known(clock, since=since)
    kept.value = OTHER
    assert (reread_secret("e", kept, ONE), kept.calls, workspace_secret("e", kept)) == (None, [], ONE)


def test_a_second_look_finds_another_replicas_secret_once_it_reads_alike(clock: Clock) -> None:
    kept = known(clock)
    kept.value, kept.loads = OTHER, [THIRD, THIRD, OTHER]
    assert (reread_secret("e", kept, ONE), workspace_secret("e", kept)) == (OTHER, OTHER)
    assert "save" not in kept.calls


def test_a_second_look_is_none_where_another_call_has_looked_meanwhile(clock: Clock) -> None:
    kept = known(clock)
    assert (reread_secret("e", kept, OTHER), kept.calls) == (ONE, [])


def test_a_second_look_that_finds_the_same_is_none_and_so_are_those_that_follow(clock: Clock) -> None:
    kept = known(clock)
    assert [reread_secret("e", kept, ONE) for _ in range(5)] == [None] * 5
    assert kept.calls == ["load"]
    clock.now += BETWEEN_REREADS
    assert (reread_secret("e", kept, ONE), kept.calls) == (None, ["load", "load"])


@pytest.mark.parametrize("number", range(3), ids=["the look", "the first read", "the second read"])
def test_a_second_look_that_fails_is_a_503_and_keeps_what_is_known(clock: Clock, number: int) -> None:
    kept = known(clock)
    kept.value, kept.failing = OTHER, {number}
    error = refused(lambda: reread_secret("e", kept, ONE))
    assert (error.code, error.status, workspace_secret("e", kept)) == ("storage_unavailable", 503, ONE)
    assert reread_secret("e", kept, ONE) is None
    clock.now += BETWEEN_REREADS
    assert reread_secret("e", kept, ONE) == OTHER
    assert (kept.value, "save" in kept.calls) == (OTHER, False)


@pytest.mark.parametrize("value", [None, b"", ONE[:-1]], ids=["gone", "empty", "too short"])
def test_a_second_look_takes_no_value_that_is_none_and_writes_none(clock: Clock, value: bytes | None) -> None:
    kept = known(clock)
    kept.value = value
    assert refused(lambda: reread_secret("e", kept, ONE)).code == "storage_unavailable"
    assert (kept.value, workspace_secret("e", kept), "save" in kept.calls) == (value, ONE, False)


# -- What it is for ------------------------------------------------------------------------------------------------


def conversations(kept: Kept) -> Conversations:
    return Conversations(Holder("e", "web", "", "app"), kept, is_sealed=True)


def under(value: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """The handle that a replica with this secret gave."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(secret, "_known", {})
        return conversations(Kept(value)).shown(ID)


def test_a_handle_of_another_replica_opens_as_soon_as_its_secret_may_be_looked_up(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(ONE)
    mine, theirs = conversations(kept), under(OTHER, monkeypatch)
    mine.prepare()
    kept.value = OTHER
    assert refused(lambda: mine.opened(theirs)).code == "conversation_not_found"
    clock.now += BETWEEN_REREADS
    assert (mine.opened(theirs), mine.opened(theirs)) == (ID, ID)


def test_a_storm_of_bad_handles_reads_the_storage_once_in_ten_seconds(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(ONE)
    mine, bad = conversations(kept), under(THIRD, monkeypatch)
    mine.prepare()
    kept.calls.clear()
    for _ in range(100):
        clock.now += 0.5
        assert refused(lambda: mine.opened(bad)).code == "conversation_not_found"
    assert kept.calls == ["load"] * 5


def test_of_two_calls_with_another_replicas_handle_both_are_served(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(ONE)
    mine, theirs = conversations(kept), under(OTHER, monkeypatch)
    mine.prepare()
    clock.now += BETWEEN_REREADS
    kept.value, kept.takes = OTHER, lambda _: 0.001
    opening = [gevent.spawn(mine.opened, theirs) for _ in range(2)]
    gevent.joinall(opening)
    assert [greenlet.value for greenlet in opening] == [ID, ID]
