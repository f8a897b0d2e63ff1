import codecs
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.body import (
    BODY_LIMIT,
    MOST_FIELDS,
    check_charset,
    check_given_once,
    form_pairs,
    is_json,
    json_object,
    multipart_pairs,
    read_body,
    text_of,
    unsupported_type,
    validated,
)
from gateway.errors import DuckError
from gateway.wire import MAX_JSON_DEPTH, json_bytes
from tests.gateway.mutations import json_values

MULTIPART: Final = "multipart/form-data; boundary=x"


def request(body: bytes = b"", content_type: str | None = None) -> Request:
    return Request(EnvironBuilder(method="POST", data=body, content_type=content_type).get_environ())


def part(name: bytes, value: bytes, head: bytes = b"") -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n' + head + b"\r\n" + value + b"\r\n"


def multipart(*parts: bytes) -> Request:
    return request(b"".join(parts) + b"--x--\r\n", MULTIPART)


def refused(call: Callable[[], object]) -> DuckError:
    with pytest.raises(DuckError) as caught:
        call()
    return caught.value


# -- Size, byte order mark, no body --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"0\r\n\r\n", b"", id="what a POST without a body arrives as"),
        pytest.param(b"0\r\n\r\n0", b"0\r\n\r\n0", id="what only begins like it"),
        pytest.param(codecs.BOM_UTF8 + b"{}", b"{}", id="a byte order mark"),
        pytest.param(codecs.BOM_UTF8, b"", id="a byte order mark alone"),
        pytest.param(b" {} \n", b" {} \n", id="white space stays"),
        pytest.param(b"x" * (BODY_LIMIT - 1), b"x" * (BODY_LIMIT - 1), id="one byte less than the platform's cut"),
    ],
)
def test_a_body_is_read_as(body: bytes, expected: bytes) -> None:
    assert read_body(request(body)) == expected


@pytest.mark.parametrize("size", [BODY_LIMIT, BODY_LIMIT + 1])
@pytest.mark.parametrize("read", [read_body, multipart_pairs], ids=["any body", "a multipart form"])
def test_a_body_that_the_platform_may_have_cut_is_a_413_that_names_the_cut(
    read: Callable[[Request], object], size: int
) -> None:
    error = refused(lambda: read(request(b"x" * size, MULTIPART)))
    assert (error.code, error.status) == ("payload_too_large", 413)
    assert "10 MiB" in error.message


# -- Charset and type ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ('application/json; charset="UTF-8"', True),
        ("application/json; charset='utf-8'", True),
        ("text/plain; charset=UTF8", True),
        ("text/plain; charset=us-ascii", True),
        ("text/plain; charset=ASCII", True),
        ("text/plain; charset=", True),
        ("text/plain; charset=iso-8859-1", False),
        ("text/plain; charset=latin-1", False),
        ("application/json; charset=utf-16", False),
        ("application/json; charset=utf-7", False),
        ("application/json; charset=utf-8-sig", False),
    ],
)
def test_a_body_that_says_it_is_in_another_charset_is_a_415(content_type: str, is_read: bool) -> None:
    if is_read:
        check_charset(request(b"x", content_type))
    else:
        error = refused(lambda: check_charset(request(b"x", content_type)))
        assert (error.code, error.status) == ("unsupported_media_type", 415)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        pytest.param("application/json", b"x", True, id="by its type"),
        pytest.param("Application/JSON; charset=utf-8", b"x", True, id="by its type, in other letters"),
        pytest.param("text/json", b"x", True, id="by an old type"),
        pytest.param("application/x-json", b"x", True, id="by an older type"),
        pytest.param("application/vnd.api+json", b"x", True, id="by its suffix"),
        pytest.param("application/x-www-form-urlencoded", b' \n{"a": 1}', True, id="as it begins, for curl -d"),
        pytest.param("", b"{}", True, id="as it begins, without a type"),
        pytest.param("application/x-www-form-urlencoded", b"a={}", False, id="a form"),
        pytest.param("", b"[]", False, id="a list without a type"),
        pytest.param("application/jsonp", b"x", False, id="another type"),
    ],
)
def test_a_body_is_meant_as_json(content_type: str, body: bytes, expected: bool) -> None:
    assert is_json(request(body, content_type), body) is expected


@pytest.mark.parametrize(
    ("mimetype", "message"),
    [
        ("", "The body has no Content-Type."),
        ("image/png", "Duck does not read bodies of the type image/png."),
        ("a/" + "b" * 500, f"Duck does not read bodies of the type a/{'b' * 98}."),
    ],
    ids=["no type", "a type", "a long type is cut"],
)
def test_a_body_of_another_type_is_a_415_that_says_what_is_read(mimetype: str, message: str) -> None:
    error = unsupported_type(mimetype, "application/json")
    assert (error.status, error.message, error.remedy) == (415, message, "Send application/json.")


