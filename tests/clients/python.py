"""Runs the Python clients in `openai/` and `mcp/` in their environments, which `make clients` made, and reads what they
print.
"""

from typing import Any, Final

from tests.clients.process import ROOT, json_lines

CACHE: Final = ROOT / ".cache"
ENVIRONMENT: Final = CACHE / "openai-clients" / "bin"


def run_module(module: str, *arguments: str, clients: str = "openai") -> list[dict[str, Any]]:
    """The JSON objects that a module of `tests/clients/<clients>` printed, one a line. One that fails raises."""
    python = CACHE / f"{clients}-clients" / "bin" / "python"
    return json_lines([str(python), "-m", f"tests.clients.{clients}.{module}", *arguments])
