"""The native request: JSON, a form, plain text or the query string, read into one typed value.

Checks, the first that fails wins: 1 size, 2 content type and charset, 3 syntax, 4 types and unknown members, 5 what the
platform can't carry. What is in the body wins over the query string. A key is never read here.
"""

import codecs
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug import Request
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.call import Asked
from gateway.errors import DuckError
from gateway.wire import read_json

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Bytes; the daemon cuts a body here without a word, so one of just this length is not whole (law 10)."""

_NO_BODY: Final = b"0\r\n\r\n"
"""A POST without a body arrives with these five bytes as one: Go writes it in chunks, and the SDK does not decode them
(Go: net/http transfer.go; SDK: core/utils/http_parser.py).
"""

_JSON_TYPES: Final = frozenset({"application/json", "text/json", "application/x-json"})
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_INPUT: Final = "inputs."
_MOST_FIELDS: Final = 10_000
"""Fields of a form (own choice: each costs some 10 µs, and all streams wait meanwhile)."""

_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "a string",
    "dict_type": "an object",
    "list_type": "a list",
    "literal_error": "'streaming' or 'blocking'",
}
"""pydantic's error types in JSON's words."""


class NativeRequest(BaseModel):
    """What a caller sent. A missing member and null mean the same."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query: str | None = None
    inputs: dict[str, Any] | None = None
    conversation_id: str | None = None
    files: list[Any] | None = None
    user: str | None = None
    response_mode: Literal["streaming", "blocking"] | None = None

    def asked(self) -> Asked:
        """What concerns the app."""
        return Asked(self.query or "", self.inputs or {}, self.conversation_id or "", self.user or "")


def read_native(request: Request) -> NativeRequest:
    """The request's content. Raises `DuckError`: 400, 413, 415."""
    fields = {**_from_pairs(list(request.args.items(multi=True)), is_body=False), **_from_body(request)}
    unknown = next((name for name in fields if name not in NativeRequest.model_fields), None)
    if unknown is not None:
        raise DuckError(
            "invalid_request",
            f"Duck does not know the member '{unknown[:100]}'.",
            f"It knows {', '.join(NativeRequest.model_fields)}; text alone is sent as text/plain.",
        )
    if fields.get("response_mode") == "":
        del fields["response_mode"]
    try:
        asked = NativeRequest.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from error
    _check_carriable(asked)
    return asked


def read_body(request: Request) -> bytes:
    """The body, whole. Raises `payload_too_large` for one that the platform may have cut."""
    body = request.get_data()
    if len(body) >= BODY_LIMIT:
        raise DuckError(
            "payload_too_large",
            "The body has 10 MiB or more, and Dify's plugin daemon cuts it there.",
            "Send less, or a link to a file as a file input.",
        )
    return b"" if body == _NO_BODY else body.removeprefix(codecs.BOM_UTF8)


def _from_body(request: Request) -> dict[str, Any]:
    mimetype = request.mimetype
    if mimetype == "multipart/form-data":
        return _from_multipart(request)
    body = read_body(request)
    if not body.strip():
        return {}
    if request.mimetype_params.get("charset", "").strip("\"'").lower() not in _UTF8:
        raise DuckError("unsupported_media_type", "The body is not in UTF-8.", "Send it in UTF-8.")
    if mimetype == "application/x-www-form-urlencoded" and not body.lstrip().startswith(b"{"):
        return _from_pairs(_form_pairs(body), is_body=True)
    if mimetype == "text/plain":
        return {"query": _text(body)}
    if mimetype in _JSON_TYPES or mimetype.endswith("+json") or body.lstrip().startswith(b"{"):
        return _json_object(body)
    raise DuckError(
        "unsupported_media_type",
        f"Duck does not read bodies of the type {mimetype[:100]}." if mimetype else "The body has no Content-Type.",
        "Send application/json, application/x-www-form-urlencoded, multipart/form-data or text/plain.",
    )


def _form_pairs(body: bytes) -> list[tuple[str, str]]:
    if body.count(b"&") >= _MOST_FIELDS:
        raise _too_many_fields()
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise DuckError("invalid_request", "A field of the form is not UTF-8.", "Send it in UTF-8.") from error


def _too_many_fields() -> DuckError:
    return DuckError(
        "payload_too_large", f"The form has more than {_MOST_FIELDS:,} fields.", "Send the inputs as JSON."
    )


def _from_multipart(request: Request) -> dict[str, Any]:
    read_body(request)
    request.max_form_memory_size, request.max_form_parts = BODY_LIMIT, _MOST_FIELDS
    try:
        form, files = request.form, request.files
    except RequestEntityTooLarge as error:
        raise _too_many_fields() from error
    if files:
        raise _no_files("A file in a form")
    if not form:
        raise DuckError(
            "invalid_request",
            "No field of the multipart form can be read.",
            "See that its Content-Type names the boundary, and that the body is whole.",
        )
    return _from_pairs(list(form.items(multi=True)), is_body=True)


def _json_object(body: bytes) -> dict[str, Any]:
    """The members of a JSON body. curl -d sends JSON as a form; what begins with a brace is meant as JSON."""
    value = read_json(body, "The body")
    if not isinstance(value, dict):
        raise DuckError("invalid_request", "The body must be a JSON object.", 'Send for example {"query": "Hello"}.')
    return value


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise DuckError(
            "invalid_request", f"The body is not UTF-8 at byte {error.start}.", "Send it in UTF-8."
        ) from error


def _from_pairs(pairs: list[tuple[str, str]], *, is_body: bool) -> dict[str, Any]:
    """Fields of a form, or of the query string: `inputs` as JSON text, or `inputs.NAME=value` one by one.

    A form's unknown fields are refused as JSON's are; the query string may carry what is none of Duck's business.
    """
    fields: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for name, value in pairs:
        if name.startswith(_INPUT) and len(name) > len(_INPUT):
            inputs[name.removeprefix(_INPUT)] = value
        elif name == "inputs":
            fields["inputs"] = (
                read_json(value.encode("utf-8", "replace"), "The field 'inputs'") if value.strip() else {}
            )
        elif name == "files":
            fields["files"] = [value]
        elif is_body or name in NativeRequest.model_fields:
            fields[name] = value
    if inputs:
        given = fields.get("inputs")
        fields["inputs"] = {**(given if isinstance(given, dict) else {}), **inputs}
    return fields


def _check_carriable(asked: NativeRequest) -> None:
    if asked.files:
        raise _no_files("'files'")


def _no_files(what: str) -> DuckError:
    return DuckError(
        "files_not_supported",
        f"{what} can't reach the app, for the platform's way from a plugin to an app drops it.",
        'Give the app a file input and send a link: {"inputs": {"NAME": {"type": "document", "transfer_method": '
        '"remote_url", "url": "https://…"}}}.',
    )


def _invalid(error: ValidationError) -> DuckError:
    """The first fault of a body, in words: where, and what was expected; never what was sent."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:100] or "the body"
    expected = _EXPECTED.get(first["type"], "of another type")
    return DuckError("invalid_request", f"'{place}' must be {expected}.")
