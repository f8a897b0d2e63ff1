"""scripts/pages.sh where npm's packages can't be had."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a page from before, a Node that is new enough, and an npm that can't install."""
    for name in ("scripts", "pages/built", "bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("scripts/pages.sh", "scripts/node.sh", "pages/package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "pages" / "built" / "page.js").write_text("old", encoding="utf-8")
    for name, status in (("node", 0), ("npm", 1)):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{tree / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["sh", "scripts/pages.sh", *arguments]
    return subprocess.run(
        command, cwd=tree, env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False
    )


def test_no_page_of_an_earlier_source_is_left_to_be_packed(tree: Path) -> None:
    done = run(tree)
    assert (done.returncode, (tree / "pages" / "built").exists()) == (0, False)
    assert "The page was not built" in done.stderr


def test_a_check_that_has_checked_nothing_fails(tree: Path) -> None:
    done = run(tree, "check")
    assert done.returncode == 1
    assert "The page was not checked" in done.stderr
