import json
from typing import Any

import pytest
from hypothesis import given

from gateway.errors import DuckError
from gateway.wire import MAX_JSON_DEPTH, json_bytes, json_text, read_json
from tests.gateway.mutations import json_values


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"a": [1, 1.5, True, None, "x"]}, b'{"a":[1,1.5,true,null,"x"]}', id="compact"),
        pytest.param("你好 é 👍", '"你好 é 👍"'.encode(), id="non-ASCII stays as it is"),
        pytest.param("a\nb\r\u2028", '"a\\nb\\r\u2028"'.encode(), id="newlines are escaped"),
        pytest.param("\x00\x1f", b'"\\u0000\\u001f"', id="control characters are escaped"),
        pytest.param(["\ud800x"], '["\ufffdx"]'.encode(), id="a lone surrogate becomes U+FFFD"),
        pytest.param({"\udfff": ("\ud800",)}, '{"\ufffd":["\ufffd"]}'.encode(), id="also in names and tuples"),
        pytest.param([float("nan"), float("inf")], b"[null,null]", id="NaN and infinity become null"),
        pytest.param([float("nan"), "\ud800"], '[null,"\ufffd"]'.encode(), id="both at once"),
        pytest.param(10**30, b"1000000000000000000000000000000", id="a large number"),
    ],
)
def test_a_value_is_written_as(value: Any, expected: bytes) -> None:
    assert json_bytes(value) == expected
    assert json_text(value) == expected.decode()


@given(value=json_values)
def test_any_json_value_is_one_line_of_utf_8_that_reads_back(value: Any) -> None:
    written = json_bytes(value)
    assert b"\n" not in written
    json.loads(written)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="an object"),
        pytest.param(b" \r\n[] \n", [], id="white space around it"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', {"a": 1}, id="a byte order mark"),
        pytest.param(json_bytes(nested(MAX_JSON_DEPTH)), nested(MAX_JSON_DEPTH), id="just not too deep"),
        pytest.param(b'"\\ud83d\\udc4d"', "👍", id="a pair of surrogates"),
    ],
)
def test_a_body_is_read_as(body: bytes, expected: Any) -> None:
    assert read_json(body, "The body") == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"{} x", id="trailing text"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[Infinity]", id="infinity"),
        pytest.param(b'"\\ud800"', id="a lone surrogate"),
        pytest.param(b'"\xff"', id="no UTF-8"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"{'a': 1}", id="single quotes"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(body: bytes) -> None:
    with pytest.raises(DuckError) as refusal:
        read_json(body, "The body")
    assert (refusal.value.code, refusal.value.status) == ("invalid_request", 400)
    assert refusal.value.message.startswith("The body is not valid JSON: ")
    assert "line 1 column" in refusal.value.message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json_bytes(nested(MAX_JSON_DEPTH + 1)), id="lists"),
        pytest.param(b'{"a":' * (MAX_JSON_DEPTH + 1) + b"0" + b"}" * (MAX_JSON_DEPTH + 1), id="objects"),
        pytest.param(b"[" * 150 + b"]" * 150, id="deeper, but no deeper than the parser goes"),
        pytest.param(b"[" * 100_000, id="deeper than any parser goes"),
    ],
)
def test_what_is_nested_too_deep_is_refused_with_the_limit(body: bytes) -> None:
    with pytest.raises(DuckError) as refusal:
        read_json(body, "The body")
    assert (refusal.value.code, refusal.value.status) == ("invalid_request", 400)
    assert refusal.value.message == f"The body is nested deeper than {MAX_JSON_DEPTH} levels."
