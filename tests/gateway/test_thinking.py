import time
from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decoder import decode
from gateway.errors import DuckError
from gateway.events import Event, Failed, Finished, Kind, Passed, Paused, Reasoning, Started, Step, Text, TextReplaced
from gateway.thinking import split_thinking, without_thinking
from tests.gateway.mutations import broken_runs
from tests.gateway.recorded import RUNS

STARTED: Final = Started(Kind.CHAT, "c", "m", "", "t", 1, None)
FINISHED: Final = Finished("succeeded", None, None, "")
STEP: Final = Step("n", "node", "llm", "LLM", "succeeded", 1, "", "", None, {}, None)


def split(events: Iterable[Event]) -> list[Event]:
    return list(split_thinking(iter(events)))


def texts(pieces: Iterable[str]) -> list[Event]:
    return [Text(piece, None) for piece in pieces if piece]


def told(events: Iterable[Event]) -> tuple[str, str]:
    """Thoughts and answer, as a client puts them together."""
    found = list(events)
    thoughts = "".join(event.text for event in found if isinstance(event, Reasoning))
    return thoughts, "".join(event.text for event in found if isinstance(event, Text))


# -- Whole answers, cut everywhere ---------------------------------------------------------------------------------

ANSWERS: Final[dict[str, tuple[str, str, str]]] = {
    "no tags": ("Hello.", "", "Hello."),
    "a block": ("<think>hm</think>Hello.", "hm", "Hello."),
    "line ends around the tags": ("<think>\nhm\n</think>\n\nHello.\n", "hm\n", "Hello.\n"),
    "Windows line ends": ("<think>\r\nhm</think>\r\n\r\nHello.", "hm", "Hello."),
    "text before": ("Well. <think>hm</think>Hello.", "hm", "Well. Hello."),
    "an empty block": ("<think></think>Hello.", "", "Hello."),
    "a block of line ends": ("<think>\n\n</think>\n\nHello.", "", "Hello."),
    "only a line end behind": ("Hello.<think>hm</think>\n", "hm", "Hello."),
    "nothing behind": ("<think>hm</think>", "hm", ""),
    "several": ("<think>a</think>B<think>c</think>D", "ac", "BD"),
    "several, with nothing between": ("<think>a</think><think>b</think>C", "ab", "C"),
    "unclosed": ("Hello.<think>hm", "hm", "Hello."),
    "unclosed, cut off in the closing tag": ("<think>hm</thi", "hm</thi", ""),
    "only the opening tag": ("<think>", "", ""),
    "only a beginning of one": ("Hello.<thin", "", "Hello.<thin"),
    "nested": ("<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d"),
    "a closing tag alone": ("hm</think>Hello.", "", "hm</think>Hello."),
    "a tag that begins twice": ("<<think>hm</think>", "hm", "<"),
    "a closing tag that begins twice": ("<think>a<</think>b", "a<", "b"),
    "a beginning of a tag that begins again": ("<think<think>a</think>", "a", "<think"),
    "a comparison": ("1 < 2 and <b>", "", "1 < 2 and <b>"),
    "another tag": ("<thinking>hm</thinking>", "", "<thinking>hm</thinking>"),
    "capitals": ("<THINK>hm</THINK>", "", "<THINK>hm</THINK>"),
    "spaces stay": ("<think> hm </think> Hello.", " hm ", " Hello."),
}
"""An answer, its thoughts and its text."""


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_split_the_same_wherever_it_is_cut(name: str) -> None:
    answer, thoughts, text = ANSWERS[name]
    cuts = range(len(answer) + 1)
    in_two = [texts((answer[:cut], answer[cut:])) for cut in cuts]
    in_three = [texts((answer[:a], answer[a:b], answer[b:])) for a in cuts for b in cuts if a <= b]
    for pieces in [texts([answer]), texts(answer), *in_two, *in_three]:
        assert told(split([*pieces, FINISHED])) == (thoughts, text), pieces


@pytest.mark.parametrize("name", ANSWERS)
def test_a_whole_text_is_left_as_a_stream_leaves_it(name: str) -> None:
    answer, _, text = ANSWERS[name]
    assert without_thinking(answer) == text


@given(pieces=st.lists(st.text(st.sampled_from("<think>/ \na"), max_size=9), max_size=8))
def test_no_text_is_lost_beside_tags_and_line_ends(pieces: list[str]) -> None:
    events = split([*texts(pieces), FINISHED])
    joined = "".join(event.text for event in events if isinstance(event, Text | Reasoning))
    whole = "".join(pieces)
    assert _bare(joined) == _bare(whole)
    assert all(event.text for event in events if isinstance(event, Text | Reasoning))


def _bare(text: str) -> str:
    """Without line ends, and without tags, those included that only removed line ends or tags make up."""
    text = text.replace("\n", "")
    while (shorter := text.replace("<think>", "").replace("</think>", "")) != text:
        text = shorter
    return text


