from dataclasses import replace
from typing import Any, Final

import pytest
from mcp_types.methods import validate_server_result
from werkzeug import Request

from gateway.decoder import decode
from gateway.errors import DuckError
from gateway.events import (
    Event,
    Failed,
    File,
    Finished,
    Kind,
    Paused,
    Silence,
    Source,
    Sources,
    Started,
    Step,
    Text,
    TextReplaced,
    Tool,
)
from gateway.protocols.mcp.reply import JSON, PING, takes_stream
from gateway.protocols.protocol import Streamed, Whole
from tests.gateway.protocols.mcp.replies import (
    ANSWER,
    CALL,
    LEGACY,
    MODERN,
    OLDEST,
    PROGRESS,
    messages,
    notices,
    result,
    written,
)
from tests.gateway.recorded import RUNS

CHAT: Final = Started(Kind.CHAT, "handle", "m", "", "t", 0, None)
WORKFLOW: Final = Started(Kind.WORKFLOW, "", "", "r", "t", 0, None)
DONE: Final = Finished("succeeded", None, None, "")
FILE: Final = File("f", "image", "https://files.example/a.png", "a.png", "image/png", 9, None)
HELLO: Final = (CHAT, Text("Hel", None), Text("lo", None), DONE)
NOTE: Final = {"type": "text", "text": "conversation_id: handle", "annotations": {"audience": ["assistant"]}}
SERVER: Final = {"io.modelcontextprotocol/serverInfo": {"name": "duck", "title": "Duck", "version": "0.1.0"}}


def step(title: str, status: str, **more: Any) -> Step:
    members = {"id": "s", "kind": "node", "type": "llm", "index": 1, "parent": "", "error": "", "elapsed": None}
    return Step(**{**members, "title": title, "status": status, "details": {}, "raw": None, **more})


# -- The result ----------------------------------------------------------------------------------------------------


def test_an_answer_is_text_and_structured_and_names_its_conversation() -> None:
    assert messages(written(HELLO)) == [
        {
            "jsonrpc": "2.0",
            "id": 7,
            "result": {
                "resultType": "complete",
                "content": [{"type": "text", "text": "Hello"}, NOTE],
                "structuredContent": {"answer": "Hello", "conversation_id": "handle"},
                "isError": False,
                "_meta": SERVER,
            },
        }
    ]


def test_a_legacy_result_has_nothing_of_the_modern_one() -> None:
    assert result(written(HELLO, replace(CALL, revision=LEGACY))) == {
        "content": [{"type": "text", "text": "Hello"}, NOTE],
        "structuredContent": {"answer": "Hello", "conversation_id": "handle"},
        "isError": False,
    }


def test_a_workflow_gives_its_outputs() -> None:
    done = Finished("succeeded", {"text": "Hi", "count": 3}, None, "")
    assert result(written([WORKFLOW, done], replace(CALL, revision=LEGACY))) == {
        "content": [{"type": "text", "text": "Hi"}],
        "structuredContent": {"answer": "Hi", "outputs": {"text": "Hi", "count": 3}},
        "isError": False,
    }


def test_files_are_links() -> None:
    link = {
        "type": "resource_link",
        "uri": "https://files.example/a.png",
        "name": "a.png",
        "mimeType": "image/png",
        "size": 9,
    }
    given = result(written([WORKFLOW, FILE, DONE]))
    assert given["content"] == [link]
    assert given["structuredContent"]["files"] == [
        {
            "id": "f",
            "type": "image",
            "url": "https://files.example/a.png",
            "filename": "a.png",
            "mime_type": "image/png",
            "size": 9,
        }
    ]


def test_a_link_to_a_file_of_which_little_is_known_has_a_name() -> None:
    bare = replace(FILE, filename="", mime_type="", size=None)
    assert result(written([WORKFLOW, bare, DONE]))["content"] == [
        {"type": "resource_link", "uri": "https://files.example/a.png", "name": "image"}
    ]


def test_the_oldest_revision_has_links_in_text() -> None:
    content = result(written([WORKFLOW, FILE, DONE], replace(CALL, revision=OLDEST)))["content"]
    assert content == [{"type": "text", "text": "a.png: https://files.example/a.png"}]


def test_an_answer_of_nothing_is_an_empty_text() -> None:
    assert result(written([WORKFLOW, DONE]))["content"] == [{"type": "text", "text": ""}]


def test_sources_are_structured_without_their_content() -> None:
    source = Source(1, "Ducks", "https://a.example", "kb", 0.9, "a private passage")
    structured = result(written([CHAT, Sources((source,), None), DONE]))["structuredContent"]
    assert structured["sources"] == [{"position": 1, "title": "Ducks", "url": "https://a.example"}]


def test_a_replaced_text_is_the_answer() -> None:
    frames = written([CHAT, Text("bad", None), TextReplaced("good", None), DONE])
    assert result(frames)["structuredContent"]["answer"] == "good"


