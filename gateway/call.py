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
    """A file that came with the query. type: `image`, `audio`, `video` or `document`. url: a link, or the bytes as a
    `data:` URL. part: where it stood, for an error. upload_id: its id once Dify has it, and url is `""`.
    """

    type: str
    url: str
    part: str
    upload_id: str = ""


def type_of_link(url: str) -> str:
    """What Dify calls a file by its link's ending or a data URL's type: `image`, `audio`, `video`, else `document`."""
    is_data = url[:5].lower() == "data:"
    told = url[5:].partition(";")[0].lower() if is_data else mimetypes.guess_type(re.split("[?#]", url)[0])[0]
    family = (told or "").partition("/")[0]
    return family if family in ("image", "audio", "video") else "document"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says, whatever its protocol.

    user: a name for the caller's own end user. app_name: the app that the request itself names. instructions: what the
    caller tells the app to be. metadata: values that are inputs where the app declares some of these names. history:
    the messages before the query, as a client sends them that carries no conversation. dify_files: Dify's own `files`,
    as they came; `files` has those of them that are links. `""` and empty mean none.
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
    dify_files: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class AppCall:
    """One run to be started: what was asked, for an app.

    query: the caller's text. inputs: the app's variables by name. conversation_id: the conversation to go on with.
    chat_id: the client's own name for it, where it has one.
    dify_files: files in Dify's own form, as its Service API takes them. Of each text, `""` means none.
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
    dify_files: tuple[Mapping[str, Any], ...] = ()
