import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, cast

import gevent
import pytest
from dify_plugin.core.runtime import Session

from gateway.errors import DuckError
from gateway.presence import Presence
from gateway.transports import storage
from gateway.transports.storage import SessionStorage
from tests.gateway.fake_dify import FakeDify, FakeStorage

SHORT: Final = 0.02
"""Seconds; stands for both waits in these tests."""

PATIENCE: Final = 10.0
"""Seconds that a test waits for what must come, on a machine with much else to do."""

CALLS: Final[dict[str, Callable[[SessionStorage], object]]] = {
    "exists": lambda stored: stored.exists("k"),
    "load": lambda stored: stored.load("k"),
    "save": lambda stored: stored.save("k", b"v"),
}

QUOTA: Final = "save data failed: allocated size is greater than max storage size"
MISSING: Final = "load data failed, please check if the key is correct or you have not set it"
CANCELED: Final = "read app failed: context canceled\nfailed to read system header"


def behind(kept: object) -> SessionStorage:
    """The storage of a session whose own one is `kept`."""
    return SessionStorage(cast(Session, SimpleNamespace(storage=kept)))


def silent(begun: list[str] | None = None) -> SessionStorage:
    """The storage of a session that is never answered."""

    def never(*_: Any, **__: Any) -> None:
        if begun is not None:
            begun.append("call")
        gevent.sleep(60 * PATIENCE)

    return behind(SimpleNamespace(exist=never, get=never, set=never))


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_WAIT", SHORT)
    monkeypatch.setattr(storage, "LATE", SHORT)


def test_what_was_saved_is_there_and_is_loaded_as_it_was() -> None:
    dify = FakeDify({})
    stored = SessionStorage(dify.session())
    assert stored.exists("k") is False
    stored.save("k", b"\x00\xff")
    assert (stored.exists("k"), stored.load("k")) == (True, b"\x00\xff")
    assert dify.storage.calls == [("exist", "k"), ("set", "k"), ("exist", "k"), ("get", "k")]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("text", [QUOTA, MISSING, CANCELED, "", "KeyError: 'secret-of-the-daemon'"])
def test_a_call_that_fails_is_a_503_that_tells_nothing_of_the_platforms_text(name: str, text: str) -> None:
    with pytest.raises(DuckError) as caught:
        CALLS[name](behind(FakeStorage(fault=Exception(text))))
    assert (caught.value.code, caught.value.status) == ("storage_unavailable", 503)
    assert not text or text not in caught.value.sentence(with_cause=True)


@pytest.mark.usefixtures("_short_waits")
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_never_answered_is_a_503_after_the_longest_wait(name: str) -> None:
    began = time.monotonic()
    with gevent.Timeout(PATIENCE), pytest.raises(DuckError, match="storage_unavailable"):
        CALLS[name](silent())
    assert time.monotonic() - began >= SHORT


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(None, Presence.HERE, id="an answer"),
        pytest.param(Exception("exist data failed: redis is down"), Presence.HERE, id="a refusal is an answer too"),
        pytest.param(ValueError("whatever the SDK makes of it"), Presence.HERE, id="one that can't be read"),
        pytest.param(Exception(CANCELED), Presence.GONE, id="the daemon says that the caller has left"),
        pytest.param(Exception("session not found: 1f0e"), Presence.GONE, id="serverless says so"),
        pytest.param(
            Exception("failed to get session info from cache"), Presence.GONE, id="serverless says so by the cache"
        ),
        pytest.param(KeyError("session_id"), Presence.GONE, id="serverless says so, and the SDK can't read it"),
    ],
)
def test_what_an_answer_tells_of_the_caller(fault: Exception | None, expected: Presence) -> None:
    assert behind(FakeStorage(fault=fault)).presence() is expected


@pytest.mark.usefixtures("_short_waits")
def test_no_answer_tells_nothing_and_takes_the_probes_wait() -> None:
    began = time.monotonic()
    with gevent.Timeout(PATIENCE):
        assert silent().presence() is Presence.UNANSWERED
    assert time.monotonic() - began >= SHORT


def test_a_look_for_the_caller_changes_nothing_in_the_storage() -> None:
    kept = FakeStorage({"signing-secret": b"s"})
    behind(kept).presence()
    assert ([name for name, _ in kept.calls], kept.values) == (["exist"], {"signing-secret": b"s"})


@pytest.mark.parametrize("name", [*CALLS, "presence"])
def test_a_greenlet_that_waits_in_a_call_can_be_ended(name: str) -> None:
    begun: list[str] = []
    call = CALLS.get(name, SessionStorage.presence)
    waiting = gevent.spawn(call, silent(begun))
    gevent.sleep(0)
    assert begun == ["call"]
    with gevent.Timeout(PATIENCE):
        waiting.kill()
    assert isinstance(waiting.value, gevent.GreenletExit)
