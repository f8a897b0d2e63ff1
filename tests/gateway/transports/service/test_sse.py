import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DuckError
from gateway.events import Raw
from gateway.transports.service.sse import MAX_EVENT, dicts_of
from gateway.wire import json_bytes
from tests.gateway.mutations import json_values

SERVICE: Final = sorted((Path(__file__).resolve().parents[4] / "recordings" / "service").glob("*.sse"))

STREAMS: Final[dict[str, tuple[bytes, list[Any]]]] = {
    "one event": (b'data: {"a": 1}\n\n', [{"a": 1}]),
    "two events": (b'data: {"a": 1}\n\ndata: {"a": 2}\n\n', [{"a": 1}, {"a": 2}]),
    "no space behind the colon": (b'data:{"a": 1}\n\n', [{"a": 1}]),
    "CR and LF": (b'data: {"a": 1}\r\n\r\ndata: {"a": 2}\r\n\r\n', [{"a": 1}, {"a": 2}]),
    "CR only": (b'data: {"a": 1}\r\rdata: {"a": 2}\r\r', [{"a": 1}, {"a": 2}]),
    "pings": (b'event: ping\n\ndata: {"a": 1}\n\nevent: ping\n\n', [{"a": 1}]),
    "a ping with data": (b'event: ping\ndata: {"a": 1}\n\n', []),
    "a name of Dify's own": (b'event: message\ndata: {"a": 1}\n\n', [{"a": 1}]),
    "comments": (b': hello\n\ndata: {"a": 1}\n: between\n\n', [{"a": 1}]),
    "an id and a time to wait": (b'id: 7\nretry: 3\ndata: {"a": 1}\n\n\n\n', [{"a": 1}]),
    "an unknown field": (b'x: y\ndata: {"a": 1}\n\n', [{"a": 1}]),
    "several lines": (b'data: {"a":\ndata: 1}\n\n', [{"a": 1}]),
    "a byte order mark": (b'\xef\xbb\xbfdata: {"a": 1}\n\n', [{"a": 1}]),
    "bytes that are no UTF-8": (b'data: {"a": "x\xffy"}\n\n', [{"a": "x\ufffdy"}]),
    "a lone surrogate": (b'data: {"a": "x\\ud800y"}\n\n', [{"a": "x\ufffdy"}]),
    "line ends of Unicode, which are none here": (
        'data: {"a": "x\u2028\u2029\x85y"}\n\n'.encode(),
        [{"a": "x\u2028\u2029\x85y"}],
    ),
    "values that are no objects": (b'data: 5\n\ndata: "ping"\n\ndata: [{}]\n\ndata: null\n\ndata: {}\n\n', [{}]),
    "text that is no JSON": (b'data: [DONE]\n\ndata: ping\n\ndata:\n\ndata\n\ndata: {"a": 1}\n\n', [{"a": 1}]),
    "an event that is not whole": (b'data: {"a": 1}\n\ndata: {"a": 2}\n', [{"a": 1}]),
    "half an event": (b'data: {"a": 1}\n\ndata: {"a', [{"a": 1}]),
    "nothing": (b"", []),
    "empty lines": (b"\n\n\r\n\r\n", []),
    "an error, which is for the decoder": (
        b'data: {"event": "error", "status": 400}\n\n',
        [{"event": "error", "status": 400}],
    ),
}


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20], ids=lambda size: f"{size} at a time")
@pytest.mark.parametrize(("content", "dicts"), STREAMS.values(), ids=list(STREAMS))
def test_a_stream_holds_these_dicts_however_it_is_cut(content: bytes, dicts: list[Any], size: int) -> None:
    assert list(dicts_of(cut(content, size))) == dicts


@pytest.mark.parametrize("size", [1000, 1 << 20], ids=["cut", "whole"])
@pytest.mark.parametrize("recording", SERVICE, ids=lambda path: path.name)
def test_a_recorded_stream_is_read_whole(recording: Path, size: int) -> None:
    content = recording.read_bytes()
    expected = [json.loads(line[6:]) for line in content.decode().split("\n") if line.startswith("data: ")]
    assert list(dicts_of(cut(content, size))) == expected
    assert expected


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": }',
        b'{"a": 1}}',
        b"{" * 100_000,
        b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a": ' + b"1" * 5000 + b"}",
    ],
    ids=["no JSON", "something behind it", "nested without an end", "nested too deep", "a number of 5000 digits"],
)
def test_an_object_that_can_not_be_read_is_an_error_behind_what_came_before(data: bytes) -> None:
    events = dicts_of([b'data: {"a": 1}\n\ndata: ' + data + b"\n\n"])
    assert next(events) == {"a": 1}
    with pytest.raises(DuckError) as told:
        next(events)
    assert (told.value.code, told.value.status) == ("dify_error", 502)


def test_an_event_of_20_mib_is_read() -> None:
    text = "x" * (20 * 1024 * 1024)
    content = json.dumps({"a": text}).encode()
    assert list(dicts_of(cut(b"data: " + content + b"\n\n", 65536))) == [{"a": text}]


@pytest.mark.parametrize(
    "piece", [b"x" * 65536, b"data: x\n" * 8192, b": x\n\n" * 10000], ids=["a line", "lines", "comments"]
)
def test_a_stream_without_an_event_ends_with_an_error_before_it_fills_the_memory(piece: bytes) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b"data: "
        while True:
            sent += len(piece)
            yield piece

    with pytest.raises(DuckError, match="dify_error"):
        list(dicts_of(endless()))
    assert MAX_EVENT - 100_000 < sent < MAX_EVENT + 100_000


def test_a_long_stream_of_small_events_has_no_limit() -> None:
    piece = b'data: {"a": "' + b"x" * 60_000 + b'"}\n\n'
    number = MAX_EVENT // len(piece) + 10
    assert sum(1 for _ in dicts_of(piece for _ in range(number))) == number


def test_no_more_is_asked_for_than_an_event_needs() -> None:
    asked = 0

    def chunks() -> Iterator[bytes]:
        nonlocal asked
        for number in range(3):
            asked += 1
            yield f'data: {{"n": {number}}}\n\n'.encode()

    assert next(dicts_of(chunks())) == {"n": 0}
    assert asked == 1


@given(
    dicts=st.lists(st.dictionaries(st.text(max_size=5), json_values, max_size=3), max_size=4), size=st.integers(1, 50)
)
def test_any_dicts_arrive_as_they_were_sent(dicts: list[Raw], size: int) -> None:
    content = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in dicts)
    assert json_bytes(list(dicts_of(cut(content, size)))) == json_bytes(dicts)


@given(
    chunks=st.lists(
        st.binary(max_size=40) | st.sampled_from([b"data: {", b"}\n\n", b"\r", b"event: ping\n"]), max_size=12
    )
)
def test_any_bytes_are_dicts_or_a_duck_error(chunks: Iterable[bytes]) -> None:
    with contextlib.suppress(DuckError):
        assert all(isinstance(value, dict) for value in dicts_of(chunks))
