"""Every block of the README and of docs/ does what its page says: it is run as it stands, or read, or says why not."""

import shutil

import pytest

from tests.docs.blocks import ALL, NOTES, Block, find_blocks
from tests.docs.conftest import Serve
from tests.docs.reading import READERS, data_faults
from tests.docs.running import run_javascript, run_python, run_shell, shell_faults

PROGRAMS = {"sh", "python", "js"}


def is_run(block: Block) -> bool:
    left_alone = ("not run", "file", "serves")
    return block.language in PROGRAMS and all(block.note(name) is None for name in left_alone)


def pages_with(language: str) -> list[str]:
    return sorted({block.page for block in ALL if block.language == language and is_run(block)})


def treatment_faults(block: Block) -> list[str]:
    """Why a block would be seen by no test."""
    faults = [f"{block} has an unknown note: {name}" for name, _ in block.notes if name not in NOTES]
    if block.note("not run") is not None:
        return faults if block.note("not run") else [*faults, f"{block} does not say why it is not run"]
    if block.language not in {*PROGRAMS, *READERS} and not block.note("file"):
        faults.append(f"{block} is neither run nor read, and does not say why")
    return faults


def test_every_block_is_run_or_read_or_says_why_not() -> None:
    assert len(ALL) > 50
    assert [fault for block in ALL for fault in treatment_faults(block)] == []


def test_every_block_of_data_is_well_formed_and_every_setting_is_one_that_duck_takes() -> None:
    read = [block for block in ALL if block.language in READERS and block.note("not run") is None]
    assert len(read) > 10
    assert [fault for block in read for fault in data_faults(block)] == []


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="it takes curl and openssl")
@pytest.mark.parametrize("page", pages_with("sh"))
def test_the_commands_of_a_page_work(page: str, origin: str, serve: Serve) -> None:
    blocks = [block for block in ALL if block.page == page]
    served = serve(blocks)
    assert run_shell([block for block in blocks if block.language == "sh" and is_run(block)], origin, served) == []


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_works(page: str, origin: str) -> None:
    assert run_python([block for block in ALL if block.page == page and block.language == "python"], origin) == []


@pytest.mark.parametrize("page", pages_with("js"))
def test_the_javascript_of_a_page_works(page: str, origin: str) -> None:
    assert run_javascript([block for block in ALL if block.page == page and block.language == "js"], origin) == []


SAMPLE = """
<!-- answers: 404 -->
<!-- prints: gone -->
```sh
curl x
```

   ```python
   a = 1
     # deeper
   ```

<!-- not run -->
```
log
```

<!-- nonsense: 1 -->
```text
```
"""


def test_blocks_are_found_with_their_notes_wherever_they_stand() -> None:
    assert find_blocks("p.md", SAMPLE) == [
        Block("p.md", 4, "sh", "curl x\n", (("answers", "404"), ("prints", "gone"))),
        Block("p.md", 8, "python", "a = 1\n  # deeper\n", ()),
        Block("p.md", 14, "", "log\n", (("not run", ""),)),
        Block("p.md", 19, "text", "", (("nonsense", "1"),)),
    ]


def test_a_block_that_no_test_would_see_is_a_fault() -> None:
    assert [fault for block in find_blocks("p.md", SAMPLE) for fault in treatment_faults(block)] == [
        "p.md:14 does not say why it is not run",
        "p.md:19 has an unknown note: nonsense",
        "p.md:19 is neither run nor read, and does not say why",
    ]


@pytest.mark.parametrize(
    ("notes", "said", "good"),
    [
        ((), "text\n#status 200\n", True),
        ((), "#status 200\ntext\n#status 401\n", False),
        ((), "event: error\n#status 200\n", False),
        ((("answers", "502"),), "#status 502\n", True),
        ((("answers", "502"),), "#status 200\n", False),
        ((("answers", "502"),), "", False),
        ((("prints", "duplicate"),), "duplicate\n#status 200\n", True),
        ((("prints", "duplicate"),), "#status 200\n", False),
    ],
    ids=["fine", "refused", "error in a stream", "as said", "not as said", "no call", "printed", "not printed"],
)
def test_a_command_that_does_not_do_what_its_page_says_is_a_fault(
    notes: tuple[tuple[str, str], ...], said: str, good: bool
) -> None:
    assert (shell_faults(Block("p.md", 1, "sh", "", notes), said) == []) is good


@pytest.mark.parametrize(
    ("language", "notes", "text", "fault"),
    [
        ("json", (), "{", "Expecting property name"),
        ("yaml", (), "a: [", "while parsing"),
        ("toml", (), "a", "Expected"),
        ("xml", (), "<a>", "no element found"),
        ("yaml", (("settings", ""),), "acces: key", "acces is no setting"),
        ("yaml", (("settings", ""),), "access_keys: short", "access_keys, entry 1"),
        ("yaml", (("setting", "apps"),), "{a: {app_id: …, hook: {nonsense: 1}}}", "apps"),
    ],
    ids=["JSON", "YAML", "TOML", "XML", "unknown setting", "short key", "faulty apps"],
)
def test_data_that_duck_or_its_format_does_not_take_is_a_fault(
    language: str, notes: tuple[tuple[str, str], ...], text: str, fault: str
) -> None:
    [found, *_] = data_faults(Block("p.md", 1, language, text, notes))
    assert fault in found
