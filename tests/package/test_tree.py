"""Holds every file of the repository to naming no package registry and no path of a developer's machine, and the
pinned requirements to being whole."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.package import ROOT

# Each with a class of one letter, so that this file doesn't contain what it looks for.
REGISTRY = re.compile(rb"py[p]i\.org|python[h]osted\.org|npm[j]s\.(org|com)|yarn[p]kg\.com")
MACHINE_PATH = re.compile(rb"(?<![\w.~-])/(home|root|tmp|Users|work)/\w")

PINNED = [
    "requirements.txt",
    "requirements-dev.txt",
    "tests/clients/requirements.txt",
    "tests/clients/openai/requirements.txt",
    "tests/clients/mcp/requirements.txt",
    "tests/clients/dify/requirements.txt",
]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """All that is in git or would be added to it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if (ROOT / name).is_file()]


@pytest.mark.parametrize("pattern", [REGISTRY, MACHINE_PATH], ids=["registry", "machine-path"])
def test_no_file_names_a_registry_or_a_machine_path(files: list[Path], pattern: re.Pattern[bytes]) -> None:
    assert files
    named = [(file.relative_to(ROOT), match[0]) for file in files for match in pattern.finditer(file.read_bytes())]
    assert named == []


def test_no_lock_file_records_where_its_packages_came_from(files: list[Path]) -> None:
    locks = [file for file in files if re.search(r"lock\.json$|\.lock$|requirements.*\.txt$", file.name)]
    assert len(locks) >= len(PINNED) + 1
    recorded = re.compile(rb'"resolved"|--(index-url|extra-index-url|find-links)')
    assert [str(file) for file in locks if recorded.search(file.read_bytes())] == []


@pytest.mark.parametrize("name", PINNED)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    logical_lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").split("\n")
    requirements = [line for line in logical_lines if line and not line.lstrip().startswith("#")]
    assert requirements
    whole = re.compile(r"[\w.-]+==\S+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in requirements if not whole.fullmatch(line)] == []


def test_the_development_environment_runs_the_plugin_on_the_versions_that_the_daemon_installs() -> None:
    plugin, development = (
        dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in PINNED[:2]
    )
    shared = plugin.keys() & development.keys()
    assert shared
    assert {name: development[name] for name in shared} == {name: plugin[name] for name in shared}
