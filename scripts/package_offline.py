"""Builds the packages for a Dify without any way out: the plugin with all its wheels, one package for each platform.

Owns which wheels fit which platform, and the head of the requirements file that makes uv and pip take these and look
nowhere else. Refuses to build when the index can't be reached or lacks a wheel, for then an installation would fail
where nobody can mend it. The marketplace takes the package of `scripts.package`, not these.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from scripts.package import ROOT, PackageError, archive, package_files, write_package

PYTHON: Final = "3.12"
"""The Python of the manifest, and of the daemon's `uv venv --python 3.12`, whatever else its machine has."""

GLIBC: Final = range(17, 29)
"""Minor versions of glibc 2 whose wheels run: from the oldest that is still built for to 2.28. The daemon's image has
a newer one; some wheels (gevent's) ask for 2.28."""

ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""The manifest's name of an architecture (also Docker's) and the one in a wheel's tags."""

HEAD: Final = b"--no-index\n--find-links=./wheels/\n"
"""What makes `uv pip install -r requirements.txt`, which the daemon runs in the plugin's folder, ask no index."""

MAX_SIZE: Final = 50 * 1024 * 1024
"""Bytes: the daemon's MAX_PLUGIN_PACKAGE_SIZE as Dify 1.16.0 sets it."""

DOWNLOAD_SECONDS: Final = 600


def build(root: Path, wheels: Path) -> bytes:
    """The package of the tree at `root` with the files of the folder `wheels`."""
    files = package_files(root)
    files["requirements.txt"] = HEAD + files["requirements.txt"]
    files |= {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels.iterdir()}
    return archive(files, MAX_SIZE)


def download(requirements: Path, architecture: str, wheels: Path) -> None:
    """Puts the wheels for Linux on `architecture` (`amd64`, `arm64`) that `requirements` pins into the folder `wheels`.

    Nothing is built from source, and each file must have one of the hashes given.
    """
    machine = ARCHITECTURES[architecture]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC] + [f"manylinux2014_{machine}"]
    wanted = wheels.with_suffix(".txt")
    wanted.write_text("\n".join(requirements_of(requirements.read_text(encoding="utf-8"), machine)), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--dest", str(wheels), "-r", str(wanted)]
    command += ["--implementation=cp", f"--python-version={PYTHON}"]
    command += [f"--platform={platform}" for platform in platforms]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=DOWNLOAD_SECONDS, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise PackageError(
            f"pip did not get the wheels for linux-{architecture}, which takes a package index that can be reached and "
            f"has them all ({said[-1].rstrip('.')})"
        )


def requirements_of(pinned: str, machine: str) -> list[str]:
    """The requirements that a plugin on Linux and `machine` has, with their hashes and without markers.

    pip judges markers by the machine that it runs on, which may be another one.
    """
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{PYTHON}.0",
        "python_version": PYTHON,
        "sys_platform": "linux",
    }
    chosen = []
    for line in pinned.replace("\\\n", " ").splitlines():
        declared, *hashes = line.split(" --hash=")
        if not declared or declared.lstrip().startswith("#"):
            continue
        requirement = Requirement(declared)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            requirement.marker = None
            chosen.append(" --hash=".join([str(requirement), *map(str.strip, hashes)]))
    return chosen


def main() -> None:
    for architecture in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            wheels = Path(folder) / "wheels"
            wheels.mkdir()
            try:
                download(ROOT / "requirements.txt", architecture, wheels)
                content = build(ROOT, wheels)
            except PackageError as error:
                sys.exit(f"No offline package was built: {error}.")
        write_package(content, f"offline-linux-{architecture}")


if __name__ == "__main__":
    main()
