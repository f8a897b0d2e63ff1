"""The page's snippets work as they stand there, once the key is put in."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from tests.clients.node import CLIENTS
from tests.clients.process import json_lines
from tests.conftest import ROOT, RunningWorkbench

NODE: Final = CLIENTS / "node_modules" / ".bin" / "node"
CACHE: Final = ROOT / ".cache"
APPS: Final = ("echo", "workflow", "form", "completion")

type Snippets = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def endpoint(workbench: RunningWorkbench) -> str:
    """With the apps' own keys, so that each kind of app can be run."""
    return workbench.url.replace("/e/duck", "/e/keyed")


@pytest.fixture(scope="module")
def snippets(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Snippets:
    """By app and client, for the apps as `GET /` tells of them."""
    told = httpx.get(f"{endpoint}/", headers={"X-API-Key": RunningWorkbench.key}, timeout=60).json()
    apps = tmp_path_factory.mktemp("snippets") / "apps.json"
    apps.write_text(json.dumps([app for app in told["apps"] if app["alias"] in APPS]), encoding="utf-8")
    listed = json_lines([str(NODE), str(Path(__file__).parent / "snippets.mjs"), str(apps), endpoint])
    return {(item["alias"], item["id"]): item["text"].replace("YOUR_KEY", RunningWorkbench.key) for item in listed}


def said_by(*command: str | Path) -> str:
    """What a command prints; it fails where the command does."""
    done = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("alias", "said"), [("echo", "You said: "), ("workflow", "You wrote: Hello"), ("form", '"red"'), ("completion", "")]
)
def test_curl(snippets: Snippets, alias: str, said: str) -> None:
    body = said_by("sh", "-c", snippets[alias, "curl"])
    assert "event: end" in body
    assert said in body


@pytest.mark.parametrize(("alias", "said"), [("echo", "You said: Hello (turn 1)"), ("workflow", "You wrote: Hello")])
def test_openai_for_python_and_for_javascript(snippets: Snippets, alias: str, said: str) -> None:
    python = CACHE / "openai-clients" / "bin" / "python"
    assert said_by(python, "-c", snippets[alias, "python"]) == said
    assert said_by(NODE, "--input-type=module", "-e", snippets[alias, "javascript"]) == said


@pytest.mark.parametrize(
    ("alias", "said"),
    [("echo", "You said: Hello (turn 1)"), ("workflow", "You wrote: Hello"), ("form", "red"), ("completion", "Hello")],
)
def test_difys_own_client(snippets: Snippets, alias: str, said: str) -> None:
    assert said in said_by(NODE, "--input-type=module", "-e", snippets[alias, "dify"])


def test_settings_of_clients_hold_the_address_and_the_key(snippets: Snippets, endpoint: str) -> None:
    server = json.loads(snippets["echo", "mcp"])["mcpServers"]["duck"]
    headers = {"Authorization": f"Bearer {RunningWorkbench.key}"}
    assert server == {"type": "http", "url": f"{endpoint}/mcp", "headers": headers}
    librechat: dict[str, Any] = yaml.safe_load(snippets["echo", "librechat"])
    (custom,) = librechat["endpoints"]["custom"]
    assert (custom["baseURL"], custom["models"]) == (f"{endpoint}/v1", {"default": ["echo"], "fetch": True})
    assert f"URL:   {endpoint}/v1" in snippets["echo", "open-webui"]
