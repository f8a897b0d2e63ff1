"""The `files` of a request in Dify's own form (wire section 6)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.call import Attachment
from gateway.errors import DuckError

LINKED: Final = "remote_url"
"""The transfer method of a link, and of a `data:` URL in its place."""

_TEXTS: Final = ("type", "transfer_method", "url", "remote_url", "upload_file_id")
"""Members that are texts, whatever the way to Dify makes of them."""

_FILE_TYPES: Final = frozenset({"image", "document", "audio", "video", "custom"})
"""As an app's input form names them."""


def linked_files(files: Iterable[Mapping[str, Any]]) -> Iterator[Attachment]:
    """Those of Dify's `files` that are links. An uploaded file's id, and a data URL, are for a way that can carry them.

    Raises a 400 for a link that is none, and for a file whose members no Dify could read.
    """
    for index, item in enumerate(files):
        place = f"files[{index}]"
        _check_texts(item, place)
        url = _url(item, place) if item.get("transfer_method") == LINKED else ""
        if url.lower().startswith(("http://", "https://")):
            yield Attachment(_type(item, place), url, place)


def _check_texts(item: Mapping[str, Any], place: str) -> None:
    wrong = next((name for name in _TEXTS if not isinstance(item.get(name), str | None)), None)
    if wrong is not None:
        raise DuckError("invalid_request", f"'{place}.{wrong}' must be a string.")


def link_of(item: Mapping[str, Any]) -> object:
    """What stands where a link may (Dify: factories/file_factory/builders.py takes both names)."""
    return item.get("url") or item.get("remote_url")


def _url(item: Mapping[str, Any], place: str) -> str:
    url = link_of(item)
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://", "data:")):
        raise DuckError("invalid_request", f"'{place}.url' must be a link.", "Send one that begins with https://.")
    return url


def _type(item: Mapping[str, Any], place: str) -> str:
    type_ = item.get("type")
    if not isinstance(type_, str) or type_ not in _FILE_TYPES:
        raise DuckError("invalid_request", f"'{place}.type' must be one of {', '.join(sorted(_FILE_TYPES))}.")
    return type_
