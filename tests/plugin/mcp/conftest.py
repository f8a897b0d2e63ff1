"""Endpoints for unmodified clients of the Model Context Protocol, and for its conformance suite."""

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import FAST, hooks_file
from workbench.apps import DEMO_APPS

KEY: Final = "a-key-of-sixteen-or-more"

FIXTURE_TOOLS: Final[Mapping[str, Any]] = {
    "test_simple_text": {"app_id": DEMO_APPS["fixed"], "kind": "workflow"},
    "test_error_handling": {"app_id": DEMO_APPS["failing"], "kind": "workflow"},
    "test_tool_with_progress": {"app_id": DEMO_APPS["steps"], "kind": "workflow"},
}
"""The conformance suite calls tools of these names, and is content with what these demo apps do."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def endpoints(start_workbench: Callable[..., RunningWorkbench], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The workbench's address, up to the hook's name.

    The suite sends no key, and takes the server's own address for an origin that must be let in.
    """
    port = _free_port()
    hooks = {
        "all": {"access_keys": KEY, "detail": "progress", "apps": json.dumps(dict(DEMO_APPS))},
        "answer": {"access_keys": KEY, "apps": json.dumps(dict(DEMO_APPS))},
        "conformance": {
            "access": "open",
            "rate_limit": "9999/s",
            "cors_origins": f"http://127.0.0.1:{port}",
            "apps": json.dumps(FIXTURE_TOOLS),
        },
    }
    path = hooks_file(tmp_path_factory.mktemp("hooks"), **hooks)
    more = ("--port", str(port), "--env", "WORKBENCH_SLOW_SECONDS=6")
    return start_workbench(*FAST, *more, "--hooks", path).url.rpartition("/")[0]
