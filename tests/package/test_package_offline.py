"""The offline packages: what is in them, that uv and pip install one with no index to ask, and that it then runs."""

import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from scripts.package import ROOT, PackageError, package_files
from scripts.package_offline import ARCHITECTURES, HEAD, build, download, requirements_of
from tests.conftest import RunningWorkbench

NOWHERE = "http://127.0.0.1:9"
"""The port of the discard service, where nothing listens."""

THIS_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())

installs_here = pytest.mark.skipif(
    sys.platform != "linux" or THIS_MACHINE is None or sys.version_info[:2] != (3, 12),
    reason="an offline package is for Linux and Python 3.12",
)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each architecture's wheels, fresh from the index."""
    folders = {}
    for architecture in ARCHITECTURES:
        folders[architecture] = tmp_path_factory.mktemp(architecture) / "wheels"
        folders[architecture].mkdir()
        download(ROOT / "requirements.txt", architecture, folders[architecture])
    return folders


@pytest.fixture(scope="session")
def offline(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this machine, unpacked."""
    assert THIS_MACHINE
    folder = tmp_path_factory.mktemp("offline")
    zipfile.ZipFile(io.BytesIO(build(ROOT, wheels[THIS_MACHINE]))).extractall(folder)
    return folder


@pytest.fixture
def no_index(tmp_path: Path) -> dict[str, str]:
    """An environment in which no index, proxy, cache or configuration file is of any use."""
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), NOWHERE)
    indexes = dict.fromkeys(("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), f"{NOWHERE}/simple")
    caches = {"PIP_NO_CACHE_DIR": "1", "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_PYTHON_DOWNLOADS": "never"}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_RETRIES": "0", **proxies, **indexes, **caches}


def make_environment(folder: Path, environment: dict[str, str]) -> Path:
    """The Python of a new environment in `folder`, as the daemon makes one."""
    command = [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(folder)]
    subprocess.run(command, env=environment, check=True)
    return folder / "bin" / "python"


def wanted_tags(architecture: str) -> frozenset[Tag]:
    platforms = [f"manylinux_2_{minor}_{ARCHITECTURES[architecture]}" for minor in range(5, 29)]
    return frozenset([*cpython_tags((3, 12), platforms=platforms), *compatible_tags((3, 12), platforms=platforms)])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_requirement_has_one_wheel_that_its_platform_takes_and_the_lock_knows(
    wheels: dict[str, Path], architecture: str
) -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    wanted = [line.split("==")[0] for line in requirements_of(lock, ARCHITECTURES[architecture])]
    found = sorted(wheels[architecture].iterdir())
    assert sorted(parse_wheel_filename(wheel.name)[0] for wheel in found) == sorted(map(canonicalize_name, wanted))
    tags = wanted_tags(architecture)
    assert [wheel.name for wheel in found if not parse_wheel_filename(wheel.name)[3] & tags] == []
    assert [wheel.name for wheel in found if hashlib.sha256(wheel.read_bytes()).hexdigest() not in lock] == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_package_is_the_plugin_with_wheels_and_fits_the_daemon(wheels: dict[str, Path], architecture: str) -> None:
    content = build(ROOT, wheels[architecture])
    assert len(content) < 50 * 1024 * 1024
    package = zipfile.ZipFile(io.BytesIO(content))
    plugin = package_files(ROOT)
    names = {name for name in package.namelist() if not name.startswith("wheels/")}
    assert names == set(plugin)
    assert package.read("requirements.txt") == HEAD + plugin["requirements.txt"]


def test_the_same_wheels_give_the_same_bytes_in_whatever_order_they_came(tmp_path: Path) -> None:
    names = ["b-1-py3-none-any.whl", "a-1-py3-none-any.whl"]
    packages = []
    for number, order in enumerate((names, names[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in order:
            (folder / name).write_text(name)
            os.utime(folder / name, (number, number))
        packages.append(build(ROOT, folder))
    assert packages[0] == packages[1]


@pytest.mark.parametrize(
    ("line", "chosen"),
    [
        ("a==1 --hash=sha256:0", ["a==1 --hash=sha256:0"]),
        ("a==1 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1", ["a==1 --hash=sha256:0 --hash=sha256:1"]),
        ("a==1 ; sys_platform == 'win32' --hash=sha256:0", []),
        ("a==1 ; sys_platform == 'linux' --hash=sha256:0", ["a==1 --hash=sha256:0"]),
        ("a==1 ; platform_machine == 'aarch64' --hash=sha256:0", ["a==1 --hash=sha256:0"]),
        ("a==1 ; platform_machine == 'x86_64' --hash=sha256:0", []),
        ("a==1 ; platform_python_implementation == 'CPython' --hash=sha256:0", ["a==1 --hash=sha256:0"]),
        ("a==1 ; python_full_version < '3.12' --hash=sha256:0", []),
        ("# made by uv\n    # via b\n", []),
    ],
    ids=["plain", "several hashes", "Windows", "Linux", "this machine", "another", "CPython", "old Python", "comments"],
)
def test_markers_are_judged_for_the_plugin_s_machine(line: str, chosen: list[str]) -> None:
    assert requirements_of(line, "aarch64") == chosen


def test_a_builder_without_an_index_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{NOWHERE}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for more in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(more, raising=False)
    (tmp_path / "wheels").mkdir()
    with pytest.raises(PackageError, match=r"^pip did not get the wheels for linux-arm64, which takes a package index"):
        download(ROOT / "requirements.txt", "arm64", tmp_path / "wheels")


@installs_here
def test_uv_installs_it_as_the_daemon_does_and_the_plugin_answers(
    offline: Path, no_index: dict[str, str], tmp_path: Path, start_workbench: Callable[..., RunningWorkbench]
) -> None:
    python = make_environment(tmp_path / "venv", no_index)
    install = [sys.executable, "-m", "uv", "pip", "install", "--python", str(python), "-r", "requirements.txt"]
    done = subprocess.run(install, cwd=offline, env=no_index, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    running = start_workbench("--plugin", str(offline), "--python", str(python))
    key = {"Authorization": f"Bearer {running.key}"}
    question = {"query": "Hello", "response_mode": "blocking"}
    reply = httpx.post(f"{running.url}/chat/echo", json=question, headers=key, timeout=60)
    assert (reply.status_code, reply.json()["answer"]) == (200, "You said: Hello (turn 1)")
    assert running.stop() == 0


@installs_here
def test_pip_installs_it_too(offline: Path, no_index: dict[str, str], tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", no_index)
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    install = [*pip, "install", "--quiet", "--no-compile", "-r", "requirements.txt"]
    done = subprocess.run(install, cwd=offline, env=no_index, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run([*pip, "check"], env=no_index, capture_output=True, check=True)


@installs_here
def test_without_the_wheels_nothing_is_installed(offline: Path, no_index: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "requirements.txt").write_bytes((offline / "requirements.txt").read_bytes())
    python = make_environment(tmp_path / "venv", no_index)
    install = [sys.executable, "-m", "uv", "pip", "install", "--python", str(python), "-r", "requirements.txt"]
    done = subprocess.run(install, cwd=tmp_path, env=no_index, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode != 0
    assert re.search(r"not found in the provided package locations|no index", done.stderr)
