import os
from collections.abc import Iterator

import gevent
import pytest
from dify_plugin.core.server.stdio.request_reader import StdioRequestReader
from pydantic_core import to_json

from runtime.inbox import READ_SIZE, messages
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
