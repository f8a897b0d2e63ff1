"""What a plugin loads before it takes its first request."""

import subprocess
import sys

from tests.conftest import ROOT

LATER = ("jsonschema", "mcp_types")
"""What only MCP and its clients need."""


def test_what_only_mcp_needs_is_loaded_by_the_first_who_asks_for_it() -> None:
    program = f"import main, sys; print([name for name in {LATER!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True)
    assert run.stdout.split("\n")[-2] == "[]"
