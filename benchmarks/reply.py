"""What a plugin has said, read back when all is over: the reply to each request, and whether it arrived whole."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import from_json

from benchmarks.driver import Heard

_OK: Final = 200

_TOKEN: Final = re.compile(rb"t\d+\.\d+ ")
"""No JSON escapes anything of it, so that it is found in every form of reply."""


class Mangled(Exception):
    """A reply lost something, or has it in another order. There is no number for that."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """time: when it came, in seconds of `time.perf_counter`."""

    time: float
    content: bytes


@dataclass(slots=True)
class Reply:
    """A response; has_ended: whether its end has come."""

    status: int = 0
    chunks: list[Chunk] = field(default_factory=list)
    has_ended: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(chunk.content for chunk in self.chunks)


type Check = Callable[[bytes, bytes, int], str]
"""Of a body, the answer that it must hold, and of how many events it was made: what is wrong, `""` for nothing."""


def replies(heard: Iterable[Heard]) -> dict[str, Reply]:
    """By session."""
    found: dict[str, Reply] = {}
    for turn in heard:
        for line in turn.lines.split(b"\n"):
            message = from_json(line) if line else {}
            if message.get("event") == "session":
                _add(found.setdefault(message["session_id"], Reply()), message["data"], turn.time)
    return found


def _add(reply: Reply, message: dict[str, Any], time: float) -> None:
    data = message["data"]
    if message["type"] == "end":
        reply.has_ended = True
    elif message["type"] == "stream":
        reply.status = int(data.get("status", reply.status))
        if data.get("result"):
            reply.chunks.append(Chunk(time, bytes.fromhex(data["result"])))


def check(name: str, reply: Reply, answer: bytes, events: int, is_whole: Check) -> None:
    """Raises `Mangled` unless the reply is there to its end and is what it must be."""
    if reply.status != _OK:
        raise Mangled(f"{name}: status {reply.status}: {reply.body[:500].decode('utf-8', 'replace')}")
    problem = is_whole(reply.body, answer, events) if reply.has_ended else "it has no end"
    if problem:
        raise Mangled(f"{name}: {problem}")


def whole(last: bytes, frame_end: bytes) -> Check:
    """For a body that carries the answer's tokens, once or several times over, each time all of them in their order.

    last: what its last frame holds. frame_end: what each frame ends with; `b""` where the body is not in frames.
    """

    def problem(body: bytes, answer: bytes, _: int) -> str:
        if not body.endswith(frame_end):
            return f"it ends in the middle of a frame: {body[-100:]!r}"
        final = body.removesuffix(frame_end).rpartition(frame_end)[2] if frame_end else body
        if last not in final:
            return f"its last frame has no {last!r} but is {final[:300]!r}"
        return _difference(_TOKEN.findall(body), _TOKEN.findall(answer))

    return problem


def _difference(found: Sequence[bytes], expected: Sequence[bytes]) -> str:
    times = max(1, len(found) // len(expected))
    if list(found) == list(expected) * times:
        return ""
    wanted = list(expected) * (times + 1)
    place = next((at for at, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other), len(found))
    return f"{len(expected)} tokens expected and {len(found)} got; number {place} is not what it should be"


def counted(frame: bytes) -> Check:
    """For the null plugin, which sends the same frame for each event."""

    def problem(body: bytes, _: bytes, events: int) -> str:
        return "" if body == frame * events else f"{len(body) / len(frame):g} frames for {events} events"

    return problem
