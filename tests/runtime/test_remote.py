"""The faster wire under remote debugging, where a connection can break."""

import json

from tests.runtime.conftest import DebuggingPort


def test_behind_a_broken_connection_calls_are_answered_again() -> None:
    with DebuggingPort() as daemon:
        daemon.run_app("before")
        daemon.drop()
        call_id = daemon.run_app("after")
        daemon.answer("after", call_id, "response", {"event": "message", "answer": "a"})
        daemon.answer("after", call_id, "end")
        assert json.loads(daemon.body_of("after"))["answer"] == "a"
