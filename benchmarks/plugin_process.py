"""A plugin as a child process: started as the daemon starts it, with its CPU time, its memory and its two pipes."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final, Self, cast

import psutil

WORKERS: Final = 1300
"""Requests that the SDK carries at once (its `MAX_WORKER`, 1000 by default): 1,000 streams, and the 100 workers that
Duck leaves to other requests."""

_ENVIRONMENT: Final = {"INSTALL_METHOD": "local", "MAX_WORKER": str(WORKERS), "PYTHONDONTWRITEBYTECODE": "1"}
"""The first as the daemon sets it, so that a `.env` left from remote debugging has no say."""

PYTHON_MAIN: Final = (sys.executable, "-m", "main")


@dataclass(frozen=True, slots=True, eq=False)
class Plugin:
    """A program to measure. settings: the endpoint's, as the daemon would pass them."""

    directory: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = MappingProxyType({})
    command: tuple[str, ...] = PYTHON_MAIN


class PluginProcess:
    """stdin, stdout: file descriptors; stdin does not block. Standard error is the caller's own."""

    def __init__(self, plugin: Plugin) -> None:
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            plugin.command,
            cwd=plugin.directory,
            env={**os.environ, **_ENVIRONMENT, **plugin.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._measured = psutil.Process(self._process.pid)
        self._cpu_clock = ~self._process.pid << 3 | 2  # as clock_getcpuclockid(3) of Linux says it
        self.stdin = cast("IO[bytes]", self._process.stdin).fileno()
        self.stdout = cast("IO[bytes]", self._process.stdout).fileno()
        os.set_blocking(self.stdin, False)

    def cpu_seconds(self) -> float:
        """CPU time so far, of all its threads, to the microsecond (`/proc` counts it in steps of 10 ms)."""
        return time.clock_gettime(self._cpu_clock)

    def memory(self) -> int:
        """Resident bytes, now."""
        return int(self._measured.memory_info().rss)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
