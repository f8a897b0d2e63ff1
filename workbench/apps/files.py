"""A file given as an input: Dify's checks of it, and what it becomes (facts: wire section 6).

Refuses with Dify's own sentences. Never fetches the URL: a file is judged by its name, as Dify does when the server
of the URL gives no answer, so its size is unknown. Uploaded files do not exist here.
"""

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

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


def build_file(mapping: Mapping[str, Any], rules: FileRules, *, strict: bool) -> dict[str, Any]:
    """The file as Dify's events show it.

    Checks in Dify's order: the transfer method, the link or id behind it, the type against the file's name (only if
    `strict`, which a workflow is for a single file), the variable's rules.
    """
    method = mapping.get("transfer_method")
    if not method:
        raise invalid_param("transfer_method is required in file mapping")
    if method == "local_file":
        raise _uploaded_file_missing(mapping)
    if method == "tool_file":
        raise invalid_param(f"ToolFile {mapping.get('tool_file_id')} not found")
    if method != "remote_url":
        raise invalid_param(f"No matching enum found for value '{method}'")
    url = mapping.get("url") or mapping.get("remote_url")
    if not url:
        raise invalid_param("Invalid file url")
    file = _remote_file(str(url), mapping.get("type"), strict=strict)
    if not _allowed(rules, mapping.get("type", "custom"), file):
        raise invalid_param(f"File validation failed for file: {file['filename']}")
    return file


def build_files(mappings: Sequence[Mapping[str, Any]], rules: FileRules) -> list[dict[str, Any]]:
    """The files of a list variable. Items without a transfer method or a link are left out, as Dify leaves them out."""
    return [build_file(mapping, rules, strict=False) for mapping in mappings if _is_whole(mapping)]


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


def _remote_file(url: str, given_type: str | None, *, strict: bool) -> dict[str, Any]:
    name = _file_name(url)
    mime_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    extension = mimetypes.guess_extension(mime_type) or PurePosixPath(name).suffix or ".bin"
    detected = _detected_type(extension, mime_type)
    if strict and given_type and given_type != detected:
        raise invalid_param("Detected file type does not match the specified type. Please verify the file.")
    return {
        "dify_model_identity": DIFY_FILE_IDENTITY,
        "extension": extension,
        "filename": name,
        "id": None,
        "mime_type": mime_type,
        "reference": None,
        "related_id": None,
        "remote_url": url,
        "size": UNKNOWN_SIZE,
        "transfer_method": "remote_url",
        "type": given_type if given_type and given_type != "custom" else detected,
        "url": url,
    }


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
