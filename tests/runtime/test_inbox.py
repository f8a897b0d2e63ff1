import itertools
import os
from collections.abc import Iterator
from types import SimpleNamespace

import gevent
import pytest
from dify_plugin.core.server.stdio.request_reader import StdioRequestReader
from pydantic_core import to_json

from runtime import inbox
from runtime.inbox import READ_SIZE, TURN, messages
from runtime.mailbox import CROWD, Mailboxes

PATIENCE = 60.0

LINE = to_json(
    {
        "session_id": "s",
        "event": "backwards_response",
        "data": {"backwards_request_id": "%%", "event": "response", "data": {"answer": "x" * 1000}},
    }
)


def lines(call_id: str, number: int) -> bytes:
    return (LINE.replace(b"%%", call_id.encode()) + b"\n") * number


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def mailboxes() -> Mailboxes:
    return Mailboxes()


def begin(mailboxes: Mailboxes, descriptor: int) -> "gevent.Greenlet[[], list[object]]":
    return gevent.spawn(lambda: list(messages(StdioRequestReader(), mailboxes, descriptor)))


def test_however_many_calls_share_what_comes_others_have_their_turn(
    pipe: tuple[int, int], mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is always more to read, and a clock that goes on by a fifth of a turn whenever it is looked at."""
    reader, writer = pipe
    opened = [mailboxes.open(f"call{number}") for number in range(500)]
    rounds = 20
    data = b"".join(lines(f"call{number}", 1) for number in range(len(opened))) * rounds
    clock = itertools.count(0.0, TURN / 5)
    monkeypatch.setattr(inbox, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(inbox, "_has_more", lambda _: delivered() < len(opened) * rounds)
    found = [0]

    def delivered() -> int:
        return sum(len(mailbox) for mailbox in opened)

    def look() -> None:
        while found[-1] < len(opened) * rounds:
            found.append(delivered())
            gevent.sleep(0)

    flood = gevent.get_hub().threadpool.spawn(os.write, writer, data)
    looking = gevent.spawn(look)
    reading = begin(mailboxes, reader)
    looking.get(timeout=PATIENCE)
    flood.get(timeout=PATIENCE)
    reading.kill()
    assert max(after - before for before, after in itertools.pairwise(found)) <= 6 * READ_SIZE // len(LINE)


def test_what_comes_for_one_call_is_read_no_further_than_a_crowd_before_its_reader_has_a_turn(
    pipe: tuple[int, int], mailboxes: Mailboxes
) -> None:
    """The pipe is filled again by a thread as fast as it is read."""
    reader, writer = pipe
    flooded = mailboxes.open("flood")
    found: list[int] = []

    def take() -> None:
        while sum(found) < 2000:
            flooded.take(PATIENCE)
            found.append(len(flooded) + 1)
            for _ in range(len(flooded)):
                flooded.take(PATIENCE)

    flood = gevent.get_hub().threadpool.spawn(lambda: os.write(writer, lines("flood", 2000)))
    taking = gevent.spawn(take)
    reading = begin(mailboxes, reader)
    taking.get(timeout=PATIENCE)
    flood.get(timeout=PATIENCE)
    reading.kill()
    assert sum(found) == 2000
    assert max(found) <= CROWD + 2 * READ_SIZE // len(LINE)
