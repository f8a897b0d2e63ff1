import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.body import BODY_LIMIT
from gateway.call import Asked, Attachment
from gateway.errors import DuckError
from gateway.protocols.native.request import NativeRequest, read_native
from tests.gateway.mutations import json_values

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
"""What curl -d sends where nobody says otherwise."""
MULTIPART: Final = "multipart/form-data; boundary=x"


def request(
    body: bytes = b"", content_type: str | None = JSON, query_string: str = "", method: str = "POST"
) -> Request:
    builder = EnvironBuilder(
        method=method, data=body, content_type=content_type, query_string=query_string, path="/chat/echo"
    )
    return Request(builder.get_environ())


def multipart(**fields: str | bytes) -> bytes:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (name.encode(), value.encode() if isinstance(value, str) else value)
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--x--\r\n"


A_FILE: Final = (
    b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nhi\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\ntext\r\n--x--\r\n'
)


def refused(asked: Request) -> DuckError:
    with pytest.raises(DuckError) as refusal:
        read_native(asked)
    return refusal.value


# -- What is read --------------------------------------------------------------------------------------------------

EVERYTHING: Final = {
    "query": "hi",
    "inputs": {"city": "Oslo", "n": 1},
    "conversation_id": "c",
    "user": "u",
    "response_mode": "blocking",
    "files": [],
}

BODIES: Final[Mapping[str, tuple[bytes, str | None, dict[str, Any]]]] = {
    "everything": (json.dumps(EVERYTHING).encode(), JSON, EVERYTHING),
    "only a query": (b'{"query": "hi"}', JSON, {"query": "hi"}),
    "nulls": (b'{"query": null, "inputs": null, "files": null, "response_mode": null}', JSON, {}),
    "an empty object": (b"{}", JSON, {}),
    "an empty response_mode": (b'{"response_mode": ""}', JSON, {}),
    "with a charset": (b'{"query": "hi"}', "application/json; charset=UTF-8", {"query": "hi"}),
    "a charset in quotes": (b'{"query": "hi"}', 'application/json; charset="utf-8"', {"query": "hi"}),
    "a type of its own": (b'{"query": "hi"}', "application/vnd.api+json", {"query": "hi"}),
    "a byte order mark": (b'\xef\xbb\xbf{"query": "hi"}', JSON, {"query": "hi"}),
    "white space around it": (b' \n{"query": "hi"}\n', JSON, {"query": "hi"}),
    "text in every script": ('{"query": "你好 👍"}'.encode(), JSON, {"query": "你好 👍"}),
    "no body": (b"", JSON, {}),
    "an empty body as Go sends it": (b"0\r\n\r\n", None, {}),
    "white space only": (b" \n", JSON, {}),
    "JSON, by curl -d": (b'{"query": "hi"}', FORM, {"query": "hi"}),
    "JSON with spaces before, by curl -d": (b'  {"query": "hi"}', FORM, {"query": "hi"}),
    "JSON with a byte order mark, by curl -d": (b'\xef\xbb\xbf{"query": "hi"}', FORM, {"query": "hi"}),
    "JSON as text/plain is the query": (b'{"query": "hi"}', "text/plain", {"query": '{"query": "hi"}'}),
    "JSON without a type": (b'{"query": "hi"}', None, {"query": "hi"}),
    "JSON under another type": (b'{"query": "hi"}', "application/octet-stream", {"query": "hi"}),
    "a form": (b"query=hi+there&user=u%21", FORM, {"query": "hi there", "user": "u!"}),
    "a form in UTF-8": (b"query=%E4%BD%A0%20%F0%9F%91%8D", FORM, {"query": "你 👍"}),
    "a form with inputs": (
        b"query=hi&inputs.city=Oslo&inputs.n=1",
        FORM,
        {"query": "hi", "inputs": {"city": "Oslo", "n": "1"}},
    ),
    "a form with inputs as JSON": (b'inputs={"n":1}&inputs.m=2', FORM, {"inputs": {"n": 1, "m": "2"}}),
    "a form with empty inputs": (b"inputs=&query=hi", FORM, {"inputs": {}, "query": "hi"}),
    "a large form": (b"query=" + b"x" * 3_000_000, FORM, {"query": "x" * 3_000_000}),
    "multipart": (
        multipart(query="hi", **{"inputs.city": "Oslo"}),
        MULTIPART,
        {"query": "hi", "inputs": {"city": "Oslo"}},
    ),
    "multipart, large": (multipart(query="x" * 3_000_000), MULTIPART, {"query": "x" * 3_000_000}),
    "multipart with many fields": (
        multipart(**{f"inputs.n{n}": "1" for n in range(1500)}),
        MULTIPART,
        {"inputs": {f"n{n}": "1" for n in range(1500)}},
    ),
    "text": ("你好\nthere".encode(), "text/plain", {"query": "你好\nthere"}),
    "text with a charset": (b"hi", "text/plain; charset=utf-8", {"query": "hi"}),
    "text with a byte order mark": (b"\xef\xbb\xbfhi", "text/plain", {"query": "hi"}),
    "text that looks like a form": (b"query=hi", "text/plain", {"query": "query=hi"}),
}
"""Body, content type, and what is read."""


