"""Workbenches for tests: `python -m workbench` as a process of its own, with the plugin as another.

`workbench` is one for the whole run, with the project's plugin and the demo hook; `start_workbench` starts others.
Nothing of them is left when the tests end.

The SDK patches the whole process with gevent when it is imported, and tests use real threads (so does what runs them in
parallel); so it is imported here, first, without its patches.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

with mock.patch("gevent.monkey.patch_all"):
    import dify_plugin  # noqa: F401 - imported for its effect

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90
"""A plugin starts in about three seconds; this is for machines with much else to do."""
STOP_SECONDS = 10


class RunningWorkbench:
    """`url` has no slash at its end: `http://127.0.0.1:NNN/e/duck`. `key` opens the demo hook."""

    key = "duck-demo-key-local"

    def __init__(self, arguments: tuple[str, ...], log_file: Path) -> None:
        self._log_file = log_file
        with log_file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workbench", "--port", "0", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.url = ""

    def wait_for(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """Waits until the log holds the pattern; fails with the log if it does not come, or the process ends."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log())):
            ended = self.process.poll() is not None
            if (ended or time.monotonic() > deadline) and not re.search(pattern, self.log()):
                raise AssertionError(f"no {pattern!r} in the workbench's log:\n{self.log()}")
            time.sleep(0.05)
        return found

    def log(self) -> str:
        """All that the workbench and the plugin have said so far."""
        return self._log_file.read_text("utf-8", "replace")

    def storage_url(self, workspace: str = "demo") -> str:
        """Where a test sees and disturbs a workspace's storage (workbench/control.py); needs `--control`."""
        return self.url[: self.url.index("/e/")] + f"/workbench/storage?workspace={workspace}"

    def plugin_pid(self) -> int:
        """The plugin's present process; with replicas, the one that was started last."""
        return int(re.findall(r"plugin process (\d+) started", self.log())[-1])

    def stop(self) -> int:
        """Ends both processes; the workbench's exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.killpg(self.plugin_pid(), signal.SIGKILL)
            raise


@pytest.fixture(scope="session")
def start_workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningWorkbench]]:
    """`start_workbench("--remote", …)` takes the command line's options and returns when the plugin is up.

    With `wait=False` it returns at once, without `url`.
    """
    started: list[RunningWorkbench] = []

    def start(*arguments: str, wait: bool = True) -> RunningWorkbench:
        workbench = RunningWorkbench(arguments, tmp_path_factory.mktemp("workbench") / "log.txt")
        started.append(workbench)
        if wait:
            workbench.url = workbench.wait_for(r"listening on (\S+)/\n")[1]
        return workbench

    yield start
    for workbench in started:
        if workbench.process.poll() is None:
            workbench.stop()


@pytest.fixture(scope="session")
def workbench(start_workbench: Callable[..., RunningWorkbench]) -> RunningWorkbench:
    """The project's plugin with the demo apps."""
    return start_workbench()
