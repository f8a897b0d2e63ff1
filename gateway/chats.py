"""Which conversation belongs to a chat that the client names in a header (`X-OpenWebUI-Chat-Id`, or a configured one).

The latest some 3,000 chats are known. One that is lost begins anew, with its messages as the client sends them.
"""

import hashlib
from typing import Final

from gateway.errors import DuckError
from gateway.log import logger
from gateway.seals import Holder
from gateway.shelf import Shelf
from gateway.transports.interface import Storage
from gateway.wire import json_bytes

MAX_ID_LENGTH: Final = 256
"""Characters of a client's own id (own choice; the known ones are UUIDs)."""

_NO_CHAT: Final = frozenset({"", "new", "null", "none", "undefined", "local"})
"""What clients send for a chat that has no id yet; all such chats would share one conversation."""

_TEMPORARY: Final = "local:"
"""How Open WebUI begins the id of a temporary chat, which names the browser's connection and not the chat."""


def chat_id_of(value: str) -> str:
    """The client's id of its chat, as a header has it; `""` for none, and for a template that was not filled in."""
    text = value.strip()
    is_none = text.lower() in _NO_CHAT or text.startswith(_TEMPORARY)
    return "" if is_none or "{{" in text or len(text) > MAX_ID_LENGTH else text


class Chats:
    """The chats of one holder."""

    def __init__(self, holder: Holder, storage: Storage) -> None:
        self._holder = holder
        self._shelf = Shelf("chats", storage)

    def conversation(self, chat_id: str) -> str:
        """The conversation as its holder sees it; `""` for a chat that is not known. Raises `storage_unavailable`."""
        return str(self._shelf.get(self._name(chat_id)) or "")

    def remember(self, chat_id: str, conversation_id: str) -> None:
        """Keeps what belongs together; where the storage fails, the chat begins anew next time, and the log says so."""
        try:
            self._shelf.put(self._name(chat_id), conversation_id)
        except DuckError:
            logger.warning("a chat's conversation could not be kept in the plugin's storage")

    def _name(self, chat_id: str) -> str:
        holder = self._holder
        whose = [holder.endpoint_id, holder.caller, holder.user, holder.app_id, chat_id]
        return hashlib.sha256(json_bytes(whose)).hexdigest()[:26]
