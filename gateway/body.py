"""A request's body, read the same way whatever the protocol: its size, its charset, JSON and form fields.

Decided once for all routes: a body that the platform may have cut is refused; a byte order mark is skipped; what is not
UTF-8, a member that is given twice, NaN, a lone surrogate and more than `MAX_JSON_DEPTH` levels are refused. An error
says where the fault is and never what was sent.
"""

import codecs
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from werkzeug import Request
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.errors import DuckError
from gateway.wire import read_json

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Bytes; the daemon cuts a body here without a word, so one of just this length is not whole (law 10)."""

MOST_FIELDS: Final = 10_000
"""Fields of a form (own choice: each costs some 10 µs, and all streams wait meanwhile)."""

_NO_BODY: Final = b"0\r\n\r\n"
"""A POST without a body arrives with these five bytes as one: Go writes it in chunks, and the SDK does not decode them
(Go: net/http transfer.go; SDK: core/utils/http_parser.py).
"""

_JSON_TYPES: Final = frozenset({"application/json", "text/json", "application/x-json"})
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})

_EXPECTED: Final[Mapping[str, str]] = {
    "missing": "must be given",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long",
    "too_short": "must not be empty",
    "bool_type": "must be true or false",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "int_type": "must be a whole number",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "literal_error": "must be 'streaming' or 'blocking'",
}
"""pydantic's error types in JSON's words."""


def read_body(request: Request) -> bytes:
    """The body, whole, without a byte order mark. Raises `payload_too_large` for one that the platform may have cut."""
    return raw_body(request).removeprefix(codecs.BOM_UTF8)


def raw_body(request: Request) -> bytes:
    """The same as it was sent, to the byte; a signature is over this."""
    body = request.get_data()
    if len(body) >= BODY_LIMIT:
        raise DuckError(
            "payload_too_large",
            "The body has 10 MiB or more, and Dify's plugin daemon cuts it there.",
            "Send less, or a link to a file as a file input.",
        )
    return b"" if body == _NO_BODY else body


def check_charset(request: Request) -> None:
    """Raises `unsupported_media_type` for a body that says that it is not in UTF-8."""
    if request.mimetype_params.get("charset", "").strip("\"'").lower() not in _UTF8:
        raise DuckError("unsupported_media_type", "The body is not in UTF-8.", "Send it in UTF-8.")


def is_json(request: Request, body: bytes) -> bool:
    """Whether the body is meant as JSON: by its type, or as it begins, for curl -d calls it a form."""
    mimetype = request.mimetype
    return mimetype in _JSON_TYPES or mimetype.endswith("+json") or body.lstrip().startswith(b"{")


def json_object(body: bytes) -> dict[str, Any]:
    """The members of a JSON body."""
    value = read_json(body, "The body")
    if not isinstance(value, dict):
        raise DuckError("invalid_request", "The body must be a JSON object.", 'Send for example {"query": "Hello"}.')
    return value


def read_json_object(request: Request) -> dict[str, Any]:
    """The members of a body on a route that takes nothing but JSON; none of an empty one."""
    body = read_body(request)
    if not body.strip():
        return {}
    check_charset(request)
    if not is_json(request, body):
        raise unsupported_type(request.mimetype, "application/json")
    return json_object(body)


def text_of(body: bytes) -> str:
    """A body of plain text."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise DuckError(
            "invalid_request", f"The body is not UTF-8 at byte {error.start}.", "Send it in UTF-8."
        ) from error


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """The fields of an `application/x-www-form-urlencoded` body."""
    if body.count(b"&") >= MOST_FIELDS:
        raise _too_many_fields()
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise DuckError("invalid_request", "A field of the form is not UTF-8.", "Send it in UTF-8.") from error


def multipart_pairs(request: Request) -> tuple[list[tuple[str, str]], bool]:
    """The fields of a multipart form, and whether there are files in it."""
    body = read_body(request)
    check_charset(request)
    request.max_form_memory_size, request.max_form_parts = BODY_LIMIT, MOST_FIELDS
    try:
        form, files = request.form, request.files
    except RequestEntityTooLarge as error:
        raise _too_many_fields() from error
    if not form and not files:
        raise DuckError(
            "invalid_request",
            "No field of the multipart form can be read.",
            "See that its Content-Type names the boundary, and that the body is whole.",
        )
    if not files:
        text_of(body)  # werkzeug would put other characters in place of what is not UTF-8
    # A part whose name can't be read has none.
    return [(name or "", value) for name, value in form.items(multi=True)], bool(files)


def check_given_once(names: Iterable[str]) -> None:
    """Raises `invalid_request` for a name that comes twice: which of the two was meant can't be told."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DuckError("invalid_request", f"'{name[:100]}' is given twice.", "Send it once.")
        seen.add(name)


def unsupported_type(mimetype: str, supported: str) -> DuckError:
    """For a body of a type that a route does not read. supported: the types that it does."""
    return DuckError(
        "unsupported_media_type",
        f"Duck does not read bodies of the type {mimetype[:100]}." if mimetype else "The body has no Content-Type.",
        f"Send {supported}.",
    )


def validated[M: BaseModel](model: type[M], members: Mapping[str, Any]) -> M:
    """The members as this model. Raises `invalid_request` that says what is wrong with the first that is."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> DuckError:
    """The first fault of a body, in words: where, and what was expected; never what was sent."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])[1:101] or "the body"
    return DuckError("invalid_request", f"'{place}' {_EXPECTED.get(first['type'], 'must be of another type')}.")


def _too_many_fields() -> DuckError:
    return DuckError("payload_too_large", f"The form has more than {MOST_FIELDS:,} fields.", "Send the inputs as JSON.")
