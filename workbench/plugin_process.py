"""The plugin as a process of the operating system: how it is started, heard and killed.

Owns the process. It is always killed, never asked: that is what the daemon does, and the plugin's code must bear it.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, cast

import yaml

from workbench.lines import read_turns
from workbench.terminal import Terminal

PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal that this process gets when its parent dies."""

EXIT_PAUSE: Final = 1.0
"""Seconds that a process gets to end by itself; the daemon gives none, but its exit status tells more than a kill."""


class NotAPlugin(ValueError):
    """The directory holds no plugin that can be started; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start the plugin (`getInstanceCmd`, internal/core/local_runtime/subprocess.go)."""

    directory: Path
    python: str
    environment: Mapping[str, str]

    @property
    def entrypoint(self) -> str:
        """What the manifest names; raises NotAPlugin."""
        try:
            return str(self.manifest["meta"]["runner"]["entrypoint"])
        except (KeyError, TypeError) as error:
            raise NotAPlugin(f"{self._manifest_file} names no meta.runner.entrypoint ({error})") from error

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Raises NotAPlugin."""
        try:
            content = yaml.safe_load(self._manifest_file.read_text("utf-8"))
        except OSError:
            raise NotAPlugin(f"{self.directory} has no manifest.yaml, so there is no plugin in it") from None
        except yaml.YAMLError as error:
            raise NotAPlugin(f"{self._manifest_file} can't be read ({error})") from error
        return content if isinstance(content, dict) else {}

    @property
    def _manifest_file(self) -> Path:
        return self.directory / "manifest.yaml"


def _die_with_parent() -> None:
    """Runs in the child: Linux kills it when the workbench is gone, however that ended.

    The SDK itself leaves only when it hangs on stdin; a plugin under remote debugging would try for ever to read a
    connection that is closed (SDK: core/server/tcp/request_reader.py).
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class PluginProcess:
    """A started plugin. Its standard error, and its standard output if nobody else reads that, go to the terminal."""

    def __init__(self, process: Process, terminal: Terminal) -> None:
        self._process = process
        self._terminal = terminal
        self._relays: list[asyncio.Task[None]] = []

    @classmethod
    async def start(cls, launch: Launch, extra: Mapping[str, str], *, stdio: bool, terminal: Terminal) -> Self:
        """Starts it with `extra` in its environment. `stdio`: its standard input and output are for the caller.

        Raises NotAPlugin, and OSError when the interpreter can't be started.
        """
        process = await asyncio.create_subprocess_exec(
            launch.python,
            "-m",
            launch.entrypoint,
            cwd=launch.directory,
            env={**launch.environment, **extra},
            stdin=PIPE if stdio else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            # A group of its own: Ctrl-C in the terminal reaches the workbench alone, which then ends both.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        plugin = cls(process, terminal)
        plugin._relay(process.stderr)
        if not stdio:
            plugin._relay(process.stdout)
        terminal.say(f"plugin process {process.pid} started")
        return plugin

    def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Its standard output and input; only of one that was started with `stdio`."""
        return cast("asyncio.StreamReader", self._process.stdout), cast("asyncio.StreamWriter", self._process.stdin)

    async def exited(self) -> int:
        """Waits for the process and for the last line it wrote; its exit status, negative for a signal."""
        status = await self._process.wait()
        await asyncio.gather(*self._relays)
        return status

    async def end(self) -> str:
        """How the process ended; one that does not by itself, soon after it has closed its output, is killed."""
        try:
            status = await asyncio.wait_for(self.exited(), EXIT_PAUSE)
        except TimeoutError:
            self.kill()
            status = await self.exited()
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _relay(self, reader: asyncio.StreamReader | None) -> None:
        if reader is not None:
            self._relays.append(asyncio.create_task(self._show(reader)))

    async def _show(self, reader: asyncio.StreamReader) -> None:
        async for lines in read_turns(reader):
            for line in lines:
                self._terminal.plugin_output(line)
