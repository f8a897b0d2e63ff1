"""A plugin that does nothing: it answers each event with a chunk as the pass-through would, without the SDK.

The fastest that the driver can be made to go with it is the driver's own ceiling.
"""

import os
import re
import sys
from typing import Final

_READ_SIZE: Final = 1024 * 1024

_REQUEST: Final = re.compile(rb'{"session_id":"(\w+)","event":"request"')
_EVENT: Final = re.compile(
    rb'{"session_id":"(\w+)","event":"backwards_response","data":{"backwards_request_id":"\w+","event":"(\w+)",'
    rb'"message":"","data":'
)
"""How the driver begins its lines; what follows is the event, and two braces."""

_INVOKE: Final = (
    b'{"event":"session","session_id":"%b","data":{"type":"invoke","data":{"type":"app","backwards_request_id":"%b",'
    b'"request":{}}}}\n\n'
    b'{"event":"session","session_id":"%b","data":{"type":"stream","data":{"status":200,"headers":{}}}}\n\n'
)
_CHUNK: Final = b'{"event":"session","session_id":"%b","data":{"type":"stream","data":{"result":"%b"}}}\n\n'
_END: Final = b'{"event":"session","session_id":"%b","data":{"type":"end","data":{}}}\n\n'
_HEARTBEAT: Final = b'{"event":"heartbeat","session_id":null,"data":{}}\n\n'


def main() -> None:
    """Runs until standard input ends."""
    _write(_HEARTBEAT)
    pending = b""
    while data := os.read(sys.stdin.fileno(), _READ_SIZE):
        lines = (pending + data).split(b"\n")
        pending = lines.pop()
        _write(b"".join(map(_answer, lines)))


def _answer(line: bytes) -> bytes:
    event = _EVENT.match(line)
    if event is None:
        request = _REQUEST.match(line)
        return _INVOKE % ((request[1],) * 3) if request else b""
    if event[2] == b"end":
        return _END % event[1]
    return _CHUNK % (event[1], (b"data: %b\n\n" % line[event.end() : -2]).hex().encode())


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
