"""What the one way through asks of a wire protocol, and what a protocol answers with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from werkzeug import Request

from gateway.answer import Answer
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.events import Kind, Writer
from gateway.view import View


@dataclass(frozen=True, slots=True)
class Streamed:
    """A reply that leaves as the run goes on."""

    content_type: str
    write: Writer
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply that leaves when the run has ended. write: its body. is_json: so that white space may go before it.

    late: the stream that stands for it when the run takes long, where the client takes both; None where it does not.
    write_failed: the body of a run that has failed, where that is no error of the protocol's; None where it is.
    status: the HTTP status of a run that has not failed.
    """

    content_type: str
    write: Callable[[Answer], bytes]
    is_json: bool = True
    late: Streamed | None = None
    write_failed: Callable[[Answer], bytes | None] = lambda _: None
    status: Callable[[Answer], int] = lambda _: 200


@dataclass(frozen=True, slots=True)
class Shaped:
    """An error before a reply's first byte, in its protocol's shape."""

    content_type: str
    body: bytes
    headers: Mapping[str, str]


type Reply = Streamed | Whole


class Shape(Protocol):
    """How a protocol says an error before the reply's first byte.

    known: what a caller needs to ask further, the request's id, and the run's where it had begun.
    """

    def __call__(self, error: DuckError, known: Mapping[str, Any], /, *, with_cause: bool) -> Shaped: ...


@dataclass(frozen=True, slots=True)
class WireProtocol:
    """A protocol's two ends. read: what the caller sent, and how the reply that was asked for is written, once the app
    is known; raises `DuckError` for what the protocol can't take.

    may_split_thinking: whether `<think>` blocks can be told apart in it. has_chat_ids: whether its clients name their
    chats in a header. shows_difys_ids: whether its replies hold ids of Dify's beside the conversation's, which leave
    sealed. new_answer: what a run is gathered in. kinds: of the apps that the route is for; empty for any.
    """

    read: Callable[[Request], tuple[Asked, Callable[[View], Reply]]]
    shape: Shape
    may_split_thinking: bool = True
    has_chat_ids: bool = False
    shows_difys_ids: bool = False
    new_answer: Callable[[View], Answer] = View.new_answer
    kinds: frozenset[Kind] = frozenset()
