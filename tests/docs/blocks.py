"""Finds the fenced blocks of a Markdown page, with the notes above them that say what a test shall do with them.

A note is an HTML comment on a line of its own, which a reader of the page does not see:

    <!-- not run: why -->      it is left alone
    <!-- answers: 502 -->      the last curl of this shell block gets this status; without it all get 200 to 299
    <!-- prints: text -->      its output holds this text
    <!-- file: a/b.py -->      it is a file of a plugin, which `serves` starts
    <!-- serves: NAME -->      a command that stays: a workbench, for the blocks after it
    <!-- settings -->          Duck's settings, by name
    <!-- setting: apps -->     the value of one setting

Knows nothing of how blocks are run.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

NOTES: Final = frozenset({"not run", "answers", "prints", "file", "serves", "settings", "setting"})

_FENCE: Final = re.compile(r"^( *)```([\w-]*) *\n(.*?)^\1``` *$", re.DOTALL | re.MULTILINE)
_NOTES_ABOVE: Final = re.compile(r"(?:^ *<!--[^\n]*-->\n)+\Z", re.MULTILINE)
_NOTE: Final = re.compile(r"<!-- ([a-z ]+?)(?:: (.*?))? -->")


@dataclass(frozen=True, slots=True)
class Block:
    """line: of its fence, from 1 on. notes: as they stand above it, from top to bottom."""

    page: str
    line: int
    language: str
    text: str
    notes: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def note(self, name: str) -> str | None:
        """The first note of that name; empty for one without a value."""
        return next((value for found, value in self.notes if found == name), None)

    def all_notes(self, name: str) -> list[str]:
        return [value for found, value in self.notes if found == name]


def find_blocks(page: str, markdown: str) -> list[Block]:
    return [_block(page, markdown, fence) for fence in _FENCE.finditer(markdown)]


def _block(page: str, markdown: str, fence: re.Match[str]) -> Block:
    line = markdown.count("\n", 0, fence.start()) + 1
    above = _NOTES_ABOVE.search(markdown, 0, fence.start())
    notes = tuple((note[1], note[2] or "") for note in _NOTE.finditer(above[0])) if above else ()
    return Block(page, line, fence[2], textwrap.dedent(fence[3]), notes)


def blocks_of(page: Path) -> list[Block]:
    return find_blocks(page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8"))


ALL: Final = tuple(block for page in PAGES for block in blocks_of(page))
