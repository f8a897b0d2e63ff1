"""An endpoint's invocation, from the raw HTTP request to the messages of its reply."""

import binascii
from collections.abc import Callable, Generator, Iterable
from typing import Any

from dify_plugin.core.entities.plugin.request import EndpointInvokeRequest
from dify_plugin.core.plugin_executor import PluginExecutor
from dify_plugin.core.runtime import Session
from werkzeug import Request, Response

from runtime.memory import Breaks
from runtime.messages import Chunks
from runtime.requests import Unreadable, read_request

type Refuse = Callable[[Session, Request, dict[str, Any], str], Response]
"""Answers a request that can't be read: the session, what remains of the request, the endpoint's settings, and what is
wrong with it, as a sentence.
"""

type Chunk = bytes | bytearray | memoryview | str

type Invoke = Callable[[PluginExecutor, Session, EndpointInvokeRequest], Generator[dict[str, object], None, None]]


def invoke_endpoint(refuse: Refuse, drain: Callable[[], None]) -> Invoke:
    """What `PluginExecutor.invoke_endpoint` does, but for requests that can't be read.

    drain: returns when what was written has left.
    """
    breaks = Breaks()

    def invoke(
        self: PluginExecutor, session: Session, data: EndpointInvokeRequest
    ) -> Generator[dict[str, object], None, None]:
        breaks.begin()
        try:
            yield from _messages(_response(self, session, data, refuse), session, drain)
        finally:
            breaks.end()

    return invoke


def _messages(response: Response, session: Session, drain: Callable[[], None]) -> Generator[dict[str, object]]:
    """What the SDK sends for a response; the chunks of one that streams leave by themselves."""
    body = response.response
    head: dict[str, object] = {"status": response.status_code, "headers": dict(response.headers.items())}
    if not isinstance(body, Generator):
        yield {**head, "result": _whole(body)}
        return
    yield head
    chunks = Chunks(session.writer, session.session_id)
    has_begun = False
    for chunk in body:
        chunks.send(_bytes(chunk))
        if not has_begun:
            has_begun = True
            drain()  # from here on a reply counts how long its end must wait (law 9)


def _response(executor: PluginExecutor, session: Session, data: EndpointInvokeRequest, refuse: Refuse) -> Response:
    request = read_request(binascii.unhexlify(data.raw_http_request))
    try:
        if isinstance(request, Unreadable):
            return refuse(session, request.request, data.settings, request.problem)
        endpoint, values = executor.registration.dispatch_endpoint_request(request)
        return endpoint(session).invoke(request, values, data.settings)
    except ValueError as error:
        return Response(str(error), status=404)
    except Exception as error:  # noqa: BLE001 - as the SDK does
        return Response(f"Internal Server Error: {error!s}", status=500)


def _whole(body: Iterable[Chunk] | Chunk) -> str:
    if isinstance(body, bytes | bytearray | memoryview | str):
        return _bytes(body).hex()
    return b"".join(map(_bytes, body)).hex()


def _bytes(chunk: Chunk) -> bytes:
    return bytes(chunk) if isinstance(chunk, bytes | bytearray | memoryview) else chunk.encode()