@pytest.mark.parametrize(("body", "content_type", "expected"), BODIES.values(), ids=list(BODIES))
def test_a_body_is_read_as(body: bytes, content_type: str | None, expected: dict[str, Any]) -> None:
    assert read_native(request(body, content_type)) == NativeRequest(**expected)


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        pytest.param("query=hi%20there", {"query": "hi there"}, id="a query"),
        pytest.param("query=hi+there&user=u", {"query": "hi there", "user": "u"}, id="a plus is a space"),
        pytest.param("inputs.city=Oslo&inputs.n=1", {"inputs": {"city": "Oslo", "n": "1"}}, id="inputs"),
        pytest.param("inputs=%7B%22n%22%3A1%7D", {"inputs": {"n": 1}}, id="inputs as JSON"),
        pytest.param(
            "conversation_id=c&response_mode=blocking", {"conversation_id": "c", "response_mode": "blocking"}, id="more"
        ),
        pytest.param("utm_source=x&query=hi", {"query": "hi"}, id="what is none of Duck's business"),
        pytest.param("inputs.=x", {}, id="an input without a name"),
        pytest.param("query=%E4%BD%A0", {"query": "你"}, id="UTF-8"),
        pytest.param("", {}, id="none"),
    ],
)
def test_the_query_string_is_read_as(query_string: str, expected: dict[str, Any]) -> None:
    assert read_native(request(content_type=None, query_string=query_string, method="GET")) == NativeRequest(**expected)


def test_what_is_in_the_body_wins_over_the_query_string() -> None:
    asked = read_native(request(b'{"query": "body"}', query_string="query=url&user=u"))
    assert (asked.query, asked.user) == ("body", "u")


def test_a_key_in_the_query_string_is_never_read() -> None:
    asked = read_native(
        request(content_type=None, query_string="api_key=x&access_token=x&Authorization=x", method="GET")
    )
    assert asked == NativeRequest()


def test_what_was_asked_is_the_request_without_its_nulls() -> None:
    assert read_native(request(b"{}")).asked() == Asked("", {}, "", "")
    asked = read_native(request(b'{"query": "q", "inputs": {"a": 1}, "conversation_id": "c", "user": "u"}')).asked()
    assert asked == Asked("q", {"a": 1}, "c", "u")


# -- What is refused -----------------------------------------------------------------------------------------------

