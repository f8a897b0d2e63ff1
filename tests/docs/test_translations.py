"""The READMEs in Dify's other languages say what the English one says: the same headings, links and commands."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, find_blocks

ENGLISH = ROOT / "README.md"
LANGUAGES = {"zh_Hans": r"[\u4e00-\u9fff]", "ja_JP": r"[\u3040-\u30ff]", "pt_BR": r"[ãçõáéêó]|\b(o|e|um|em|de|para)\b"}
"""Dify's codes, and what a text in that language has and an English one has not."""

MOST_UNTRANSLATED = 30
"""Characters of a heading that is a name, such as `## Duck` or `### Webhook`."""

LINK = re.compile(r"(!?)\[[^\[\]]*\]\(([^()\s]+)\)")


def outline(text: str) -> list[tuple[int, int]]:
    """The level of each heading, and how many lines of tables stand below it."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    parts = re.split(r"^(#+) .*$", prose, flags=re.MULTILINE)
    return [(len(level), below.count("\n|")) for level, below in zip(parts[1::2], parts[2::2], strict=True)]


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures, as seen from the root, in alphabetical order: sentences differ."""
    found = LINK.findall(page.read_text(encoding="utf-8"))
    return sorted(picture + (link.removeprefix("../") if "://" not in link else link) for picture, link in found)


def commands(page: Path) -> list[tuple[str, str]]:
    """The blocks without what is said in them to people."""
    blocks = find_blocks(page.name, page.read_text(encoding="utf-8"))
    return [(block.language, re.sub(r"(^|\s)# .*", "", block.text)) for block in blocks]


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def page(language: str) -> Path:
    return ROOT / "readme" / f"README_{language}.md"


def test_a_translation_has_the_same_headings_and_rows(page: Path) -> None:
    assert outline(page.read_text(encoding="utf-8")) == outline(ENGLISH.read_text(encoding="utf-8"))


def test_a_translation_has_the_same_links(page: Path) -> None:
    assert len(links(ENGLISH)) > 20
    assert links(page) == links(ENGLISH)


def test_a_translation_has_the_same_commands(page: Path) -> None:
    assert commands(page) == commands(ENGLISH)


def test_every_paragraph_of_a_translation_is_in_its_language(page: Path, language: str) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    paragraphs = [part for part in text.split("\n\n") if len(part) > MOST_UNTRANSLATED]
    assert len(paragraphs) > 12
    assert [part for part in paragraphs if not re.search(LANGUAGES[language], part)] == []
