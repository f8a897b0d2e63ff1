"""The description and the running plugin, held against each other by others."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.clients.process import ROOT
from tests.clients.python import CACHE
from tests.conftest import RunningWorkbench
from tests.plugin.conftest import caller

TOOLS: Final = CACHE / "openapi-clients" / "bin"
CONFIG: Final = ROOT / "tests" / "clients" / "openapi" / "schemathesis.toml"
HOOK: Final = "keyed"
"""The demo endpoint whose apps have keys of their own, so that all of Dify's routes are served."""

MOST_SECONDS: Final = 170
"""Half a minute where the machine has nothing else to do."""


@pytest.fixture(scope="module")
def endpoint(duck: RunningWorkbench) -> str:
    """The address of the endpoint; a tool is given the key apart from it."""
    return f"{duck.url.rpartition('/')[0]}/{HOOK}"


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """folder: where the tool may leave its files."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    program, *arguments = command
    line = [str(TOOLS / program), *arguments]
    return subprocess.run(
        line, cwd=folder, env=env, capture_output=True, encoding="utf-8", timeout=MOST_SECONDS, check=False
    )


def test_the_description_is_valid_openapi(endpoint: str, tmp_path: Path) -> None:
    with caller(endpoint, key=None) as client:
        (tmp_path / "openapi.json").write_bytes(client.get("/openapi.json").content)
    checked = run(tmp_path, "openapi-spec-validator", "openapi.json")
    assert (checked.returncode, checked.stdout.strip()) == (0, "openapi.json: OK")


def test_no_reply_has_a_status_a_type_or_a_shape_that_is_not_described(endpoint: str, tmp_path: Path) -> None:
    address = f"{endpoint}/openapi.json"
    done = run(
        tmp_path,
        *("schemathesis", "--config-file", str(CONFIG), "run", address, "--continue-on-failure", "--no-color"),
        DUCK_URL=endpoint,
        DUCK_KEY=RunningWorkbench.key,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    paths = json.loads(httpx.get(address).content)["paths"]
    others = sum(len(item.keys() - {"servers"}) for path, item in paths.items() if path != "/openapi.json")
    assert f"Tested: {others}" in done.stdout  # it leaves out where the description itself is
