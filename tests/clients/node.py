"""Runs the npm clients beside this file with the Node that `make clients` put there, and reads what they print."""

from pathlib import Path
from typing import Any, Final

from tests.clients.process import json_lines

CLIENTS: Final = Path(__file__).parent
NODE: Final = CLIENTS / "node_modules" / ".bin" / "node"


def run_script(script: str, *arguments: str) -> list[dict[str, Any]]:
    """The JSON objects that `script` printed, one a line. A script that fails raises with what it said on stderr."""
    return json_lines([str(NODE), str(CLIENTS / script), *arguments])
