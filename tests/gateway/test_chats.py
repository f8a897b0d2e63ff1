import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import gevent
import pytest

from gateway.chats import MAX_ID_LENGTH, Chats, chat_id_of
from gateway.diagnosis import storage_unavailable
from gateway.errors import DuckError
from gateway.presence import Presence
from gateway.seals import Holder
from gateway.shelf import BUCKETS, MOST_IN_BUCKET

HOLDER: Final = Holder("endpoint", "web", "", "app")
HANDLE: Final = "x" * 66
"""As long as a sealed handle."""


@dataclass
class FakeStorage:
    """A storage that gives way to others at each call. is_down: every call fails."""

    values: dict[str, bytes] = field(default_factory=dict)
    is_down: bool = False

    def exists(self, key: str) -> bool:
        self._answer()
        return key in self.values

    def load(self, key: str) -> bytes:
        self._answer()
        return self.values[key]

    def save(self, key: str, value: bytes) -> None:
        self._answer()
        self.values[key] = value

    def presence(self) -> Presence:
        return Presence.HERE

    def _answer(self) -> None:
        gevent.sleep(0)
        if self.is_down:
            raise storage_unavailable()


def ids_of_one_bucket(storage: FakeStorage) -> Iterator[str]:
    """Chats that are all kept under one key."""
    chats = Chats(HOLDER, storage)
    return (chat for n in range(1_000_000) if int(chats._name(chat := f"chat-{n}")[:2], 16) % BUCKETS == 0)


# -- A client's own id ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("b8a4c9d0-1111-4111-8111-111111111111", "b8a4c9d0-1111-4111-8111-111111111111"),
        ("  chat-1 ", "chat-1"),
        ("local", ""),  # a temporary chat of Open WebUI's, which names the browser's connection
        ("local:abc", ""),
        ("你好", "你好"),
        ("", ""),
        ("   ", ""),
        ("new", ""),
        ("New", ""),
        ("null", ""),
        ("None", ""),
        ("undefined", ""),
        ("newer", "newer"),
        ("{{LIBRECHAT_BODY_CONVERSATIONID}}", ""),
        ("x" * MAX_ID_LENGTH, "x" * MAX_ID_LENGTH),
        ("x" * (MAX_ID_LENGTH + 1), ""),
    ],
)
def test_a_header_names_a_chat_or_none(given: str, expected: str) -> None:
    assert chat_id_of(given) == expected


# -- What is kept --------------------------------------------------------------------------------------------------


def test_a_chat_leads_to_its_latest_conversation_on_every_replica() -> None:
    storage = FakeStorage()
    Chats(HOLDER, storage).remember("chat", "first")
    assert Chats(HOLDER, storage).conversation("chat") == "first"
    Chats(HOLDER, storage).remember("chat", "second")
    assert Chats(HOLDER, storage).conversation("chat") == "second"
    assert Chats(HOLDER, storage).conversation("other") == ""


@pytest.mark.parametrize(
    "other",
    [
        replace(HOLDER, endpoint_id="other"),
        replace(HOLDER, caller="other"),
        replace(HOLDER, user="other"),
        replace(HOLDER, app_id="other"),
        Holder("endpointweb", "", "", "app"),
    ],
    ids=["endpoint", "caller", "user", "app", "the same letters"],
)
def test_a_chat_belongs_to_its_holder_alone(other: Holder) -> None:
    storage = FakeStorage()
    Chats(HOLDER, storage).remember("chat", "mine")
    assert Chats(other, storage).conversation("chat") == ""
    Chats(other, storage).remember("chat", "theirs")
    assert Chats(HOLDER, storage).conversation("chat") == "mine"


def test_the_storage_holds_no_clients_id_and_no_callers_name() -> None:
    storage = FakeStorage()
    Chats(replace(HOLDER, user="ann"), storage).remember("secret-chat", HANDLE)
    kept = repr(storage.values)
    assert [name for name in ("secret-chat", "web", "ann", "endpoint", "app") if name in kept] == []


def test_what_is_kept_already_is_not_written_again() -> None:
    storage = FakeStorage()
    Chats(HOLDER, storage).remember("chat", HANDLE)
    storage.values = {key: value + b" " for key, value in storage.values.items()}
    written = dict(storage.values)
    Chats(HOLDER, storage).remember("chat", HANDLE)
    assert storage.values == written


# -- Bounds --------------------------------------------------------------------------------------------------------


def test_a_full_bucket_drops_its_oldest_chat() -> None:
    storage = FakeStorage()
    chats = Chats(HOLDER, storage)
    ids = [chat for chat, _ in zip(ids_of_one_bucket(storage), range(MOST_IN_BUCKET + 2), strict=False)]
    for chat in ids[:MOST_IN_BUCKET]:
        chats.remember(chat, f"of {chat}")
    assert [chats.conversation(chat) for chat in ids[:MOST_IN_BUCKET]] == [
        f"of {chat}" for chat in ids[:MOST_IN_BUCKET]
    ]
    chats.remember(ids[0], "anew")  # no longer the oldest
    for chat in ids[MOST_IN_BUCKET:]:
        chats.remember(chat, f"of {chat}")
    lost = [chat for chat in ids if not chats.conversation(chat)]
    assert lost == ids[1:3]


