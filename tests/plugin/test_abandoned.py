"""A caller who leaves a silent stream gives the slot back, and one who stays keeps it (law 14), by real time.

The heartbeat of 15 s can't be shortened from outside, so all of this happens at the same time, once.
"""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.plugin.conftest import Endpoints, Serve, listed, sent

pytestmark = pytest.mark.alone

KEY: Final = "ann-key-0123456789abcdef"
AUTH: Final = f"X-API-Key: {KEY}".encode()

FREE_WITHIN: Final = 30.0
"""Seconds (issue "Access")."""

HEARTBEAT: Final = 15.0
"""Seconds of silence before a caller is asked for."""

LEAVING_SILENCE: Final = 60
"""Seconds that the app is silent where the caller leaves: longer than the slot may stay taken."""

LIVING_SILENCE: Final = 22
"""Seconds that the app is silent where the caller stays: one heartbeat, and two unanswered questions of 2 s."""

SETTINGS: Final = {
    "access_keys": f"ann={KEY}",
    "apps": listed("slow", "echo"),
    "conversation_ids": "plain",  # so that no call to the storage is for the secret of a handle
}
TIGHT: Final = {**SETTINGS, "max_streams": "1"}


@dataclass(frozen=True)
class Leaving:
    """How a caller leaves. accept: the form of reply. reads: whether the first byte is waited for."""

    accept: str
    reads: bool


LEAVING: Final = {
    "stream": Leaving("text/event-stream", reads=False),
    "begun": Leaving("text/event-stream", reads=True),
    "body": Leaving("application/json", reads=False),
}
"""By endpoint."""

WAYS: Final = {"local": (), "remote": ("--remote",), "serverless": ("--serverless",)}
"""Options of the workbench. Under remote debugging the daemon tells of it (wire 14.4); else Duck has to find out."""

STATUS: Final = {
    ("local", "stream"): 200,  # after 10 s without an answer the reply had begun
    ("local", "begun"): 200,
    ("local", "body"): 499,
    ("remote", "stream"): 499,
    ("remote", "begun"): 200,
    ("remote", "body"): 499,
    ("serverless", "stream"): 499,
    ("serverless", "begun"): 200,
    ("serverless", "body"): 499,
}


@dataclass(frozen=True)
class Scenes:
    """What has happened. benches: where callers left, by way of running the plugin. waited: seconds from their leaving
    until the next caller had an answer, by way and endpoint. living: what callers who stayed got, and what their
    workspace's storage was asked meanwhile; slow: the same where the storage did not answer.
    """

    benches: dict[str, Endpoints]
    waited: dict[tuple[str, str], float]
    living: tuple[list[str], dict[str, int]]
    slow: tuple[list[str], dict[str, int]]


@pytest.fixture(scope="module")
def scenes(serve: Serve) -> Scenes:
    with ThreadPoolExecutor() as pool:

        def started(silence: int, hooks: dict[str, Any], *arguments: str) -> Callable[[], Endpoints]:
            environment = ("--env", f"WORKBENCH_SLOW_SECONDS={silence}")
            return pool.submit(serve, {"one": hooks}, *environment, *arguments).result

        starting = {way: started(LEAVING_SILENCE, dict.fromkeys(LEAVING, TIGHT), *WAYS[way]) for way in WAYS}
        living, slow = (started(LIVING_SILENCE, {"living": SETTINGS}, "--control") for _ in range(2))
        benches = {way: start() for way, start in starting.items()}
        left = {(way, hook): pool.submit(leave, benches[way], hook) for way in WAYS for hook in LEAVING}
        stayed = pool.submit(stay, living(), callers=1)
        slow().disturb("one", delay=60)
        stayed_slow = pool.submit(stay, slow(), callers=2)
        waited = {where: future.result() for where, future in left.items()}
        return Scenes(benches, waited, stayed.result(), stayed_slow.result())


def leave(ends: Endpoints, hook: str) -> float:
    """Seconds from a caller's leaving until another, who calls again whenever it is refused, has an answer."""
    how = LEAVING[hook]
    headers = (AUTH, b"Accept: " + how.accept.encode(), b"X-Request-Id: left-" + hook.encode())
    with sent(ends.url(hook), "POST /chat/slow", *headers, body=b'{"query": "x"}') as connection:
        if how.reads:
            connection.recv(1)
        else:
            time.sleep(0.5)  # were this too short, nobody would wait, and a test below would fail
    began = time.monotonic()
    with ends.caller(hook, KEY) as other:
        while (reply := other.post("/chat/echo", json={"query": "x"})).status_code != 200:
            assert (reply.status_code, reply.json()["code"]) == (503, "too_many_streams")
            assert time.monotonic() - began < 2 * FREE_WITHIN
    return time.monotonic() - began


def stay(ends: Endpoints, callers: int) -> tuple[list[str], dict[str, int]]:
    """The whole streams, and the calls that the storage had."""

    def read(_: int) -> str:
        with ends.caller("living", KEY) as client:
            return client.post("/chat/slow", json={"query": "x"}, headers={"Accept": "text/event-stream"}).text

    with ThreadPoolExecutor() as pool:
        streams = list(pool.map(read, range(callers)))
    calls: dict[str, int] = ends.storage("one")["calls"]
    return streams, calls


@pytest.mark.parametrize("hook", LEAVING)
@pytest.mark.parametrize("way", WAYS)
def test_a_slot_is_free_in_time_after_its_caller_has_left(scenes: Scenes, way: str, hook: str) -> None:
    assert scenes.waited[way, hook] < FREE_WITHIN


@pytest.mark.parametrize("hook", LEAVING)
def test_nobody_is_held_for_gone_before_a_heartbeat_has_passed(scenes: Scenes, hook: str) -> None:
    assert scenes.waited["local", hook] > (1 if LEAVING[hook].reads else HEARTBEAT)


@pytest.mark.parametrize("hook", LEAVING)
@pytest.mark.parametrize("way", WAYS)
def test_the_log_says_once_that_the_caller_has_gone(scenes: Scenes, way: str, hook: str) -> None:
    lines = re.findall(rf"request=left-{hook} .*", scenes.benches[way].workbench.log())
    assert len(lines) == 1
    expected = rf"request=left-{hook} route=chat caller=ann app=slow status={STATUS[way, hook]} events=1 "
    assert re.fullmatch(expected + r"bytes=\d+ first_ms=\d+ ms=\d+ error=client_gone", lines[0]), lines[0]


def test_a_living_silent_stream_is_not_ended_and_costs_one_call_a_heartbeat(scenes: Scenes) -> None:
    (stream,), calls = scenes.living
    assert stream.startswith(": ping\n\n")
    assert stream.rpartition("event: ")[2].startswith("end\n")
    assert calls == {"exist": 1}


def test_a_silent_storage_ends_no_living_silent_stream(scenes: Scenes) -> None:
    streams, calls = scenes.slow
    assert [stream.rpartition("event: ")[2].partition("\n")[0] for stream in streams] == ["end", "end"]
    assert calls["exist"] >= 4  # each was asked for twice, in vain
