"""Each rule of the marketplace's finds a package that breaks it, and Duck's own package breaks none."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gateway.about import VERSION
from scripts import check_package
from scripts.check_package import RULES, Package, check
from scripts.package import ROOT, build, read_manifest, with_absolute_links
from scripts.package_offline import HEAD

type Files = dict[str, bytes]


@pytest.fixture(scope="session")
def good() -> Package:
    return Package.read(build(ROOT))


def test_the_package_of_this_tree_breaks_no_rule(good: Package) -> None:
    assert {rule: faults for rule, faults in check(good).items() if faults} == {}


def manifest_with(**changes: object) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        manifest = yaml.safe_load(files["manifest.yaml"])
        files["manifest.yaml"] = yaml.safe_dump({**manifest, **changes}).encode()

    return change


def without(name: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        del files[name]

    return change


def put(name: str, content: bytes = b"") -> Callable[[Files], None]:
    return lambda files: files.update({name: content})


def changed(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def add_unpinned(line: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({"requirements.txt": files["requirements.txt"] + line})


BROKEN: list[tuple[str, Callable[[Files], None], str]] = [
    ("has_its_files", without("PRIVACY.md"), "PRIVACY.md is missing or empty"),
    ("has_its_files", put("README.md", b" \n"), "README.md is missing or empty"),
    ("has_an_author_of_its_own", manifest_with(author="dify-friends"), "author 'dify-friends' is not"),
    ("has_an_author_of_its_own", manifest_with(author="Duck Works"), "author 'Duck Works' is not"),
    ("has_a_plain_version", manifest_with(version="0.1"), "version '0.1' is not"),
    ("has_icons_of_its_own", manifest_with(icon="gone.svg"), "icon _assets/gone.svg is missing"),
    (
        "has_icons_of_its_own",
        put("_assets/icon-dark.svg", b"<!-- DIFY_MARKETPLACE_TEMPLATE_ICON_DO_NOT_USE -->"),
        "icon_dark _assets/icon-dark.svg is the template's",
    ),
    (
        "has_icons_of_its_own",
        put("_assets/icon.svg", b'<path d="M20 20 V80 M20 20 H60 Q80 20 80 40 T60 60 H20"/>'),
        "icon _assets/icon.svg is the template's",
    ),
    ("is_in_english", changed("README.md", b"Duck", "\u9e2d".encode()), "README.md holds '\u9e2d'"),
    ("is_in_english", manifest_with(label={"ja_JP": "Duck"}), "label has no en_US"),
    ("has_a_readme_that_leads_to_its_source", manifest_with(repo=None), "repo 'None' is no https address"),
    ("has_a_readme_that_leads_to_its_source", manifest_with(repo="https://example.com/x"), "README.md has no link to"),
    (
        "has_a_readme_that_leads_to_its_source",
        changed("README.md", b"## Install", b"## Set"),
        "no heading with 'install'",
    ),
    ("has_no_link_that_breaks", put("readme/README_pt_BR.md", b"[a](../docs/x.md)"), "a relative link: ../docs/x.md"),
    ("has_translations_that_dify_shows", put("readme/README_fr_FR.md"), "readme/README_fr_FR.md is for none of"),
    ("has_its_privacy_policy", manifest_with(privacy="policy.md"), "privacy 'policy.md' is neither"),
    (
        "has_its_privacy_policy",
        put("PRIVACY.md", b"Nothing is collected, stored or logged."),
        "nothing of 'third part'",
    ),
    ("has_known_tags", manifest_with(tags=["utilities", "http"]), "tag 'http' is unknown"),
    ("has_known_tags", manifest_with(tags=[]), "there are no tags"),
    ("has_a_date_and_a_runner", manifest_with(created_at="yesterday"), "created_at 'yesterday' is no time"),
    ("has_a_date_and_a_runner", manifest_with(meta={"arch": ["riscv"]}), "meta.arch ['riscv'] is not"),
    ("holds_nothing_left_over", put("gateway/__pycache__/a.pyc"), "gateway/__pycache__/a.pyc is not needed"),
    ("holds_nothing_left_over", put(".env", b"KEY=1"), ".env is not needed"),
    ("holds_no_binary", put("wheels/a-1-py3-none-any.whl"), "wheels/a-1-py3-none-any.whl is a binary"),
    ("holds_no_binary", put("tools/helper", b"\x7fELF"), "tools/helper is a binary"),
    ("holds_no_secret", put("a.py", b"KEY = 'AKIAABCDEFGHIJKLMNOP'"), "a.py holds what looks like a secret"),
    ("unpacks_safely", put("../a.py"), "../a.py leads out of the package"),
    ("unpacks_safely", put("/a.py"), "/a.py leads out of the package"),
    ("fits", put("_assets/large.svg", b" " * (50 * 1024 * 1024)), "at most 52,428,800 are allowed"),
    ("compiles", put("tools/broken.py", b"def f(:\n"), "tools/broken.py:1 "),
    ("pins_its_dependencies", without("requirements.txt"), "requirements.txt is missing"),
    ("pins_its_dependencies", add_unpinned(b"requests\n"), "'requests' is not pinned"),
    (
        "pins_its_dependencies",
        add_unpinned(b"a @ git+https://example.com/a\n"),
        "is not pinned, or comes from elsewhere",
    ),
    ("pins_its_dependencies", put("requirements.txt", b"dify-plugin==0.8.9\n"), "dify-plugin is not 0.9.0 or newer"),
    ("pins_its_dependencies", put("requirements.txt", HEAD), "'--no-index' is not pinned"),
]


@pytest.mark.parametrize(("rule", "change", "fault"), BROKEN, ids=[f"{rule}: {fault}" for rule, _, fault in BROKEN])
def test_a_package_that_breaks_a_rule_is_found(
    good: Package, rule: str, change: Callable[[Files], None], fault: str
) -> None:
    files = dict(good.files)
    change(files)
    assert fault in "\n".join(check(Package(files))[rule])


def test_every_rule_has_a_package_that_breaks_it_and_a_source() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.__name__ for rule in RULES}
    assert [rule.__name__ for rule in RULES if not rule.__doc__] == []


def test_the_command_ends_with_1_where_a_rule_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["check_package", str(tmp_path / "a.difypkg")])
    with pytest.raises(SystemExit, match=r"No package was checked"):
        check_package.main()
    (tmp_path / "a.difypkg").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    with pytest.raises(SystemExit, match="1"):
        check_package.main()
    assert "FAIL has its files\n       manifest.yaml is missing or empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "written", "packed"),
    [
        ("README.md", "[a](docs/a.md#b)", "[a](https://x/y/blob/main/docs/a.md#b)"),
        ("readme/README_pt_BR.md", "[a](../LICENSE)", "[a](https://x/y/blob/main/LICENSE)"),
        ("README.md", "![a](_assets/a.svg)", "![a](_assets/a.svg)"),
        ("README.md", "[a](https://example.com/a)", "[a](https://example.com/a)"),
        ("README.md", "[a](#b)", "[a](#b)"),
    ],
    ids=["page", "page of a translation", "picture", "other site", "same page"],
)
def test_links_of_packed_pages_lead_to_the_repository(name: str, written: str, packed: str) -> None:
    assert with_absolute_links(name, written.encode(), "https://x/y").decode() == packed


def test_the_changelog_and_the_code_know_the_version_of_the_manifest() -> None:
    version = read_manifest(ROOT)["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (VERSION, changelog.partition("\n## ")[2].partition("\n")[0]) == (version, version)
