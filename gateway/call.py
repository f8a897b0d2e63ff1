"""What a caller wants of an app, free of any protocol."""

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.settings import App


@dataclass(frozen=True, slots=True)
class Message:
    """An earlier message of a conversation. role: `user` or `assistant`."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with the query. type: `image`, `audio` or `document`. part: where it stood, for an error."""

    type: str
    url: str
    part: str


def type_of_link(url: str) -> str:
    """What Dify calls a file by its link's ending: `image`, `audio`, `video`, else `document`."""
    mime_type, _ = mimetypes.guess_type(re.split("[?#]", url)[0])
    family = (mime_type or "").partition("/")[0]
    return family if family in ("image", "audio", "video") else "document"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says, whatever its protocol.

    user: a name for the caller's own end user. app_name: the app that the request itself names. instructions: what the
    caller tells the app to be. metadata: values that are inputs where the app declares some of these names. history:
    the messages before the query, as a client sends them that carries no conversation. `""` and empty mean none.
    """

    query: str
    inputs: Mapping[str, Any]
    conversation_id: str
    user: str
    app_name: str = ""
    instructions: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Message, ...] = ()
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class AppCall:
    """One run to be started: what was asked, for an app.

    query: the caller's text. inputs: the app's variables by name. conversation_id: the conversation to go on with.
    chat_id: the client's own name for it, where it has one. Of each text, `""` means none.
    """

    app: App
    query: str
    inputs: Mapping[str, Any]
    conversation_id: str
    chat_id: str = ""
    instructions: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Message, ...] = ()
    files: tuple[Attachment, ...] = ()
