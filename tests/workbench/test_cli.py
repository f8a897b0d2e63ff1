"""The command as a user gives it, with a process of its own; the plugin is the probe."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from workbench.apps import DEMO_APPS
from workbench.banner import banner
from workbench.cli import HERE, main
from workbench.hooks import Hook, read_hooks

if TYPE_CHECKING:
    from tests.conftest import RunningWorkbench

PROBE = Path(__file__).resolve().parent / "probe"


def test_the_demo_hook_lists_the_demo_apps() -> None:
    settings = read_hooks(HERE / "demo.yaml")["duck"].settings
    assert dict(pair.split("=") for pair in settings["apps"].split()) == dict(DEMO_APPS)
    assert "\n" not in settings["apps"]
    assert (settings["access_keys"], settings["detail"]) == ("demo=duck-demo-key-local", "progress")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both_processes_at_once(
    start_workbench: Callable[..., "RunningWorkbench"], number: signal.Signals
) -> None:
    workbench = start_workbench("--plugin", str(PROBE))
    plugin = workbench.plugin_pid()
    assert psutil.pid_exists(plugin)
    os.kill(workbench.process.pid, number)
    assert workbench.process.wait(5) == 0
    assert not psutil.pid_exists(plugin)
    assert "Traceback" not in workbench.log()


def test_quiet_prints_no_key_and_no_examples(start_workbench: Callable[..., "RunningWorkbench"]) -> None:
    workbench = start_workbench("--plugin", str(PROBE), "--quiet")
    log = workbench.log()
    assert "listening on" in log
    assert "curl" not in log
    assert "duck-demo-key-local" not in log


def test_the_greeting_tells_the_key_three_commands_and_one_for_the_service_api(
    start_workbench: Callable[..., "RunningWorkbench"],
) -> None:
    workbench = start_workbench("--plugin", str(PROBE), "--env", "PROBE=yes")
    workbench.wait_for("app-demo-key-echo")
    lines = workbench.log().splitlines()
    assert "key: duck-demo-key-local" in lines
    *commands, service = [shlex.split(line) for line in lines if line.startswith("curl")]
    assert [(command[1], command[2]) for command in commands] == [
        ("-N", f"{workbench.url}/chat/echo"),
        ("-N", f"{workbench.url}/workflow/workflow"),
        ("-i", f"{workbench.url}/workflow/failing"),
    ]
    for command in commands:
        assert command[3:7] == [
            "-H",
            "Authorization: Bearer duck-demo-key-local",
            "-H",
            "Content-Type: application/json",
        ]
        assert json.loads(command[8])
    run = httpx.post(
        service[2], headers=dict(header.split(": ") for header in (service[4], service[6])), content=service[8]
    )
    assert run.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert b"Hello " in run.content


def test_the_environment_reaches_the_plugin_and_the_clocks(start_workbench: Callable[..., "RunningWorkbench"]) -> None:
    workbench = start_workbench("--plugin", str(PROBE), "--env", "PLUGIN_MAX_EXECUTION_TIMEOUT=1", "--env", "A=b=c")
    assert httpx.get(f"{workbench.url}/environment?name=A").text == "b=c"
    text = httpx.get(f"{workbench.url}/chunks", params={"n": 30, "gap": 0.1}).text
    assert "killed by timeout" in text


def test_recordings_become_apps_of_the_duck_hook(
    start_workbench: Callable[..., "RunningWorkbench"], tmp_path: Path
) -> None:
    recording = HERE.parent / "recordings" / "plugin" / "workflow.jsonl"
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "workflow.jsonl").write_bytes(recording.read_bytes())
    workbench = start_workbench("--plugin", str(PROBE), "--recordings", str(tmp_path), "--speed", "0")
    apps = httpx.post(f"{workbench.url}/seen").json()["settings"]["apps"]
    pairs = dict(pair.split("=") for pair in apps.split())
    assert pairs.keys() == DEMO_APPS.keys()
    assert pairs["workflow"] != DEMO_APPS["workflow"]
    request, *recorded = (json.loads(line) for line in recording.read_text().split("\n") if line)
    body = {"app_id": pairs["workflow"], "query": "", "inputs": request["_request"].get("inputs", {})}
    replayed = httpx.post(f"{workbench.url}/app", json=body).text.split("\n")
    assert [json.loads(line) for line in replayed if line] == recorded


def test_replicas_are_greeted_once_when_all_are_up(start_workbench: Callable[..., "RunningWorkbench"]) -> None:
    workbench = start_workbench("--plugin", str(PROBE), "--replicas", "2")
    workbench.wait_for("failing")
    assert [workbench.log().count(text) for text in ("started", "is up", "listening on", "key: ")] == [2, 1, 1, 1]
    assert len({httpx.get(f"{workbench.url}/process").text for _ in range(2)}) == 2


@pytest.mark.parametrize(("flags", "status"), [(["--control"], 200), ([], 404)])
def test_the_storage_is_shown_on_demand_only(
    start_workbench: Callable[..., "RunningWorkbench"], flags: list[str], status: int
) -> None:
    workbench = start_workbench("--plugin", str(PROBE), *flags)
    assert httpx.get(workbench.storage_url()).status_code == status


def test_it_runs_from_any_directory(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    shown = subprocess.run(
        [sys.executable, "-m", "workbench", "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"--hooks FILE\s+the endpoints", shown.stdout)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--env", "A"], "--env takes NAME=VALUE, not 'A'"),
        (["--app", "a=b"], "--dify and --app go together"),
        (["--dify", "http://h"], "--dify and --app go together"),
        (["--no-start"], "--no-start needs --remote"),
        (["--no-start", "--remote", "--reload"], "leaves nothing for --reload"),
        (["--remote-port", "1"], "--remote-port needs --remote"),
        (["--speed", "-1"], "--speed is 0 or more"),
        (["--replicas", "0"], "--replicas is 1 or more"),
        (["--replicas", "2", "--remote"], "--replicas is not for --remote"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert fault in capsys.readouterr().err


def test_a_hooks_file_with_a_fault_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hooks", str(tmp_path / "none.yaml")]) == 1
    assert capsys.readouterr().out.startswith("workbench: ")


def test_a_port_that_is_taken_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1]), "--plugin", str(PROBE)]) == 1
    assert "in use" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "aliases", "expected"),
    [
        ({}, [], ""),
        ({"access_keys": "demo=k1,k2"}, [], "key: k1\n"),
        ({"access_keys": "ends-in-="}, [], "key: ends-in-=\n"),
        ({"access_keys": "a-bare-key, x=y"}, [], "key: a-bare-key\n"),
        ({}, ["echo"], "\n# a streamed chat\ncurl -N http://h/e/duck/chat/echo -H 'Content-Type: application/json'"),
    ],
    ids=["nothing to show", "a named key", "a bare key with =", "a bare key", "no key"],
)
def test_the_greeting_shows_only_what_there_is(settings: dict[str, str], aliases: list[str], expected: str) -> None:
    shown = banner("http://h/e/duck/", Hook("duck", "w", settings), aliases, "http://h/service-api/v1")
    assert shown.startswith(expected)
    assert bool(shown) == bool(expected)
