"""The running plugin, under the workbench, both ways of running it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import RunningWorkbench
from workbench.apps import DEMO_APPS

FAST = ("--env", "WORKBENCH_PACE=0")
"""Demo apps without pauses between tokens."""

type StartWorkbench = Callable[..., RunningWorkbench]


@pytest.fixture(scope="session")
def local(start_workbench: StartWorkbench) -> RunningWorkbench:
    """The plugin as the daemon runs it, over stdio."""
    return start_workbench(*FAST)


@pytest.fixture(scope="session")
def remote(start_workbench: StartWorkbench) -> RunningWorkbench:
    """The plugin under remote debugging, over TCP."""
    return start_workbench(*FAST, "--remote")


@pytest.fixture(scope="session", params=["local", "remote"])
def duck(request: pytest.FixtureRequest) -> RunningWorkbench:
    """Each way of running the plugin in turn."""
    found: RunningWorkbench = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def client(duck: RunningWorkbench) -> Iterator[httpx.Client]:
    """A caller with the demo key."""
    with caller(duck.url) as found:
        yield found


def caller(url: str, key: str | None = RunningWorkbench.key, timeout: float = 60) -> httpx.Client:
    """An httpx client for an endpoint; without a default `Accept`."""
    client = httpx.Client(base_url=url, timeout=timeout)
    del client.headers["Accept"]
    if key:
        client.headers["Authorization"] = f"Bearer {key}"
    return client


def hooks_file(folder: Path, **hooks: Mapping[str, Any]) -> str:
    """A hooks file with these endpoints' settings, all in one workspace; its path."""
    content = {name: {"workspace": "one", "settings": dict(settings)} for name, settings in hooks.items()}
    path = folder / "hooks.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return str(path)


def listed(*aliases: str) -> str:
    """These demo apps, as the setting `apps` has them."""
    return ", ".join(f"{alias}={DEMO_APPS[alias]}" for alias in aliases)
