"""Many streams at once on the faster wire."""

import json
from collections.abc import Callable
from typing import Any

from tests.runtime.conftest import Daemon


def event(number: int, **more: Any) -> dict[str, Any]:
    return {"event": "message", "answer": str(number), **more}


def numbers(body: bytes) -> list[int]:
    return [int(json.loads(line)["answer"]) for line in body.split(b"\n") if line]


def has(message: dict[str, Any], number: int) -> bool:
    """Whether it is the chunk with this number."""
    body = bytes.fromhex(message["data"]["data"].get("result", ""))
    return bool(body.strip()) and numbers(body) == [number]


def opened(daemon: Daemon, *sessions: str) -> dict[str, str]:
    """The calls of these sessions, by session."""
    return {session: daemon.run_app(session) for session in sessions}


def test_streams_that_are_interleaved_each_get_their_own_in_order(fast: Daemon) -> None:
    calls = opened(fast, *(f"mixed{number}" for number in range(20)))
    for number in range(50):
        for place, (session, call_id) in enumerate(calls.items()):
            fast.answer(session, call_id, "response", event(number * 100 + place))
    for session, call_id in calls.items():
        fast.answer(session, call_id, "end")
    for place, session in enumerate(calls):
        assert numbers(fast.body_of(session)) == [number * 100 + place for number in range(50)]


def test_a_message_can_be_cut_anywhere(fast: Daemon) -> None:
    [(session, call_id)] = opened(fast, "cut").items()
    said = {"backwards_request_id": call_id, "event": "response", "message": "", "data": event(1, text="Grüße")}
    line = json.dumps({"session_id": session, "event": "backwards_response", "data": said}, ensure_ascii=False)
    for byte in line.encode() + b"\n":
        fast.write(bytes([byte]))
    fast.answer(session, call_id, "end")
    assert numbers(fast.body_of(session)) == [1]


def test_a_message_of_megabytes_is_carried_in_both_directions(fast: Daemon) -> None:
    [(session, call_id)] = opened(fast, "large").items()
    fast.answer(session, call_id, "response", event(1, text="x" * 1_500_000))
    fast.answer(session, call_id, "end")
    [line] = fast.body_of(session).strip().split(b"\n")
    assert json.loads(line)["text"] == "x" * 1_500_000


def test_answers_to_nobody_are_passed_over(fast: Daemon) -> None:
    [(session, call_id)] = opened(fast, "lonely").items()
    fast.answer("no session", "no call", "response", event(1))
    fast.answer(session, "another call", "response", event(2))
    fast.answer(session, call_id, "response", event(3))
    fast.answer(session, call_id, "end")
    fast.answer(session, call_id, "response", event(4))
    assert numbers(fast.body_of(session)) == [3]


def test_a_stream_at_full_speed_lets_another_have_its_turn(fast: Daemon) -> None:
    calls = opened(fast, "flood", "drop")
    for number in range(6000):
        fast.answer("flood", calls["flood"], "response", event(number))
        if number == 100:
            fast.answer("drop", calls["drop"], "response", event(7))
    for session, call_id in calls.items():
        fast.answer(session, call_id, "end")
    assert numbers(fast.body_of("flood")) == list(range(6000))
    assert numbers(fast.body_of("drop")) == [7]
    said = [message for message in fast.heard if message.get("session_id") in calls]
    [of_drop] = [place for place, message in enumerate(said) if message["session_id"] == "drop" and has(message, 7)]
    [of_flood] = [
        place for place, message in enumerate(said) if message["session_id"] == "flood" and has(message, 5000)
    ]
    assert of_drop < of_flood


def test_the_heart_beats_on_while_streams_run(start: Callable[..., Daemon]) -> None:
    daemon = start(HEARTBEAT_INTERVAL="0.05")
    call_id = daemon.run_app("s")
    for number in range(5):
        daemon.answer("s", call_id, "response", event(number))
        daemon.wait_for(lambda message: message.get("event") == "heartbeat")
    daemon.answer("s", call_id, "end")
    assert numbers(daemon.body_of("s")) == [0, 1, 2, 3, 4]
