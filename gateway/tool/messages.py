"""What a tool says, as the SDK's messages: texts, links, images, variables and JSON, each fit for the way to Dify.

A message is one line on the plugin's output, and one more of the daemon's, which Dify cuts where Python's `splitlines`
does. JSON escapes all that it cuts at but U+0085, so that becomes a newline.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pydantic_core
from dify_plugin.entities.tool import ToolInvokeMessage

from gateway.errors import DuckError
from gateway.events import File
from gateway.transports.reverse import MAX_LINE
from gateway.wire import json_bytes

MAX_TEXT: Final = 200_000
"""Characters of one text (law 7: as JSON a character takes six bytes at most, and a line has 5 MiB)."""

_TYPES: Final[Mapping[str, str]] = {"image": "image/png", "audio": "audio/mpeg", "video": "video/mp4"}
"""What Dify is told of a file whose MIME type the app does not tell, by Dify's own type of it: the one that an agent's
files are sorted by."""

_NEXT_LINE: Final = "\u0085"
_Type: Final = ToolInvokeMessage.MessageType


def clean(text: str) -> str:
    """The text as the way to Dify carries it: whole characters, and lines that end as JSON escapes it."""
    return text.encode("utf-8", "replace").decode().replace(_NEXT_LINE, "\n")


def texts(text: str) -> Iterator[ToolInvokeMessage]:
    """The text, in as many messages as it needs; none for `""`."""
    text = clean(text)
    for start in range(0, len(text), MAX_TEXT):
        yield _text_message(_Type.TEXT, text[start : start + MAX_TEXT])


def file(item: File) -> ToolInvokeMessage:
    """A file that Dify fetches and keeps; a link where it could not fetch it.

    An IMAGE is the only message by which Dify fetches a file. It takes the file's type from what it has fetched (Dify:
    core/workflow/nodes/tool/tool_node.py), so it serves for every type.
    """
    url = clean(item.url)
    if not url.startswith(("http://", "https://")):
        return _text_message(_Type.LINK, url)
    message = _text_message(_Type.IMAGE, url)
    # An agent fails at a file without this (Dify: core/tools/tool_engine.py).
    message.meta = {"mime_type": clean(item.mime_type) or _TYPES.get(item.type, "application/octet-stream")}
    return message


def variable(name: str, value: str | Mapping[str, Any]) -> ToolInvokeMessage:
    """An output of the node by its name (`output_schema`)."""
    held = ToolInvokeMessage.VariableMessage(variable_name=name, variable_value=value)
    return ToolInvokeMessage(type=_Type.VARIABLE, message=held)


def json_object(value: Mapping[str, Any]) -> ToolInvokeMessage:
    return ToolInvokeMessage(type=_Type.JSON, message=ToolInvokeMessage.JsonMessage(json_object=value))


def carried(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object as the way to Dify carries it. Raises `DuckError` `payload_too_large`."""
    content = json_bytes(value).replace(_NEXT_LINE.encode(), b"\\n")
    if len(content) > MAX_LINE:
        raise DuckError(
            "payload_too_large",
            f"The app's outputs take {len(content):,} bytes as JSON; a tool carries {MAX_LINE:,}.",
            "Its author can return less, or a file.",
        )
    told: dict[str, Any] = pydantic_core.from_json(content)
    return told


def _text_message(type_: ToolInvokeMessage.MessageType, text: str) -> ToolInvokeMessage:
    return ToolInvokeMessage(type=type_, message=ToolInvokeMessage.TextMessage(text=text))
