"""A file given as an input or with a message: Dify's checks of it, and what it becomes (facts: wire section 6).

Refuses with Dify's own sentences. Never fetches a URL: a file is judged by its name, as Dify does when the server of
the URL gives no answer, so its size is unknown. Of an upload only what is told of it is known, not its content.
"""

import base64
import json
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from workbench.app import Upload
from workbench.apps.refusals import invalid_param

DIFY_FILE_IDENTITY: Final = "__dify__file__"

UNKNOWN_SIZE: Final = -1
"""Bytes, as Dify notes them when a HEAD request brought no length."""

_EXTENSIONS: Final[Mapping[str, frozenset[str]]] = {
    "image": frozenset({"jpg", "jpeg", "png", "webp", "gif", "svg"}),
    "video": frozenset({"mp4", "mov", "mpeg", "webm"}),
    "audio": frozenset({"mp3", "m4a", "wav", "amr", "mpga"}),
    "document": frozenset(
        "txt markdown md mdx pdf html htm xlsx xls vtt properties doc docx csv eml msg ppt pptx xml epub".split()
    ),
}


@dataclass(frozen=True, slots=True)
class FileRules:
    """What a file variable allows. Empty types or methods allow all; empty extensions allow no custom file."""

    types: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


IMAGES: Final = FileRules(types=("image",), methods=("remote_url", "local_file"))
"""What an app with image upload takes with a message."""

IMAGE_LIMIT: Final = 3
"""Images with one message (`number_limits` of the recorded apps)."""


def message_images(mappings: Sequence[Mapping[str, Any]], uploads: Mapping[str, Upload]) -> list[dict[str, Any]]:
    """The files of a message to an app that takes images."""
    files = build_files(mappings, IMAGES, uploads)
    if len(files) > IMAGE_LIMIT:
        raise invalid_param(f"Number of image files exceeds the maximum limit {IMAGE_LIMIT}")
    return files


def build_file(
    mapping: Mapping[str, Any], rules: FileRules, uploads: Mapping[str, Upload], *, strict: bool
) -> dict[str, Any]:
    """The file as Dify's events show it.

    Checks in Dify's order: the transfer method, the link or id behind it, the type against the file's name (only if
    `strict`, which a workflow is for a single file), the variable's rules.
    """
    method = mapping.get("transfer_method")
    if not method:
        raise invalid_param("transfer_method is required in file mapping")
    file = _found(method, mapping, uploads, strict=strict)
    if not _allowed(rules, mapping.get("type", "custom"), file):
        raise invalid_param(f"File validation failed for file: {file['filename']}")
    return file


def build_files(
    mappings: Sequence[Mapping[str, Any]], rules: FileRules, uploads: Mapping[str, Upload]
) -> list[dict[str, Any]]:
    """The files of a list variable. Items without a transfer method or a link are left out, as Dify leaves them out."""
    return [build_file(mapping, rules, uploads, strict=False) for mapping in mappings if _is_whole(mapping)]


def _found(method: str, mapping: Mapping[str, Any], uploads: Mapping[str, Upload], *, strict: bool) -> dict[str, Any]:
    given_type = mapping.get("type")
    if method == "local_file":
        upload = uploads.get(str(mapping.get("upload_file_id")))
        if upload is None:
            raise _uploaded_file_missing(mapping)
        return _uploaded_file(upload, given_type, strict=strict)
    if method == "tool_file":
        raise invalid_param(f"ToolFile {mapping.get('tool_file_id')} not found")
    if method != "remote_url":
        raise invalid_param(f"No matching enum found for value '{method}'")
    url = mapping.get("url") or mapping.get("remote_url")
    if not url:
        raise invalid_param("Invalid file url")
    return _remote_file(str(url), given_type, strict=strict)


def _is_whole(mapping: Mapping[str, Any]) -> bool:
    method = mapping.get("transfer_method")
    return bool(method) and (method != "remote_url" or bool(mapping.get("url") or mapping.get("remote_url")))


def _uploaded_file_missing(mapping: Mapping[str, Any]) -> Exception:
    upload_id = mapping.get("upload_file_id")
    if not upload_id:
        return invalid_param("Invalid upload file id")
    try:
        UUID(str(upload_id))
    except ValueError:
        return invalid_param("Invalid upload file id format")
    return invalid_param("Invalid upload file")


def _uploaded_file(upload: Upload, given_type: str | None, *, strict: bool) -> dict[str, Any]:
    """As recorded in `workflow-inputs-localfile`."""
    extension = f".{upload.extension}"
    record = json.dumps({"record_id": upload.id}, separators=(",", ":"))
    return {
        "dify_model_identity": DIFY_FILE_IDENTITY,
        "id": None,
        "type": _type(given_type, _detected_type(extension, upload.mime_type), strict=strict),
        "transfer_method": "local_file",
        "remote_url": "",
        "reference": "dify-file-ref:" + base64.b64encode(record.encode()).decode(),
        "filename": upload.name,
        "extension": extension,
        "mime_type": upload.mime_type,
        "size": upload.size,
        "related_id": upload.id,
        "url": upload.url,
    }


def _remote_file(url: str, given_type: str | None, *, strict: bool) -> dict[str, Any]:
    name = _file_name(url)
    mime_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    extension = mimetypes.guess_extension(mime_type) or PurePosixPath(name).suffix or ".bin"
    return {
        "dify_model_identity": DIFY_FILE_IDENTITY,
        "id": None,
        "type": _type(given_type, _detected_type(extension, mime_type), strict=strict),
        "transfer_method": "remote_url",
        "remote_url": url,
        "reference": None,
        "filename": name,
        "extension": extension,
        "mime_type": mime_type,
        "size": UNKNOWN_SIZE,
        "related_id": None,
        "url": url,
    }


def _type(given: str | None, detected: str, *, strict: bool) -> str:
    if strict and given and given != detected:
        raise invalid_param("Detected file type does not match the specified type. Please verify the file.")
    return given if given and given != "custom" else detected


def _file_name(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError as error:
        raise invalid_param(str(error)) from error
    return PurePosixPath(unquote(path)).name or "file"


def _detected_type(extension: str, mime_type: str) -> str:
    for kind, extensions in _EXTENSIONS.items():
        if extension.removeprefix(".").lower() in extensions:
            return kind
    family = mime_type.partition("/")[0]
    return family if family in _EXTENSIONS else "custom"


def _allowed(rules: FileRules, given_type: str, file: Mapping[str, Any]) -> bool:
    if given_type == "custom":
        return file["extension"] in rules.extensions and _method_allowed(rules, file)
    if rules.types and given_type not in rules.types:
        return False
    # Dify looks up an image's methods in a setting that inputs do not have, so any method passes for an image.
    return given_type == "image" or _method_allowed(rules, file)


def _method_allowed(rules: FileRules, file: Mapping[str, Any]) -> bool:
    return not rules.methods or file["transfer_method"] in rules.methods
