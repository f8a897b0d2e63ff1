from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from runtime.lines import Lines

LINE = st.binary(max_size=30).map(lambda data: data.replace(b"\n", b""))


def fed(data: bytes, cuts: list[int]) -> list[bytes]:
    """The lines of `data`, given in pieces that end at the cuts."""
    lines = Lines()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [line for start, end in pairwise(edges) for line in lines.feed(data[start:end])]


@given(st.lists(LINE), LINE, st.lists(st.integers(0, 10_000)))
def test_lines_are_whole_wherever_their_bytes_are_cut(whole: list[bytes], begun: bytes, cuts: list[int]) -> None:
    data = b"".join(line + b"\n" for line in whole) + begun
    assert fed(data, cuts) == whole
    assert fed(data, list(range(len(data) + 1))) == whole


def test_a_line_of_megabytes_in_many_pieces_is_whole() -> None:
    line = bytes(range(11, 256)) * 40_000
    assert fed(line + b"\nnext\n", list(range(0, len(line), 65536))) == [line, b"next"]
