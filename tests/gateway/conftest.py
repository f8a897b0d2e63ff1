"""Set-up of the gateway's tests: the SDK without its patches, and hypothesis with the same examples every time.

The SDK patches the whole process with gevent when it is imported; these tests need none of it, and others that run in
the same process use real threads.
"""

import logging
from collections.abc import Iterator
from unittest import mock

import hypothesis
import pytest

with mock.patch("gevent.monkey.patch_all"):
    import dify_plugin  # noqa: F401 - imported for its effect

hypothesis.settings.register_profile(
    "always the same", derandomize=True, database=None, deadline=None, max_examples=150
)
hypothesis.settings.load_profile("always the same")


@pytest.fixture(autouse=True)
def _no_wait_between_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace's secret is read twice, a second apart; each test has a workspace of its own."""
    monkeypatch.setattr("gateway.secret.BETWEEN_READS", 0.0)


@pytest.fixture
def duck_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What Duck logs; its logger does not pass it on to the root's, where `caplog` listens."""
    logger = logging.getLogger("duck")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
