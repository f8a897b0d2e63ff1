"""A plugin as a child process: started as the daemon starts it, with its CPU time, its memory and its two pipes."""

import os
import subprocess
from typing import IO, Final, Self, cast

import psutil

from benchmarks.contenders import Plugin

_ENVIRONMENT: Final = {"INSTALL_METHOD": "local", "PYTHONDONTWRITEBYTECODE": "1"}
"""The first as the daemon sets it, so that a `.env` left from remote debugging has no say."""


class PluginProcess:
    """stdin, stdout: file descriptors; stdin does not block. Standard error is the caller's own."""

    def __init__(self, plugin: Plugin) -> None:
        self._process = subprocess.Popen(
            plugin.command,
            cwd=plugin.directory,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._measured = psutil.Process(self._process.pid)
        self.stdin = cast("IO[bytes]", self._process.stdin).fileno()
        self.stdout = cast("IO[bytes]", self._process.stdout).fileno()
        os.set_blocking(self.stdin, False)

    def cpu_seconds(self) -> float:
        """CPU time so far, of all its threads; the system counts it in steps of 10 ms."""
        times = self._measured.cpu_times()
        return times.user + times.system

    def memory(self) -> int:
        """Resident bytes, now."""
        return int(self._measured.memory_info().rss)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