@given(pieces=st.lists(st.text(st.sampled_from("<thi/nk>a\n"), max_size=9), max_size=8))
def test_a_text_without_tags_is_left_as_it_is(pieces: list[str]) -> None:
    whole = "".join(pieces)
    if "<think>" not in whole:
        assert told(split([*texts(pieces), FINISHED])) == ("", whole)


# -- What waits, and for what --------------------------------------------------------------------------------------


def test_text_leaves_at_once_unless_it_may_begin_a_tag() -> None:
    events = split_thinking(iter(texts(["Hello ", "wor<", "b>ld <thi", "nk>hm", "</", "think>!"])))
    assert list(events) == [
        Text("Hello ", None),
        Text("wor", None),
        Text("<b>ld ", None),
        Reasoning("hm", None),
        Text("!", None),
    ]


@pytest.mark.parametrize(
    "event",
    [TextReplaced("b", None), FINISHED, Paused("r", (), None), Failed(DuckError("app_failed", "x"))],
    ids=["a replacement", "the end", "a pause", "a failure"],
)
def test_what_waited_leaves_before_what_ends_the_text(event: Event) -> None:
    assert split([*texts(["a<thi"]), event]) == [Text("a", None), Text("<thi", None), event]
    assert split([*texts(["<think>a</thi"]), event]) == [Reasoning("a", None), Reasoning("</thi", None), event]


@pytest.mark.parametrize("event", [STEP, Passed({"event": "tts_message"})], ids=["a step", "no meaning"])
def test_a_tag_is_recognised_though_another_event_cuts_it(event: Event) -> None:
    """Branches of an app run at once, and their events come in between."""
    events = split([*texts(["a<thi"]), event, *texts(["nk>b</thi"]), event, *texts(["nk>c"]), FINISHED])
    assert events == [Text("a", None), event, Reasoning("b", None), event, Text("c", None), FINISHED]


def test_text_keeps_its_place_before_reasoning_that_the_app_told_apart() -> None:
    events = [*texts(["a <"]), Reasoning("hm", None), *texts([" b"]), FINISHED]
    kinds = [(type(event), event.text) for event in split(events) if isinstance(event, Text | Reasoning)]
    assert kinds == [(Text, "a "), (Text, "<"), (Reasoning, "hm"), (Text, " b")]


def test_a_replacement_ends_a_block() -> None:
    events = [*texts(["<think>hm"]), TextReplaced("no", None), *texts(["b"]), FINISHED]
    assert split(events) == [Reasoning("hm", None), TextReplaced("no", None), Text("b", None), FINISHED]


def test_a_replacement_is_split_too() -> None:
    assert split([TextReplaced("<think>hm</think>b", None), FINISHED]) == [TextReplaced("b", None), FINISHED]


def test_tags_cost_no_more_the_more_of_them_there_are() -> None:
    """An answer of nothing but tags would hold up all other calls otherwise."""

    def cost(number: int) -> float:
        text = Text("<think></think>" * number, None)
        began = time.process_time()
        for _ in split_thinking(iter([text])):
            pass
        return time.process_time() - began

    small, large = (min(cost(number) for _ in range(3)) for number in (10_000, 80_000))
    assert large < small * 8 * 3


def test_a_block_goes_on_after_other_events() -> None:
    assert told(split([*texts(["<think>a"]), STEP, *texts(["b</think>c"]), FINISHED])) == ("ab", "c")


def test_the_other_events_pass_as_they_are() -> None:
    events: list[Event] = [STARTED, STEP, Passed({"event": "x"}), FINISHED]
    assert split(events) == events


# -- Dify's dicts --------------------------------------------------------------------------------------------------


def test_each_of_difys_dicts_is_passed_on_once() -> None:
    raws = [{"event": "message", "n": n} for n in range(4)]
    pieces = ["a<think>b", "</th", "ink>", "c"]
    events = split([*(Text(piece, raw) for piece, raw in zip(pieces, raws, strict=True)), FINISHED])
    assert [raw for event in events if (raw := getattr(event, "raw", None)) is not None] == raws
    assert told(events) == ("b", "ac")


def raws_of(events: Iterable[Event]) -> list[int]:
    """Which dicts the events carry, each as itself."""
    return [id(raw) for event in events if (raw := getattr(event, "raw", None)) is not None]


@pytest.mark.parametrize("name", RUNS)
def test_a_recordings_dicts_are_all_passed_on_in_order(name: str) -> None:
    run = list(decode(RUNS[name].stream()))
    assert raws_of(split(run)) == raws_of(run)


@given(dicts=broken_runs)
def test_any_run_passes_without_raising_and_keeps_its_ending(dicts: list[dict[str, Any]]) -> None:
    run = list(decode(iter(dicts)))
    assert split(run)[-1:] == run[-1:]
    assert raws_of(split(run)) == raws_of(run)
