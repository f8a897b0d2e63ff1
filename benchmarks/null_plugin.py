"""A plugin that does nothing: it answers each event with the same chunk, without the SDK and without reading it.

The fastest that the driver can be made to go with it is the driver's own ceiling.
"""

import os
import re
import sys
from typing import Final

FRAME: Final = b"data: " + b"0" * 320 + b"\n\n"
"""As long as what the pass-through sends for a token."""

_READ_SIZE: Final = 1024 * 1024

_REQUEST: Final = re.compile(rb'{"session_id":"(\w+)"[^\n]*"event":"request"')
_LAST: Final = re.compile(rb'{"session_id":"(\w+)"[^\n]*"event":"end"')
_ID: Final = slice(15, 23)
"""Where the driver's lines have the session's id."""

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
    chunks: dict[bytes, bytes] = {}
    pending = b""
    while data := os.read(sys.stdin.fileno(), _READ_SIZE):
        data = pending + data
        *lines, pending = data.split(b"\n")
        is_plain = b'"event":"request"' not in data and b'"event":"end"' not in data
        _write(b"".join([chunks[line[_ID]] if is_plain else _answer(line, chunks) for line in lines]))


def _answer(line: bytes, chunks: dict[bytes, bytes]) -> bytes:
    if request := _REQUEST.match(line):
        chunks[request[1]] = _CHUNK % (request[1], FRAME.hex().encode())
        return _INVOKE % ((request[1],) * 3)
    if last := _LAST.match(line):
        return _END % last[1]
    return chunks[line[_ID]]


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
