"""Conversations as callers see them: a handle that only its own caller can use, in place of Dify's id.

Dify takes all callers of an app for one end user, and lets whoever knows an id go on with it (wire section 5). A handle
is signed, not secret: the conversation's id, and a signature over it and its holder. It has no clock of its own, and is
the same for the same conversation on every replica.
"""

import base64
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from itsdangerous import Signer

from gateway.errors import DuckError
from gateway.events import TEXT_EVENTS, Raw
from gateway.secret import secrets_to_try, workspace_secret
from gateway.settings import canonical_id
from gateway.transports.interface import Storage
from gateway.wire import json_bytes, with_texts

_ID_LENGTH: Final = 22
"""Characters of a UUID's 16 bytes in base64 without its padding (RFC 4648, 5)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who may use a handle, and for which app. user: of a caller with a token, else `""`."""

    endpoint_id: str
    caller: str
    user: str
    app_id: str


class Conversations:
    """The conversations of one holder."""

    def __init__(self, holder: Holder, storage: Storage, *, is_sealed: bool) -> None:
        self._holder = holder
        self._storage = storage
        self._is_sealed = is_sealed
        self._known = ""
        self._shown: tuple[str, str] = ("", "")

    def prepare(self) -> None:
        """Sees to it that ids can be shown. Raises `DuckError` `storage_unavailable`."""
        if self._is_sealed:
            workspace_secret(self._holder.endpoint_id, self._storage)

    def opened(self, given: str) -> str:
        """Dify's id of the conversation that a caller names.

        Raises `conversation_not_found` for what names none that this holder may use, Dify's bare id included, and
        `storage_unavailable`.
        """
        found = self._opened(given) if self._is_sealed else canonical_id(given)
        if not found:
            raise conversation_not_found()
        self._known = found
        return found

    def _opened(self, handle: str) -> str:
        conversation_id = _id_in(handle)
        if not conversation_id:
            return ""
        for secret in secrets_to_try(self._holder.endpoint_id, self._storage):
            if hmac.compare_digest(_sealed(conversation_id, self._holder, secret).encode(), handle.encode()):
                return conversation_id
        return ""

    def shown(self, conversation_id: str) -> str:
        """The conversation as its holder sees it; `""` for none. Raises `storage_unavailable` where not prepared."""
        if not self._is_sealed:
            return conversation_id
        known, handle = self._shown
        if conversation_id != known:
            secret = workspace_secret(self._holder.endpoint_id, self._storage)
            handle = _sealed(conversation_id, self._holder, secret) if canonical_id(conversation_id) else ""
            self._shown = conversation_id, handle
        return handle

    def shown_in(self, dicts: Iterator[Raw]) -> Iterator[Raw]:
        """Dify's events with the handle wherever the conversation's id stands, deep in a node's inputs too, and in what
        a refusal says.
        """
        return self._shown_in(dicts) if self._is_sealed else dicts

    def _shown_in(self, dicts: Iterator[Raw]) -> Iterator[Raw]:
        try:
            for raw in dicts:
                yield self._with_handle(raw)
        except DuckError as error:
            if self._known:
                error.replace_text(self._known, self.shown(self._known))
            raise

    def _with_handle(self, raw: Raw) -> Raw:
        given = raw.get("conversation_id")
        if isinstance(given, str) and given:
            self._known = given
        if not self._known:
            return raw
        handle = self.shown(self._known)
        if str(raw.get("event")) in TEXT_EVENTS:  # the id stands in its own place only
            return {**raw, "conversation_id": handle}
        replaced: Raw = with_texts(raw, lambda text: text.replace(self._known, handle))
        return replaced


def conversation_not_found() -> DuckError:
    """For an id that is malformed, unknown, another app's or another caller's."""
    return DuckError(
        "conversation_not_found",
        "There is no conversation with this conversation_id for this caller and app.",
        "Send the conversation_id that Duck gave for it, or leave it out to start a new one.",
    )


def _sealed(conversation_id: str, holder: Holder, secret: bytes) -> str:
    salt = json_bytes(["conversation", holder.endpoint_id, holder.caller, holder.user, holder.app_id])
    signer = Signer(secret, salt=salt, key_derivation="hmac", digest_method=sha256)
    text = base64.urlsafe_b64encode(UUID(conversation_id).bytes).decode().rstrip("=")
    return signer.sign(text).decode()


def _id_in(handle: str) -> str:
    """The conversation's id that a handle speaks of, whether it is signed well or not; `""` for what is no handle."""
    text = handle.partition(".")[0]
    if len(text) != _ID_LENGTH or not handle.isascii():
        return ""
    try:
        return str(UUID(bytes=base64.urlsafe_b64decode(text + "==")))
    except ValueError:
        return ""
