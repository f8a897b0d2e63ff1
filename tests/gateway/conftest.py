"""Set-up of the gateway's tests: hypothesis with the same examples every time."""

import logging
from collections.abc import Iterator

import hypothesis
import pytest

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
