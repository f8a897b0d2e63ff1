"""Nothing is lost, however many, however fast, however slow the reader."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import FAST

pytestmark = pytest.mark.alone

SLOW_READER = 64 * 1024
"""Bytes per second (issue "Main job")."""


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, object]) -> tuple[int, str]:
    async with session.post(url, json=body) as reply:
        return reply.status, await reply.text()


async def _many(
    duck: RunningWorkbench, calls: list[tuple[str, dict[str, object]]], accept: str = "*/*"
) -> list[tuple[int, str]]:
    headers = {"Authorization": f"Bearer {duck.key}", "Accept": accept}
    limit = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(170)
    async with aiohttp.ClientSession(headers=headers, connector=limit, timeout=timeout) as session:
        return await asyncio.gather(*(_post(session, duck.url + path, body) for path, body in calls))


def _texts(stream: str) -> list[str]:
    blocks = stream.split("\n\n")
    return [json.loads(block.partition("data: ")[2])["text"] for block in blocks if block.startswith("event: text")]


def _frames(stream: str) -> str:
    """The frames of a run's texts as they stand there, which are the same for the same texts."""
    return stream[stream.index("event: text") : stream.rindex("event: end")]


def test_100_parallel_streams_of_5000_tokens_are_whole_and_in_order(
    start_workbench: Callable[..., RunningWorkbench],
) -> None:
    alone = start_workbench(*FAST)  # where no caller of another test has left a slot taken
    replies = asyncio.run(_many(alone, [("/chat/long", {"query": str(number)}) for number in range(100)]))
    first = _frames(replies[0][1])
    assert len(_texts(replies[0][1])) == 5000
    for status, stream in replies:
        assert (status, _frames(stream) == first) == (200, True)
        assert stream.rpartition("event: ")[2].startswith("end")


@pytest.mark.parametrize(
    ("path", "status", "end"),
    [
        ("/chat/echo", 200, "event: end"),
        ("/chat/broken", 200, "event: error"),
        ("/workflow/failing", 200, "event: error"),
        ("/chat/nowhere", 502, "app_unavailable"),
        ("/duck/broken", 200, "provider_error"),
    ],
)
def test_no_short_reply_loses_its_tail(duck: RunningWorkbench, path: str, status: int, end: str) -> None:
    for _ in range(10):
        for got, body in asyncio.run(_many(duck, [(path, {"query": "x"})] * 10)):
            assert (got, end in body) == (status, True)


def test_a_slow_reader_loses_nothing_of_an_app_at_full_speed(duck: RunningWorkbench) -> None:
    stream = b"".join(_slowly(duck, "/chat/long", b'{"query": "x"}'))
    assert len(_texts(stream.decode())) == 5000
    assert b"event: end" in stream


def _slowly(duck: RunningWorkbench, path: str, body: bytes) -> Iterator[bytes]:
    """The reply's body, read at `SLOW_READER` with a small receive buffer."""
    host, _, prefix = duck.url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect((name, int(port)))
    head = (
        f"POST /{prefix}{path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {duck.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with connection:
        connection.sendall(head.encode() + body)
        began, got = time.monotonic(), 0
        while data := connection.recv(4096):
            got += len(data)
            yield data
            ahead = got / SLOW_READER - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)


def test_one_app_at_full_speed_does_not_starve_the_rest(duck: RunningWorkbench) -> None:
    async def run() -> float:
        busy = asyncio.create_task(_many(duck, [("/chat/long", {"query": "x"})] * 20))
        await asyncio.sleep(0.3)
        began = time.monotonic()
        ((status, _),) = await _many(duck, [("/chat/echo", {"query": "x"})])
        taken = time.monotonic() - began
        still_busy = not busy.done()
        await busy
        assert status == 200
        assert still_busy
        return taken

    assert asyncio.run(run()) < 10


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_no_large_reply_loses_its_tail(duck: RunningWorkbench, accept: str) -> None:
    sizes = [1_300_000, 2_200_000, 3_000_000]
    for _ in range(2):
        calls: list[tuple[str, dict[str, object]]] = [("/chat/echo", {"query": "x" * size}) for size in sizes]
        for (status, body), size in zip(asyncio.run(_many(duck, calls, accept)), sizes, strict=True):
            assert status == 200
            assert ("x" * size in body, "(turn 1)" in body[-1000:]) == (True, True)
