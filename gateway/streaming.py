"""Events of a running app, to chunks on the wire: the only module with a clock and greenlets.

Who owns what: a `Run`'s greenlet, the pump, owns the transport's iterator and everything that is pulled through it; the
request's greenlet owns the writer. Between them is a queue of events. The pump is ended with `kill`, for closing a
generator that waits in another greenlet raises.

Laws kept here (DESIGN section 5): 3 (never raises), 6 (heartbeats), 7 (no chunk over 1 MiB), 8 (few, larger chunks), 9
(no end at once after the first chunk), 13 (own time limits).
"""

import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

import gevent
from gevent.event import Event as Signal

from gateway.errors import DuckError, internal_error
from gateway.events import Event, Failed, Finished, Paused, Silence, Text, Writer
from gateway.limits import (
    Limits,
    own_timeout_error,
    response_timeout_error,
    run_timeout_error,
    silence_timeout_error,
)
from gateway.log import logger
from runtime.waiting import Waiting

FIRST_EVENT_WAIT: Final = 10.0
"""Seconds that a streaming reply waits for the event that decides its status (DESIGN section 2)."""

HEARTBEAT: Final = 15.0
"""Seconds of silence (protocols section 8; proxies commonly cut after 30 to 60)."""

MAX_CHUNK: Final = 1024 * 1024
"""Bytes (law 7: a chunk of 2.4 MB passes, 2.7 MB kills the plugin)."""

SLOW_READER: Final = 64 * 1024
"""Bytes per second of the slowest reader that loses nothing (issue "Main job"; measured in wire 14.2)."""

MAX_HOLD: Final = 0.25
"""Seconds that a frame is held at most, to leave together with those behind it (DESIGN section 2)."""

HOLD_SHARE: Final = 0.1
"""Part of a slow reader's arrears that a chunk is held for. With a tenth, some 10 to 20 chunks of growing size wait in
the daemon's queue of 128, however fast the app is (law 8; measured in benchmarks/stream.py)."""

MIN_HOLD: Final = 0.002
"""Seconds; holding for less saves no chunk and costs a timer."""

MIN_STREAM: Final = 0.2
"""Seconds between the first chunk and the end (law 9: 20 ms is not enough under remote debugging, 50 ms is, of a daemon
that reads at once; one that waits for the processor reads the first chunk up to 100 ms later, and the end with it)."""

TRANSIT: Final = 5_000_000
"""Bytes per second that surely get from here to the daemon's reader, which the 200 ms above are counted from: megabytes
wait in between (measured under remote debugging: 1 MiB takes about 60 ms to be read)."""

CLOSING_WAIT: Final = 5.0
"""Seconds for a source to close behind its ending; killed in the middle, it may leave a connection half closed."""

TURN: Final = 0.001
"""Seconds of work after which a stream lets the others have their turn."""

LOOK_EVERY: Final = 16
"""Frames of a backlog between two looks at the clock: some 30 µs of work."""

BRIEFLY: Final = 1e-9
"""Seconds: the time of one turn of gevent's loop. At 0 the loop does not look at what comes in before all that is ready
has had up to 50 turns more (gevent: `CALLBACK_CHECK_COUNT`)."""


_ENDINGS: Final = (Finished, Paused, Failed)


