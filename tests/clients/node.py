"""Runs the npm clients beside this file with the Node that `make clients` put there, and reads what they print."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

CLIENTS: Final = Path(__file__).parent
NODE: Final = CLIENTS / "node_modules" / ".bin" / "node"

TIME_LIMIT: Final = 60.0
"""Seconds for one script: above every stream that a test reads, below pytest's own limit for a test."""


def run_script(script: str, *arguments: str) -> list[dict[str, Any]]:
    """The JSON objects that `script` printed, one a line. A script that fails raises with what it said on stderr."""
    command = [str(NODE), str(CLIENTS / script), *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=TIME_LIMIT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{script} failed: {done.stderr}")
    # At "\n" only: an answer may hold U+2028 and U+2029, which splitlines() takes for line ends.
    return [json.loads(line) for line in done.stdout.split("\n") if line]
