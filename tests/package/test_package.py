"""Holds the package to what it may contain, to the same bytes each time, and to what the SDK makes of it."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from scripts.package import FILES, FOLDERS, MAX_SIZE, ROOT, PackageError, build

ALLOWED = re.compile(
    r"""LICENSE | README\.md|SECURITY\.md | PRIVACY\.md | main\.py | manifest\.yaml | requirements\.txt
    | _assets/[\w-]+\.(svg|png)
    | (group|endpoints|provider|tools)/[\w/-]+\.(yaml|py)
    | (gateway|runtime)/[\w/-]+\.py
    | readme/README_\w+\.md
    | pages/[\w./-]+\.(html|css|js|json|svg|png)""",
    re.VERBOSE,
)

LOAD_WITH_SDK = """
import json, sys
from dify_plugin import DifyPluginEnv
from dify_plugin.core.plugin_registration import PluginRegistration

registration = PluginRegistration(DifyPluginEnv())
[group] = registration.endpoints_configuration
json.dump({
    "name": registration.configuration.name,
    "routes": sorted([endpoint.method, endpoint.path] for endpoint in group.endpoints),
    "settings": [setting.name for setting in group.settings],
}, sys.stdout)
"""


def read_yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the package is made from, to be changed at will."""
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    for folder in FOLDERS:
        if (ROOT / folder).exists():
            shutil.copytree(ROOT / folder, copy / folder)
    return copy


def test_the_same_content_gives_the_same_bytes_whatever_its_dates_and_modes(tree: Path) -> None:
    for path in tree.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o700)
    assert build(tree) == build(ROOT)


def test_the_manifest_is_at_the_root_and_nothing_but_the_plugin_is_packed() -> None:
    names = zipfile.ZipFile(io.BytesIO(build(ROOT))).namelist()
    assert "manifest.yaml" in names
    assert [name for name in names if not ALLOWED.fullmatch(name)] == []
    assert names == sorted(set(names))


def test_the_package_is_under_2_mib() -> None:
    assert len(build(ROOT)) < 2 * 1024 * 1024


def test_every_entry_is_a_plain_file_of_1980() -> None:
    entries = zipfile.ZipFile(io.BytesIO(build(ROOT))).infolist()
    assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644)}


def test_left_behind_files_are_not_packed(tree: Path) -> None:
    whole = build(tree)
    (tree / "gateway" / "__pycache__").mkdir(exist_ok=True)
    (tree / "gateway" / "__pycache__" / "stale.py").touch()
    (tree / "gateway" / ".hidden.py").touch()
    assert build(tree) == whole


def remove_readme(tree: Path) -> None:
    (tree / "README.md").unlink()


def remove_dark_icon(tree: Path) -> None:
    (tree / "_assets" / "icon-dark.svg").unlink()


def remove_an_endpoint_source(tree: Path) -> None:
    next((tree / "endpoints").glob("*.py")).unlink()


def remove_an_endpoint_declaration(tree: Path) -> None:
    next((tree / "endpoints").glob("*.yaml")).unlink()


def leave_a_merge_behind(tree: Path) -> None:
    (tree / "gateway" / "settings.py.orig").touch()


def add_a_large_file(tree: Path) -> None:
    (tree / "gateway" / "large.json").write_bytes(os.urandom(MAX_SIZE))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove_readme, r"missing or not packed: README\.md"),
        (remove_dark_icon, r"missing or not packed: _assets/icon-dark\.svg"),
        (remove_an_endpoint_source, r"missing or not packed: endpoints/\w+\.py"),
        (remove_an_endpoint_declaration, r"missing or not packed: endpoints/\w+\.yaml"),
        (leave_a_merge_behind, r"gateway/settings\.py\.orig is of no kind"),
        (add_a_large_file, r"at most 2,097,152 are allowed"),
    ],
)
def test_a_tree_that_makes_no_good_package_is_refused(tree: Path, change: Callable[[Path], None], reason: str) -> None:
    change(tree)
    with pytest.raises(PackageError, match=reason):
        build(tree)


def test_the_manifest_asks_for_apps_endpoints_and_1_mib_of_storage_and_nothing_else(unpacked: Path) -> None:
    assert read_yaml(unpacked / "manifest.yaml")["resource"]["permission"] == {
        "app": {"enabled": True},
        "endpoint": {"enabled": True},
        "storage": {"enabled": True, "size": 1048576},
    }


def test_the_author_is_one_that_the_marketplace_takes(unpacked: Path) -> None:
    author = read_yaml(unpacked / "manifest.yaml")["author"]
    assert re.fullmatch(r"[a-z0-9_-]{1,64}", author)
    assert not re.search("dify|langgenius", author)


def test_every_file_that_a_declaration_names_is_in_the_package(unpacked: Path) -> None:
    manifest = read_yaml(unpacked / "manifest.yaml")
    [group] = manifest["plugins"]["endpoints"]
    declarations = read_yaml(unpacked / group)["endpoints"]
    sources = [read_yaml(unpacked / name)["extra"]["python"]["source"] for name in declarations]
    named = [f"_assets/{manifest['icon']}", f"_assets/{manifest['icon_dark']}", manifest["privacy"], *sources]
    assert [name for name in named if not (unpacked / name).is_file()] == []


def test_the_sdk_loads_the_manifest_the_group_and_every_endpoint(unpacked: Path, plugin_python: Path) -> None:
    # In a process of its own: loading the SDK patches the standard library.
    done = subprocess.run(
        [plugin_python, "-c", LOAD_WITH_SDK], cwd=unpacked, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    group = read_yaml(unpacked / "group" / "duck.yaml")
    declared = [read_yaml(unpacked / name) for name in group["endpoints"]]
    assert loaded["name"] == "duck"
    assert loaded["routes"] == sorted([endpoint["method"], endpoint["path"]] for endpoint in declared)
    assert loaded["settings"] == [setting["name"] for setting in group["settings"]]


def test_the_unpacked_package_runs_and_streams_an_answer(running_package: str) -> None:
    assert httpx.get(f"{running_package}healthz").status_code == 200
    key = {"Authorization": "Bearer duck-demo-key-local"}
    reply = httpx.post(f"{running_package}chat/echo", json={"query": "Hello"}, headers=key, timeout=30)
    assert reply.status_code == 200
    assert "event: end\n" in reply.text


def test_it_starts_the_serverless_way_as_the_marketplace_tries_it(unpacked: Path, plugin_python: Path) -> None:
    """langgenius/dify-marketplace-toolkit, validator/test-plugin-install.py: the line, then 200 or 404 at `/`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "INSTALL_METHOD": "serverless", "SERVERLESS_PORT": str(port)}
    environment |= {"SERVERLESS_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
    plugin = subprocess.Popen(
        [plugin_python, "-m", "main"],
        cwd=unpacked,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert plugin.stdout
    try:
        assert any("Serving Flask app" in line for line in plugin.stdout)
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport, timeout=30) as client:
            assert client.get(f"http://127.0.0.1:{port}/").status_code in {200, 404}
    finally:
        plugin.terminate()
        plugin.communicate()
