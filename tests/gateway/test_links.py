import re
from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.decoder import decode
from gateway.errors import internal_error
from gateway.events import Event, Failed, File, Finished, Passed, Paused, Raw, Text, TextReplaced
from gateway.links import absolute, absolute_links
from tests.gateway.recorded import RUNS, Recording

ORIGIN: Final = "https://dify.example.com"
FINISHED: Final = Finished("succeeded", None, None, "")

FILE: Final = "/files/tools/0b1c2d3e-1111-4111-8111-111111111111.png?timestamp=1&nonce=2&sign=3"
UPLOAD: Final = "/files/7f3a0000-1111-4111-8111-111111111111/file-preview?timestamp=1"

TEXTS: Final = {
    "an image": (f"![a]({FILE}) end", f"![a]({ORIGIN}{FILE}) end"),
    "a link at the end": (f"see [a]({UPLOAD})", f"see [a]({ORIGIN}{UPLOAD})"),
    "two in a row": (f"[a]({FILE})[b]({UPLOAD})", f"[a]({ORIGIN}{FILE})[b]({ORIGIN}{UPLOAD})"),
    "an absolute link stays": (f"[a](https://x.example{FILE})", f"[a](https://x.example{FILE})"),
    "another app's path stays": ("[a](/files/report.pdf)", "[a](/files/report.pdf)"),
    "prose stays": (f"it is at {FILE}", f"it is at {FILE}"),
    "almost a link": ("](/file](/files](/files/0b1c2d3", "](/file](/files](/files/0b1c2d3"),
    "ends like a link": ("see [1]", "see [1]"),
    "ends in half a link": ("[a](/files/tools/0b1c2d3e", "[a](/files/tools/0b1c2d3e"),
    "a link within half a link": (f"](/f]({FILE})", f"](/f]({ORIGIN}{FILE})"),
    "no link": ("tok0 tok1 你好", "tok0 tok1 你好"),
    "only brackets": ("]]]](((", "]]]]((("),
}


def message(text: str) -> Text:
    return Text(text, {"event": "message", "answer": text})


def chunk(text: str) -> Text:
    return Text(text, {"event": "text_chunk", "data": {"text": text, "from_variable_selector": []}})


def linked(*events: Event, origin: str = ORIGIN) -> list[Event]:
    return list(absolute_links(iter(events), origin))


def text_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def raw_text_of(events: Iterable[Event]) -> str:
    """The text as Dify's own dicts tell it."""
    raws = [event.raw for event in events if isinstance(event, Text) and event.raw]
    return "".join(raw["answer"] if "answer" in raw else raw["data"]["text"] for raw in raws)


def expected_of(text: str) -> str:
    return re.sub(r"\]\((?=/files/(tools/)?[0-9a-f]{8}-)", f"]({ORIGIN}", text)


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=list(TEXTS))
@pytest.mark.parametrize("shape", [message, chunk], ids=["message", "text_chunk"])
def test_a_link_is_found_wherever_the_text_is_cut(text: str, expected: str, shape: Any) -> None:
    cuts = [[text], list(text), *([text[:place], text[place:]] for place in range(1, len(text)))]
    for pieces in cuts:
        events = linked(*map(shape, pieces), FINISHED)
        assert text_of(events) == expected, pieces
        assert raw_text_of(events) == expected, pieces


_pieces: Final = st.lists(
    st.sampled_from(["](", "/files/", "tools/", "0b1c2d3e", "0b1c", "-", "]", "(", "/", "a"])
    | st.text("](/ab0-", min_size=1),
    max_size=12,
)


@given(pieces=_pieces)
@example(pieces=["](/fi", "les/", "0b1c2d3e", "-"])
def test_no_text_is_lost_or_reordered(pieces: list[str]) -> None:
    events = linked(*map(message, pieces), FINISHED)
    assert text_of(events) == expected_of("".join(pieces))
    assert all(event.text for event in events if isinstance(event, Text))


@given(pieces=_pieces)
def test_without_an_origin_the_text_stays_as_it_is(pieces: list[str]) -> None:
    assert text_of(linked(*map(message, pieces), FINISHED, origin="")) == "".join(pieces)


