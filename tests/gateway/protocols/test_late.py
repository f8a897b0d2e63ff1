from typing import Final

import pytest

from gateway.answer import Answer
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Paused, Reasoning, Silence, Text
from gateway.protocols.late import late_writer
from gateway.protocols.protocol import Whole

FINISHED: Final = Finished("succeeded", None, None, "")


def frames(*events: Event) -> list[bytes]:
    """What is written of a run whose first text had come before."""
    answer = Answer()
    answer.add(Text("a", None))
    reply = Whole("application/json", lambda whole: f"[{whole.text}]".encode())
    write = late_writer(answer, reply, lambda error: error.code.encode())
    return list(write(iter(events)))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([Silence(), Text("b", None), FINISHED], [b" ", b"", b"[ab]"], id="spaces, then the body"),
        pytest.param([Reasoning("hm", None), Paused("r", (), None)], [b"", b"[a]"], id="a pause"),
        pytest.param(
            [Silence(), Failed(DuckError("app_failed", "x"))], [b" ", b"app_failed"], id="spaces, then the error's body"
        ),
    ],
)
def test_one_frame_comes_for_each_event(events: list[Event], expected: list[bytes]) -> None:
    assert frames(*events) == expected
