"""Each test of a transport alone: no proxy of the environment, no connection kept, nothing known from another test."""

from collections.abc import Iterator
from typing import Final

import pytest

from gateway.transports import service_api
from gateway.transports.service import client, info

PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(client, "IDLE_CONNECTIONS", 0)
    monkeypatch.setattr(client, "CONNECT_PAUSE", 0.0)
    monkeypatch.setattr(service_api, "_known", info.Infos())
    client._pooled.cache_clear()
    yield
    client._pooled.cache_clear()
