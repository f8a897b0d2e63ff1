"""The same plugin on the faster wire and on the SDK's own: the same conversation, message by message."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.conftest import Daemon, Message

CONVERSATION = {
    "event": "message",
    "answer": "Grüße \u2028 \U0001f986",
    "created_at": 1,
    "nested": {"a": [1, None, 2.5]},
}
"""An event of an app."""


def shown(messages: list[Message], session: str) -> list[Message]:
    """Without what differs from run to run: ids of calls, and the lines of a traceback but its last."""
    text = json.dumps(messages)
    for message in messages:
        if message["type"] == "invoke":
            text = text.replace(message["data"]["backwards_request_id"], "<id>")
    told: list[Message] = json.loads(text.replace(session, "<session>"))
    for message in told:
        if message["type"] == "error":
            message["data"]["args"]["traceback"] = message["data"]["args"]["traceback"].strip().split("\n")[-1]
    return told


def answered(*answers: tuple[str, Any, str]) -> Callable[[Daemon, str], None]:
    """An app that answers so."""

    def run(daemon: Daemon, session: str) -> None:
        call_id = daemon.run_app(session)
        for event, data, message in answers:
            daemon.answer(session, call_id, event, data, message)

    return run


def asked(target: str, *answers: tuple[str, Any, str], body: bytes = b"") -> Callable[[Daemon, str], None]:
    """A request; and an answer to its call, where it makes one."""

    def run(daemon: Daemon, session: str) -> None:
        daemon.request(session, target, body)
        if answers:
            call_id = daemon.call_of(session)
            for event, data, message in answers:
                daemon.answer(session, call_id, event, data, message)

    return run


END = ("end", None, "")

CONVERSATIONS = [
    pytest.param(asked("POST /seen?a=b", body=b"body"), id="a request and its reply"),
    pytest.param(asked("GET /chunks?n=3&size=10"), id="a stream"),
    pytest.param(asked("GET /chunks?n=0"), id="a stream without a chunk"),
    pytest.param(asked("GET /joined"), id="a body of several parts"),
    pytest.param(asked("GET /cookies"), id="repeated headers"),
    pytest.param(asked("GET /refuse?kind=value"), id="a value error"),
    pytest.param(asked("GET /refuse"), id="another error"),
    pytest.param(asked("GET /nothing"), id="an error of the endpoint's own"),
    pytest.param(asked("PATCH /seen"), id="a method that no rule has"),
    pytest.param(asked("GET /chunks?n=2&then=broken"), id="a stream that breaks"),
    pytest.param(answered(("response", CONVERSATION, ""), ("response", {}, ""), END), id="events of an app"),
    pytest.param(answered(END), id="an app that says nothing"),
    pytest.param(answered(("response", CONVERSATION, ""), ("error", None, "no such app")), id="an error of an app"),
    pytest.param(answered(("error", {}, "")), id="an error without a word"),
    pytest.param(answered(("response", None, "")), id="an answer of nothing"),
    pytest.param(answered(("response", ["a"], "")), id="an answer that is no object"),
    pytest.param(answered(("else", {}, "")), id="an answer of an unknown kind"),
    pytest.param(answered(("end", "not null", "")), id="an end that is no end"),
    pytest.param(
        asked("POST /storage?op=set&key=k", ("response", {"data": "ok"}, ""), END, body=b"\x00value"), id="storage: set"
    ),
    pytest.param(asked("GET /storage?op=get&key=k", ("response", {"data": "6869"}, ""), END), id="storage: get"),
    pytest.param(asked("GET /storage?op=get&key=k", ("error", None, "load data failed")), id="storage: none"),
    pytest.param(asked("GET /storage?op=exist&key=k", ("response", {"data": True}, ""), END), id="storage: exist"),
    pytest.param(asked("GET /storage?op=delete&key=k", ("response", {"data": "no"}, ""), END), id="storage: delete"),
    pytest.param(asked("GET /storage?op=exist&key=k", END), id="storage: no answer"),
    pytest.param(asked("GET /parameters?app=a", ("response", {"mode": "chat"}, ""), END), id="an app's form"),
    pytest.param(
        asked("POST /call?kind=upload_file", ("response", {"url": "u"}, ""), END, body=b'{"filename": "f"}'),
        id="a file's address",
    ),
    pytest.param(
        lambda daemon, session: daemon.say(session, "request", {"type": "endpoint", "action": "invoke_endpoint"}),
        id="an invocation without its members",
    ),
    pytest.param(
        lambda daemon, session: daemon.say(session, "request", {"type": "tool", "action": "invoke_tool"}),
        id="a tool that it does not have",
    ),
    pytest.param(lambda daemon, session: daemon.say(session, "request", {"type": "?"}), id="an unknown request"),
]


@pytest.mark.parametrize("converse", CONVERSATIONS)
def test_a_conversation_is_the_same(converse: Callable[[Daemon, str], None], fast: Daemon, sdk: Daemon) -> None:
    told = []
    for daemon in (fast, sdk):
        session = f"session{len(daemon.heard)}"
        converse(daemon, session)
        told.append(shown(daemon.end_of(session), session))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"no JSON", id="no JSON"),
        pytest.param(b'{"session_id":', id="cut JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(b'{"session_id":"s","event":"else","data":{}}', id="an unknown event"),
        pytest.param(b'{"session_id":"s","event":"request"}', id="no data"),
        pytest.param(b'{"session_id":"s","event":["request"],"data":{}}', id="an event that is no text"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
    ],
)
def test_a_line_that_is_no_message_is_the_same_error(line: bytes, fast: Daemon, sdk: Daemon) -> None:
    told = []
    for daemon in (fast, sdk):
        daemon.write(line + b"\n")
        told.append(daemon.wait_for(lambda message: message.get("event") == "error"))
    assert told[0] == told[1]


@pytest.mark.parametrize("data", [b"\n", b"   \n", b"\r\n"], ids=["empty", "spaces", "a carriage return"])
def test_an_empty_line_says_nothing(data: bytes, fast: Daemon) -> None:
    since = len(fast.heard)
    fast.write(data)
    session = f"session{since}"
    fast.request(session, "GET /joined")
    assert fast.body_of(session) == b"one;two;three;"
    assert [message["event"] for message in fast.heard[since:] if message["event"] == "error"] == []


def test_what_the_plugin_logs_and_prints_is_whole_lines_on_both(fast: Daemon, sdk: Daemon) -> None:
    for daemon in (fast, sdk):
        session = f"session{len(daemon.heard)}"
        daemon.request(session, "GET /log?text=hello")
        since = len(daemon.heard)
        daemon.end_of(session)
        said = [(message["event"], str(message.get("data") or message.get("text"))) for message in daemon.heard[since:]]
        assert [event for event, text in said if "hello" in text] == ["log", "text"]
