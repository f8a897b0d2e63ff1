import json
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.decoder import decode
from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Kind, Passed, Silence, Started, Text
from gateway.protocols import classic
from gateway.protocols.protocol import Streamed
from gateway.view import View
from tests.gateway.mutations import broken_runs
from tests.gateway.recorded import RECORDINGS, RUNS, Recording

FINISHED: Final = Finished("succeeded", None, None, "")
STARTED: Final = Started(Kind.CHAT, "c", "m", "", "t", 1, None)


def frames_of(events: Iterable[Event], detail: Detail) -> list[bytes]:
    request = Request(EnvironBuilder(query_string="query=hi").get_environ())
    _, reply_in = classic.read(request)
    reply = reply_in(View(detail, "", ""))
    assert isinstance(reply, Streamed)
    return list(reply.write(iter(events)))


def written(events: Iterable[Event], detail: Detail = Detail.FULL) -> bytes:
    return b"".join(frames_of(events, detail))


def events_in(page: bytes) -> list[dict[str, Any]]:
    """The events of a page, as a reader gets them that splits at the mark."""
    return [json.loads(part) for part in page.decode().split(" <br>")[:-1]]


class Markup(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag if not attrs else f"{tag} with attributes")

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"<!--{data}")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"<!{decl}")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"<?{data}")

    def handle_entityref(self, name: str) -> None:
        self.found.append(f"&{name}")

    def handle_charref(self, name: str) -> None:
        self.found.append(f"&#{name}")


def markup_in(page: bytes) -> set[str]:
    parser = Markup()
    parser.feed(page.decode())
    parser.close()
    return set(parser.found)


# -- Exact bytes ---------------------------------------------------------------------------------------------------


def test_a_page_is_these_bytes() -> None:
    events: list[Event] = [
        STARTED,
        Text("hi", {"event": "message", "answer": "hi"}),
        Silence(),
        Passed({"event": "message_end"}),
        FINISHED,
    ]
    assert written(events) == b'{"event":"message","answer":"hi"} <br>\n{"event":"message_end"} <br>'


def test_a_failed_run_ends_in_a_visible_error() -> None:
    error = DuckError("app_failed", "The app failed.", "See its log.", cause="boom")
    line = b'{"event":"error","code":"app_failed","status":502,"message":"The app failed.%s See its log."} <br>'
    assert written([STARTED, Failed(error)], Detail.ANSWER) == line % b""
    assert written([STARTED, Failed(error)], Detail.PROGRESS) == line % b" It reported: boom."


def test_difys_own_error_event_is_said_in_ducks_words_only() -> None:
    run = RECORDINGS["chat-errmid"]
    errors = [event for event in events_in(written(decode(run.dicts))) if event["event"] == "error"]
    assert errors == [
        {
            "event": "error",
            "code": "provider_error",
            "status": 502,
            "message": "The app's model provider failed: fake mid-stream provider error. Its operator finds the "
            "provider under Settings, Model Provider in Dify.",
        }
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<script>", rb"\u003cscript\u003e"),
        ("a & b", rb"a \u0026 b"),
        ("<!--", rb"\u003c!--"),
        ("&lt;", rb"\u0026lt;"),
    ],
)
def test_no_character_of_an_event_can_become_markup(text: str, escaped: bytes) -> None:
    page = written([Text(text, {"answer": text})])
    assert page == b'{"answer":"' + escaped + b'"} <br>'
    assert events_in(page) == [{"answer": text}]


# -- Every recording -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_each_event_of_dify_is_on_the_page_once_and_in_order(run: Recording) -> None:
    shown = [(event["event"], event.get("answer")) for event in events_in(written(decode(run.stream())))]
    sent = [(raw["event"], raw.get("answer")) for raw in run.dicts if raw["event"] != "error"]
    failed = [("error", None)] if isinstance(list(decode(run.stream()))[-1], Failed) else []
    assert shown == sent + failed


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_a_recorded_page_is_json_and_line_breaks_and_nothing_else(run: Recording) -> None:
    for level in Detail:
        page = written(decode(run.stream()), level)
        assert markup_in(page) <= {"br"}
        assert all(isinstance(event, dict) for event in events_in(page))


def test_the_hostile_recordings_are_hostile() -> None:
    raw = json.dumps([run.dicts for name, run in RECORDINGS.items() if "hostile" in name])
    assert {"script", "img with attributes"} <= markup_in(raw.encode())


@given(dicts=broken_runs, level=st.sampled_from(Detail))
def test_any_page_is_json_and_line_breaks_and_nothing_else(dicts: list[dict[str, Any]], level: Detail) -> None:
    page = written(decode(dicts), level)
    assert markup_in(page) <= {"br"}
    assert all(isinstance(event, dict) for event in events_in(page))


SANDBOX: Final = {"Content-Security-Policy": "sandbox; default-src 'none'"}


def test_the_page_and_its_errors_are_sandboxed() -> None:
    _, reply_in = classic.read(Request(EnvironBuilder(query_string="query=hi").get_environ()))
    page = reply_in(View(Detail.ANSWER, "", ""))
    error = classic.shape(DuckError("app_failed", "<It failed>."), {"request_id": "r"}, with_cause=False)
    assert dict(page.headers) == dict(error.headers) == SANDBOX  # type: ignore[union-attr]
    assert page.content_type == error.content_type == "text/html; charset=utf-8"


def test_an_error_before_the_stream_is_the_only_event_of_the_page() -> None:
    error = DuckError("app_failed", "<It failed>.", cause="boom")
    assert classic.shape(error, {"request_id": "r"}, with_cause=False).body == (
        b'{"event":"error","code":"app_failed","status":502,"message":"\\u003cIt failed\\u003e.","request_id":"r"} <br>'
    )


def test_one_frame_comes_for_each_event() -> None:
    events: list[Event] = [
        STARTED,
        Silence(),
        Text("a", {"event": "message", "answer": "a"}),
        Passed({"event": "node_started"}),
        FINISHED,
    ]
    assert frames_of(events, Detail.ANSWER) == [b"", b"\n", b'{"event":"message","answer":"a"} <br>', b"", b""]