# -- JSON ----------------------------------------------------------------------------------------------------------

DIGITS: Final = 4300
"""Python and the JSON parser turn no longer number into text or back (CVE-2020-10735)."""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"{}", {}, id="empty"),
        pytest.param(b' \t\r\n{"a": 1} \n', {"a": 1}, id="white space around it"),
        pytest.param(b'{"a": {"b": 1}, "c": {"b": 2}}', {"a": {"b": 1}, "c": {"b": 2}}, id="a name in two objects"),
        pytest.param(b'{"a": 1, "A": 2, "": 3}', {"a": 1, "A": 2, "": 3}, id="names that only look alike"),
        pytest.param(b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}, id="a large int"),
        pytest.param(b'{"a": 1%b}' % (b"0" * (DIGITS - 1)), {"a": 10 ** (DIGITS - 1)}, id="the largest int"),
        pytest.param(b'{"a": 1.0, "b": -0, "c": 1e3}', {"a": 1.0, "b": 0, "c": 1000.0}, id="numbers"),
        pytest.param('{"a": "é\u2028\\u0000\U0001f600"}'.encode(), {"a": "é\u2028\0\U0001f600"}, id="any character"),
        pytest.param(b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}, id="a pair of surrogates is one character"),
        pytest.param(codecs.BOM_UTF8 + b'{"a": 1}', {"a": 1}, id="a byte order mark"),
    ],
)
def test_json_is_read_as(body: bytes, expected: dict[str, Any]) -> None:
    assert json_object(body) == expected


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b'{"a": 1, "a": 2}', "twice", id="a name twice"),
        pytest.param(b'{"a": 1, "a": 1}', "twice", id="a name twice with the same value"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', "twice", id="a name twice, once escaped"),
        pytest.param(b'{"x": {"y": [1, {"a": 1, "b": 2, "a": 3}]}}', "twice", id="a name twice, deep in it"),
        pytest.param(b'{"a": NaN}', "not valid JSON", id="NaN"),
        pytest.param(b'{"a": Infinity}', "not valid JSON", id="infinity"),
        pytest.param(b'{"a": -Infinity}', "not valid JSON", id="minus infinity"),
        pytest.param(b'{"a": "\\ud800"}', "not valid JSON", id="a lone surrogate"),
        pytest.param(b'{"a": "\\udc00\\ud800"}', "not valid JSON", id="surrogates the wrong way round"),
        pytest.param(b'{"\\ud800": 1}', "not valid JSON", id="a lone surrogate in a name"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', "not valid JSON", id="a surrogate in bytes"),
        pytest.param(b'{"a": "\xff"}', "not valid JSON", id="no UTF-8"),
        pytest.param(b'{"a": "caf\xe9"}', "not valid JSON", id="Latin-1"),
        pytest.param('{"a": 1}'.encode("utf-16"), "not valid JSON", id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), "not valid JSON", id="UTF-16 without its mark"),
        pytest.param('{"a": 1}'.encode("utf-32"), "not valid JSON", id="UTF-32"),
        pytest.param(b'{"a": 1%b}' % (b"0" * DIGITS), "not valid JSON", id="a number that is too long"),
        pytest.param(b'{"a": 1} x', "not valid JSON", id="text behind it"),
        pytest.param(b'{"a": 1}{"a": 1}', "not valid JSON", id="two of them"),
        pytest.param(b'{"a": 1,}', "not valid JSON", id="a comma too many"),
        pytest.param(b"{'a': 1}", "not valid JSON", id="Python's quotes"),
        pytest.param(b'{"a": "\n"}', "not valid JSON", id="a raw line break in a text"),
        pytest.param(b'{"a": 1 // no\n}', "not valid JSON", id="a comment"),
        pytest.param(b"", "not valid JSON", id="nothing"),
        pytest.param(b"[]", "must be a JSON object", id="a list"),
        pytest.param(b'"text"', "must be a JSON object", id="a text"),
        pytest.param(b"null", "must be a JSON object", id="null"),
        pytest.param(b"1" * 10, "must be a JSON object", id="a number"),
    ],
)
def test_json_is_refused_with_what_is_wrong(body: bytes, says: str) -> None:
    error = refused(lambda: json_object(body))
    assert (error.code, error.status) == ("invalid_request", 400)
    assert says in error.message


