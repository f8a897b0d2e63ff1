"""A conversation goes on with its own caller, and with nobody else; what becomes of that when the storage fails."""

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import pytest

from tests.plugin.conftest import Endpoints, Serve, listed

ANN: Final = "ann-key-0123456789abcdef"
ANN_NEW: Final = "ann-new-key-0123456789abcdef"
ANN_DIGEST: Final = "ann-third-key-0123456789abcdef"
BOB: Final = "bob-key-0123456789abcdef"

SETTINGS: Final = {
    "access_keys": f"ann={ANN}, bob={BOB}, ann={ANN_NEW}",
    "callers": f"ann=sha256:{hashlib.sha256(ANN_DIGEST.encode()).hexdigest()}",
    "apps": listed("echo", "chatflow", "workflow"),
}
PLAIN: Final = {**SETTINGS, "conversation_ids": "plain"}

WORKSPACES: Final = {
    "one": {"main": SETTINGS, "twin": SETTINGS, "plain": PLAIN, "plain-twin": PLAIN},
    "two": {"other": SETTINGS},
    "moved": {"moved": SETTINGS},
    "restarting": {"restarting": SETTINGS},
    "failing": {"failing": SETTINGS},
    "full": {"full": SETTINGS},
    "slow": {"slow": SETTINGS},
}

FIRST_SECRET: Final = "11" * 32
SECOND_SECRET: Final = "22" * 32
BETWEEN_LOOKS: Final = 10.0
"""Seconds after which a process may look for another secret again (issue "Access")."""

REFUSED: Final = (404, "conversation_not_found")
UNAVAILABLE: Final = (503, "storage_unavailable")


@pytest.fixture(scope="module")
def ends(serve: Serve) -> Endpoints:
    started = serve(WORKSPACES, "--control")
    all_begun(started, "main", "twin", "other")
    return started


@dataclass(frozen=True)
class Older:
    """Handles by endpoint, from a process that has been killed since.

    looked_at: when its successor read another secret in the storage of `moved`, where now the first one is again.
    """

    handles: Mapping[str, str]
    looked_at: float


@pytest.fixture(scope="module")
def older(ends: Endpoints) -> Older:
    ends.put("moved", {"signing-secret": FIRST_SECRET})
    handles = all_begun(ends, "main", "moved", "restarting")
    ends.put("moved", {"signing-secret": SECOND_SECRET})
    ends.disturb("restarting", fault="failing")
    ends.restart_plugin()
    all_begun(ends, "moved", "main", "twin", "other")
    looked_at = time.monotonic()
    assert talk(ends, "moved", ANN, handles["moved"]) == REFUSED
    ends.put("moved", {"signing-secret": FIRST_SECRET})
    return Older(handles, looked_at)


def talk(ends: Endpoints, hook: str, key: str, conversation: str = "", app: str = "echo") -> tuple[int, str]:
    """Status, and what the app said, or the error's code."""
    with ends.caller(hook, key) as client:
        reply = client.post(f"/chat/{app}", json={"query": "x", "conversation_id": conversation})
    body = reply.json()
    return reply.status_code, body.get("answer") or body["code"]


def turn(number: int) -> tuple[int, str]:
    return 200, f"You said: x (turn {number})"


def begun(ends: Endpoints, hook: str, key: str = ANN, app: str = "echo") -> str:
    """The handle of a conversation that has had one turn."""
    with ends.caller(hook, key) as client:
        reply = client.post(f"/chat/{app}", json={"query": "x"})
    assert reply.status_code == 200, reply.text
    handle: str = reply.json()["conversation_id"]
    return handle


def all_begun(ends: Endpoints, *hooks: str) -> dict[str, str]:
    """A handle of each of these endpoints; all at the same time, for each needs a second to learn its secret."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(hooks, pool.map(lambda hook: begun(ends, hook), hooks), strict=True))


def token(ends: Endpoints, hook: str, key: str, user: str) -> str:
    with ends.caller(hook, key) as client:
        made: str = client.post("/tokens", json={"app": "echo", "user": user}).json()["token"]
    return made


def dify_id(handle: str) -> str:
    """A handle is signed, not secret: anyone can read Dify's id in it."""
    return str(UUID(bytes=base64.urlsafe_b64decode(handle.partition(".")[0] + "==")))


