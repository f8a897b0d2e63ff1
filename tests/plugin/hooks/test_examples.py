"""The commands of docs/hooks.md work at the demo endpoint, as they stand there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import RunningWorkbench

DOCS: Final = Path(__file__).resolve().parents[3] / "docs" / "hooks.md"
BASE: Final = "http://127.0.0.1:8787/e/duck"
SETUP, *OTHERS = re.findall(r"```sh\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="it takes curl and openssl")
@pytest.mark.parametrize("number", range(len(OTHERS) + 1))
def test_an_example_of_the_page_runs_the_app(local: RunningWorkbench, number: int) -> None:
    example = SETUP if number == 0 else SETUP.partition("\n")[0] + "\n" + OTHERS[number - 1]
    command = example.replace(BASE, local.url)
    assert command != example
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert '"answer":"You said: {' in said.stdout
    assert '"status":"succeeded"' in said.stdout
    if number == 0:
        curl = "curl -s" + command.partition("\ncurl")[2]
        repeated = subprocess.run(["sh", "-c", f"{command}\n{curl}"], capture_output=True, text=True, check=True)
        assert repeated.stdout.endswith('{"status":"duplicate"}')