@pytest.mark.parametrize(
    "ending", [FINISHED, Paused("r", (), None), Failed(internal_error())], ids=lambda e: type(e).__name__
)
def test_what_was_held_back_comes_before_the_ending(ending: Event) -> None:
    *events, last = linked(message("see [1]"), ending)
    assert (text_of(events), last) == ("see [1]", ending)


@pytest.mark.parametrize(
    "between",
    [
        Passed({"event": "message_end"}),
        Passed({"event": "something_new"}),
        File("f", "image", "https://x.example/f", "", "", None, None),
    ],
    ids=["message_end", "unknown", "file"],
)
def test_text_keeps_its_place_among_the_other_events(between: Event) -> None:
    events = linked(message("see [1]"), between, message("hi"), FINISHED)
    place = events.index(between)
    assert (text_of(events[:place]), text_of(events[place:])) == ("see [1]", "hi")


def without_text(raw: Raw) -> Raw:
    """A dict without what may move into its neighbour when a link is put together."""
    data = {**raw["data"], "text": ""} if raw["event"] == "text_chunk" else raw.get("data")
    return {**raw, "answer": "", "data": data}


def raws_of(dicts: Iterable[Raw], origin: str = ORIGIN) -> list[Raw]:
    events = absolute_links(decode(dicts), origin)
    return [raw for event in events if (raw := getattr(event, "raw", None)) is not None]


@pytest.mark.parametrize("run", [run for run in RUNS.values() if len(run.dicts) > 1], ids=lambda run: run.name)
def test_each_dict_of_dify_still_appears_once_in_order(run: Recording) -> None:
    assert list(map(without_text, raws_of(run.dicts))) == list(map(without_text, run.dicts))


def test_each_dict_appears_once_also_when_its_text_could_begin_a_link() -> None:
    dicts: list[Raw] = [
        *({"event": "message", "conversation_id": "c", "id": str(n), "answer": text} for n, text in enumerate("]a]")),
        {"event": "message_end", "conversation_id": "c"},
    ]
    assert list(map(without_text, raws_of(dicts))) == list(map(without_text, dicts))


def test_a_replaced_text_comes_after_what_was_held_back() -> None:
    replaced = TextReplaced(f"[a]({FILE})", {"event": "message_replace", "answer": f"[a]({FILE})"})
    events = linked(message("see [1]"), replaced, message("x"), FINISHED)
    assert [event.text for event in events if isinstance(event, Text | TextReplaced)] == [
        "see [1]",
        f"[a]({ORIGIN}{FILE})",
        "x",
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (FILE, f"{ORIGIN}{FILE}"),
        ("https://x.example/files/a.png", "https://x.example/files/a.png"),
        ("", ""),
    ],
    ids=["relative", "absolute", "none"],
)
def test_a_files_url_is_made_absolute(url: str, expected: str) -> None:
    file = File("f", "image", url, "", "", None, None)
    assert linked(file, FINISHED)[0] == File("f", "image", expected, "", "", None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(FILE, f"{ORIGIN}{FILE}", id="a string that is one"),
        pytest.param(f"see [a]({UPLOAD})", f"see [a]({ORIGIN}{UPLOAD})", id="within Markdown"),
        pytest.param({"a": [FILE, 1, None]}, {"a": [f"{ORIGIN}{FILE}", 1, None]}, id="anywhere in JSON"),
        pytest.param({FILE: True}, {FILE: True}, id="a name stays"),
        pytest.param("/files/report.pdf", "/files/report.pdf", id="not one of Dify's"),
    ],
)
def test_links_in_outputs_are_made_absolute(value: Any, expected: Any) -> None:
    assert absolute(value, ORIGIN) == expected
    outputs = {"out": value}
    assert linked(Finished("succeeded", outputs, None, "")) == [Finished("succeeded", {"out": expected}, None, "")]


def test_the_recorded_dict_itself_is_never_changed() -> None:
    raw = {"event": "message", "answer": f"[a]({FILE})"}
    linked(Text(f"[a]({FILE})", raw), FINISHED)
    assert raw == {"event": "message", "answer": f"[a]({FILE})"}
