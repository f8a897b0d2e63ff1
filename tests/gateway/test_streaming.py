import gc
import re
import time
from collections.abc import Callable, Generator, Iterator
from typing import Final

import gevent
import pytest
from gevent.event import Event as Signal

from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Passed, Paused, Silence, Text, Writer
from gateway.limits import Limits
from gateway.streaming import (
    FIRST_EVENT_WAIT,
    HEARTBEAT,
    MAX_CHUNK,
    MAX_HOLD,
    MIN_STREAM,
    TURN,
    Run,
    paced,
    place_of,
    stream,
)

LONG: Final = 60.0
"""Seconds; a limit that no test reaches."""

PATIENCE: Final = 10.0
"""Seconds that a test waits for what must come, on a machine with much else to do."""

FINISHED: Final = Finished("succeeded", None, None, "")
SHOWN: Final = re.compile(rb"(?:<[^<>]*>)*")
"""What `write` writes: whole frames only."""


def limits(own: float = LONG, run: float = LONG, silence: float = LONG, response: float = LONG) -> Limits:
    return Limits(own, run, silence, response)


def started(events: Iterator[Event], on_end: Callable[[], None] = lambda: None, **shortened: float) -> Run:
    return Run(events, limits(**shortened), on_end, "a-request-id")


def filled(events: Iterator[Event]) -> Run:
    """A run whose events have all come before anyone asks for one."""
    over = Signal()
    run = started(events, over.set)
    assert over.wait(PATIENCE)
    return run


def write(events: Iterator[Event]) -> Iterator[bytes]:
    """A writer as the protocols have them: one frame per event, nothing for what it does not show."""
    for event in events:
        match event:
            case Text(text=text):
                yield f"<{text}>".encode()
            case Silence():
                yield b"<~>"
            case Failed(error=error):
                yield f"<error {error.code}>".encode()
            case Finished() | Paused():
                yield b"<end>"
            case _:
                yield b""


def text(content: object) -> Text:
    return Text(str(content), None)


def at_once(*contents: object, ending: Event | None = FINISHED) -> Iterator[Event]:
    yield from map(text, contents)
    if ending is not None:
        yield ending


def waiting(signal: Signal, *before: Event) -> Iterator[Event]:
    """Events, and then nothing until the signal is set."""
    yield from before
    signal.wait(PATIENCE)
    yield FINISHED


def forever(pause: float, event: Event) -> Iterator[Event]:
    while True:
        gevent.sleep(pause)
        yield event


