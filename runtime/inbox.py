"""What the daemon says on standard input, to messages.

Answers to calls go straight to who waits for them; everything else, requests above all, to the SDK's own filters.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Any, Final

import gevent
from dify_plugin.core.entities.plugin.io import PluginInStream, PluginInStreamEvent
from dify_plugin.core.server.stdio.request_reader import StdioRequestReader
from dify_plugin.core.server.stdio.response_writer import StdioResponseWriter
from gevent.hub import get_hub
from pydantic import TypeAdapter
from pydantic_core import from_json

from runtime.lines import Lines
from runtime.mailbox import ANSWER, Mailboxes

READ_SIZE: Final = 256 * 1024
"""Bytes that are read at once: some 800 events, whose parsing takes about 3 ms, and others have a turn after that."""

PIPE_SIZE: Final = 1024 * 1024
"""Bytes that a pipe may hold without privileges (Linux: fs.pipe-max-size); with its usual 64 KiB, a daemon that has
much to say would wait for each of the plugin's turns."""

AFTER_END: Final = 0.5
"""Seconds between two looks at an input that has ended; the SDK ends the process when the daemon itself has gone."""

READABLE: Final = 1
"""libev's number for "can be read" (gevent: `loop.io`)."""

_JSON: Final = TypeAdapter(dict[str, Any])


def messages(reader: StdioRequestReader, mailboxes: Mailboxes, descriptor: int) -> Iterator[PluginInStream]:
    """What the daemon says that is no awaited answer. What can't be read is said to the daemon, in the SDK's words."""
    writer = StdioResponseWriter()
    lines = Lines()
    for data in _read(descriptor):
        for line in lines.feed(data):
            try:
                message = from_json(line)
                if message["event"] == ANSWER.value and mailboxes.deliver(message["data"]):
                    continue
                yield _message(message, reader, writer)
            except (ValueError, LookupError, TypeError):
                yield from _message_as_sdk(line, reader, writer)


def _read(descriptor: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # not a pipe, or a system without this
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    hub = get_hub()
    readable = hub.loop.io(descriptor, READABLE)
    while True:
        hub.wait(readable)
        data = os.read(descriptor, READ_SIZE)
        if not data:
            gevent.sleep(AFTER_END)
        yield data


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
