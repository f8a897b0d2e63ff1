from typing import Final

import pytest

from gateway.answer import Answer
from gateway.events import Event, File, Finished, Paused, Text, TextReplaced
from gateway.protocols.openai.text import rest_of, whole_text
from tests.gateway.protocols.openai.replies import answer_to

PAUSED: Final = "[paused: the app waits for a human]"
STOPPED: Final = "[stopped: the run was ended in Dify]"


def file(url: str, name: str = "a.png", type_: str = "image") -> File:
    return File("f", type_, url, name, "", None, None)


def said(text: str, *events: Event) -> Answer:
    """A run that says a text, and then this."""
    texts = [Text(text, None)] if text else []
    return answer_to([*texts, *events, Finished("succeeded", None, None, "")])


@pytest.mark.parametrize(
    ("files", "text", "expected"),
    [
        pytest.param([], "a", "a", id="none"),
        pytest.param([file("https://x/a.png?s=1")], "a", "a\n\n![a.png](https://x/a.png?s=1)", id="an image is shown"),
        pytest.param([file("https://x/a.png")], "", "![a.png](https://x/a.png)", id="nothing but an image"),
        pytest.param(
            [file("https://x/a.pdf", "a.pdf", "document")], "a", "a\n\n[a.pdf](https://x/a.pdf)", id="another is linked"
        ),
        pytest.param(
            [file("https://x/a"), file("https://x/b", "b", "audio")],
            "",
            "![a.png](https://x/a)\n\n[b](https://x/b)",
            id="in order",
        ),
        pytest.param(
            [file("https://x/a?sign=1")],
            "![z](https://x/a?sign=2)",
            "![z](https://x/a?sign=2)",
            id="the text holds it, signed anew",
        ),
        pytest.param([file("", "lost")], "a", "a", id="without a link"),
        pytest.param([file("https://x/a", "")], "", "![image](https://x/a)", id="without a name"),
        pytest.param([file("https://x/a", "", "")], "", "[file](https://x/a)", id="without name and type"),
        pytest.param([file("https://x/a", "a]b[c")], "", "![a)b(c](https://x/a)", id="a name with brackets"),
    ],
)
def test_files_follow_the_text_as_links(files: list[File], text: str, expected: str) -> None:
    answer = said(text, *files)
    assert whole_text(answer) == text + rest_of(answer) == expected


@pytest.mark.parametrize("name", ["a\nb.png", "a\n\n# b.png"])
def test_a_files_name_stays_on_one_line(name: str) -> None:
    assert "\n" not in whole_text(said("", file("https://x/a", name)))


def test_a_link_ends_where_its_url_does() -> None:
    assert whole_text(said("", file("https://x/a(1).png"))) == "![a.png](https://x/a%281%29.png)"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([Text("a", None)], f"a\n\n{PAUSED}", id="behind the text"),
        pytest.param([], PAUSED, id="alone"),
        pytest.param(
            [file("https://x/a"), Text("a", None)], f"a\n\n![a.png](https://x/a)\n\n{PAUSED}", id="behind the files"
        ),
    ],
)
def test_a_pause_is_told_last(events: list[Event], expected: str) -> None:
    assert whole_text(answer_to([*events, Paused("r", (), None)])) == expected


def test_a_stop_is_told_last() -> None:
    assert whole_text(answer_to([Text("a", None), Finished("stopped", None, None, "")])) == f"a\n\n{STOPPED}"


@pytest.mark.parametrize(
    ("events", "whole", "rest"),
    [
        pytest.param([Text("a", None), Finished("succeeded", None, None, "")], "a", "", id="all has left"),
        pytest.param([Finished("succeeded", {"out": "x"}, None, "")], "x", "x", id="nothing has left"),
        pytest.param(
            [Text("1\nx", None), Finished("succeeded", {"n": 1, "out": "x"}, None, "")],
            "x",
            "",
            id="another rendering has left",
        ),
        pytest.param(
            [Text("a", None), TextReplaced("b", None), Finished("succeeded", None, None, "")], "b", "", id="replaced"
        ),
        pytest.param(
            [Text("a", None), TextReplaced("", None), Finished("succeeded", {"out": "x"}, None, "")],
            "",
            "",
            id="replaced by nothing",
        ),
    ],
)
def test_a_stream_ends_with_what_has_not_left_yet(events: list[Event], whole: str, rest: str) -> None:
    answer = answer_to(events)
    assert (whole_text(answer), rest_of(answer)) == (whole, rest)
