"""The official conformance suite, at each revision that is served (protocols section 6).

`tests/clients/mcp/expected_failures` lists what it asks for that a server with tools only can't have, with reasons.
"""

import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from gateway.protocols.mcp.revisions import SERVED_LEGACY, SERVED_MODERN
from tests.clients.node import CLIENTS, NODE

SUITE: Final = CLIENTS / "node_modules" / "@modelcontextprotocol" / "conformance"
EXPECTED: Final = CLIENTS / "mcp" / "expected_failures"

TIME_LIMIT: Final = 120.0
"""Seconds for one revision; it takes two."""

SCENARIOS: Final = {
    "2026-07-28": ("--requirements", "2026-07-28"),
    "2025-11-25": ("--requirements", "2025-11-25"),
    "2025-06-18": ("--spec-version", "2025-06-18"),
    "2025-03-26": ("--spec-version", "2025-03-26"),
}
"""How the suite is told which of its scenarios to run; it has sets of requirements for the two newest only."""

UNJUDGED: Final = ("http-header-validation",)
"""Scenarios of the newest revision that came after it, and that a server with tools only can pass."""

ESSENTIAL: Final = frozenset({"tools-list", "tools-call-simple-text", "tools-call-error", "tools-call-with-progress"})
"""Of a server with tools, whatever the revision."""


def _run(url: str, folder: Path, *arguments: str | Path) -> str:
    """What the suite says; fails where it has found something."""
    command = [NODE, SUITE / "dist" / "index.js", "server", "--url", f"{url}/conformance/mcp", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=TIME_LIMIT, check=False)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr
    return done.stdout


@pytest.mark.parametrize("revision", SCENARIOS)
def test_the_suite_finds_nothing_but_what_is_expected(revision: str, endpoints: str, tmp_path: Path) -> None:
    expected = EXPECTED / f"{revision}.yaml"
    said = _run(endpoints, tmp_path, *SCENARIOS[revision], "--expected-failures", expected)
    assert "=== SUMMARY ===" in said


@pytest.mark.parametrize("scenario", UNJUDGED)
def test_the_suite_finds_nothing_in_what_it_runs_without_judging(scenario: str, endpoints: str, tmp_path: Path) -> None:
    said = _run(endpoints, tmp_path, "--scenario", scenario, "--spec-version", "2026-07-28")
    assert "Passed: 14/14, 0 failed, 0 warnings" in said


def test_every_revision_that_is_served_is_held_to_the_suite() -> None:
    assert tuple(SCENARIOS) == SERVED_MODERN + SERVED_LEGACY
    assert {file.stem for file in EXPECTED.iterdir()} == set(SCENARIOS)


def test_nothing_essential_is_expected_to_fail() -> None:
    for file in EXPECTED.iterdir():
        entries = yaml.safe_load(file.read_text("utf-8"))["server"]
        assert ESSENTIAL.isdisjoint(entry.partition(":")[0] for entry in entries), file.name
