"""What the Service API's transport does in a process that is patched with gevent, as the plugin's is.

The tests themselves run in an unpatched process, and call `main` in another (test_service_api.py).
"""

import json
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final
from unittest import mock

import gevent

from gateway.call import AppCall
from gateway.errors import DuckError
from gateway.events import Kind, Raw, Silence
from gateway.limits import Limits
from gateway.settings import App, Service
from gateway.streaming import Run
from gateway.transports import service_api
from gateway.transports.service_api import ServiceApiTransport
from tests.gateway.transports.loopback import STREAM_END, STREAM_HEAD, Do, Loopback, Received, Step, event

ID: Final = "11111111-1111-4111-8111-111111111111"
STREAMS: Final = 100
EVENTS: Final = 20


def transport(server: Loopback) -> ServiceApiTransport:
    service = Service(server.url, {ID: "app-key"})
    return ServiceApiTransport(service, App("echo", ID), "web:ann", endpoint_id="e", is_local=True)


def run(server: Loopback, query: str) -> Iterator[Raw]:
    return transport(server).start(AppCall(App("echo", ID), query, {}, ""), Kind.CHAT)


def streams() -> dict[str, Any]:
    """As many streams at once: none is served before all have begun, and then all in turn."""
    all_begun = threading.Barrier(STREAMS)

    def answer(request: Received) -> Iterator[Step]:
        yield STREAM_HEAD
        yield all_begun.wait
        for number in range(EVENTS):
            yield event({"query": request.json()["query"], "number": number})
            yield lambda: gevent.sleep(0)
        yield STREAM_END

    server = Loopback(answer)
    readers = [gevent.spawn(lambda query: list(run(server, query)), str(index)) for index in range(STREAMS)]
    gevent.joinall(readers)
    expected = [[{"query": str(index), "number": number} for number in range(EVENTS)] for index in range(STREAMS)]
    return {
        "whole": sum(reader.value == events for reader, events in zip(readers, expected, strict=True)),
        "most_open": server.most_open,
        "requests": len(server.requests),
    }


def killed_before_the_head() -> dict[str, Any]:
    return _killed(lambda _: iter([Do.AWAIT_CLIENT]))


def killed_between_events() -> dict[str, Any]:
    return _killed(lambda _: iter([STREAM_HEAD, event({"n": 1}), Do.AWAIT_CLIENT]))


def _killed(answer: Callable[[Received], Iterator[Step]]) -> dict[str, Any]:
    """Streams whose readers are killed while they wait; their connections close, and a next call is served."""
    server = Loopback(answer)
    readers = [gevent.spawn(lambda: list(run(server, "hi"))) for _ in range(10)]
    server.wait_for_requests(10)
    gevent.sleep(0)
    gevent.killall(readers)
    server.wait_until_open(0)
    server.answer = lambda _: iter([STREAM_HEAD, event({"n": 2}), STREAM_END])
    return {"after": list(run(server, "hi")), "connections": server.connections}


def closed_early() -> dict[str, Any]:
    """A reader that goes after the first event, in the greenlet that read it."""
    server = Loopback(lambda _: iter([STREAM_HEAD, event({"n": 1}), Do.AWAIT_CLIENT]))
    events = run(server, "hi")
    first = next(events)
    assert isinstance(events, Generator)
    events.close()
    server.wait_until_open(0)
    return {"first": first}


def given_up() -> dict[str, Any]:
    """A run that its owner gives up, as for a caller who has left."""
    server = Loopback(lambda _: iter([STREAM_HEAD, event({"n": 1}), Do.AWAIT_CLIENT]))
    never = Limits(own=1e9, run=1e9, silence=1e9, response=1e9)
    owned = Run((Silence() for _ in run(server, "hi")), never, lambda: None, "name")
    first = owned.first(60)
    owned.stop()
    server.wait_until_open(0)
    return {"first_is_there": first is not None}


def too_slow() -> dict[str, Any]:
    """A short question whose answer comes byte by byte, and would never be whole."""
    server = Loopback(_drip)
    try:
        with mock.patch.object(service_api, "ASK_WAIT", 0.3):
            transport(server).parameters(ID)
    except DuckError as error:
        server.wait_until_open(0)
        return {"code": error.code}
    return {}


def _drip(_: Received) -> Iterator[Step]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
    while True:
        yield lambda: gevent.sleep(0.05)
        yield b" "


def main(scenario: str) -> None:
    """Prints as JSON what came of one of the functions above."""
    with gevent.Timeout(120):
        print(json.dumps(globals()[scenario]()))
