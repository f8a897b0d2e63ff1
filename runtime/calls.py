"""A call of the plugin to the daemon, and its answers as they come."""

import weakref
from collections.abc import Generator
from typing import Any, Final

from dify_plugin.core.entities.invocation import InvokeType
from dify_plugin.core.runtime import BackwardsInvocation, BackwardsInvocationResponseEvent
from dify_plugin.core.server.__base.request_reader import RequestReader

from runtime.mailbox import Closed, Mailboxes

SHORTEST_PATIENCE: Final = 1
"""Seconds: what the SDK waits at least, since it counts in rounds of one second."""

_of_readers: Final[weakref.WeakKeyDictionary[RequestReader, Mailboxes]] = weakref.WeakKeyDictionary()


def mailboxes_of(reader: RequestReader) -> Mailboxes:
    """The mailboxes of one of the SDK's readers, which knows them from now on."""
    mailboxes = _of_readers.setdefault(reader, Mailboxes())
    with reader.lock:
        if mailboxes not in reader.readers:  # a reader that is closed forgets all of them
            reader.readers.append(mailboxes)
    return mailboxes


def invoke[T](
    self: BackwardsInvocation[Any],
    backwards_request_id: str,
    type: InvokeType,  # noqa: A002 - the SDK's name
    data_type: "type[T]",
    data: dict[str, Any],
) -> Generator[T, None, None]:
    """What `BackwardsInvocation` does over standard input and TCP: says what is asked for, and gives what is answered.

    Nothing is said before the first `next`. Raises `Exception` with the SDK's texts.
    """
    session = self.session
    if not session:
        raise Exception("current tool runtime does not support backwards invoke")  # noqa: TRY002 - the SDK's
    mailboxes = mailboxes_of(session.reader)
    mailbox = mailboxes.open(backwards_request_id)
    patience = max(SHORTEST_PATIENCE, session.max_invocation_timeout)
    asked = {"type": type.value, "backwards_request_id": backwards_request_id, "request": data}
    try:
        session.writer.session_message(session.session_id, {"type": "invoke", "data": asked})
        while True:
            try:
                answer = mailbox.take(patience)
            except Closed:
                return
            except TimeoutError:
                seconds = session.max_invocation_timeout
                raise Exception(f"invocation exited without response after {seconds} seconds") from None  # noqa: TRY002
            if is_last(answer):
                return
            yield content_of(answer, data_type)
    finally:
        mailboxes.discard(backwards_request_id)


def content_of[T](answer: dict[str, Any], data_type: "type[T]") -> T:
    try:
        return answer["data"] if data_type is dict else data_type(**answer["data"])
    except Exception as error:
        raise Exception(f"Failed to parse response: {error!s}") from error  # noqa: TRY002


def is_last(answer: dict[str, Any]) -> bool:
    """Whether this answer ends the call well. Raises what it says when it ends it badly, and for what is no answer."""
    if answer.get("event") == "response" and answer.get("data").__class__ is dict:  # nearly every one
        return False
    event = BackwardsInvocationResponseEvent(**answer)
    if event.event == BackwardsInvocationResponseEvent.Event.Error:
        raise Exception(event.message)  # noqa: TRY002
    return event.event == BackwardsInvocationResponseEvent.Event.End or event.data is None
