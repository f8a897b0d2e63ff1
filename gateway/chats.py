"""Which conversation belongs to a chat that the client names in a header (`X-OpenWebUI-Chat-Id`, or a configured one).

Kept in the plugin's storage, which can't be listed and forgets nothing by itself: a fixed number of buckets, each with
its latest chats, the oldest dropped. Two replicas that write one bucket at the same moment lose one of two entries, and
that chat begins anew, with its messages as the client sends them.
"""

import hashlib
from typing import Any, Final

import pydantic_core
from gevent.lock import BoundedSemaphore

from gateway.errors import DuckError
from gateway.log import logger
from gateway.seals import Holder
from gateway.transports.interface import Storage
from gateway.wire import json_bytes

BUCKETS: Final = 32
MOST_IN_BUCKET: Final = 100
"""Chats; some 11 kB a bucket and 350 kB in all, of the 1 MiB that the manifest asks for."""

MAX_ID_LENGTH: Final = 256
"""Characters of a client's own id (own choice; the known ones are UUIDs)."""

_NO_CHAT: Final = frozenset({"", "new", "null", "none", "undefined", "local"})
"""What clients send for a chat that has no id yet; all such chats would share one conversation."""

_TEMPORARY: Final = "local:"
"""How Open WebUI begins the id of a temporary chat, which names the browser's connection and not the chat."""

LOCK_WAIT: Final = 1.0
"""Seconds for another write of the same bucket; one whose caller has left is never answered (law 14)."""

_locks: Final = tuple(BoundedSemaphore() for _ in range(BUCKETS))


def chat_id_of(value: str) -> str:
    """The client's id of its chat, as a header has it; `""` for none, and for a template that was not filled in."""
    text = value.strip()
    is_none = text.lower() in _NO_CHAT or text.startswith(_TEMPORARY)
    return "" if is_none or "{{" in text or len(text) > MAX_ID_LENGTH else text


class Chats:
    """The chats of one holder."""

    def __init__(self, holder: Holder, storage: Storage) -> None:
        self._holder = holder
        self._storage = storage

    def conversation(self, chat_id: str) -> str:
        """The conversation as its holder sees it; `""` for a chat that is not known. Raises `storage_unavailable`."""
        bucket, name = self._place(chat_id)
        return str(self._load(bucket).get(name, ""))

    def remember(self, chat_id: str, conversation_id: str) -> None:
        """Keeps what belongs together; where the storage fails, the chat begins anew next time, and the log says so."""
        bucket, name = self._place(chat_id)
        lock = _locks[bucket]
        has_lock = lock.acquire(timeout=LOCK_WAIT)
        try:
            self._save(bucket, name, conversation_id)
        except DuckError:
            logger.warning("a chat's conversation could not be kept in the plugin's storage")
        finally:
            if has_lock:
                lock.release()

    def _save(self, bucket: int, name: str, conversation_id: str) -> None:
        """The chat as the latest of its bucket; nothing to do where it is among the later ones already."""
        chats = self._load(bucket)
        if chats.get(name) == conversation_id and name in [*chats][-MOST_IN_BUCKET // 2 :]:
            return
        chats.pop(name, None)
        latest = [*chats.items()][1 - MOST_IN_BUCKET :]
        self._storage.save(_key(bucket), json_bytes(dict([*latest, (name, conversation_id)])))

    def _load(self, bucket: int) -> dict[str, Any]:
        key = _key(bucket)
        if not self._storage.exists(key):
            return {}
        try:
            chats = pydantic_core.from_json(self._storage.load(key))
        except ValueError:
            return {}
        return chats if isinstance(chats, dict) else {}

    def _place(self, chat_id: str) -> tuple[int, str]:
        """Bucket and name: a digest, so that the storage holds no client's id."""
        holder = self._holder
        whose = [holder.endpoint_id, holder.caller, holder.user, holder.app_id, chat_id]
        digest = hashlib.sha256(json_bytes(whose)).digest()
        return digest[0] % BUCKETS, digest[1:13].hex()


def _key(bucket: int) -> str:
    return f"chats-{bucket:02}"
