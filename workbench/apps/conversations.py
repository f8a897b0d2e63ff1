"""The conversations of one app, kept in memory, and Dify's checks before a turn of one (facts: wire sections 4, 5).

Owns the count of turns only; the texts of earlier turns are not kept.
"""

from dataclasses import dataclass
from uuid import UUID

from workbench.app import Invocation
from workbench.apps.events import new_id
from workbench.apps.refusals import internal_server_error, invalid_param


@dataclass(frozen=True, slots=True)
class Turn:
    """One question in a conversation. `number` counts from 1."""

    app_id: str
    query: str
    conversation_id: str
    number: int


class Conversations:
    """`forgiving` is a chatflow's way with an unknown conversation: it silently starts a new one."""

    def __init__(self, *, forgiving: bool) -> None:
        self._forgiving = forgiving
        self._turns: dict[str, int] = {}

    def next_turn(self, call: Invocation) -> Turn:
        """Checks in Dify's order: the query, the form of the conversation's id, whether it exists."""
        if not call.query:
            raise invalid_param("missing query")
        conversation_id = self._existing(call.conversation_id) if call.conversation_id else None
        conversation_id = conversation_id or new_id()
        number = self._turns.get(conversation_id, 0) + 1
        self._turns[conversation_id] = number
        # PostgreSQL stores no NUL, so Dify takes it out.
        return Turn(call.app_id, call.query.replace("\x00", ""), conversation_id, number)

    def _existing(self, given: str) -> str | None:
        try:
            conversation_id = str(UUID(given))
        except ValueError:
            # PostgreSQL refuses to compare it, which Dify does not catch.
            raise internal_server_error() from None
        if conversation_id in self._turns:
            return conversation_id
        if self._forgiving:
            return None
        raise invalid_param("")
