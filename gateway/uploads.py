"""A call's files that came as bytes: given to Dify before the run, where the way to the app carries them."""

import base64
import binascii
import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from gateway.call import AppCall, Attachment
from gateway.errors import DuckError
from gateway.events import Raw
from gateway.protocols.dify.files import LINKED, link_of
from gateway.transports.interface import AppTransport

DATA_URL: Final = "data:"
"""RFC 2397."""

MOST_UPLOADS: Final = 50
"""Files as bytes in one call (own choice; Dify takes 10 in a list at most unless it is told otherwise)."""

MEBIBYTE: Final = 1024 * 1024

_SIZE_LIMITS: Final[Mapping[str, str]] = {
    **dict.fromkeys("jpg jpeg png webp gif svg".split(), "image_file_size_limit"),
    **dict.fromkeys("mp4 mov mpeg webm".split(), "video_file_size_limit"),
    **dict.fromkeys("mp3 m4a wav amr mpga".split(), "audio_file_size_limit"),
}
"""Which of an app's `system_parameters`, in MiB, limits a file of this extension (Dify: constants/__init__.py)."""

_OTHER_LIMIT: Final = "file_size_limit"

_TYPES_BY_NAME: Final = frozenset({"image", "audio", "video"})
"""Types of a file that the first part of its MIME type is named after."""


def with_uploads(call: AppCall, transport: AppTransport) -> AppCall:
    """The call with ids of Dify's in place of bytes, beside the query and in the inputs.

    Raises a 400 that names the part, where only links are carried or the bytes can't be meant, and a 413 for too much.
    """
    count = sum(_is_data(file.url) for file in call.files) + sum(map(_is_data_item, call.dify_files))
    count += sum(map(_is_data_item, _items_in(call.inputs.values())))
    if not count:
        return call
    if count > MOST_UPLOADS:
        raise DuckError("payload_too_large", f"The call has more than {MOST_UPLOADS} files as bytes.", "Send fewer.")
    upload = _Uploading(call.app.app_id, transport)
    files = tuple(upload.attachment(file) if _is_data(file.url) else file for file in call.files)
    listed = tuple(upload.item(item, f"files[{index}]") for index, item in enumerate(call.dify_files))
    inputs = {name: upload.value(value, f"inputs.{name}") for name, value in call.inputs.items()}
    return replace(call, files=files, dify_files=listed, inputs=inputs)


def _items_in(values: Iterable[object]) -> Iterator[Raw]:
    """What `_Uploading.value` looks at: objects that are inputs, each alone or in lists."""
    for value in values:
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list):
            yield from _items_in(value)


def _is_data_item(item: Raw) -> bool:
    return item.get("transfer_method") == LINKED and _is_data(link_of(item))


def _is_data(url: object) -> bool:
    return isinstance(url, str) and url[: len(DATA_URL)].lower() == DATA_URL


class _Uploading:
    """Gives Dify the files of one call."""

    def __init__(self, app_id: str, transport: AppTransport) -> None:
        self._app_id = app_id
        self._transport = transport
        self._parameters: Raw | None = None

    def attachment(self, file: Attachment) -> Attachment:
        return replace(file, url="", upload_id=self._upload(file.url, file.type, file.part))

    def value(self, value: Any, part: str) -> Any:
        if isinstance(value, list):
            return [self.value(item, f"{part}[{index}]") for index, item in enumerate(value)]
        return self.item(value, part) if isinstance(value, dict) else value

    def item(self, item: Raw, part: str) -> dict[str, Any]:
        """A file in Dify's own form; a data URL stands where a link may."""
        if not _is_data_item(item):
            return dict(item)
        upload_id = self._upload(str(link_of(item)), str(item.get("type")), part)
        rest = {name: value for name, value in item.items() if name not in ("url", "remote_url")}
        return {**rest, "transfer_method": "local_file", "upload_file_id": upload_id}

    def _upload(self, url: str, type_: str, part: str) -> str:
        if not self._transport.has_app_key:
            raise links_only(part)
        mime_type, content = _decoded(url, part)
        if type_ in _TYPES_BY_NAME and mime_type.partition("/")[0] != type_:
            raise DuckError("invalid_request", f"'{part}' is to be of the type {type_}, and its data URL is not.")
        if self._parameters is None:
            self._parameters = self._transport.parameters(self._app_id)
        filename = f"file{mimetypes.guess_extension(mime_type) or ''}"
        check_size(filename, content, self._parameters)
        return self._transport.upload(filename, content, mime_type)


def check_size(filename: str, content: bytes, parameters: Raw) -> None:
    """What Dify would refuse is not sent. Raises `payload_too_large`."""
    name = _SIZE_LIMITS.get(filename.rpartition(".")[2].lower(), _OTHER_LIMIT)
    limits = parameters.get("system_parameters")
    limit = limits.get(name) if isinstance(limits, Mapping) else None
    if isinstance(limit, int) and len(content) > limit * MEBIBYTE:
        raise DuckError(
            "payload_too_large",
            f"The file has {len(content):,} bytes, and this Dify takes {limit} MiB of its type.",
            "Send a smaller one.",
        )


def links_only(part: str) -> DuckError:
    """For a file that is no link, of an app without a key of its own."""
    return DuckError(
        "files_not_supported",
        f"'{part}' is a file that is no http(s) link, and the platform's way from a plugin to an app carries no other.",
        "Send a link that Dify can reach; or the endpoint's operator puts the app's own key into dify_api_keys.",
    )


def _decoded(url: str, part: str) -> tuple[str, bytes]:
    """MIME type and bytes of a data URL; `text/plain` is the default (RFC 2397, 2)."""
    head, comma, data = url[len(DATA_URL) :].partition(",")
    mime_type, *parameters = head.split(";")
    is_base64 = any(parameter.strip().lower() == "base64" for parameter in parameters)
    content = unquote_to_bytes(data)
    try:
        content = base64.b64decode(content, validate=True) if is_base64 else content
    except binascii.Error:
        content = b""
    if not comma or not content:
        raise DuckError("invalid_request", f"'{part}' is an empty data URL, or none that can be read.", "See RFC 2397.")
    return mime_type.strip().lower() or "text/plain", content
