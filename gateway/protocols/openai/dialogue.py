"""A list of messages, taken apart: the query, what came before it, and what the client tells the app to be."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.call import Attachment, Message
from gateway.errors import DuckError
from gateway.protocols.openai.content import read_content, text_in

_INSTRUCTING: Final = frozenset({"system", "developer"})
_SPEAKING: Final = frozenset({"user", "assistant"})
"""Roles whose messages are a conversation; what tools said is none of the app's, for it could not call them."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message, not read yet. place: where its content stands, as an error names it."""

    role: str
    content: object
    place: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """query: the last message of the user, with its files. history: those before it."""

    query: str
    files: tuple[Attachment, ...]
    history: tuple[Message, ...]
    instructions: str


def read_dialogue(messages: Iterable[Said], name: str) -> Dialogue:
    """The dialogue in messages. name: what the list is called, for the 400 of one without a user's message.

    Only the last message of the user has to be readable: the others may come from another model, with parts that no
    app could take.
    """
    listed = list(messages)
    last = next((index for index in reversed(range(len(listed))) if listed[index].role == "user"), None)
    if last is None:
        raise DuckError("invalid_request", f"'{name}' has no message of the role user.", "Add what the user says.")
    query = read_content(listed[last].content, listed[last].place)
    history = tuple(
        Message(said.role, text) for said in listed[:last] if said.role in _SPEAKING and (text := _text(said))
    )
    told = (_text(said) for said in listed if said.role in _INSTRUCTING)
    return Dialogue(query.text, query.files, history, "\n\n".join(text for text in told if text))


def _text(said: Said) -> str:
    return text_in(said.content)
