"""Runs the Python clients in `openai/` in the environment that `make clients` made, and reads what they print."""

from typing import Any, Final

from tests.clients.process import ROOT, json_lines

ENVIRONMENT: Final = ROOT / ".cache" / "openai-clients" / "bin"


def run_module(module: str, *arguments: str) -> list[dict[str, Any]]:
    """The JSON objects that a module of `tests/clients/openai` printed, one a line. One that fails raises."""
    return json_lines([str(ENVIRONMENT / "python"), "-m", f"tests.clients.openai.{module}", *arguments])
