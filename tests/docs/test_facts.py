"""What the pages say of other files is true: links lead somewhere, make has the commands, settings are all there."""

import re
from functools import cache
from pathlib import Path

import pytest

from gateway.errors import STATUS
from gateway.routes import TABLE
from tests.docs.blocks import ROOT
from tests.docs.reading import SETTINGS

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "readme").glob("*.md")])

LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names that GitHub gives a page's headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings)


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_to_it_and_to_a_heading_in_it(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Two words\n[a](#two-words) [b](#three) [c](gone.md) [d](page.md#two-words) [e](page.md#no)\n")
    assert broken_links(page) == ["#three", "gone.md", "page.md#no"]


def test_every_make_command_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    assert {"run", "package", "package-offline"} <= named <= targets


def test_the_operators_table_has_every_setting_and_no_other() -> None:
    text = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    table = text.partition("| setting |")[2].partition("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.split("\n")[2:]]
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert named | {"app_3", "app_4"} == SETTINGS


def test_the_table_of_errors_has_every_code_with_its_status_and_no_other() -> None:
    text = (ROOT / "docs" / "native.md").read_text(encoding="utf-8").partition("\n## Errors")[2]
    told: dict[str, int] = {}
    for statuses, codes in re.findall(r"^\| ([\d, ]+) \| ([`\w, ]+) \|", text, re.MULTILINE):
        named = re.findall(r"\w+", codes)
        numbers = [int(number) for number in statuses.split(",")]
        told |= dict(zip(named, numbers * (len(named) if len(numbers) == 1 else 1), strict=True))
    assert told == STATUS


def test_every_route_is_on_the_page_of_the_native_api_or_of_difys() -> None:
    pages = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("native.md", "dify.md"))
    told = re.sub(r"<\w+>", "<>", pages)
    served = [re.sub(r"<\w+>", "<>", route.path) for route in TABLE]
    assert len(served) > 20
    assert [path for path in served if f"{path.removeprefix('/v1')}`" not in told] == []