def test_a_stopped_run_says_so() -> None:
    assert result(written([CHAT, Text("Hel", None), Finished("stopped", None, None, "")]))["structuredContent"] == {
        "answer": "Hel",
        "conversation_id": "handle",
        "status": "stopped",
    }


def test_a_pause_is_an_error_that_keeps_what_was_said() -> None:
    given = result(written([WORKFLOW, Text("So far", None), Paused("r", (), None)]))
    assert (given["isError"], given["structuredContent"]) == (True, {"answer": "So far", "status": "paused"})
    assert [block["text"] for block in given["content"]] == [
        "The app waits for a human, so it has given no answer yet. Someone has to answer it in Dify.",
        "So far",
    ]


BOOM: Final = Failed(DuckError("app_failed", "It failed.", "Look.", cause="secret cause"))


@pytest.mark.parametrize(
    ("view", "sentence"),
    [(ANSWER, "It failed. Look."), (PROGRESS, "It failed. It reported: secret cause. Look.")],
    ids=["answer", "progress"],
)
def test_a_failure_is_a_result_that_a_model_can_read(view: Any, sentence: str) -> None:
    given = result(written([CHAT, Text("Hel", None), BOOM], replace(CALL, revision=LEGACY), view))
    assert given == {
        "content": [{"type": "text", "text": sentence}, NOTE],
        "structuredContent": {"error": {"code": "app_failed", "message": sentence}, "conversation_id": "handle"},
        "isError": True,
    }


# -- Progress ------------------------------------------------------------------------------------------------------

BUSY: Final = (
    Silence(),
    CHAT,
    step("Plan", "started"),
    Tool("t", "search", "a private query", "", None),
    Tool("t", "search", "a private query", "a private result", None),
    step("Plan", "succeeded"),
    step("", "started"),
    step("Loop", "next", kind="loop", index=2),
    Text("Hello", None),
    Silence(),
    DONE,
)


def test_steps_tools_and_silence_are_progress() -> None:
    assert notices(written(BUSY)) == [
        (1, "The app has been at work for 15 s."),
        (2, "Plan: started"),
        (3, "search: started"),
        (4, "search: finished"),
        (5, "Plan: succeeded"),
        (6, "llm: started"),
        (7, "Loop: round 2"),
        (8, "The app has been at work for 15 s."),
    ]


def test_at_answer_progress_names_no_step_and_no_tool() -> None:
    frames = written(BUSY, view=ANSWER)
    assert {words for _, words in notices(frames)} == {"The app is at work.", "The app has been at work for 15 s."}
    assert [number for number, _ in notices(frames)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not any(word in b"".join(frames) for word in (b"Plan", b"search", b"llm", b"Loop", b"succeeded"))


def test_no_level_tells_a_tools_arguments_and_results() -> None:
    assert b"private" not in b"".join(written(BUSY))


@pytest.mark.parametrize("token", ["p", "", 0, 12], ids=repr)
def test_progress_repeats_its_token(token: str | int) -> None:
    told = messages(written([step("a", "started"), *HELLO], replace(CALL, progress_token=token)))
    assert told[0]["params"] == {"progressToken": token, "progress": 1, "message": "a: started"}


def test_without_a_token_only_comments_keep_the_stream_alive() -> None:
    frames = written(BUSY, replace(CALL, progress_token=None))
    assert ([frame for frame in frames if frame][:-1], len(messages(frames))) == ([PING, PING], 1)


def test_text_is_no_progress() -> None:
    assert written([CHAT, Text("a", None)]) == [b"", b""]


# -- Which reply ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json, text/event-stream", True),
        ("text/event-stream", True),
        ("application/json, Text/Event-Stream", True),
        ("text/event-stream;q=0, application/json", False),
        ("*/*", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_a_client_that_names_no_stream_gets_none(accept: str, expected: bool) -> None:
    assert takes_stream(Request({"HTTP_ACCEPT": accept}).accept_mimetypes) is expected


def test_progress_makes_a_stream_and_else_a_body_may_become_one() -> None:
    streamed = CALL.reply(PROGRESS)
    whole = replace(CALL, progress_token=None).reply(PROGRESS)
    plain = replace(CALL, takes_stream=False).reply(PROGRESS)
    assert isinstance(streamed, Streamed)
    assert isinstance(whole, Whole)
    assert isinstance(plain, Whole)
    assert (whole.content_type, whole.late is None, plain.late) == (JSON, False, None)


# -- Every recording -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", [MODERN, LEGACY, "2025-06-18", OLDEST])
def test_every_recording_ends_in_one_result_that_the_official_types_take(revision: str) -> None:
    for name, run in RUNS.items():
        events: list[Event] = list(decode(run.stream()))
        frames = written(events, replace(CALL, revision=revision))
        assert len(frames) == len(events), name
        assert [number for number, _ in notices(frames)] == list(range(1, len(notices(frames)) + 1)), name
        given = result(frames)
        validate_server_result("tools/call", revision, given)
        assert given["isError"] is isinstance(events[-1], Failed | Paused), name
