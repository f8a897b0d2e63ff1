"""The events of a run of an app, typed, whatever kind of app it is.

Order of a run: `Started` first (unless it failed at once), then anything, then one of `Finished`, `Paused`, `Failed`,
which comes once, when Dify's stream has ended (wire section 2, "Sequences"). `Silence` is the only event that Dify did
not cause: `streaming` puts it in. `raw`, where an event has it, is the dict of Dify's that told it, whole.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gateway.errors import DuckError

type Raw = Mapping[str, Any]
"""A dict as Dify sent it."""

TEXT_EVENTS: Final = frozenset({"message", "agent_message", "text_chunk"})
"""Dify's events that hold nothing but text, the frequent ones: no stage has to walk through their members."""


class Kind(StrEnum):
    """What an app is, in Dify's own words (`app.mode`)."""

    CHAT = "chat"
    AGENT = "agent-chat"
    CHATFLOW = "advanced-chat"
    WORKFLOW = "workflow"
    COMPLETION = "completion"


TALKING: Final = frozenset({Kind.CHAT, Kind.AGENT, Kind.CHATFLOW})
"""Kinds that are asked a query, and have conversations."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and time as Dify counted them; None is unknown. `prices` are Dify's decimal strings, by Dify's names."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int
    latency: float | None
    prices: Raw


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the answer rests on. `content` is the retrieved text, `url` is `""` when Dify names none."""

    position: int
    title: str
    url: str
    dataset: str
    score: float | None
    content: str


@dataclass(frozen=True, slots=True)
class Started:
    """The run exists. Its ids; `""` where this kind of app has none. `created_at` is in Unix seconds, 0 if unknown."""

    kind: Kind
    conversation_id: str
    message_id: str
    run_id: str
    task_id: str
    created_at: int
    raw: Raw | None


@dataclass(slots=True)  # not frozen: nearly every event is one, and to make a frozen one takes three times as long
class Text:
    """More of the answer. Never empty."""

    text: str
    raw: Raw | None


@dataclass(frozen=True, slots=True)
class TextReplaced:
    """The whole answer so far is withdrawn (moderation); `text` stands instead."""

    text: str
    raw: Raw | None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of what the model thinks before it answers. Never empty."""

    text: str
    raw: Raw | None


@dataclass(frozen=True, slots=True)
class Tool:
    """An agent uses a tool. The same `id` comes again with the result: `output` is `""` until then."""

    id: str
    name: str
    input: str
    output: str
    raw: Raw | None


@dataclass(frozen=True, slots=True)
class Step:
    """A node, a round of a loop or an iteration, or an agent's log line, has begun, changed or ended.

    kind: `node`, `iteration`, `loop` or `agent`. type: the node's type. status: Dify's word, `started` for a beginning,
    `next` for a new round. index: the node's place or the round's number. details: Dify's `inputs`, `outputs`,
    `process_data` and the like, as they come.
    """

    id: str
    kind: str
    type: str
    title: str
    status: str
    index: int | None
    parent: str
    error: str
    elapsed: float | None
    details: Raw
    raw: Raw | None


@dataclass(frozen=True, slots=True)
class File:
    """A file that the app made. `size` is in bytes, None when unknown; `url` may be relative to Dify's own origin."""

    id: str
    type: str
    url: str
    filename: str
    mime_type: str
    size: int | None
    raw: Raw | None


@dataclass(frozen=True, slots=True)
class Sources:
    """What the answer rests on, all at once. Never empty."""

    items: tuple[Source, ...]
    raw: Raw | None


@dataclass(frozen=True, slots=True)
class Passed:
    """A dict without a meaning of its own here: an unknown event, sound, or one whose outcome the last event tells."""

    raw: Raw


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing came for a while; a writer answers with its protocol's heartbeat, or nothing."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a paused run asks of a human. No token and no channel of approval is ever in it (wire 14.8)."""

    title: str
    content: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paused:
    """The run waits for a human; nothing more comes in this stream."""

    run_id: str
    forms: tuple[Form, ...]
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The run ended well, or was stopped.

    status: `succeeded`, `partial-succeeded` (a failure that the app itself handled) or `stopped`. outputs: a
    workflow's, None for the chat kinds. reasoning: by Dify's count, for those who saw no `Reasoning`.
    """

    status: str
    outputs: Raw | None
    usage: Usage | None
    reasoning: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The run did not end well."""

    error: DuckError


type Event = (
    Started
    | Text
    | TextReplaced
    | Reasoning
    | Tool
    | Step
    | File
    | Sources
    | Passed
    | Silence
    | Paused
    | Finished
    | Failed
)
type Ending = Finished | Paused | Failed
type Writer = Callable[[Iterator[Event]], Iterator[bytes]]
"""A protocol's way to write: exactly one frame per event, `b""` where it has nothing to say, and one for the ending."""
