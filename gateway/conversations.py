"""Conversations as callers see them: a handle that only its own caller can use, in place of Dify's id.

Dify takes all callers of an app for one end user, and lets whoever knows an id go on with it (wire section 5). A handle
is signed, not secret: the conversation's id, and a signature over it and its holder. It has no clock of its own, and is
the same for the same conversation on every replica.
"""

from collections.abc import Iterator
from typing import Final

from gateway.errors import DuckError
from gateway.events import TEXT_EVENTS, Raw
from gateway.seals import Holder, opened_id, sealed_id
from gateway.secret import workspace_secret
from gateway.settings import canonical_id
from gateway.transports.interface import Storage
from gateway.wire import with_texts

_KIND: Final = "conversation"


class Conversations:
    """The conversations of one holder."""

    def __init__(self, holder: Holder, storage: Storage, *, is_sealed: bool) -> None:
        self._holder = holder
        self._storage = storage
        self._is_sealed = is_sealed
        self._known = ""
        self._shown: tuple[str, str] = ("", "")

    @property
    def known(self) -> str:
        """Dify's id of the conversation that was named, or has begun; `""` for none."""
        return self._known

    def prepare(self) -> None:
        """Sees to it that ids can be shown. Raises `DuckError` `storage_unavailable`."""
        if self._is_sealed:
            workspace_secret(self._holder.endpoint_id, self._storage)

    def opened(self, given: str) -> str:
        """Dify's id of the conversation that a caller names.

        Raises `conversation_not_found` for what names none that this holder may use, Dify's bare id included, and
        `storage_unavailable`.
        """
        found = opened_id(_KIND, given, self._holder, self._storage) if self._is_sealed else canonical_id(given)
        if not found:
            raise conversation_not_found()
        self._known = found
        return found

    def shown(self, conversation_id: str) -> str:
        """The conversation as its holder sees it; `""` for none. Raises `storage_unavailable` where not prepared."""
        if not self._is_sealed:
            return conversation_id
        shown, handle = self._shown
        if conversation_id != shown:
            known = canonical_id(conversation_id)
            handle = sealed_id(_KIND, known, self._holder, self._storage) if known else ""
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
                known, handle = self._shown
                if handle and raw.get("conversation_id") == known and _is_text(raw):  # nearly every event
                    yield {**raw, "conversation_id": handle}
                else:
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
        if _is_text(raw):
            return {**raw, "conversation_id": handle}
        replaced: Raw = with_texts(raw, lambda text: text.replace(self._known, handle))
        return replaced


def _is_text(raw: Raw) -> bool:
    """Whether the conversation's id stands in its own place only."""
    name = raw.get("event")
    return isinstance(name, str) and name in TEXT_EVENTS


def conversation_not_found() -> DuckError:
    """For an id that is malformed, unknown, another app's or another caller's."""
    return DuckError(
        "conversation_not_found",
        "There is no conversation with this conversation_id for this caller and app.",
        "Send the conversation_id that Duck gave for it, or leave it out to start a new one.",
    )
