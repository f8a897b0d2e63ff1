"""A one-body reply that had to begin before its end (`keep_alive: on`): spaces, then the body.

JSON allows white space before a value (RFC 8259, 2).
"""

from collections.abc import Callable, Iterator

from gateway.answer import Answer
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Paused, Silence, Writer
from gateway.protocols.protocol import Whole


def late_writer(answer: Answer, reply: Whole, failure: Callable[[DuckError], bytes]) -> Writer:
    """What is still to be written. answer: what has come so far. failure: the body of an error."""

    def write(events: Iterator[Event]) -> Iterator[bytes]:
        for event in events:
            answer.add(event)
            match event:
                case Silence():
                    yield b" "
                case Failed(error=error):
                    yield reply.write_failed(answer) or failure(error)
                case Finished() | Paused():
                    yield reply.write(answer)
                case _:
                    yield b""

    return write
