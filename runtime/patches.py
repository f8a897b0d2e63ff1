"""All that is replaced in the SDK, and why; nothing else reaches into it.

| what | why | in |
| --- | --- | --- |
| `sys.stdout`, and with it the stream of the SDK's log | a message was written and flushed twice, each time by another thread; what is said in one turn of the loop now leaves in one write (`outbox`) | local |
| `StdioRequestReader._read_stream` | built a type adapter for each line, and showed each line to the filters of all streams (`inbox`) | local |
| `TypeAdapter`, as the TCP reader's module knows it | was built for each line there, too | remote |
| `put` of `StdioResponseWriter` and `TCPReaderWriter` | two models and two writes for a message (`messages`) | local, remote |
| `ServerlessResponseWriter.put` | two models and two chunks of HTTP for a message (`messages`) | serverless |
| `BackwardsInvocation._http_backwards_invoke` | an HTTP client, with a reading of the system's certificates, for each call, and three models for each answer; no word when the session is over (`http_calls`) | serverless |
| `BackwardsInvocation._full_duplex_backwards_invoke` | a filter over everything that comes, a timer a second, and a model for each answer (`calls`) | local, remote |
| `PluginExecutor.invoke_endpoint` | three models for each chunk; tracebacks for requests that it can't read (`replies`; law 19) | all |

All else stays the SDK's: sessions, the pool of workers, tools, storage, files, errors, the heartbeat, the handshake,
connecting again, and the server of the serverless way.
"""  # noqa: E501 - a table

import atexit
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dify_plugin.config.config import InstallMethod
from dify_plugin.config.logger_format import plugin_logger_handler
from dify_plugin.core.entities.plugin.io import PluginInStream
from dify_plugin.core.plugin_executor import PluginExecutor
from dify_plugin.core.runtime import BackwardsInvocation
from dify_plugin.core.server.serverless.response_writer import ServerlessResponseWriter
from dify_plugin.core.server.stdio.request_reader import StdioRequestReader
from dify_plugin.core.server.stdio.response_writer import StdioResponseWriter
from dify_plugin.core.server.tcp import request_reader as tcp
from pydantic import TypeAdapter

from runtime import http_calls
from runtime.calls import invoke, mailboxes_of
from runtime.inbox import messages
from runtime.messages import put
from runtime.outbox import Outbox
from runtime.replies import Refuse, invoke_endpoint


@dataclass(frozen=True, slots=True)
class Patch:
    """One attribute of the SDK's, and what it becomes."""

    owner: Any
    name: str
    replacement: Any


def apply(way: InstallMethod, refuse: Refuse) -> None:
    """Replaces what the table says for this way of running. Raises `AttributeError`, with nothing replaced, where
    something of it does not exist.
    """
    patches = _patches(way, refuse)
    for patch in patches:
        getattr(patch.owner, patch.name)
    if way is InstallMethod.Local:
        _speak_through(Outbox(sys.stdout.fileno()))
    for patch in patches:
        setattr(patch.owner, patch.name, patch.replacement)


def _patches(way: InstallMethod, refuse: Refuse) -> list[Patch]:
    endpoints = Patch(PluginExecutor, "invoke_endpoint", invoke_endpoint(refuse, _drain))
    calls = Patch(BackwardsInvocation, "_full_duplex_backwards_invoke", invoke)
    match way:
        case InstallMethod.Local:
            reading = Patch(StdioRequestReader, "_read_stream", _read_stream)
            return [reading, Patch(StdioResponseWriter, "put", put), calls, endpoints]
        case InstallMethod.Remote:
            parsing = Patch(tcp, "TypeAdapter", functools.cache(TypeAdapter))
            return [parsing, Patch(tcp.TCPReaderWriter, "put", put), calls, endpoints]
        case InstallMethod.Serverless:
            asking = Patch(BackwardsInvocation, "_http_backwards_invoke", http_calls.invoke)
            return [asking, Patch(ServerlessResponseWriter, "put", put), endpoints]


def _read_stream(self: StdioRequestReader) -> Iterator[PluginInStream]:
    return messages(self, mailboxes_of(self), sys.stdin.fileno())


def _speak_through(outbox: Outbox) -> None:
    sys.stdout = outbox
    plugin_logger_handler.setStream(outbox)
    atexit.register(outbox.close)


def _drain() -> None:
    """Returns when all that was said has left; over TCP and HTTP it has when it is said."""
    if isinstance(sys.stdout, Outbox):
        sys.stdout.drain()
