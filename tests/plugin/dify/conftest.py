"""Endpoints whose apps Duck reaches with their own keys, and endpoints whose apps it does not; and what reached Dify's
Service API.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import FAST, hooks_file
from workbench.apps import DEMO_APPS, TEST_APPS

ALICE: Final = "alice-key-of-sixteen-or-more"
BOB: Final = "bob-key-of-sixteen-or-more"

APPS: Final = {**DEMO_APPS, **TEST_APPS}

_KEYS: Final = ", ".join(f"{alias}=app-demo-key-{alias}" for alias in APPS if alias != "nowhere")
_OPEN: Final = {"access_keys": f"alice={ALICE}, bob={BOB}", "apps": json.dumps(APPS), "detail": "full"}
_KEYED: Final = {**_OPEN, "dify_api_url": "{service_api}", "dify_api_keys": _KEYS}

HOOKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "keyed": _KEYED,
    "keyless": _OPEN,
    "public": {**_KEYED, "access_keys": "", "access": "open"},
    "mixed": {**_KEYED, "dify_api_keys": "mirror=app-demo-key-mirror"},
    "hurried": {**_KEYED, "run_timeout": "2s"},
}
"""`hurried` is one where a run is given up soon."""

WAIT: Final = 20.0
"""Seconds until what must come soon has come, on a machine with much else to do."""


class ServiceApi:
    """What a test sees of the workbench's Service API, and does to it (workbench/service_control.py)."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(verify=False)
        self._url = f"{address}/workbench/service-api"

    def seen(self) -> dict[str, Any]:
        state: dict[str, Any] = self._client.get(self._url).raise_for_status().json()
        return state

    def sent(self, path: str = "") -> list[dict[str, Any]]:
        """The requests whose path begins so, the oldest first."""
        return [request for request in self.seen()["requests"] if request["path"].startswith(path)]

    def misbehave(self, **fault: Any) -> None:
        self._client.post(self._url, json=fault).raise_for_status()

    def heal(self) -> None:
        """No faults, and nothing is remembered but the runs that go on."""
        self._client.delete(self._url).raise_for_status()

    def until(self, is_so: Callable[[dict[str, Any]], Any], seconds: float = WAIT) -> dict[str, Any]:
        """What there is to see, once that holds of it; the last thing seen where it never does."""
        deadline = time.monotonic() + seconds
        while not is_so(state := self.seen()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return state


@pytest.fixture(scope="session")
def dify_workbench(
    start_workbench: Callable[..., RunningWorkbench], tmp_path_factory: pytest.TempPathFactory
) -> RunningWorkbench:
    path = hooks_file(tmp_path_factory.mktemp("hooks"), **HOOKS)
    return start_workbench(*FAST, "--control", "--hooks", path)


@pytest.fixture(scope="session")
def endpoints(dify_workbench: RunningWorkbench) -> str:
    """The workbench's address, up to the hook's name."""
    return dify_workbench.url.rpartition("/")[0]


@pytest.fixture(scope="session")
def service_api(endpoints: str) -> ServiceApi:
    return ServiceApi(endpoints.removesuffix("/e"))


def stops_of(state: Mapping[str, Any], user: str) -> list[str]:
    """The tasks that Dify was asked to stop for this user of its own, once for each time."""
    paths = [str(request["path"]) for request in state["requests"] if request["user"] == user]
    return [path.split("/")[-2] for path in paths if path.endswith("/stop")]


def caller(url: str, key: str = ALICE) -> httpx.Client:
    """A caller of one of an endpoint's bases. It keeps no connection, so that leaving it is leaving Duck."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, verify=False)
