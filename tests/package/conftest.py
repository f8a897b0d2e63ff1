"""The package, unpacked, in a clean environment that holds only what its requirements.txt asks for, and running."""

import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.package import ROOT, build


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    zipfile.ZipFile(io.BytesIO(build(ROOT))).extractall(folder)
    return folder


@pytest.fixture(scope="session")
def plugin_python(unpacked: Path) -> Path:
    """The Python of that environment; it stays in .cache/ until requirements.txt changes."""
    environment = Path(".cache") / "plugin"
    make = ["sh", "scripts/environment.sh", str(environment), str(unpacked / "requirements.txt")]
    subprocess.run(make, cwd=ROOT, check=True)
    return ROOT / environment / "bin" / "python"


@pytest.fixture(scope="session")
def running_package(unpacked: Path, plugin_python: Path) -> Iterator[str]:
    """The base URL of the unpacked plugin, run by the workbench with its demo apps."""
    from_package = ["--plugin", str(unpacked), "--python", str(plugin_python)]
    command = [sys.executable, "-m", "workbench", *from_package, "--port", "0"]
    workbench = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    assert workbench.stdout
    said = ""
    try:
        for line in workbench.stdout:
            said += line
            if ready := re.search(r"listening on (http://\S+)", line):
                yield ready[1]
                return
        pytest.fail(f"the workbench ended: {said}")
    finally:
        workbench.terminate()
        workbench.communicate()
