"""What the daemon says on standard input, to messages.

Answers to calls go straight to who waits for them; everything else, requests above all, to the SDK's own filters.
"""

import os
import time
from collections.abc import Iterator
from typing import Any, Final

import gevent
from dify_plugin.core.entities.plugin.io import PluginInStream, PluginInStreamEvent
from dify_plugin.core.server.stdio.request_reader import StdioRequestReader
from dify_plugin.core.server.stdio.response_writer import StdioResponseWriter
from gevent.hub import get_hub
from gevent.monkey import get_original
from pydantic import TypeAdapter
from pydantic_core import from_json

from runtime.lines import Lines
from runtime.mailbox import ANSWER, Mailboxes

READ_SIZE: Final = 64 * 1024
"""Bytes that are read at once: what a pipe of Linux holds, some 110 events, whose parsing takes about 0.4 ms. The pipe
is left as small as it is: all that lies in it was sent before what comes next."""

TURN: Final = 0.01
"""Seconds of reading after which those have their turn who wait for answers. With 1,000 streams at full speed each then
finds three events at once, and an event costs half of what it does with a turn of 3 ms."""

AFTER_END: Final = 0.5
"""Seconds between two looks at an input that has ended; the SDK ends the process when the daemon itself has gone."""

READABLE: Final = 1
"""libev's number for "can be read" (gevent: `loop.io`)."""

_select: Final = get_original("select", "select")
"""The system's; gevent's own gives way to others."""

_JSON: Final = TypeAdapter(dict[str, Any])


def messages(reader: StdioRequestReader, mailboxes: Mailboxes, descriptor: int) -> Iterator[PluginInStream]:
    """What the daemon says that is no awaited answer. What can't be read is said to the daemon, in the SDK's words."""
    writer = StdioResponseWriter()
    lines = Lines()
    for data in _read(descriptor, mailboxes):
        for line in lines.feed(data):
            try:
                message = from_json(line)
                if message["event"] == ANSWER.value and mailboxes.deliver(message["data"]):
                    continue
                yield _message(message, reader, writer)
            except (ValueError, LookupError, TypeError):
                yield from _message_as_sdk(line, reader, writer)


def _read(descriptor: int, mailboxes: Mailboxes) -> Iterator[bytes]:
    """What comes, in turns. Long ones cost less for each event, as all who are woken then find several answers; but a
    turn ends with the read that made a crowd in a mailbox, for the others' answers come behind.
    """
    hub = get_hub()
    readable = hub.loop.io(descriptor, READABLE)
    try:
        while True:
            hub.wait(readable)
            ends = time.monotonic() + TURN
            mailboxes.is_crowded = False
            while not mailboxes.is_crowded and time.monotonic() < ends and _has_more(descriptor):
                data = os.read(descriptor, READ_SIZE)
                if not data:
                    gevent.sleep(AFTER_END)
                yield data
    finally:
        readable.close()


def _has_more(descriptor: int) -> bool:
    """Asked for instead of making the descriptor one that never blocks: a terminal is shared with others."""
    return bool(_select((descriptor,), (), (), 0)[0])


def _message(message: Any, reader: StdioRequestReader, writer: StdioResponseWriter) -> PluginInStream:
    return PluginInStream(
        session_id=message["session_id"],
        conversation_id=message.get("conversation_id"),
        message_id=message.get("message_id"),
        app_id=message.get("app_id"),
        endpoint_id=message.get("endpoint_id"),
        event=PluginInStreamEvent.value_of(message["event"]),
        data=message["data"],
        context=message.get("context"),
        reader=reader,
        writer=writer,
    )


def _message_as_sdk(line: bytes, reader: StdioRequestReader, writer: StdioResponseWriter) -> Iterator[PluginInStream]:
    """For a line that is no message, read again as the SDK reads it, for its error; nothing for an empty one."""
    line = line.strip()
    if not line:
        return
    try:
        message = _message(_JSON.validate_json(line), reader, writer)
    except Exception as error:  # noqa: BLE001 - as the SDK does
        writer.error(data={"error": str(error)})
        return
    yield message
