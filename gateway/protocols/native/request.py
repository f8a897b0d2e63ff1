"""The native request: JSON, a form, plain text or the query string, read into one typed value.

Checks, the first that fails wins: 1 size, 2 content type and charset, 3 syntax, 4 types and unknown members, 5 what the
platform can't carry. What is in the body wins over the query string. A key is never read here.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict
from werkzeug import Request

from gateway.body import (
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
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.protocols.dify.files import linked_files
from gateway.wire import read_json

_INPUT: Final = "inputs."
_TYPES: Final = "application/json, application/x-www-form-urlencoded, multipart/form-data or text/plain"


class NativeRequest(BaseModel):
    """What a caller sent. A missing member and null mean the same."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query: str | None = None
    inputs: dict[str, Any] | None = None
    conversation_id: str | None = None
    files: list[dict[str, Any]] | None = None
    user: str | None = None
    response_mode: Literal["streaming", "blocking"] | None = None

    def asked(self) -> Asked:
        """What concerns the app."""
        files = self.files or []
        return Asked(
            self.query or "",
            self.inputs or {},
            self.conversation_id or "",
            self.user or "",
            files=tuple(linked_files(files)),
            dify_files=tuple(files),
        )


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
    return validated(NativeRequest, fields)


def _from_body(request: Request) -> dict[str, Any]:
    mimetype = request.mimetype
    if mimetype == "multipart/form-data":
        pairs, has_files = multipart_pairs(request)
        if has_files:
            raise _no_files()
        return _from_pairs(pairs, is_body=True)
    body = read_body(request)
    if not body.strip():
        return {}
    check_charset(request)
    if mimetype == "text/plain":
        return {"query": text_of(body)}
    if is_json(request, body):
        return json_object(body)
    if mimetype == "application/x-www-form-urlencoded":
        return _from_pairs(form_pairs(body), is_body=True)
    raise unsupported_type(mimetype, _TYPES)


def _from_pairs(pairs: list[tuple[str, str]], *, is_body: bool) -> dict[str, Any]:
    """Fields of a form, or of the query string: `inputs` as JSON text, or `inputs.NAME=value` one by one.

    A form's unknown fields are refused as JSON's are; the query string may carry what is none of Duck's business.
    """
    pairs = [pair for pair in pairs if is_body or pair[0] in NativeRequest.model_fields or _is_input(pair[0])]
    check_given_once(name for name, _ in pairs)
    fields: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for name, value in pairs:
        if _is_input(name):
            inputs[name.removeprefix(_INPUT)] = value
        elif name == "inputs":
            fields["inputs"] = (
                read_json(value.encode("utf-8", "replace"), "The field 'inputs'") if value.strip() else {}
            )
        elif name == "files":
            fields["files"] = read_json(value.encode("utf-8", "replace"), "The field 'files'") if value.strip() else []
        else:
            fields[name] = value
    if inputs:
        given = fields.get("inputs")
        members = given if isinstance(given, dict) else {}
        check_given_once([*members, *inputs])
        fields["inputs"] = {**members, **inputs}
    return fields


def _is_input(name: str) -> bool:
    return name.startswith(_INPUT) and len(name) > len(_INPUT)


def _no_files() -> DuckError:
    return DuckError(
        "files_not_supported",
        "A form can't carry a file here.",
        'Send a link as JSON, {"files": [{"type": "document", "transfer_method": "remote_url", "url": "https://…"}]}; '
        "or upload the file first, at /v1/files/upload, where the app's own key is in dify_api_keys.",
    )