def test_a_chat_that_is_kept_anew_takes_no_others_place() -> None:
    storage = FakeStorage()
    chats = Chats(HOLDER, storage)
    ids = [chat for chat, _ in zip(ids_of_one_bucket(storage), range(MOST_IN_BUCKET), strict=False)]
    for chat in ids:
        chats.remember(chat, "first")
    chats.remember(ids[1], "second")
    assert [chats.conversation(chat) for chat in ids] == ["first", "second", *["first"] * (MOST_IN_BUCKET - 2)]


def test_any_number_of_chats_is_kept_in_a_fixed_number_of_keys_of_bounded_size() -> None:
    storage = FakeStorage()
    chats = Chats(HOLDER, storage)
    for number in range(BUCKETS * 20):
        chats.remember(f"chat-{number}", HANDLE)
    assert len(storage.values) == BUCKETS
    for chat, _ in zip(ids_of_one_bucket(storage), range(3 * MOST_IN_BUCKET), strict=False):
        chats.remember(chat, HANDLE)
    assert len(storage.values) == BUCKETS
    fullest = max(map(len, storage.values.values()))
    assert MOST_IN_BUCKET * len(HANDLE) < fullest < 11_000
    assert BUCKETS * fullest < 400_000  # of the storage that the manifest asks for


def test_a_chat_that_goes_on_is_not_dropped_for_newer_ones() -> None:
    storage = FakeStorage()
    chats = Chats(HOLDER, storage)
    first, *others = (chat for chat, _ in zip(ids_of_one_bucket(storage), range(2 * MOST_IN_BUCKET), strict=False))
    for chat in others:
        chats.remember(first, HANDLE)
        chats.remember(chat, "other")
    assert chats.conversation(first) == HANDLE


# -- Many at once --------------------------------------------------------------------------------------------------


def test_chats_that_are_kept_at_the_same_moment_are_all_kept() -> None:
    storage = FakeStorage()
    ids = [chat for chat, _ in zip(ids_of_one_bucket(storage), range(20), strict=False)]
    gevent.joinall([gevent.spawn(Chats(HOLDER, storage).remember, chat, f"of {chat}") for chat in ids], timeout=10)
    assert [Chats(HOLDER, storage).conversation(chat) for chat in ids] == [f"of {chat}" for chat in ids]


class SilentStorage(FakeStorage):
    """A storage as a call sees it whose caller has left (law 14)."""

    def _answer(self) -> None:
        gevent.sleep(3600)


def test_a_call_whose_caller_has_left_holds_up_no_other_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.shelf.LOCK_WAIT", 0.01)
    gone = [gevent.spawn(Chats(HOLDER, SilentStorage()).remember, "chat", HANDLE) for _ in range(20)]
    gevent.sleep(0)
    storage = FakeStorage()
    try:
        with gevent.Timeout(30):
            Chats(HOLDER, storage).remember("chat", HANDLE)
    finally:
        gevent.killall(gone)
    assert Chats(HOLDER, storage).conversation("chat") == HANDLE


def test_a_storage_that_fails_leaves_no_lock_behind() -> None:
    storage = FakeStorage(is_down=True)
    Chats(HOLDER, storage).remember("chat", HANDLE)
    storage.is_down = False
    with gevent.Timeout(5):
        Chats(HOLDER, storage).remember("chat", HANDLE)
    assert Chats(HOLDER, storage).conversation("chat") == HANDLE


# -- A storage that fails ------------------------------------------------------------------------------------------


def test_a_chat_that_can_not_be_looked_up_is_a_503() -> None:
    with pytest.raises(DuckError) as refusal:
        Chats(HOLDER, FakeStorage(is_down=True)).conversation("chat")
    assert (refusal.value.code, refusal.value.status) == ("storage_unavailable", 503)


def test_a_chat_that_can_not_be_kept_is_told_to_the_log_only(duck_log: pytest.LogCaptureFixture) -> None:
    Chats(HOLDER, FakeStorage(is_down=True)).remember("secret-chat", HANDLE)
    ((_, level, said),) = duck_log.record_tuples
    assert (level, "could not be kept" in said) == (logging.WARNING, True)
    assert "secret-chat" not in said
    assert HANDLE not in said


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"5"], ids=repr)
def test_a_bucket_that_can_not_be_read_is_an_empty_one(broken: bytes) -> None:
    storage = FakeStorage()
    chats = Chats(HOLDER, storage)
    chats.remember("chat", HANDLE)
    (key,) = storage.values
    storage.values[key] = broken
    assert chats.conversation("chat") == ""
    chats.remember("chat", HANDLE)
    assert chats.conversation("chat") == HANDLE