class Ended:
    """Counts how often a run says that it is over."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def gaps() -> Iterator[list[float]]:
    """Seconds that another greenlet had to wait for its turn, each time."""
    waits: list[float] = []

    def watch() -> None:
        last = time.monotonic()
        while True:
            gevent.sleep(0)
            waits.append(time.monotonic() - last)
            last += waits[-1]

    watching = gevent.spawn(watch)
    gevent.sleep(0)
    yield waits
    watching.kill()


def busy(gaps: list[float]) -> float:
    """Seconds that the machine may add to any time: other processes have their turns too."""
    return 0.05 + 3 * max(gaps)


def test_the_numbers_are_those_of_the_design() -> None:
    assert (FIRST_EVENT_WAIT, HEARTBEAT, MAX_CHUNK, MAX_HOLD, MIN_STREAM) == (10, 15, 1024 * 1024, 0.25, 0.2)


# -- Order and chunks ----------------------------------------------------------------------------------------------


def test_five_thousand_events_arrive_whole_and_in_order_in_a_few_chunks() -> None:
    chunks = list(stream(started(at_once(*range(5000))), write))
    assert b"".join(chunks) == b"".join([b"<~>", *(b"<%d>" % n for n in range(5000)), b"<end>"])
    assert len(chunks) < 100  # law 8: the daemon's queue holds 128


def test_a_chunk_joins_whole_frames_only() -> None:
    chunks = list(stream(started(at_once(*range(5000))), write))
    assert [chunk for chunk in chunks if not SHOWN.fullmatch(chunk)] == []


def test_an_event_that_comes_alone_leaves_at_once() -> None:
    gone = [Signal() for _ in range(20)]

    def one_by_one() -> Iterator[Event]:
        for number, signal in enumerate(gone):
            yield text(number)
            assert signal.wait(PATIENCE), "the next event was needed to send this one"
        yield FINISHED

    began = time.monotonic()
    for chunk in stream(started(one_by_one()), write):
        for number in map(int, re.findall(rb"\d+", chunk)):
            gone[number].set()
    assert time.monotonic() - began < 20 * MAX_HOLD / 2


def test_no_event_is_held_longer_than_a_quarter_of_a_second(gaps: list[float]) -> None:
    born: dict[int, float] = {}

    def steadily() -> Iterator[Event]:
        for number in range(400):
            born[number] = time.monotonic()
            yield text(f"{number} {'x' * 2000}")
            gevent.sleep(0.001)
        yield FINISHED

    ages = []
    for chunk in stream(started(steadily()), write):
        arrived = time.monotonic()
        ages += [arrived - born[int(number)] for number in re.findall(rb"<(\d+) ", chunk)]
    assert len(ages) == 400
    assert max(ages) < MAX_HOLD + busy(gaps)


def laborious(events: Iterator[Event]) -> Iterator[bytes]:
    """A writer that works for a millisecond on each event, as on large ones."""
    for frame in write(events):
        time.sleep(0.001)
        yield frame


def test_a_frame_is_held_no_longer_though_events_are_always_waiting(gaps: list[float]) -> None:
    last, held = time.monotonic(), []
    for _ in stream(filled(at_once(*range(600))), laborious):
        held.append(time.monotonic() - last)
        last += held[-1]
    assert len(held) > 1
    assert max(held) < MAX_HOLD + busy(gaps)


def test_the_more_is_sent_the_longer_it_gathers() -> None:
    def steadily() -> Iterator[Event]:
        for number in range(300):
            yield text(f"{number} {'x' * 4000}")
            gevent.sleep(0.001)
        yield FINISHED

    sizes = [len(chunk) for chunk in stream(started(steadily()), write)]
    assert max(sizes[:3]) < max(sizes[-10:])
    assert len(sizes) < 100


@pytest.mark.parametrize("size", [MAX_CHUNK - 1, MAX_CHUNK, 3 * MAX_CHUNK + 1], ids=["under", "just", "over"])
def test_no_chunk_is_over_1_mib(size: int) -> None:
    chunks = list(stream(started(at_once("x" * size)), write))
    assert max(map(len, chunks)) <= MAX_CHUNK
    assert b"".join(chunks) == b"<~><" + b"x" * size + b"><end>"


def test_nothing_empty_is_sent_for_what_is_not_shown() -> None:
    run = started(iter([Passed({}), Passed({}), text("a"), Passed({}), FINISHED]))
    chunks = list(stream(run, write))
    assert b"".join(chunks) == b"<~><a><end>"
    assert b"" not in chunks


def test_an_opening_leaves_at_once_though_no_event_is_there_yet() -> None:
    signal = Signal()
    body = stream(started(waiting(signal)), write)
    assert next(body) == b"<~>"
    signal.set()
    assert b"".join(body) == b"<end>"


def test_without_waiting_for_it_there_is_no_opening() -> None:
    assert b"".join(stream(filled(at_once("a")), write)) == b"<a><end>"


@pytest.mark.parametrize("ending", [FINISHED, Paused("r", (), None)], ids=["finished", "paused"])
def test_nothing_comes_after_the_ending(ending: Event) -> None:
    run = filled(iter([text("a"), ending, text("b"), FINISHED]))
    assert b"".join(stream(run, write)) == b"<a><end>"


# -- Law 9: the end comes late enough ------------------------------------------------------------------------------


def seconds_from_first_chunk_to_end(body: Iterator[bytes]) -> tuple[int, float]:
    """The number of chunks, and the seconds between the first one and the end."""
    next(body)
    first = time.monotonic()
    return len(list(body)) + 1, time.monotonic() - first


def late() -> Iterator[Event]:
    """The opening is the first chunk, and the ending the second."""
    gevent.sleep(0.005)
    yield FINISHED


def breaking_writer(events: Iterator[Event]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Failed):
            yield b"<error>"
        elif isinstance(event, Finished):
            raise ZeroDivisionError
        else:
            yield b"<x>"


@pytest.mark.parametrize("writer", [write, breaking_writer], ids=["a sound writer", "a writer that breaks"])
def test_a_reply_of_several_chunks_does_not_end_at_once_after_the_first(writer: Writer) -> None:
    chunks, seconds = seconds_from_first_chunk_to_end(stream(started(late()), writer))
    assert chunks == 2
    assert seconds >= MIN_STREAM - 0.001


def test_a_reply_of_one_chunk_ends_at_once() -> None:
    chunks, seconds = seconds_from_first_chunk_to_end(stream(filled(at_once("a")), write))
    assert chunks == 1
    assert seconds < MIN_STREAM


# -- Heartbeats ----------------------------------------------------------------------------------------------------


def test_a_silent_stream_has_heartbeats() -> None:
    signal = Signal()
    body = stream(started(waiting(signal, text("a"))), write, heartbeat=0.02)
    beats = [chunk for chunk, _ in zip(body, range(6), strict=False) if chunk == b"<~>"]
    signal.set()
    assert len(beats) >= 4


def test_events_that_are_not_shown_do_not_stop_the_heartbeats() -> None:
    body = stream(started(forever(0.004, Passed({}))), write, heartbeat=0.03)
    began = time.monotonic()
    assert [next(body) for _ in range(5)] == [b"<~>"] * 5
    assert time.monotonic() - began < PATIENCE
    body.close()


def test_what_is_shown_is_heartbeat_enough() -> None:
    def lively() -> Iterator[Event]:
        for number in range(30):
            gevent.sleep(0.01)
            yield text(number)
        yield FINISHED

    body = b"".join(stream(started(lively()), write, heartbeat=5))
    assert body.count(b"<~>") == 1  # the opening


# -- Limits --------------------------------------------------------------------------------------------------------


def test_silence_beyond_the_limit_ends_the_stream() -> None:
    body = stream(started(waiting(Signal(), text("a")), silence=0.05), write)
    assert b"".join(body).endswith(b"<a><error silence_timeout>")


def test_a_run_beyond_its_limit_is_ended_though_data_flows() -> None:
    began = time.monotonic()
    body = b"".join(stream(started(forever(0.005, text("a")), run=0.15), write))
    assert body.endswith(b"<a><error run_timeout>")
    assert 0.15 <= time.monotonic() - began < PATIENCE


def test_a_response_beyond_its_limit_is_ended_though_data_flows() -> None:
    body = b"".join(stream(started(forever(0.005, text("a")), response=0.15), write))
    assert body.endswith(b"<a><error response_timeout>")


def test_a_source_that_never_pauses_meets_its_limit_too() -> None:
    asked: list[float] = []

    def tireless() -> Iterator[Event]:
        began = time.monotonic()
        while time.monotonic() < began + 2:  # then it gives up, so that a fault ends the test and not the whole run
            asked.append(time.monotonic() - began)
            yield text("a")

    body = b"".join(stream(started(tireless(), run=0.1), write))
    assert body.endswith(b"<a><error run_timeout>")
    gevent.sleep(0)
    assert asked[-1] < 1


def test_silence_before_the_first_event_counts() -> None:
    run = started(waiting(Signal()), silence=0.05)
    assert b"".join(stream(run, write)) == b"<~><error silence_timeout>"


def test_the_clock_of_the_run_starts_with_its_first_event() -> None:
    def late() -> Iterator[Event]:
        gevent.sleep(0.15)
        yield text("a")
        yield FINISHED

    assert b"".join(stream(started(late(), run=0.1), write)).endswith(b"<a><end>")


def test_the_setting_run_timeout_counts_from_the_start() -> None:
    body = b"".join(stream(started(waiting(Signal()), own=0.05), write))
    assert body == b"<~><error run_timeout>"


def test_of_two_limits_the_one_that_is_reached_first_is_named() -> None:
    run = started(waiting(Signal(), text("a")), own=0.02, silence=0.05)
    gevent.sleep(0.1)
    assert b"".join(stream(run, write)) == b"<a><error run_timeout>"


def test_what_had_come_before_a_limit_comes_before_its_error() -> None:
    run = started(waiting(Signal(), text("a"), text("b")), silence=0.05)
    gevent.sleep(0.1)
    assert b"".join(stream(run, write)) == b"<a><b><error silence_timeout>"


def test_a_run_that_is_over_has_no_limits_any_more() -> None:
    run = started(at_once("a", "b"), run=0.05, silence=0.05)
    run.first(PATIENCE)
    gevent.sleep(0.1)
    assert b"".join(stream(run, write)) == b"<a><b><end>"


# -- Nothing is raised ---------------------------------------------------------------------------------------------


def breaking(*before: Event) -> Iterator[Event]:
    yield from before
    raise ZeroDivisionError("sk-a-secret-in-the-text")


@pytest.mark.parametrize("before", [(), (text("a"),)], ids=["at once", "after text"])
def test_a_source_that_raises_ends_the_stream_with_an_error(before: tuple[Event, ...]) -> None:
    body = b"".join(stream(started(breaking(*before)), write))
    assert body.removeprefix(b"<~>") == b"<a>" * len(before) + b"<error internal_error>"


def test_a_source_that_breaks_off_ends_the_stream_with_an_error(duck_log: pytest.LogCaptureFixture) -> None:
    body = b"".join(stream(started(iter((text("a"),))), write))
    assert body.removeprefix(b"<~>") == b"<a><error internal_error>"
    assert "the run's events broke off" in duck_log.text


def raising_at(kind: type[Event]) -> Writer:
    def writer(events: Iterator[Event]) -> Iterator[bytes]:
        for event in events:
            if isinstance(event, kind):
                raise ZeroDivisionError("sk-a-secret-in-the-text")
            yield from write(iter((event,)))

    return writer


@pytest.mark.parametrize("kind", [Silence, Text, Finished], ids=["opening", "text", "ending"])
def test_a_writer_that_raises_ends_the_stream_with_an_error(kind: type[Event]) -> None:
    body = b"".join(stream(started(at_once("a")), raising_at(kind)))
    assert body.endswith(b"<error internal_error>")


def test_what_was_gathered_when_a_writer_raises_is_still_sent() -> None:
    run = filled(at_once("a", "b"))
    assert b"".join(stream(run, raising_at(Finished))) == b"<a><b><error internal_error>"


def broken_writer(events: Iterator[Event]) -> Iterator[bytes]:
    next(events)
    raise ZeroDivisionError
    yield b""


def test_a_writer_that_can_not_even_write_an_error_raises_nothing() -> None:
    assert list(stream(started(at_once("a")), broken_writer)) == []


def test_the_log_names_the_place_and_not_what_was_said(duck_log: pytest.LogCaptureFixture) -> None:
    list(stream(started(breaking()), write))
    list(stream(started(at_once("a")), raising_at(Text)))
    assert [message.partition(" at ")[0] for message in duck_log.messages] == [
        "request a-request-id: reading the run failed: ZeroDivisionError",
        "request a-request-id: writing the reply failed: ZeroDivisionError",
    ]
    assert "sk-" not in duck_log.text


def test_a_place_is_a_type_a_module_and_a_line() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        next(breaking())
    assert re.fullmatch(rf"ZeroDivisionError at {re.escape(__name__)}:\d+", place_of(raised.value))
    assert place_of(ValueError("text")) == "ValueError"


# -- The slot is given back ----------------------------------------------------------------------------------------


def test_a_run_that_has_ended_says_so_once() -> None:
    ended = Ended()
    list(stream(started(at_once("a"), ended), write))
    assert ended.times == 1


def test_a_body_that_is_never_begun_and_forgotten_ends_its_run() -> None:
    ended, closed = Ended(), Signal()
    run = started(endless(closed), ended)
    run.first(PATIENCE)
    body = stream(run, write)
    assert ended.times == 0
    del body
    gc.collect()
    assert ended.times == 1
    assert closed.wait(PATIENCE)


def test_a_body_that_is_closed_early_ends_its_run() -> None:
    ended, closed = Ended(), Signal()
    run = started(endless(closed), ended)
    run.first(PATIENCE)
    body = stream(run, write)
    next(body)
    body.close()
    assert ended.times == 1
    assert closed.wait(PATIENCE)


def endless(closed: Signal) -> Iterator[Event]:
    """A source that tells when it was closed."""
    try:
        yield from forever(0.001, text("a"))
    finally:
        closed.set()


@pytest.mark.parametrize("writer", [write, breaking_writer, broken_writer], ids=["sound", "breaking", "broken"])
def test_whatever_the_writer_does_the_run_ends_once(writer: Writer) -> None:
    ended = Ended()
    list(stream(started(at_once("a"), ended), writer))
    assert ended.times == 1


def test_a_source_that_raises_ends_its_run_once() -> None:
    ended = Ended()
    list(stream(started(breaking(), ended), write))
    assert ended.times == 1


def test_a_limit_that_is_reached_ends_the_run_once() -> None:
    ended = Ended()
    list(stream(started(waiting(Signal(), text("a")), ended, silence=0.03), write))
    assert ended.times == 1


def test_stopping_twice_is_stopping_once() -> None:
    ended = Ended()
    run = started(forever(0.001, text("a")), ended)
    run.stop()
    run.stop()
    gevent.sleep(0.01)
    assert ended.times == 1


# -- Other streams get their turn ----------------------------------------------------------------------------------


STARVED: Final = 10 * TURN + 0.1
"""Seconds, with what a busy machine adds."""


def test_an_app_at_full_speed_starves_no_other_greenlet(gaps: list[float]) -> None:
    body = b"".join(stream(started(at_once(*range(60_000))), write))
    gevent.sleep(0)
    assert body.count(b"<") == 60_002
    assert max(gaps) < STARVED


def test_a_writer_with_much_to_do_starves_no_other_greenlet(gaps: list[float]) -> None:
    list(stream(filled(at_once(*range(400))), laborious))
    gevent.sleep(0)
    assert len(gaps) > 10
    assert max(gaps) < STARVED


# -- One event at a time -------------------------------------------------------------------------------------------


def test_first_leaves_the_event_in_the_queue() -> None:
    run = started(at_once("a"))
    assert (run.first(PATIENCE), run.next(PATIENCE), run.next(PATIENCE)) == (text("a"), text("a"), FINISHED)


def test_first_is_none_when_nothing_comes_in_time() -> None:
    signal = Signal()
    run = started(waiting(signal))
    assert run.first(0.01) is None
    run.stop()


def test_first_returns_as_soon_as_something_comes() -> None:
    began = time.monotonic()
    assert started(at_once("a")).first(PATIENCE) == text("a")
    assert time.monotonic() - began < PATIENCE / 2


def test_a_run_that_ends_in_time_is_waited_for_no_longer() -> None:
    run = started(iter((text("a"), FINISHED)))
    before = time.monotonic()
    assert run.ends_within(PATIENCE)
    assert time.monotonic() - before < PATIENCE
    assert [*run.events()] == [text("a"), FINISHED]


def test_a_run_that_goes_on_lets_its_events_gather() -> None:
    def events() -> Iterator[Event]:
        yield text("a")
        gevent.sleep(LONG)

    run = started(events())
    assert not run.ends_within(0.05)
    assert run.backlog == 1
    run.stop()


def test_a_run_that_meets_a_limit_is_over_too() -> None:
    def events() -> Iterator[Event]:
        yield text("a")
        gevent.sleep(LONG)

    run = started(events(), own=0.05)
    before = time.monotonic()
    assert run.ends_within(PATIENCE)
    assert time.monotonic() - before < PATIENCE
    *came, last = run.events()
    assert (came, type(last)) == ([text("a")], Failed)


def test_next_is_silence_when_nothing_comes_in_time() -> None:
    run = started(waiting(Signal()))
    assert run.next(0.01) == Silence()
    run.stop()


def test_next_is_the_failure_when_a_limit_is_reached() -> None:
    event = started(waiting(Signal()), silence=0.02).next(PATIENCE)
    assert isinstance(event, Failed)
    assert isinstance(event.error, DuckError)
    assert event.error.code == "silence_timeout"


def test_a_stopped_run_reads_no_further() -> None:
    asked = []

    def counted() -> Iterator[Event]:
        for number in range(10**9):
            asked.append(number)
            yield text(number)
            gevent.sleep(0.001)

    run = started(counted())
    run.first(PATIENCE)
    run.stop()
    gevent.sleep(0)
    before = len(asked)
    gevent.sleep(0.02)
    assert len(asked) == before


# -- Whole bodies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, MAX_CHUNK], ids=["empty", "one byte", "1 MiB"])
def test_a_body_that_fits_is_one_chunk(size: int) -> None:
    assert paced(b"x" * size) == [b"x" * size]


def test_a_larger_body_is_a_generator_of_several_that_ends_late_enough() -> None:
    body = paced(b"x" * (2 * MAX_CHUNK + 1))
    assert isinstance(body, Generator)  # law 1: anything else is joined into one chunk
    began = time.monotonic()
    assert list(map(len, body)) == [MAX_CHUNK, MAX_CHUNK, 1]
    assert time.monotonic() - began >= MIN_STREAM - 0.001