REFUSALS: Final[Mapping[str, tuple[bytes, str | None, str, str]]] = {
    "an array": (b"[1]", JSON, "invalid_request", "must be a JSON object"),
    "a string": (b'"hi"', JSON, "invalid_request", "must be a JSON object"),
    "a number": (b"1", JSON, "invalid_request", "must be a JSON object"),
    "cut JSON": (b'{"query": "h', JSON, "invalid_request", "not valid JSON"),
    "trailing text": (b'{"query": "hi"} x', JSON, "invalid_request", "not valid JSON"),
    "two objects": (b'{"query": "hi"}{}', JSON, "invalid_request", "not valid JSON"),
    "no UTF-8": (b'{"query": "\xff"}', JSON, "invalid_request", "not valid JSON"),
    "a lone surrogate": (b'{"query": "\\ud800"}', JSON, "invalid_request", "not valid JSON"),
    "NaN": (b'{"inputs": {"n": NaN}}', JSON, "invalid_request", "not valid JSON"),
    "nested deep": (b'{"inputs": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}", JSON, "invalid_request", "deep"),
    "another charset": (b'{"query": "hi"}', "application/json; charset=latin-1", "unsupported_media_type", "UTF-8"),
    "text in another charset": (b"hi", "text/plain; charset=iso-8859-1", "unsupported_media_type", "UTF-8"),
    "text that is no UTF-8": (b"hi \xff", "text/plain", "invalid_request", "not UTF-8 at byte 3"),
    "a form that is no UTF-8": (b"query=\xff", FORM, "invalid_request", "UTF-8"),
    "another type": (b"<a/>", "application/xml", "unsupported_media_type", "application/xml"),
    "no type": (b"hi", None, "unsupported_media_type", "Content-Type"),
    "a query that is a number": (b'{"query": 5}', JSON, "invalid_request", "'query' must be a string"),
    "inputs that are a list": (b'{"inputs": []}', JSON, "invalid_request", "'inputs' must be an object"),
    "inputs that are text": (b'{"inputs": "{}"}', JSON, "invalid_request", "'inputs' must be an object"),
    "a conversation that is a number": (
        b'{"conversation_id": 1}',
        JSON,
        "invalid_request",
        "'conversation_id' must be a string",
    ),
    "a user that is an object": (b'{"user": {}}', JSON, "invalid_request", "'user' must be a string"),
    "an unknown response_mode": (
        b'{"response_mode": "fast"}',
        JSON,
        "invalid_request",
        "'response_mode' must be 'streaming' or 'blocking'",
    ),
    "files that are text": (b'{"files": "a.png"}', JSON, "invalid_request", "'files' must be a list"),
    "an unknown member": (b'{"qurey": "hi"}', JSON, "invalid_request", "'qurey'"),
    "an unknown field of a form": (b"qurey=hi", FORM, "invalid_request", "'qurey'"),
    "a form's inputs that are no JSON": (b"inputs=Oslo", FORM, "invalid_request", "not valid JSON"),
    "a form's inputs that are a list": (b"inputs=[1]", FORM, "invalid_request", "'inputs' must be an object"),
    "files that are none": (b'{"query": "hi", "files": [1]}', JSON, "invalid_request", "'files[0]' must be an object"),
    "a file in a form": (A_FILE, MULTIPART, "files_not_supported", "A form can't carry a file"),
    "multipart without its boundary": (b"--x\r\n", "multipart/form-data", "invalid_request", "multipart"),
    "multipart cut": (multipart(query="hi")[:-20], MULTIPART, "invalid_request", ""),
    "more fields than anyone sends": (
        multipart(**{f"inputs.n{n}": "" for n in range(11_000)}),
        MULTIPART,
        "payload_too_large",
        "",
    ),
    "10 MiB of JSON": (b'{"query": "' + b"x" * BODY_LIMIT + b'"}', JSON, "payload_too_large", "10 MiB"),
    "10 MiB of text": (b"x" * BODY_LIMIT, "text/plain", "payload_too_large", "10 MiB"),
    "10 MiB of a form": (b"query=" + b"x" * BODY_LIMIT, FORM, "payload_too_large", "10 MiB"),
    "10 MiB of multipart": (multipart(query="x" * BODY_LIMIT), MULTIPART, "payload_too_large", "10 MiB"),
    "10 MiB that are too much also for the type": (b"x" * BODY_LIMIT, "application/xml", "payload_too_large", "10 MiB"),
}
"""Body, content type, code, and what the sentence holds."""

STATUS: Final = {
    "invalid_request": 400,
    "files_not_supported": 400,
    "unsupported_media_type": 415,
    "payload_too_large": 413,
}


@pytest.mark.parametrize(("body", "content_type", "code", "says"), REFUSALS.values(), ids=list(REFUSALS))
def test_a_body_is_refused(body: bytes, content_type: str | None, code: str, says: str) -> None:
    error = refused(request(body, content_type))
    assert (error.code, error.status) == (code, STATUS[code])
    assert says in error.message


def test_a_body_of_one_byte_less_than_10_mib_is_whole() -> None:
    text = "x" * (BODY_LIMIT - 1)
    assert read_native(request(text.encode(), "text/plain")).query == text


def test_a_file_in_a_form_is_refused_with_the_ways_that_work() -> None:
    remedy = refused(request(A_FILE, MULTIPART)).remedy
    assert all(word in remedy for word in ("transfer_method", "remote_url", "/v1/files/upload"))


def test_files_are_those_of_difys_own_form() -> None:
    link = {"type": "image", "transfer_method": "remote_url", "url": "https://x/y.png"}
    kept = {"type": "image", "transfer_method": "local_file", "upload_file_id": "u"}
    asked = read_native(request(json.dumps({"files": [link, kept]}).encode())).asked()
    assert asked.files == (Attachment("image", "https://x/y.png", "files[0]"),)
    assert asked.dify_files == (link, kept)


@pytest.mark.parametrize(
    ("query_string", "code"),
    [("inputs=x", "invalid_request"), ("response_mode=fast", "invalid_request"), ("inputs=[]", "invalid_request")],
)
def test_a_query_string_is_refused(query_string: str, code: str) -> None:
    assert refused(request(content_type=None, query_string=query_string, method="GET")).code == code


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": ["hunter2hunter2"]}',
        b'{"inputs": "hunter2hunter2"}',
        b'{"response_mode": "hunter2hunter2"}',
        b'{"files": "hunter2hunter2"}',
        b'{"query": "hunter2hunter2',
    ],
)
def test_a_refusal_names_the_place_and_never_what_was_sent(body: bytes) -> None:
    assert "hunter2" not in refused(request(body)).sentence(with_cause=True)


