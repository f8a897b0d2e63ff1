"""What a caller wants of an app, free of any protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.settings import App


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says, whatever its protocol. user: a name for the caller's own end user. `""` means none."""

    query: str
    inputs: Mapping[str, Any]
    conversation_id: str
    user: str


@dataclass(frozen=True, slots=True)
class AppCall:
    """One run to be started.

    query: the caller's text. inputs: the app's variables by name. conversation_id: the conversation to go on with. Of
    each text, `""` means none.
    """

    app: App
    query: str
    inputs: Mapping[str, Any]
    conversation_id: str
