"""Runs the commands and programs of a page as they stand there, against a workbench.

Owns what stands in the pages for a reader's own address and key, and what a command has to do to pass. One shell runs
all shell blocks of a page, one interpreter all of its Python.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.clients.node import CLIENTS, NODE
from tests.clients.python import CACHE
from tests.docs.blocks import ROOT, Block

WORKBENCH: Final = "http://127.0.0.1:8787"
"""Where `make run` serves; the pages say so."""

OPERATORS_OWN: Final = "https://dify.example.com/e/HOOK"
"""What the pages say where a reader has an address of a real Dify."""

SECONDS: Final = 120

STATUS: Final = re.compile(r"^#status (\d+)$", re.MULTILINE)

PRELUDE: Final = f"""\
export BASE={WORKBENCH}/e/duck KEY=duck-demo-key-local
curl() {{ command curl -sS -w '%{{stderr}}\\n#status %{{http_code}}\\n' "$@"; }}
"""
"""BASE and KEY as the README exports them; curl tells each status apart from what it prints."""

PYTHON_BY_IMPORT: Final = {"openai": "openai-clients", "mcp": "mcp-clients"}
"""The environments of `make clients`."""


def with_addresses(text: str, origin: str, served: Mapping[str, str]) -> str:
    """The text with the tests' own addresses and keys. served: more addresses of the page, and what they really are."""
    text = text.replace(WORKBENCH, origin).replace(OPERATORS_OWN, f"{origin}/e/HOOK")
    for written, real in served.items():
        text = text.replace(written, real)
    return re.sub(r"Bearer (KEY|YOUR-ACCESS-KEY)\b", "Bearer duck-demo-key-local", text)


def run_shell(blocks: Iterable[Block], origin: str, served: Mapping[str, str]) -> list[str]:
    """What went wrong, block by block."""
    blocks = list(blocks)
    marked = [f"echo; echo '#block {block.line}'\n{block.text}" for block in blocks]
    script = with_addresses(PRELUDE + "\n".join(marked), origin, served)
    done = _run(["sh", "-e", "-c", script], ROOT)
    parts = re.split(r"^#block (\d+)\n", done.stdout, flags=re.MULTILINE)
    said = dict(zip(map(int, parts[1::2]), parts[2::2], strict=True))
    faults = [fault for block in blocks if block.line in said for fault in shell_faults(block, said[block.line])]
    if done.returncode:
        faults.append(f"{blocks[0].page}:{max(said)} ended with {done.returncode}: {done.stdout[-800:]}")
    return faults


def shell_faults(block: Block, said: str) -> list[str]:
    """What in a block's output tells that it does not do what its page says."""
    statuses = STATUS.findall(said)
    expected = block.note("answers")
    faults = _missing_prints(block, said)
    if expected is not None:
        if statuses[-1:] != [expected]:
            faults.append(f"{block} answers {statuses}, not {expected}: {said[-800:]}")
    elif any(not status.startswith("2") for status in statuses) or re.search(r"^event: error$", said, re.MULTILINE):
        faults.append(f"{block} answers {statuses}: {said[-800:]}")
    return faults


def run_python(blocks: Iterable[Block], origin: str) -> list[str]:
    blocks = list(blocks)
    program = with_addresses("\n".join(block.text for block in blocks), origin, {})
    imported = set(re.findall(r"^(?:from|import) (\w+)", program, re.MULTILINE))
    found = [name for module, name in PYTHON_BY_IMPORT.items() if module in imported]
    python = str(CACHE / found[0] / "bin" / "python") if found else sys.executable
    return _program_faults(blocks, _run([python, "-c", program], ROOT))


def run_javascript(blocks: Iterable[Block], origin: str) -> list[str]:
    blocks = list(blocks)
    program = with_addresses("\n".join(block.text for block in blocks), origin, {})
    return _program_faults(blocks, _run([str(NODE), "--input-type=module", "--eval", program], CLIENTS))


def _program_faults(blocks: list[Block], done: subprocess.CompletedProcess[str]) -> list[str]:
    if done.returncode:
        return [f"{blocks[0]} ended with {done.returncode}: {done.stdout[-2000:]}"]
    return [fault for block in blocks for fault in _missing_prints(block, done.stdout)]


def _missing_prints(block: Block, said: str) -> list[str]:
    return [
        f"{block} does not print {text!r} but: {said[-800:]}" for text in block.all_notes("prints") if text not in said
    ]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
