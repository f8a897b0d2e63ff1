"""What happens when the plugin dies, does not come up, changes, or connects in the wrong way."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from watchfiles import Change

from workbench import laws, supervisor
from workbench.plugin_files import PluginFiles

if TYPE_CHECKING:
    from tests.workbench.conftest import Bench

PROBE = Path(__file__).resolve().parent / "probe"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A copy of the probe, to be broken."""
    return Path(shutil.copytree(PROBE, tmp_path / "plugin", ignore=shutil.ignore_patterns("__pycache__")))


def test_a_request_waits_for_a_plugin_that_is_not_up_then_gets_a_502(
    make_bench: Callable[..., "Bench"], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    assert bench.http.get("joined").status_code == 200  # it waited: the plugin takes seconds to start
    monkeypatch.setattr(laws, "PLUGIN_WAIT", 0.05)
    monkeypatch.setattr(supervisor, "RESTART_PAUSE", 60)
    bench.kill_plugin()
    bench.wait_for("it is started again")
    response = bench.http.get("joined")
    assert (response.status_code, response.json()) == (
        502,
        {"code": "plugin_unavailable", "message": "workbench: the plugin has not come up yet", "status": 502},
    )


def test_a_plugin_that_dies_is_started_again_and_its_open_requests_hang(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench()
    bench.wait_for("listening on")
    with bench.http.stream("GET", "chunks", params={"n": 1, "last": 60}, timeout=2) as response:
        received = response.iter_raw()
        assert next(received) == b"0;"
        bench.kill_plugin()
        with pytest.raises(httpx.ReadTimeout):
            next(received)
    bench.wait_for("the plugin has ended, killed by signal 9; it is started again")
    bench.wait_for("is up again")
    assert bench.http.get("joined").status_code == 200


def test_a_remote_plugin_that_dies_has_its_open_requests_told(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench(remote=True)
    bench.wait_for("listening on")
    with bench.http.stream("GET", "chunks", params={"n": 1, "last": 60}) as response:
        received = response.iter_raw()
        assert next(received) == b"0;"
        bench.sleep_past_the_short_reply_gap()
        bench.kill_plugin()
        assert json.loads(next(received)) == {
            "args": {},
            "error_type": "ConnectionClosedError",
            "message": "Connection closed unexpectedly",
        }
    bench.wait_for("is up again")
    assert bench.http.get("joined").status_code == 200


def test_a_plugin_that_cannot_start_is_a_502_that_says_so_and_is_tried_again(
    make_bench: Callable[..., "Bench"], plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RETRY_PAUSE", 0.5)
    main = plugin / "main.py"
    good = main.read_text()
    main.write_text("raise SystemExit('no such luck')\n")
    bench = make_bench(plugin=plugin)
    bench.wait_for("plugin | no such luck")
    bench.wait_for("the plugin did not come up, it has ended, exit status 1; it is tried again in 0.5 seconds")
    response = bench.http.get("joined")
    assert response.status_code == 502
    assert response.json()["message"].startswith("workbench: the plugin did not come up, it has ended")
    main.write_text(good)
    bench.wait_for("listening on")
    assert bench.http.get("joined").status_code == 200


@pytest.mark.parametrize("remote", [False, True], ids=["stdio", "remote"])
def test_a_directory_without_a_plugin_is_named(
    make_bench: Callable[..., "Bench"], tmp_path: Path, *, remote: bool
) -> None:
    bench = make_bench(plugin=tmp_path, remote=remote)
    bench.wait_for(f"{tmp_path} has no manifest.yaml, so there is no plugin in it")


def test_a_remote_plugin_that_cannot_start_is_told_too(make_bench: Callable[..., "Bench"], plugin: Path) -> None:
    (plugin / "main.py").write_text("raise SystemExit('no such luck')\n")
    bench = make_bench(plugin=plugin, remote=True)
    bench.wait_for("the plugin did not come up, it has not connected, exit status 1")


def test_with_reload_a_changed_file_starts_the_plugin_again(make_bench: Callable[..., "Bench"], plugin: Path) -> None:
    bench = make_bench(plugin=plugin, reload=True)
    bench.wait_for("listening on")
    endpoint = plugin / "endpoints" / "probe.py"
    endpoint.write_text(endpoint.read_text().replace('b"one;"', 'b"uno;"'))
    bench.wait_for("endpoints/probe.py changed; the plugin is started again")
    bench.wait_for("is up again")
    assert bench.http.get("joined").text == "uno;two;three;"
    endpoint.write_text("syntax error")
    bench.wait_for("it is tried again when one of its files changes")
    endpoint.write_text((PROBE / "endpoints" / "probe.py").read_text())
    bench.wait_for("is up again", 2)


def test_only_the_plugins_own_files_count_as_changed() -> None:
    root = Path("/plugin")
    counts = PluginFiles(root)
    changed = ("main.py", "manifest.yaml", ".env", "endpoints/a.py", "pages/index.html")
    other = (
        "tests/a.py",
        "workbench/host.py",
        ".venv/lib/a.py",
        ".git/index",
        ".ruff_cache/a",
        "endpoints/__pycache__/a.pyc",
        "docs/a.md",
    )
    assert [name for name in (*changed, *other) if counts(Change.modified, str(root / name))] == list(changed)


def test_what_the_plugin_prints_and_logs_is_shown(bench: "Bench") -> None:
    text = f"said over {'tcp' if bench.remote else 'stdio'}"
    bench.http.get("log", params={"text": text})
    bench.wait_for(f"plugin | INFO {text}")
    bench.wait_for(f"plugin | {text}", 2)  # its warning on standard error, and what it printed


@pytest.mark.parametrize("printed", ['{"event":"session"}', '{"event":"log","data":1}', "[1]", '{"a":1}', "{", "\\x00"])
def test_what_is_no_message_is_shown_and_does_no_harm(stdio_bench: "Bench", printed: str) -> None:
    assert stdio_bench.http.get("log", params={"text": printed}).text == "ok"
    stdio_bench.wait_for(printed)


# -- Remote debugging: the handshake -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"type": "handshake", "data": {"key": "wrong"}}, "handshake failed, invalid key"),
        ({"type": "manifest_declaration", "data": {}}, "handshake failed, invalid handshake message"),
    ],
)
def test_a_plugin_that_does_not_know_the_key_is_turned_away(
    make_bench: Callable[..., "Bench"], said: dict[str, object], answer: str
) -> None:
    bench = make_bench(remote=True, start=False)
    with _connected(bench) as plugin:
        plugin.sendall(json.dumps(said).encode() + b"\n")
        assert plugin.makefile().readline() == f"{answer}\n"
        assert plugin.recv(1) == b""
    bench.wait_for(answer)


def test_a_plugin_that_declares_nothing_is_turned_away(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench(remote=True, start=False)
    key = bench.environment()["REMOTE_INSTALL_KEY"]
    with _connected(bench) as plugin:
        for said in ({"type": "handshake", "data": {"key": key}}, {"type": "end", "data": {}}):
            plugin.sendall(json.dumps(said).encode() + b"\n\n")
        assert plugin.makefile().readline() == "no registration transferred, cannot initialize\n"


def test_a_second_plugin_is_turned_away(remote_bench: "Bench") -> None:
    with _connected(remote_bench) as plugin:
        assert plugin.makefile().readline() == "server is busy now, please try again later\n"


def test_a_plugin_started_by_hand_connects_with_the_printed_lines(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench(remote=True, start=False)
    bench.wait_for("REMOTE_INSTALL_KEY=")
    lines = dict(line.split("=", 1) for line in bench.lines() if line.startswith(("INSTALL", "REMOTE")))
    assert lines == bench.environment()
    with bench.start_plugin(lines):
        bench.wait_for("listening on")
        assert bench.http.get("joined").text == "one;two;three;"


@contextmanager
def _connected(bench: "Bench") -> Iterator[socket.socket]:
    port = int(bench.environment()["REMOTE_INSTALL_PORT"])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plugin:
        yield plugin


# -- The end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remote", [False, True], ids=["stdio", "remote"])
def test_ending_the_host_ends_the_plugin_and_cuts_open_requests(
    make_bench: Callable[..., "Bench"], *, remote: bool
) -> None:
    bench = make_bench(remote=remote)
    bench.wait_for("listening on")
    pid = bench.plugin_pid()
    with bench.http.stream("GET", "chunks", params={"n": 1, "last": 60}) as response:
        received = response.iter_raw()
        assert next(received) == b"0;"
        bench.stop()
        with pytest.raises(httpx.TransportError):
            next(received)
    assert not psutil.pid_exists(pid)