@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b'{"a":[', b"]}")], ids=["objects", "both"])
def test_json_may_be_nested_as_deep_as_is_said_and_no_deeper(opening: bytes, closing: bytes) -> None:
    levels = len(closing)
    deepest = MAX_JSON_DEPTH // levels
    json_object(opening * deepest + b"1" + closing * deepest)
    error = refused(lambda: json_object(opening * (deepest + 1) + b"1" + closing * (deepest + 1)))
    assert (error.code, str(MAX_JSON_DEPTH) in error.message) == ("invalid_request", True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"[" * 5_000_000, "payload_too_large", id="lists in lists"),
        pytest.param(b'{"a":' * 1_000_000, "payload_too_large", id="objects in objects"),
        pytest.param(b"[" * 50_000 + b"]" * 50_000, "invalid_request", id="closed"),
        pytest.param(b"[" + b"[]," * 3_000_000 + b"[]]", "payload_too_large", id="lists in a row"),
        pytest.param(b"[" + b"1," * 5_000_000 + b"1]", "payload_too_large", id="numbers"),
    ],
)
def test_a_bomb_of_json_is_refused_before_it_is_read(body: bytes, code: str) -> None:
    assert refused(lambda: json_object(body)).code == code


def test_commas_and_brackets_in_a_text_are_no_values() -> None:
    text = '[{,"' * 500_000
    assert json_object(json.dumps({"query": text}).encode()) == {"query": text}


@pytest.mark.parametrize(
    "body",
    [b'{"a": "PLANTED", "a": 1}', b'{"a": "PLANTED" x}', b'["PLANTED"]', b'{"PLANTED": NaN}', b"PLANTED"],
    ids=["a name twice", "bad syntax", "a list", "NaN", "no JSON"],
)
def test_an_error_never_repeats_what_was_sent_as_json(body: bytes) -> None:
    assert "PLANTED" not in refused(lambda: json_object(body)).sentence(with_cause=True)


@given(
    value=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), json_values.map(json_bytes).map(json.loads)
    )
)
def test_any_json_object_is_read_as_another_reader_reads_it(value: dict[str, Any]) -> None:
    assert json_object(json.dumps(value).encode()) == value
    assert json_object(json.dumps(value, ensure_ascii=False).encode()) == value


@given(body=st.binary() | st.text('{}[]",:\\u0dD8NaIfe1-+. \n\ufeff').map(str.encode))
@example(body=codecs.BOM_UTF8 * 2 + b"{}")
@example(body=b'{"\x00": 1}')
def test_any_bytes_are_an_object_or_an_error_that_is_foreseen(body: bytes) -> None:
    try:
        outcome: object = json_object(body)
    except DuckError as error:
        outcome = error.code
    assert outcome == "invalid_request" or isinstance(outcome, dict)


# -- Text and forms ------------------------------------------------------------------------------------------------


def test_plain_text_is_utf8_and_a_fault_is_told_by_its_place() -> None:
    assert text_of("é\0\u2028".encode()) == "é\0\u2028"
    for body in (b"abc\xff", b"abc\xed\xa0\x80", b"abc\xe9"):
        error = refused(lambda body=body: text_of(body))  # type: ignore[misc]
        assert (error.code, error.message) == ("invalid_request", "The body is not UTF-8 at byte 3.")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a=1&b=two+words&c=%C3%A9", [("a", "1"), ("b", "two words"), ("c", "é")]),
        (b"a=&b", [("a", ""), ("b", "")]),
        (b"a=1&a=2", [("a", "1"), ("a", "2")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"a=%zz%", [("a", "%zz%")]),
        (b"&&", []),
        (b"", []),
    ],
    ids=[
        "fields",
        "empty values stay",
        "each of a name's",
        "one separator only",
        "no percent-encoding",
        "no",
        "nothing",
    ],
)
def test_a_form_is_read_as(body: bytes, expected: list[tuple[str, str]]) -> None:
    assert form_pairs(body) == expected


@pytest.mark.parametrize("body", [b"a=\xff", b"a=%FF", b"%FF=a", b"a=%ED%A0%80", b"a=caf%E9"])
def test_a_form_that_is_not_utf8_is_refused(body: bytes) -> None:
    error = refused(lambda: form_pairs(body))
    assert (error.code, error.message) == ("invalid_request", "A field of the form is not UTF-8.")


def test_a_form_has_no_more_fields_than_is_said() -> None:
    assert len(form_pairs(b"&".join([b"a=1"] * MOST_FIELDS))) == MOST_FIELDS
    error = refused(lambda: form_pairs(b"&".join([b"a=1"] * (MOST_FIELDS + 1))))
    assert (error.code, f"{MOST_FIELDS:,}" in error.message) == ("payload_too_large", True)


def test_a_multipart_form_is_read_with_each_field_of_a_name() -> None:
    form = multipart(part(b"a", b"1"), part(b"b", "é".encode()), part(b"a", b""))
    assert multipart_pairs(form) == ([("a", "1"), ("a", ""), ("b", "é")], False)


