"""Two processes of the plugin behind one address: nothing that a caller was given is good at one of them only."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

from tests.plugin.conftest import Endpoints, Serve, listed

KEY: Final = "ann-key-0123456789abcdef"
SETTINGS: Final = {"access_keys": f"ann={KEY}", "apps": listed("echo")}
CALLERS: Final = 24
BOTH: Final = 2
"""Requests in a row that reach both processes, which get them in turn (workbench/README.md)."""

LATE_ANSWER: Final = 0.5
"""Seconds that the first process waits for the word that there is no secret, while the other writes and reads one."""


@pytest.fixture(scope="module")
def ends(serve: Serve) -> Endpoints:
    workspaces = {"one": {"chats": SETTINGS}, "race": {"race": SETTINGS}}
    return serve(workspaces, "--control", "--replicas", "2")


@pytest.fixture
def client(ends: Endpoints) -> Iterator[httpx.Client]:
    with ends.caller("chats", KEY) as client:
        yield client


def talk(client: httpx.Client, conversation: str = "") -> dict[str, Any]:
    reply = client.post("/chat/echo", json={"query": "x", "conversation_id": conversation})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def test_a_conversation_begun_at_one_process_goes_on_at_the_other(client: httpx.Client) -> None:
    for _ in range(BOTH):
        handle = talk(client)["conversation_id"]
        turns = [talk(client, handle) for _ in range(2 * BOTH + 1)]  # an odd number: the next one begins at the other
        assert [body["answer"] for body in turns] == [f"You said: x (turn {number})" for number in range(2, 7)]
        assert {body["conversation_id"] for body in turns} == {handle}  # the same one, whoever gives it


def test_a_token_made_by_one_process_is_good_at_the_other(ends: Endpoints) -> None:
    with ends.caller("chats", KEY) as client:
        made = [client.post("/tokens", json={"app": "echo", "user": "visitor-1"}).json()["token"] for _ in range(BOTH)]
    for token in made:
        with ends.caller("chats", token) as client:
            handle = talk(client)["conversation_id"]
            assert [talk(client, handle)["answer"][-2] for _ in range(BOTH)] == ["2", "3"]
            refused = [client.post("/tokens", json={"app": "echo", "user": "x"}).status_code for _ in range(BOTH)]
            assert refused == [403, 403]


@pytest.mark.alone
def test_two_processes_that_begin_at_once_end_with_one_secret(ends: Endpoints) -> None:
    assert ends.storage("race")["values"] == {}
    ends.disturb("race", delay=LATE_ANSWER)
    with ThreadPoolExecutor(CALLERS) as pool:
        first = pool.submit(_given, ends, 0)
        while ends.storage("race")["calls"] == {}:
            time.sleep(0.01)
        ends.disturb("race")
        given = [*pool.map(lambda number: _given(ends, number), range(1, CALLERS)), first.result()]
    state = ends.storage("race")
    assert list(state["values"]) == ["signing-secret"]
    assert state["calls"]["set"] >= BOTH  # each process has written, and calls that come together write each for itself
    for kind, text in given:
        with ends.caller("race", text if kind == "token" else KEY) as client:
            turns = [talk(client, text if kind == "handle" else "")["answer"][-2] for _ in range(BOTH)]
            assert turns == (["2", "3"] if kind == "handle" else ["1", "1"])
    assert ends.storage("race")["values"] == state["values"]


def _given(ends: Endpoints, number: int) -> tuple[str, str]:
    """What a first call gets that must be good later: a token, or a handle, in a body or in a stream."""
    with ends.caller("race", KEY) as client:
        match number % 3:
            case 0:
                return "handle", talk(client)["conversation_id"]
            case 1:
                return "handle", _begun_in_a_stream(client)
            case _:
                return "token", client.post("/tokens", json={"app": "echo", "user": "visitor-1"}).json()["token"]


def _begun_in_a_stream(client: httpx.Client) -> str:
    with client.stream("POST", "/chat/echo", json={"query": "x"}, headers={"Accept": "text/event-stream"}) as reply:
        stream = reply.read().decode()
    start: dict[str, Any] = json.loads(stream.partition("data: ")[2].partition("\n")[0])
    assert start["conversation_id"] == reply.headers["x-conversation-id"]
    conversation: str = start["conversation_id"]
    return conversation
