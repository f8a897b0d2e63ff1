"""A delivery's body, whatever its sender makes of it: JSON, a form with or without one file, or text.

A form whose only field is `payload`, with JSON in it, is read as that JSON: GitHub and Slack send theirs so. Strict as
all bodies are (`gateway.body`), but for a field that comes twice, which is a list: a sender can't be told to send it
once.
"""

import base64
import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from werkzeug import Request
from werkzeug.datastructures import FileStorage

from gateway.body import check_charset, form_pairs, is_json, multipart_pairs, read_body, text_of, unsupported_type
from gateway.call import Attachment, type_of_link
from gateway.errors import DuckError
from gateway.wire import json_text, read_json

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
TEXT: Final = "text/plain"

_PAYLOAD: Final = "payload"
_TYPES: Final = f"application/json, {FORM}, {MULTIPART}, text or XML"
_OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Content:
    """What was sent. value: JSON's value, or a form's fields by name; None for plain text. text: the whole of it."""

    value: Any
    text: str
    files: tuple[Attachment, ...] = ()


def read_content(request: Request) -> Content:
    """The body. Raises `DuckError`: 400, 413, 415."""
    if request.mimetype == MULTIPART:
        return _multipart(request)
    body = read_body(request)
    check_charset(request)
    if request.mimetype == TEXT:
        return Content(_json_in(body), text_of(body))
    if is_json(request, body) and body.strip():
        return Content(read_json(body, "The body"), text_of(body))
    if request.mimetype == FORM:
        return _fields(form_pairs(body), text_of(body))
    if _is_text(request.mimetype) or not body:
        return Content(None, text_of(body))
    raise unsupported_type(request.mimetype, _TYPES)


def _json_in(body: bytes) -> Any:
    """The object in a plain text, which some senders call their JSON; None for what is none."""
    try:
        return read_json(body, "The body") if body.lstrip().startswith(b"{") else None
    except DuckError:
        return None


def _is_text(mimetype: str) -> bool:
    return not mimetype or mimetype.startswith("text/") or mimetype.endswith(("/xml", "+xml"))


def _fields(pairs: Iterable[tuple[str, str]], text: str) -> Content:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    fields = {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    payload = fields.get(_PAYLOAD)
    if len(fields) == 1 and isinstance(payload, str) and payload.lstrip().startswith("{"):
        return Content(read_json(payload.encode("utf-8", "replace"), f"The field '{_PAYLOAD}'"), payload)
    return Content(fields, text)


def _multipart(request: Request) -> Content:
    pairs, _ = multipart_pairs(request)
    files = list(request.files.items(multi=True))
    if len(files) > 1:
        raise DuckError("invalid_request", "The form has more than one file.", "Send one file at a time.")
    read = _fields(pairs, "")
    text = read.text or (json_text(read.value) if pairs else "")
    return Content(read.value, text, tuple(_attachment(name, file) for name, file in files))


def _attachment(name: str, file: FileStorage) -> Attachment:
    """The file as bytes in a link; its type by what its sender says, else by its name."""
    mime_type = file.mimetype
    if mime_type in ("", _OCTETS):
        mime_type = mimetypes.guess_type(file.filename or "")[0] or _OCTETS
    url = f"data:{mime_type};base64,{base64.b64encode(file.read()).decode()}"
    return Attachment(type_of_link(url), url, name[:100])