def test_a_file_in_a_multipart_form_is_seen() -> None:
    assert multipart_pairs(multipart(part(b'f"; filename="a.txt', b"x"), part(b"a", b"1"))) == ([("a", "1")], True)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request(b"", MULTIPART), id="nothing in it"),
        pytest.param(request(b"0\r\n\r\n", MULTIPART), id="no body"),
        pytest.param(request(part(b"a", b"1"), MULTIPART), id="cut before its end"),
        pytest.param(request(part(b"a", b"1") + b"--x--\r\n", "multipart/form-data"), id="no boundary named"),
        pytest.param(
            request(part(b"a", b"1") + b"--x--\r\n", "multipart/form-data; boundary=y"), id="another boundary"
        ),
        pytest.param(multipart(part(b"\xff", b"1")), id="a name that is not UTF-8"),
    ],
)
def test_a_multipart_form_that_cant_be_read_is_refused(sent: Request) -> None:
    error = refused(lambda: multipart_pairs(sent))
    assert (error.code, error.message) == ("invalid_request", "No field of the multipart form can be read.")


def test_a_multipart_form_has_no_more_fields_than_is_said() -> None:
    error = refused(lambda: multipart_pairs(multipart(*[part(b"a", b"")] * (MOST_FIELDS + 1))))
    assert (error.code, f"{MOST_FIELDS:,}" in error.message) == ("payload_too_large", True)


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b", "c", "a"]])
def test_a_name_that_comes_twice_is_refused_by_name(names: list[str]) -> None:
    check_given_once(name for name in "abc")
    error = refused(lambda: check_given_once(names))
    assert (error.code, error.message) == ("invalid_request", "'a' is given twice.")


def test_a_long_name_is_cut_in_the_error() -> None:
    assert refused(lambda: check_given_once(["n" * 5000] * 2)).message == f"'{'n' * 100}' is given twice."


# -- Types ---------------------------------------------------------------------------------------------------------


class Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field("x", min_length=1, max_length=5)
    number: int = Field(1, ge=1, le=9)
    members: dict[str, Any] = Field(default_factory=dict)
    items: list[Any] = Field(default_factory=list)
    mode: Literal["streaming", "blocking"] = "streaming"
    flag: bool = False


class Needed(BaseModel):
    text: str


def test_what_is_right_is_the_model() -> None:
    assert validated(Sent, {"text": "hi", "number": 9}) == Sent(text="hi", number=9)


@pytest.mark.parametrize(
    ("model", "members", "message"),
    [
        (Needed, {}, "'text' must be given."),
        (Sent, {"other": "PLANTED"}, "'other' is not known here."),
        (Sent, {"text": 1234567}, "'text' must be a string."),
        (Sent, {"text": None}, "'text' must be a string."),
        (Sent, {"text": ""}, "'text' must not be empty."),
        (Sent, {"text": "PLANTED"}, "'text' is too long."),
        (Sent, {"number": "1234567"}, "'number' must be a whole number."),
        (Sent, {"number": True}, "'number' must be a whole number."),
        (Sent, {"number": 1.0}, "'number' must be a whole number."),
        (Sent, {"number": 0}, "'number' is too small."),
        (Sent, {"number": -(10**DIGITS)}, "'number' is too small."),
        (Sent, {"number": 10}, "'number' is too large."),
        (Sent, {"number": 10**30}, "'number' is too large."),
        (Sent, {"members": ["PLANTED"]}, "'members' must be an object."),
        (Sent, {"items": {"PLANTED": 1}}, "'items' must be a list."),
        (Sent, {"mode": "PLANTED"}, "'mode' must be 'streaming' or 'blocking'."),
        (Sent, {"flag": "PLANTED"}, "'flag' must be true or false."),
        (Sent, {"n" * 5000: 1}, f"'{'n' * 100}' is not known here."),
    ],
)
def test_the_first_fault_is_told_by_its_place_and_never_by_what_was_sent(
    model: type[BaseModel], members: Mapping[str, Any], message: str
) -> None:
    error = refused(lambda: validated(model, members))
    assert (error.code, error.message) == ("invalid_request", message)


# -- Decided once for all routes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"\xff", b"caf\xe9", b"\xed\xa0\x80"])
def test_a_field_of_a_multipart_form_that_is_not_utf8_is_refused(value: bytes) -> None:
    assert refused(lambda: multipart_pairs(multipart(part(b"query", value)))).code == "invalid_request"


@pytest.mark.parametrize("number", [b"1e999", b"-1e999"])
def test_a_number_that_no_reader_can_hold_is_refused(number: bytes) -> None:
    assert refused(lambda: json_object(b'{"a": %b}' % number)).code == "invalid_request"
