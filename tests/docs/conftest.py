"""One workbench for all pages: the demo's endpoints, and one that stands for a reader's own."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import RunningWorkbench
from tests.docs.blocks import ROOT, Block

HOOK = {
    "settings": {
        "access_keys": "demo=duck-demo-key-local",
        "app": {"app_id": "d1f70000-0000-4000-8000-000000000001"},
        "apps": "support=d1f70000-0000-4000-8000-000000000001",
    }
}

type Serve = Callable[[list[Block]], dict[str, str]]


@pytest.fixture(scope="session")
def origin(start_workbench: Callable[..., RunningWorkbench], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The workbench's address, without a path."""
    hooks = yaml.safe_load((ROOT / "workbench" / "demo.yaml").read_text(encoding="utf-8"))
    file = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    file.write_text(yaml.safe_dump({**hooks, "HOOK": HOOK}), encoding="utf-8")
    running = start_workbench("--hooks", str(file), "--env", "WORKBENCH_PACE=0")
    return running.url[: running.url.index("/e/")]


@pytest.fixture
def serve(start_workbench: Callable[..., RunningWorkbench], tmp_path: Path) -> Iterator[Serve]:
    """Starts what a page starts: writes its files, and gives the addresses in the page with their real ones."""
    started: list[RunningWorkbench] = []

    def start(blocks: list[Block]) -> dict[str, str]:
        served = {}
        for block in blocks:
            if name := block.note("file"):
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(block.text, encoding="utf-8")
            if block.note("serves"):
                words = shlex.split(block.text)
                arguments = words[words.index("workbench") + 1 :]
                port = arguments.index("--port")
                written = f"http://127.0.0.1:{arguments[port + 1]}"
                del arguments[port : port + 2]
                paths = [str(tmp_path / word) if (tmp_path / word).exists() else word for word in arguments]
                started.append(start_workbench(*paths))
                served[written] = started[-1].url[: started[-1].url.index("/e/")]
        return served

    yield start
    for running in started:
        running.stop()
