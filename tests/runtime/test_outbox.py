import contextlib
import os
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from runtime.outbox import MOST_WAITING, PIPE_SIZE, Outbox


class Pipe:
    """An outbox that writes into a pipe, and how often it did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.outbox = Outbox(self.writer)
        self.writes: list[bytes] = []
        real = os.write

        def write(descriptor: int, data: bytes) -> int:
            sent = real(descriptor, data)
            self.writes.append(bytes(data[:sent]))
            return sent

        monkeypatch.setattr(os, "write", write)

    def read(self) -> bytes:
        """What is there, if anything."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.reader, 1 << 20)
        return b""


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    made = Pipe(monkeypatch)
    yield made
    for descriptor in (made.reader, made.writer):
        with contextlib.suppress(OSError):  # a test has closed it
            os.close(descriptor)


def test_what_is_said_in_one_turn_leaves_in_one_write_and_in_order(pipe: Pipe) -> None:
    speakers = [gevent.spawn(pipe.outbox.write, f"{number};") for number in range(50)]
    gevent.joinall(speakers)
    pipe.outbox.drain()
    assert pipe.writes == [b"".join(b"%d;" % number for number in range(50))]


def test_a_lone_message_leaves_in_the_turn_in_which_it_was_said(pipe: Pipe) -> None:
    pipe.outbox.write("alone")
    assert pipe.writes == []
    gevent.sleep(0)
    assert pipe.writes == [b"alone"]


def test_a_reader_that_is_slow_makes_the_writers_wait_and_loses_nothing(pipe: Pipe) -> None:
    pieces, said = 200, 0

    def speak() -> None:
        nonlocal said
        for number in range(pieces):
            pipe.outbox.write(f"{number:08}" * 1023 + "1234567\n")
            said += 1

    speaker = gevent.spawn(speak)
    gevent.sleep(0.05)
    assert said <= (PIPE_SIZE + MOST_WAITING) // 8192 + 2
    heard = b""
    while len(heard) < pieces * 8192:
        heard += pipe.read()
        gevent.sleep(0)
    speaker.join()
    assert heard == b"".join(b"%08d" % number * 1023 + b"1234567\n" for number in range(pieces))


def test_one_message_larger_than_all_room_leaves_whole(pipe: Pipe) -> None:
    speaker = gevent.spawn(pipe.outbox.write, "x" * 2_999_999 + "\n")
    heard = 0
    while heard < 3_000_000:
        gevent.sleep(0)
        heard += len(pipe.read())
    speaker.join()
    assert speaker.value == heard == 3_000_000


def test_a_writer_that_is_ended_while_it_waits_takes_nothing_with_it(pipe: Pipe) -> None:
    speaker = gevent.spawn(pipe.outbox.write, "x" * 2_999_999 + "\n")
    gevent.sleep(0.01)
    speaker.kill()
    heard = 0
    while heard < 3_000_000:
        gevent.sleep(0)
        heard += len(pipe.read())
    pipe.outbox.write("next")
    gevent.sleep(0)
    assert pipe.read() == b"next"


def test_text_that_no_utf8_can_hold_is_escaped_and_the_rest_leaves(pipe: Pipe) -> None:
    pipe.outbox.write("a\ud800b")
    gevent.sleep(0)
    assert pipe.read() == b"a\\ud800b"


@pytest.mark.parametrize("what", [b"bytes", 5, None], ids=["bytes", "a number", "nothing"])
def test_what_is_no_text_is_its_writers_fault_alone(pipe: Pipe, what: Any) -> None:
    with pytest.raises(TypeError):
        pipe.outbox.write(what)
    pipe.outbox.write("next")
    gevent.sleep(0)
    assert pipe.read() == b"next"


def test_a_line_that_is_written_in_two_pieces_stays_one(pipe: Pipe) -> None:
    """As `print` writes it; the first is more than may lie here."""
    large = "p" * (MOST_WAITING + 1)
    printing = gevent.spawn(print, large, file=pipe.outbox)
    speaking = gevent.spawn(pipe.outbox.write, "message\n")
    for greenlet in (printing, speaking):
        greenlet.join()
    pipe.outbox.drain()
    assert pipe.read().decode() == f"{large}\nmessage\n"


def test_another_thread_can_write(pipe: Pipe) -> None:
    gevent.get_hub().threadpool.apply(pipe.outbox.write, ("from a thread",))
    pipe.outbox.drain()
    assert pipe.writes == [b"from a thread"]


def test_when_nobody_reads_any_more_a_write_says_so(pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.outbox.write("into the void")
    gevent.sleep(0)
    with pytest.raises(BrokenPipeError):
        pipe.outbox.write("again")


def test_closing_hands_over_what_is_left(pipe: Pipe) -> None:
    pipe.outbox.write("last words")
    pipe.outbox.close()
    assert pipe.read() == b"last words"
