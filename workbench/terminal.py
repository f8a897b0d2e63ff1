"""What the workbench prints: its own sentences, and the plugin's log behind `plugin |`.

Owns the form of the lines; who says what is decided elsewhere.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

from pydantic_core import from_json

_DIM: Final = "\x1b[2m{}\x1b[0m"
_BOLD: Final = "\x1b[1m{}\x1b[0m"


class Terminal:
    def __init__(self, output: TextIO | None = None) -> None:
        """`output` None is the standard output."""
        self._output = output or sys.stdout
        self._colours = self._output.isatty()

    def say(self, text: str) -> None:
        """A sentence of the workbench's own."""
        self._print(f"workbench: {text}", _BOLD)

    def show(self, text: str) -> None:
        """Lines for the reader to copy."""
        self._print(text, "{}")

    def plugin(self, text: str) -> None:
        """What the plugin has to say, each of its lines marked."""
        for line in text.split("\n"):
            self._print(f"plugin | {line}", _DIM)

    def plugin_output(self, line: bytes) -> None:
        """A line of a plugin's process that is no message to the host: a log record of the SDK's, or plain text."""
        self.plugin(_log_text(line) or line.decode("utf-8", "replace"))

    def _print(self, text: str, colour: str) -> None:
        print(colour.format(text) if self._colours else text, file=self._output, flush=True)


def log_record(data: Mapping[str, Any]) -> str:
    return f"{data['level']} {data['message']}"


def _log_text(line: bytes) -> str | None:
    """The text of the SDK's `{"event": "log", "data": {"level", "message", …}}`; None for anything else."""
    if not line.startswith(b'{"event"'):
        return None
    try:
        message = from_json(line)
        return log_record(message["data"]) if message["event"] == "log" else None
    except (ValueError, KeyError, TypeError):
        return None
