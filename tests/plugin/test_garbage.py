"""Bad input gets a clear error, loses nothing, and never harms the next good request."""

import asyncio
import json
import random
from collections.abc import Callable

import aiohttp
import httpx
import pytest

from tests.conftest import RunningWorkbench

pytestmark = pytest.mark.alone

REQUESTS = 10_000
PARALLEL = 50
BIG = 2 * 1024 * 1024

PATHS = (
    "/chat/echo",
    "/workflow/form",
    "/duck/echo",
    "/completion/echo",
    "/chat",
    "/",
    "/nothing",
    "/chat/%E2%80%AE",
    "/duck",
)
TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain; charset=utf-16",
    "text/plain",
    "image/png",
    "application/json; charset=latin-1",
    ";;;",
    "",
)
ACCEPTS = ("", "*/*", "image/png", "application/json;q=nan", ",,;;", "text/event-stream", "x" * 2000)

MAKERS: tuple[Callable[[random.Random], bytes], ...] = (
    lambda r: r.randbytes(r.randint(0, 200)),
    lambda r: b'{"query": "' + r.randbytes(20),
    lambda r: b"[" * r.randint(1, 3000),
    lambda r: b'{"a":' * r.randint(1, 500),
    lambda r: json.dumps({"query": r.choice([1, None, [], {}, True, 1e300, "x" * r.randint(0, 2000)])}).encode(),
    lambda r: json.dumps({"inputs": r.choice([1, "x", [], None, {"": None}, {"a": [[]]}])}).encode(),
    lambda r: json.dumps({"query": "x", "response_mode": r.choice(["", "both", 1, None])}).encode(),
    lambda r: json.dumps({"query": "x", "conversation_id": r.choice(["x", "\x00", 1, "\u202e" * 50])}).encode(),
    lambda _: b'{"query": "\\ud800"}',
    lambda _: b'{"query": NaN}',
    lambda _: b"\xff\xfe" + "{}".encode("utf-16-le"),
    lambda _: b"\xef\xbb\xbf{}",
    lambda r: b"--x\r\nContent-Disposition: form-data; name=" + r.randbytes(30),
    lambda r: b"query=%ff%fe&inputs=" + r.randbytes(10),
    lambda r: json.dumps({"query": "".join(chr(r.randrange(32)) for _ in range(500))}).encode(),
    lambda r: json.dumps({r.choice(["qurey", "__class__", "", "a.b"]): "x"}).encode(),
)


async def _send(session: aiohttp.ClientSession, url: str, seed: int) -> tuple[int, str]:
    r = random.Random(seed)
    body = r.choice(MAKERS)(r)
    headers = {"Content-Type": r.choice(TYPES), "Accept": r.choice(ACCEPTS), "X-Odd": r.choice(["", "\t", "a" * 4000])}
    if r.random() < 0.9:
        headers["Authorization"] = f"Bearer {RunningWorkbench.key}"
    else:
        headers["Authorization"] = r.choice(["", "Bearer", "Bearer ", "Basic !!!", "é" * 20, "Bearer a b"])
    method = r.choice(["POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
    async with session.request(method, url + r.choice(PATHS), data=body, headers=headers) as reply:
        return reply.status, (await reply.read()).decode(
            "utf-8", "replace"
        )  # to the end: who leaves early keeps a slot


async def _storm(url: str, seeds: range) -> list[tuple[int, str]]:
    gate = asyncio.Semaphore(PARALLEL)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(120)) as session:

        async def one(seed: int) -> tuple[int, str]:
            async with gate:
                return await _send(session, url, seed)

        return await asyncio.gather(*(one(seed) for seed in seeds))


def test_after_10000_malformed_requests_the_next_good_one_is_answered(duck: RunningWorkbench) -> None:
    process = duck.plugin_pid()
    replies = asyncio.run(_storm(duck.url, range(REQUESTS)))
    assert len(replies) == REQUESTS
    for status, body in replies:
        assert status in {200, 204, 400, 401, 404, 405, 406, 413, 415}, body
        assert "Traceback" not in body
        assert "Internal Server Error" not in body
    with httpx.Client(headers={"X-API-Key": duck.key, "Accept": "application/json"}) as client:
        assert client.post(f"{duck.url}/chat/echo", json={"query": "still there"}).status_code == 200
    assert duck.plugin_pid() == process
    assert "Traceback" not in duck.log()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b'{"query": "' + b"x" * BIG + b'"}', 200, None, id="2 MiB of text"),
        pytest.param(b'{"query": "' + b"\\u0001" * 900_000 + b'"}', 413, "payload_too_large", id="900 kB of control"),
        pytest.param(b'{"query": "' + b"x" * (5 * BIG) + b'"}', 413, "payload_too_large", id="over 10 MiB"),
        pytest.param(b"x" * (10 * 1024 * 1024), 413, "payload_too_large", id="just 10 MiB"),
        pytest.param(b"[" * BIG, 413, "payload_too_large", id="2 MiB of brackets"),
        pytest.param(
            b'{"inputs": {' + b",".join(b'"k%d": 1' % n for n in range(100_000)) + b"}}",
            413,
            "payload_too_large",
            id="keys",
        ),
    ],
)
def test_fields_of_megabytes_are_carried_or_refused_and_never_kill_the_plugin(
    duck: RunningWorkbench, body: bytes, status: int, code: str | None
) -> None:
    process = duck.plugin_pid()
    headers = {"X-API-Key": duck.key, "Content-Type": "application/json", "Accept": "application/json"}
    reply = httpx.post(f"{duck.url}/chat/echo", content=body, headers=headers, timeout=60)
    assert reply.status_code == status, reply.text[:300]
    assert code is None or reply.json()["code"] == code
    assert duck.plugin_pid() == process


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "image/png"}, 415),
        ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Accept": "image/png", "Content-Type": "text/plain"}, 406),
    ],
)
def test_a_type_that_duck_does_not_speak_is_refused(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    reply = client.post("/chat/echo", content=b"x", headers=headers)
    assert reply.status_code == status


def test_a_fault_in_the_body_is_named_by_place_and_never_shown(client: httpx.Client) -> None:
    for body, named in (
        ({"query": ["planted"]}, "'query'"),
        ({"inputs": "planted"}, "'inputs'"),
        ({"response_mode": "planted"}, "'response_mode'"),
        ({"planted": 1}, "'planted'"),
    ):
        reply = client.post("/chat/echo", json=body)
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request")
        assert named in reply.json()["detail"]
    assert "planted" not in client.post("/chat/echo", json={"query": ["planted"]}).text
    files = client.post("/chat/echo", json={"query": "x", "files": [{"type": "image"}]})
    assert (files.status_code, files.json()["code"]) == (400, "files_not_supported")
    upload = client.post("/chat/echo", data={"query": "x"}, files={"f": b"x"})
    assert (upload.status_code, upload.json()["code"]) == (400, "files_not_supported")
