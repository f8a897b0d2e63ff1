"""The conversations of one app, kept in memory, and Dify's checks before a turn of one (facts: wire sections 4, 5).

Owns the count of turns only; the texts of earlier turns are not kept. A conversation is known to its user alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from workbench.app import Invocation
from workbench.apps.events import new_id
from workbench.apps.files import message_images
from workbench.apps.refusals import internal_server_error, invalid_param


@dataclass(frozen=True, slots=True)
class Turn:
    """One question in a conversation. `number` counts from 1. `files` are the message's, as Dify's events show them."""

    app_id: str
    query: str
    conversation_id: str
    number: int
    user: str
    inputs: Mapping[str, Any]
    files: tuple[Mapping[str, Any], ...]


class Conversations:
    """`forgiving` is a chatflow's way with an unknown conversation: it silently starts a new one.

    `takes_images` is the app's feature; an app without it leaves out whatever files it is given, as Dify does.
    """

    def __init__(self, *, forgiving: bool, takes_images: bool = False) -> None:
        self._forgiving = forgiving
        self._takes_images = takes_images
        self._turns: dict[tuple[str, str], int] = {}

    def next_turn(self, call: Invocation) -> Turn:
        """Checks in Dify's order: the query, the form of the conversation's id, whether it exists, the files."""
        if not call.query:
            raise invalid_param("missing query")
        conversation_id = self._existing(call.user, call.conversation_id) if call.conversation_id else None
        conversation_id = conversation_id or new_id()
        files = message_images(call.files, call.uploads) if self._takes_images else []
        number = self._turns.get((call.user, conversation_id), 0) + 1
        self._turns[call.user, conversation_id] = number
        # PostgreSQL stores no NUL, so Dify takes it out.
        query = call.query.replace("\x00", "")
        return Turn(call.app_id, query, conversation_id, number, call.user, call.inputs, tuple(files))

    def _existing(self, user: str, given: str) -> str | None:
        try:
            conversation_id = str(UUID(given))
        except ValueError:
            # PostgreSQL refuses to compare it, which Dify does not catch.
            raise internal_server_error() from None
        if (user, conversation_id) in self._turns:
            return conversation_id
        if self._forgiving:
            return None
        raise invalid_param("")