def test_a_long_name_is_cut() -> None:
    error = refused(request(json.dumps({"x" * 100_000: 1}).encode()))
    assert len(error.sentence(with_cause=True)) < 1000


# -- Anything at all -----------------------------------------------------------------------------------------------

_types: Final = st.sampled_from(
    [JSON, FORM, MULTIPART, "text/plain", "multipart/form-data", None, "x/y", "a; charset=\x00"]
)


@given(body=st.binary(max_size=60), content_type=_types, query_string=st.text("ab=&%+.inputs", max_size=20))
@example(body=b"--x\r\nContent-Disposition: form-data\r\n\r\n", content_type=MULTIPART, query_string="")
@example(
    body=b"--x\r\nContent-Disposition: form-data; name*=utf-8''%ff\r\n\r\n\r\n--x--",
    content_type=MULTIPART,
    query_string="",
)
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str | None, query_string: str) -> None:
    _read_or_refused(request(body, content_type, query_string))


@given(
    value=json_values
    | st.dictionaries(st.sampled_from(sorted(EVERYTHING)) | st.text(max_size=4), json_values, max_size=4)
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    _read_or_refused(request(json.dumps(value).encode()))


def _read_or_refused(asked: Request) -> None:
    try:
        assert isinstance(read_native(asked), NativeRequest)
    except DuckError as refusal:
        assert refusal.status in (400, 413, 415)  # noqa: PT017 - what is refused is one of two good ends
