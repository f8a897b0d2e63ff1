"""A message's content, as OpenAI's two APIs write it: a text, or a list of parts, of which some are files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.call import Attachment, type_of_link
from gateway.errors import DuckError

_TEXT_TYPES: Final = frozenset({"text", "input_text", "output_text"})
_FILE_TYPES: Final[Mapping[str, str]] = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "file": "document",
    "input_file": "document",
}
"""Parts that are files, and what Dify calls them."""

_AUDIO: Final[Mapping[str, str]] = {"mp3": "mpeg", "wav": "wav"}
"""OpenAI's formats, and their MIME types (RFC 3003; `wav` is registered nowhere)."""

_PASSED_OVER: Final = frozenset({"refusal", "reasoning", "summary_text"})
"""Parts of a model's own messages, which a client sends back."""

_URL_MEMBERS: Final = ("url", "image_url", "file_url", "file_data", "file_id", "data")
"""Where a link may stand; the last three are meant for bytes and ids, and some clients put links there."""


@dataclass(frozen=True, slots=True)
class Content:
    """A message's text, and its files."""

    text: str
    files: tuple[Attachment, ...]


def read_content(content: object, place: str) -> Content:
    """The content of a message. place: where it stands, as an error names it.

    Text parts are joined as they are. Raises a 400 that names the part which can't be read.
    """
    match content:
        case None:
            return Content("", ())
        case str():
            return Content(content, ())
        case list():
            pieces = [piece for index, part in enumerate(content) for piece in _read_part(part, f"{place}[{index}]")]
            text = "".join(piece for piece in pieces if isinstance(piece, str))
            return Content(text, tuple(piece for piece in pieces if isinstance(piece, Attachment)))
        case _:
            raise DuckError("invalid_request", f"'{place}' must be a string or a list of parts.")


def text_in(content: object) -> str:
    """The text of a message, whatever else is in it."""
    parts = content if isinstance(content, list) else [content]
    texts = (part.get("text") if isinstance(part, dict) and _type(part) in _TEXT_TYPES else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _read_part(part: object, place: str) -> Iterator[str | Attachment]:
    if isinstance(part, str):
        yield part
        return
    if not isinstance(part, dict):
        raise DuckError("invalid_request", f"'{place}' must be an object with a type.")
    type_ = _type(part)
    if type_ in _TEXT_TYPES:
        text = part.get("text")
        if not isinstance(text, str):
            raise DuckError("invalid_request", f"'{place}.text' must be a string.")
        yield text
    elif type_ in _FILE_TYPES:
        url = _sound_of(part) or _url_of(part, place)
        yield Attachment(_type_of_file(_FILE_TYPES[type_], url), url, place)
    elif type_ not in _PASSED_OVER:
        raise DuckError(
            "invalid_request",
            f"'{place}' is a part of a type that Duck does not know.",
            f"It knows {', '.join(sorted(_TEXT_TYPES | _FILE_TYPES.keys()))}.",
        )


def _type(part: Mapping[str, Any]) -> str:
    """The part's type; `""` for none that could be a name."""
    type_ = part.get("type")
    return type_ if isinstance(type_, str) else ""


def _type_of_file(told: str, url: str) -> str:
    """What Dify calls the file: a part for files of any kind holds what its link ends in."""
    return type_of_link(url) if told == "document" else told


def _sound_of(part: Mapping[str, Any]) -> str:
    """The bytes of an `input_audio`, which are bare base64 beside their format, as a data URL; `""` for a link."""
    sound = part.get("input_audio")
    data, format_ = (sound.get("data"), sound.get("format")) if isinstance(sound, dict) else (None, None)
    if not isinstance(data, str) or ":" in data:
        return ""
    return f"data:audio/{_AUDIO.get(str(format_), 'wav')};base64,{data}"


def _url_of(part: Mapping[str, Any], place: str) -> str:
    """The link in a file's part, which stands in the part or one level down."""
    inner = part.get(_type(part))
    for members in (part, inner):
        if isinstance(members, str):
            url = members
        elif isinstance(members, dict):
            found = (members.get(name) for name in _URL_MEMBERS)
            url = next((value for value in found if isinstance(value, str)), "")
        else:
            url = ""
        if url:
            return _link(url.strip(), place)
    raise _no_link(place)


def _link(url: str, place: str) -> str:
    if not url.lower().startswith(("http://", "https://", "data:")):
        raise _no_link(place)
    return url


def _no_link(place: str) -> DuckError:
    return DuckError(
        "files_not_supported",
        f"'{place}' is a file without an http(s) link or a data: URL; a file's id of OpenAI's means nothing here.",
        "Send a link that Dify can reach; bytes reach an app only where its own key is in dify_api_keys.",
    )