# -- Whose it is ---------------------------------------------------------------------------------------------------


def test_a_handle_is_short_and_fits_into_any_url(ends: Endpoints) -> None:
    handle = begun(ends, "main")
    assert len(handle) <= 80
    assert all(character.isalnum() or character in "-_." for character in handle)
    assert handle.isascii()


@pytest.mark.parametrize("app", ["echo", "chatflow"])
def test_nobody_else_goes_on_with_a_conversation(ends: Endpoints, app: str) -> None:
    handle = begun(ends, "main", ANN, app)
    others = {
        "another caller": talk(ends, "main", BOB, handle, app),
        "another endpoint": talk(ends, "twin", ANN, handle, app),
        "another workspace": talk(ends, "other", ANN, handle, app),
        "another app": talk(ends, "main", ANN, handle, "chatflow" if app == "echo" else "echo"),
    }
    assert others == dict.fromkeys(others, REFUSED)
    status, answer = talk(ends, "main", ANN, handle, app)
    assert (status, answer.rpartition(" (")[2]) == (200, "turn 2)")  # nobody has said a word in between


@pytest.mark.parametrize("app", ["echo", "chatflow"])
def test_dify_is_not_asked_for_a_conversation_of_another_app(ends: Endpoints, app: str) -> None:
    handle = begun(ends, "main", ANN, "chatflow" if app == "echo" else "echo")
    body = {"query": "x", "conversation_id": handle}
    with ends.caller("main", ANN) as client:
        client.post(f"/chat/{app}", json=body, headers={"X-Request-Id": f"other-{app}"})
    ends.workbench.wait_for(f"request=other-{app} .* events=0 .* error=conversation_not_found")


def test_a_tokens_user_goes_on_with_no_other_users_conversation_nor_with_its_callers(ends: Endpoints) -> None:
    first, second = (token(ends, "main", ANN, user) for user in ("visitor-1", "visitor-2"))
    of_key, of_first = begun(ends, "main", ANN), begun(ends, "main", first)
    assert talk(ends, "main", first, of_key) == REFUSED
    assert talk(ends, "main", second, of_first) == REFUSED
    assert talk(ends, "main", ANN, of_first) == REFUSED
    assert talk(ends, "main", token(ends, "main", ANN, "visitor-1"), of_first) == turn(2)
    assert talk(ends, "main", ANN, of_key) == turn(2)


def test_a_caller_whose_key_is_changed_goes_on(ends: Endpoints) -> None:
    handle = begun(ends, "main", ANN)
    assert [talk(ends, "main", key, handle) for key in (ANN_NEW, ANN_DIGEST, ANN)] == [turn(2), turn(3), turn(4)]


def test_a_conversation_is_named_alike_in_every_form_of_request(ends: Endpoints) -> None:
    handle = begun(ends, "main")
    with ends.caller("main", ANN) as client:
        replies = [
            client.post("/chat/echo", data={"query": "x", "conversation_id": handle}),
            client.post("/chat/echo", files={"query": (None, "x"), "conversation_id": (None, handle)}),
            client.post(f"/chat/echo?query=x&conversation_id={handle}"),
        ]
    assert [(reply.status_code, reply.json()["answer"]) for reply in replies] == [turn(2), turn(3), turn(4)]


def test_difys_own_id_is_refused(ends: Endpoints) -> None:
    handle = begun(ends, "main")
    for conversation in (dify_id(handle), dify_id(handle).replace("-", ""), str(uuid4())):
        assert talk(ends, "main", ANN, conversation) == REFUSED
    assert talk(ends, "main", ANN, handle) == turn(2)


def test_in_plain_mode_difys_own_id_is_for_whoever_knows_it_and_a_handle_is_none(ends: Endpoints) -> None:
    conversation = begun(ends, "plain")
    assert str(UUID(conversation)) == conversation
    assert talk(ends, "plain", BOB, conversation) == turn(2)
    assert talk(ends, "plain-twin", ANN, conversation) == turn(3)
    assert talk(ends, "plain", ANN, begun(ends, "main")) == REFUSED
    assert talk(ends, "plain", ANN, "not-a-uuid") == REFUSED
    assert talk(ends, "plain", ANN, str(uuid4())) == REFUSED