class Run:
    """A run of an app, read by a greenlet of its own.

    events: pulled in that greenlet only. on_end: called once when the run is over or given up, from any greenlet.
    name: the request's id, for the log. watch: returns when the caller is held for gone; it runs in a greenlet of its
    own, from a heartbeat's time on.

    seen: how many events have come. failure: the code of what the run has failed with, `""` for none.
    """

    def __init__(
        self,
        events: Iterator[Event],
        limits: Limits,
        on_end: Callable[[], None],
        name: str,
        watch: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.seen = 0
        self.failure = ""
        self._limits = limits
        self._on_end = on_end
        self._waiting: deque[Event] = deque()
        self._news = Waiting()
        self._over = Signal()
        self._is_told = self._has_ended = self._is_over = False
        self._last_event = self._last_chunk = time.monotonic()
        self._own_deadline = self._hard_deadline = self._last_event + limits.own
        self._run_deadline = float("inf")
        self._response_deadline = float("inf")
        self._pump = gevent.spawn(self._read, events)
        self._watcher = gevent.spawn_later(HEARTBEAT, self._watch, watch) if watch else None

    def first(self, max_wait: float) -> Event | None:
        """The first event, left in the queue; None when there is none after `max_wait` seconds."""
        self._await(max_wait)
        return self._waiting[0] if self._waiting else None

    def stop(self) -> None:
        """Gives the run up, whatever state it is in. May be called twice, and from a finalizer."""
        if not self._is_over:
            if self._has_ended:  # the pump is closing what it has read from, and is let
                gevent.spawn_later(CLOSING_WAIT, self._pump.kill, block=False)
            else:
                self._pump.kill(block=False)
            self._finish()

    def response_begins(self) -> None:
        """Starts the clock of the response: its first chunk is about to leave."""
        self._response_deadline = min(self._response_deadline, time.monotonic() + self._limits.response)
        self._hard_deadline = min(self._hard_deadline, self._response_deadline)

    def chunk_left(self) -> None:
        """Tells that something was sent just now."""
        self._last_chunk = time.monotonic()

    @property
    def backlog(self) -> int:
        """How many events can be had without waiting."""
        return len(self._waiting)

    def ends_within(self, seconds: float) -> bool:
        """Lets events gather; whether the run is over after that time, also because a limit was reached."""
        self._over.wait(max(0.0, min(seconds, self._deadline - time.monotonic())))
        return self._is_over or time.monotonic() >= self._deadline

    def rest(self, seconds: float) -> None:
        """Lets events gather, for that time or until the run is over; each of them would wake a `next`."""
        self._over.wait(seconds)

    def events(self, heartbeat: float = HEARTBEAT) -> Iterator[Event]:
        """The run's events as they come, an ending as the last.

        `Silence` comes at once if there is no event yet, and whenever no chunk has left for `heartbeat` seconds: events
        that a writer does not show don't keep a connection alive.
        """
        if not self._waiting:
            yield Silence()
        self.chunk_left()
        while True:
            if not self._waiting or self._last_event >= self._hard_deadline:
                self._await(self._last_chunk + heartbeat - time.monotonic())
            event = self._take()
            if event.__class__ is Text:  # nearly every event, and neither of what is asked below
                yield event
                continue
            if isinstance(event, Silence):
                self.chunk_left()
            yield event
            if self._is_told:
                return

    def next(self, max_wait: float) -> Event:
        """The next event, `Silence` when there is none after `max_wait` seconds.

        `Failed` when a limit is reached, a little before the platform's own; what had come by then comes before it.
        """
        self._await(max_wait)
        return self._take()

    def _take(self) -> Event:
        if not self._waiting:
            return Silence()
        event = self._waiting.popleft()
        if event.__class__ is not Text:
            self._is_told = isinstance(event, _ENDINGS)
        return event

    def _await(self, max_wait: float) -> None:
        """Waits for an event; when a limit is reached first, gives the run up, with its `Failed` as the last event."""
        if not self._waiting:
            self._news.wait(min(max_wait, self._deadline - time.monotonic()))
        if time.monotonic() >= self._deadline:
            self._put(Failed(self._reached()(self._limits)))
            self.stop()

    @property
    def _deadline(self) -> float:
        """When the next limit is reached; never, once the run is over."""
        if self._is_over:
            return float("inf")
        return min(self._hard_deadline, self._last_event + self._limits.silence)

    def _reached(self) -> Callable[[Limits], DuckError]:
        """The error of the limit that is reached next."""
        _, error = min(
            (self._own_deadline, own_timeout_error),
            (self._run_deadline, run_timeout_error),
            (self._response_deadline, response_timeout_error),
            (self._last_event + self._limits.silence, silence_timeout_error),
            key=lambda limit: limit[0],
        )
        return error

    def _read(self, events: Iterator[Event]) -> None:
        """The pump."""
        turn = _Turn()
        try:
            for event in events:
                self._has_ended = event.__class__ is not Text and isinstance(event, _ENDINGS)
                self._put(event)
                if self._is_over:  # given up: a source that never waits would not notice
                    return
                if self.seen == 1:
                    gevent.sleep(0)  # the reply begins with this event, whatever has come behind it
                turn.go_on(self._last_event)
            if not self._has_ended:  # without an ending the reply would have none
                logger.error("request %s: the run's events broke off", self.name)
                self._put(Failed(internal_error()))
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller must get an ending
            logger.error("request %s: reading the run failed: %s", self.name, place_of(error))
            self._put(Failed(internal_error()))
        finally:
            self._finish()

    def _put(self, event: Event) -> None:
        if self._is_over:
            return
        self._last_event = time.monotonic()
        self.seen += 1
        if event.__class__ is not Text and isinstance(event, Failed):
            self.failure = event.error.code
        if self.seen == 1:
            self._run_deadline = self._last_event + self._limits.run
            self._hard_deadline = min(self._hard_deadline, self._run_deadline)
        self._waiting.append(event)
        self._news.wake()

    def _watch(self, watch: Callable[[], None]) -> None:
        watch()
        self._put(Failed(client_gone()))
        self.stop()

    def _finish(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._over.set()
            self._news.close()
            if self._watcher is not None and self._watcher is not gevent.getcurrent():
                self._watcher.kill(block=False)
            self._on_end()


def client_gone() -> DuckError:
    """For a run whose caller has left; nobody is likely to read it."""
    return DuckError(
        "client_gone",
        "The caller seems to have left: the plugin daemon no longer answers calls of this request.",
        "Send it again if you are still there.",
    )


def stream(run: Run, write: Writer, heartbeat: float = HEARTBEAT) -> Generator[bytes]:
    """The reply's body, chunk by chunk: frames that pile up leave together. Never raises, always ends properly.

    The run is stopped when the body has ended, was closed, or was never begun and is forgotten.
    """
    body = _chunks(run, write, heartbeat)
    weakref.finalize(body, run.stop).atexit = False
    return body


def _chunks(run: Run, write: Writer, heartbeat: float) -> Generator[bytes]:
    pace = _Pace()
    try:
        run.response_begins()
        for frames in _gathered(run, write, heartbeat, pace):
            for start in range(0, len(frames), MAX_CHUNK):
                chunk = frames[start : start + MAX_CHUNK]
                yield chunk
                pace.sent(len(chunk))
                run.chunk_left()
    except Exception as error:  # noqa: BLE001 - law 3: a generator that raises has its traceback put into the body
        logger.error("request %s: writing the reply failed: %s", run.name, place_of(error))
        for chunk in _last_words(write):
            yield chunk
            pace.sent(len(chunk))
    finally:
        run.stop()
    pace.wait_for_end()


def _last_words(write: Writer) -> Iterator[bytes]:
    """An error in the protocol's form, from a writer that has just failed."""
    try:
        yield b"".join(write(iter((Failed(internal_error()),))))
    except Exception as error:  # noqa: BLE001 - law 3
        logger.error("writing an error failed too: %s", place_of(error))


def _gathered(run: Run, write: Writer, heartbeat: float, pace: "_Pace") -> Iterator[bytes]:
    """Joins the frames of events that came together, holding them as long as the reader's arrears ask for.

    What was gathered leaves also when the writer raises.
    """
    gathered: list[bytes] = []
    turn = _Turn()
    rested = 0
    began = time.monotonic()
    try:
        for frame in write(run.events(heartbeat)):
            if not gathered:
                began = time.monotonic()
            gathered.append(frame)
            if rested:
                rested -= 1
            if (rested or run.backlog) and len(gathered) % LOOK_EVERY:
                continue
            now = time.monotonic()
            turn.go_on(now)
            if rested or (run.backlog and now < began + MAX_HOLD):
                continue
            hold = began + pace.hold(now) - now
            if hold >= MIN_HOLD:
                run.rest(hold)
                rested = run.backlog  # these have waited already, and leave with what they waited for
                if rested:
                    continue
            yield from _joined(gathered)
    except Exception:
        yield from _joined(gathered)
        raise
    yield from _joined(gathered)


def _joined(gathered: list[bytes]) -> Iterator[bytes]:
    """What was gathered, as one piece; nothing when there is nothing in it. Leaves the list empty."""
    piece = b"".join(gathered)
    gathered.clear()
    if piece:
        yield piece


class _Turn:
    """How long a greenlet has worked without waiting."""

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._began = self._loop_turned = 0.0

    def go_on(self, now: float) -> None:
        """Lets the others have their turn, where it has been long enough and the loop has not turned meanwhile."""
        if now - self._began > TURN:
            if self._loop.now() == self._loop_turned:
                gevent.sleep(BRIEFLY)
            self._began, self._loop_turned = time.monotonic(), self._loop.now()


class _Pace:
    """How far a slow reader would be behind, and so how long to hold the next chunk."""

    def __init__(self) -> None:
        self._arrears = 0.0
        self._counted = time.monotonic()
        self._read_by = 0.0
        self._first_read_by: float | None = None
        self._chunks = 0

    def sent(self, size: int) -> None:
        """Counts a chunk that was handed over just now."""
        now = time.monotonic()
        self._chunks += 1
        self._read_by = max(self._read_by, now) + size / TRANSIT
        self._first_read_by = self._first_read_by or self._read_by
        self._arrears = self._behind(now) + size / SLOW_READER
        self._counted = now

    def hold(self, now: float) -> float:
        """Seconds that the next chunk may gather."""
        return min(MAX_HOLD, self._behind(now) * HOLD_SHARE)

    def wait_for_end(self) -> None:
        """Law 9: one chunk is always whole; several need time before the end."""
        if self._first_read_by is not None and self._chunks > 1:
            end = max(self._first_read_by + MIN_STREAM, self._read_by)
            gevent.sleep(max(0.0, end - time.monotonic()))

    def _behind(self, now: float) -> float:
        return max(0.0, self._arrears - (now - self._counted))


def paced(body: bytes) -> Iterable[bytes]:
    """A whole body as a response takes it: one chunk where it fits, else a generator of several (laws 7 and 9)."""
    return [body] if len(body) <= MAX_CHUNK else _slices(body)


def _slices(body: bytes) -> Generator[bytes]:
    pace = _Pace()
    for start in range(0, len(body), MAX_CHUNK):
        chunk = body[start : start + MAX_CHUNK]
        yield chunk
        pace.sent(len(chunk))
    pace.wait_for_end()


def place_of(error: BaseException) -> str:
    """Type and place of an exception, for the log: its text may hold what a caller sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"
