"""Runs a client's script as a process of its own, and reads the JSON that it prints."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent.parent

TIME_LIMIT: Final = 60.0
"""Seconds for one script: above every stream that a test reads, below pytest's own limit for a test."""


def json_lines(command: Sequence[str]) -> list[dict[str, Any]]:
    """The JSON objects that the command printed, one a line. One that fails raises with what it said on stderr."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=TIME_LIMIT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} failed: {done.stderr}")
    # At "\n" only: an answer may hold U+2028 and U+2029, which splitlines() takes for line ends.
    return [json.loads(line) for line in done.stdout.split("\n") if line]