# -- Over a restart ------------------------------------------------------------------------------------------------


def test_a_conversation_goes_on_after_the_plugin_was_killed(ends: Endpoints, older: Older) -> None:
    assert talk(ends, "main", BOB, older.handles["main"]) == REFUSED
    assert talk(ends, "main", ANN, older.handles["main"]) == turn(2)


def test_a_failing_storage_is_a_503_and_replaces_no_secret(ends: Endpoints, older: Older) -> None:
    before = ends.storage("restarting")["values"]
    assert talk(ends, "restarting", ANN, older.handles["restarting"]) == UNAVAILABLE
    assert talk(ends, "restarting", ANN) == UNAVAILABLE
    ends.disturb("restarting")
    assert talk(ends, "restarting", ANN, older.handles["restarting"]) == turn(2)
    assert ends.storage("restarting")["values"] == before


# -- When the storage fails ----------------------------------------------------------------------------------------


def test_a_failing_storage_is_a_503_in_every_form_of_reply_and_then_healed(ends: Endpoints) -> None:
    ends.disturb("failing", fault="failing")
    with ends.caller("failing", ANN) as client:
        for accept in ("application/json", "text/event-stream", "text/plain", "application/x-ndjson"):
            reply = client.post("/chat/echo", json={"query": "x"}, headers={"Accept": accept})
            assert (reply.status_code, reply.json()["code"]) == UNAVAILABLE
            assert "storage" in reply.json()["detail"]
            assert "x-conversation-id" not in reply.headers
            assert "connection refused" not in reply.text
        page = client.post("/duck/echo", json={"query": "x"})
        assert (page.status_code, "storage_unavailable" in page.text) == (503, True)
        made = client.post("/tokens", json={"app": "echo", "user": "visitor-1"})
        assert (made.status_code, made.json()["code"]) == UNAVAILABLE
        assert client.post("/workflow/workflow", json={"inputs": {"text": "x"}}).status_code == 200  # it needs none
    assert talk(ends, "failing", ANN, begun(ends, "main")) == UNAVAILABLE
    ends.disturb("failing")
    assert talk(ends, "failing", ANN, begun(ends, "failing")) == turn(2)


def test_a_full_storage_is_a_503_and_then_healed(ends: Endpoints) -> None:
    ends.disturb("full", fault="full")
    assert talk(ends, "full", ANN) == UNAVAILABLE
    ends.disturb("full")
    assert talk(ends, "full", ANN, begun(ends, "full")) == turn(2)


def test_a_silent_storage_is_a_503_in_time_for_each_of_many_and_then_healed(ends: Endpoints) -> None:
    ends.disturb("slow", delay=60)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: timed(lambda: talk(ends, "slow", ANN)), range(4)))
    ends.disturb("slow")
    assert [answer for answer, _ in answers] == [UNAVAILABLE] * 4
    assert talk(ends, "slow", ANN, begun(ends, "slow")) == turn(2)
    assert max(seconds for _, seconds in answers) < 9  # not 3 s for each of those before it


def test_a_known_secret_is_as_good_while_the_storage_fails(ends: Endpoints) -> None:
    handle = begun(ends, "main")
    ends.disturb("one", fault="failing")
    try:
        assert talk(ends, "main", ANN, handle) == turn(2)
        assert talk(ends, "main", BOB, handle)[0] in (404, 503)
        assert talk(ends, "main", ANN, handle) == turn(3)
    finally:
        ends.disturb("one")


def test_a_handle_made_with_another_secret_is_good_once_that_secret_is_in_the_storage(
    ends: Endpoints, older: Older
) -> None:
    time.sleep(max(0.0, older.looked_at + BETWEEN_LOOKS - time.monotonic()))
    with ThreadPoolExecutor(6) as pool:  # for each of those who come at once, not only for whom it is read
        answers = list(pool.map(lambda _: talk(ends, "moved", ANN, older.handles["moved"]), range(6)))
    assert sorted(answers) == [turn(number) for number in range(2, 8)]


def timed[T](call: Callable[[], T]) -> tuple[T, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began
