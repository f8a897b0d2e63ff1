import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from gateway.detail import Detail
from gateway.events import Event, Finished, Paused, Text
from gateway.hooks.reply import reply_in
from gateway.settings.hook_entry import read_hook
from gateway.view import View

VIEW: Final = View(Detail.ANSWER, "", "", model="app")
OUTPUTS: Final = {"text": "<think>hm</think>Hello", "score": 7, "reply": {"text": "Hi"}}
SUCCEEDED: Final = Finished("succeeded", OUTPUTS, None, "")
PARTLY: Final = Finished("partial-succeeded", OUTPUTS, None, "")
STOPPED: Final = Finished("stopped", {}, None, "")
PAUSED: Final = Paused("r", (), None)
CHAT: Final = (Text("Hello", None), Finished("succeeded", None, None, ""))

PAUSED_TEXT: Final = "\n\n[paused: the app waits for a human]\n"

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"


def replied(entry: Mapping[str, Any], *events: Event) -> tuple[int, str, str]:
    reply = reply_in(read_hook({"reply": dict(entry)}).reply, VIEW)
    answer = VIEW.new_answer()
    for event in events:
        answer.add(event)
    return reply.status(answer), reply.content_type, reply.write(answer).decode()


@pytest.mark.parametrize(
    ("entry", "events", "expected"),
    [
        pytest.param({"form": "text"}, CHAT, (200, TEXT, "Hello"), id="the answer as text"),
        pytest.param({"output": "reply"}, [SUCCEEDED], (200, JSON, '{"text":"Hi"}'), id="an object, exactly"),
        pytest.param({"output": "text"}, [SUCCEEDED], (200, JSON, '"Hello"'), id="a text as JSON, without thinking"),
        pytest.param({"output": "text", "form": "text"}, [SUCCEEDED], (200, TEXT, "Hello"), id="a text"),
        pytest.param({"output": "score", "form": "text"}, [PARTLY], (200, TEXT, "7"), id="a number as text"),
        pytest.param({"form": "text"}, [PAUSED], (200, TEXT, PAUSED_TEXT), id="a pause"),
        pytest.param(
            {"form": "text", "output": "x"}, [PAUSED], (200, TEXT, PAUSED_TEXT),
            id="a pause where an output is asked for",
        ),
        pytest.param({"succeeded": "201", "form": "text"}, CHAT, (201, TEXT, "Hello"), id="another status"),
        pytest.param({"paused": "202", "form": "text"}, CHAT, (200, TEXT, "Hello"), id="another's status"),
        pytest.param(
            {"paused": {"status": "202", "body": '{"wait": 1}'}}, [PAUSED], (202, JSON, '{"wait": 1}'), id="a body"
        ),
        pytest.param({"stopped": {"body": "null"}}, [STOPPED], (200, JSON, "null"), id="a body alone"),
        pytest.param({"succeeded": {"body": ""}, "form": "text"}, CHAT, (200, TEXT, ""), id="an empty body"),
        pytest.param({"succeeded": "204"}, [PARTLY], (204, JSON, None), id="partly is a success"),
    ],
)  # fmt: skip
def test_a_run_is_told_as(entry: Mapping[str, Any], events: list[Event], expected: tuple[int, str, str | None]) -> None:
    status, content_type, body = replied(entry, *events)
    assert (status, content_type) == expected[:2]
    assert expected[2] in (body, None)


@pytest.mark.parametrize("ending", [SUCCEEDED, PARTLY, STOPPED, PAUSED], ids=lambda ending: type(ending).__name__)
def test_without_a_word_it_is_told_as_the_native_protocol_does(ending: Any) -> None:
    status, content_type, body = replied({}, ending)
    assert (status, content_type) == (200, JSON)
    assert json.loads(body)["status"] == getattr(ending, "status", "paused")


def test_no_reply_begins_before_its_end() -> None:
    reply = reply_in(read_hook({}).reply, VIEW)
    assert (reply.is_json, reply.late) == (False, None)


@pytest.mark.parametrize("events", [[SUCCEEDED], CHAT], ids=["a workflow", "a chat"])
@pytest.mark.parametrize(("form", "body"), [("json", "null"), ("text", "")])
def test_a_run_without_the_output_has_none_and_is_a_success(
    events: list[Event], form: str, body: str, duck_log: pytest.LogCaptureFixture
) -> None:
    """A workflow of several branches may lack it in some; an error would have the sender run it again."""
    status, _, told = replied({"output": "nothing", "form": form}, *events)
    assert (status, told) == (200, body)
    assert "no such output" in duck_log.text
