"""Checks a package by what Dify's marketplace asks of one, as far as it can be told from the package alone.

Each rule is one function that tells what is wrong, with its source in its docstring:

- *pre-check*: langgenius/dify-plugins, .github/workflows/pre-check-plugin.yaml (0364cbd)
- *requirements*: langgenius/dify-plugins, docs/plugin-submission-requirements.md (4e3b41e)
- *submit*, *release*: langgenius/dify-docs, en/develop-plugin/publishing/marketplace-listing,
  submit-plugin-to-marketplace.mdx (379599e), release-to-dify-marketplace.mdx (05b1ba8)
- *daemon*: langgenius/dify-plugin-daemon 0.6.10, pkg/entities

Not here, because it takes more than the package: whether the version is new to the marketplace (its API is asked),
known vulnerabilities of dependencies, installing and starting (tests/package does that), and the pull request itself
(docs/marketplace.md).
"""

import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from packaging.version import Version

from scripts.package import ROOT, PackageError, build

MAX_SIZE: Final = 50 * 1024 * 1024
"""Bytes of all files together, unpacked (daemon: MAX_PLUGIN_PACKAGE_SIZE)."""

LEAST_SDK: Final = Version("0.9.0")
"""Of dify-plugin (submit, "Dependencies"; release still says 0.5.0)."""

TAGS: Final = frozenset(
    "search image videos weather finance design travel social news medical productivity education business"
    " entertainment utilities agent rag other trigger".split()
)
"""daemon: manifest_entities/tags.go."""

LANGUAGES: Final = frozenset({"zh_Hans", "ja_JP", "pt_BR"})
"""Of a README beside the English one (submit, "Metadata and docs"; daemon: plugin_entities/basic_type.go)."""

TEMPLATE_ICON: Final = "DIFY_MARKETPLACE_TEMPLATE_ICON_DO_NOT_USE"
"""pre-check, "Check Plugin Icon"."""

FIRST_TEMPLATE_ICON: Final = "M2020V80M2020H60Q80208040T6060H20"
"""The path of the template's icon before it had that name, without white space (pre-check, "Check Plugin Icon")."""

LEFTOVERS: Final = frozenset(
    ".git .venv venv node_modules __pycache__ .pytest_cache .ruff_cache .mypy_cache .hypothesis .cache .idea .vscode"
    " .env .DS_Store Thumbs.db .difyignore .gitignore".split()
)
"""Names of files and folders (requirements, "Package contents")."""

LEFTOVER_SUFFIXES: Final = frozenset({".pyc", ".log", ".swp", ".orig", ".pem", ".key", ".p12"})

BINARY_SUFFIXES: Final = frozenset({".whl", ".so", ".dll", ".dylib", ".exe", ".bin", ".jar", ".zip", ".gz", ".difypkg"})

BINARY_BEGINNINGS: Final = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"PK\x03\x04")
"""ELF, PE, Mach-O of one and of several machines, zip."""

SECRET: Final = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    rb"|\bxox[abpr]-[A-Za-z0-9-]{20,}|\bsk-[A-Za-z0-9_-]{32,}|\bAIza[0-9A-Za-z_-]{35}\b|\bapp-[A-Za-z0-9]{24}\b"
)
"""Keys of private-key files, AWS, GitHub, Slack, OpenAI, Google and Dify's apps, by their published forms."""

CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")

_RELATIVE_LINK: Final = re.compile(r"(?<!!)\[[^\[\]]*\]\((?![a-z]+:|#)([^)\s]+)\)")


@dataclass(frozen=True)
class Package:
    """The files of a package by name."""

    files: Mapping[str, bytes]

    @classmethod
    def read(cls, content: bytes) -> "Package":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return cls({name: archive.read(name) for name in archive.namelist()})

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        found = yaml.safe_load(self.files.get("manifest.yaml", b""))
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        return self.files.get(name, b"").decode("utf-8", "replace")


type Rule = Callable[[Package], Iterator[str]]


def has_its_files(package: Package) -> Iterator[str]:
    """release, "Project files" (checks 3 and 8): manifest, README, privacy policy and _assets/, none of them empty."""
    for name in ("manifest.yaml", "README.md", "PRIVACY.md"):
        if not package.text(name).strip():
            yield f"{name} is missing or empty"
    if not any(name.startswith("_assets/") for name in package.files):
        yield "_assets/ is missing"


def has_an_author_of_its_own(package: Package) -> Iterator[str]:
    """pre-check, "Check Plugin Manifest" (check 4); daemon: the pattern."""
    author = str(package.manifest.get("author", ""))
    if re.search("langgenius|dify", author) or not re.fullmatch(r"[a-z0-9_-]{1,64}", author):
        yield f"author {author!r} is not 1 to 64 of a-z, 0-9, _ and -, or holds 'langgenius' or 'dify'"


def has_a_plain_version(package: Package) -> Iterator[str]:
    """daemon: manifest_entities/version.go; the marketplace compares versions (check 6)."""
    version = str(package.manifest.get("version", ""))
    if not re.fullmatch(r"\d{1,4}(\.\d{1,4}){2}", version):
        yield f"version {version!r} is not of the form 1.2.3"


def has_icons_of_its_own(package: Package) -> Iterator[str]:
    """pre-check, "Check Plugin Icon" (check 5): there, and not the template's."""
    for key in ("icon", "icon_dark"):
        name = f"_assets/{package.manifest.get(key)}"
        content = re.sub(r"\s", "", package.text(name))
        if not content:
            yield f"{key} {name} is missing or empty"
        elif TEMPLATE_ICON in content or FIRST_TEMPLATE_ICON in content:
            yield f"{key} {name} is the template's"


def is_in_english(package: Package) -> Iterator[str]:
    """release, "Language" (check 7): no Chinese in the README; requirements: the primary texts are English."""
    if found := CJK.search(package.text("README.md")):
        yield f"README.md holds {found[0]!r}; translations belong into readme/"
    for key in ("label", "description"):
        if not (package.manifest.get(key) or {}).get("en_US"):
            yield f"{key} has no en_US"


def has_a_readme_that_leads_to_its_source(package: Package) -> Iterator[str]:
    """requirements, "Metadata and documentation": setup, usage, and a link to the repository, which `repo` names."""
    repository, readme = str(package.manifest.get("repo", "")), package.text("README.md")
    if urlsplit(repository).scheme != "https":
        yield f"repo {repository!r} is no https address"
    elif repository not in readme:
        yield f"README.md has no link to {repository}"
    headings = " ".join(re.findall(r"^#+ (.+)$", readme, re.MULTILINE)).lower()
    for wanted in ("install", "call"):
        if wanted not in headings:
            yield f"README.md has no heading with {wanted!r}"


def has_no_link_that_breaks(package: Package) -> Iterator[str]:
    """Plugin developer guidelines ("no links to 404 pages"): beside a packaged page there is nothing to lead to."""
    for name in package.files:
        if name.endswith(".md"):
            for link in _RELATIVE_LINK.findall(package.text(name)):
                yield f"{name} has a relative link: {link}"


def has_translations_that_dify_shows(package: Package) -> Iterator[str]:
    """submit, "Metadata and docs": readme/README_<locale>.md."""
    for name in package.files:
        if name.startswith("readme/"):
            found = re.fullmatch(r"readme/README_(\w+)\.md", name)
            if not found or found[1] not in LANGUAGES:
                yield f"{name} is for none of {', '.join(sorted(LANGUAGES))}"


def has_its_privacy_policy(package: Package) -> Iterator[str]:
    """requirements, "Metadata and documentation": the manifest names it; what is collected, stored, logged and sent."""
    policy = str(package.manifest.get("privacy", ""))
    if not policy.startswith("https://") and policy not in package.files:
        yield f"privacy {policy!r} is neither an https address nor a file of the package"
    told = package.text(policy).lower()
    for subject in ("stored", "logged", "third part", "collect"):
        if policy in package.files and subject not in told:
            yield f"{policy} says nothing of {subject!r}"


def has_known_tags(package: Package) -> Iterator[str]:
    """daemon: manifest_entities/tags.go."""
    tags = package.manifest.get("tags") or []
    if not tags:
        yield "there are no tags"
    for tag in tags:
        if tag not in TAGS:
            yield f"tag {tag!r} is unknown"


def has_a_date_and_a_runner(package: Package) -> Iterator[str]:
    """daemon: plugin_declaration.go (created_at with a time zone; Python, an architecture and an entry point)."""
    created = package.manifest.get("created_at")
    if not isinstance(created, datetime) or created.tzinfo is None:
        yield f"created_at {created!r} is no time with a zone"
    meta = package.manifest.get("meta") or {}
    if not meta.get("arch") or not set(meta["arch"]) <= {"amd64", "arm64"}:
        yield f"meta.arch {meta.get('arch')!r} is not of amd64 and arm64"
    runner = meta.get("runner") or {}
    if (runner.get("language"), runner.get("version")) != ("python", "3.12"):
        yield f"meta.runner {runner!r} is not Python 3.12"
    if f"{runner.get('entrypoint')}.py" not in package.files:
        yield f"meta.runner.entrypoint {runner.get('entrypoint')!r} is no file of the package"


def holds_nothing_left_over(package: Package) -> Iterator[str]:
    """requirements, "Package contents": no development state, caches, logs, local settings or system files."""
    for name in package.files:
        path = PurePosixPath(name)
        if LEFTOVERS & set(path.parts) or path.suffix in LEFTOVER_SUFFIXES:
            yield f"{name} is not needed to run"


def holds_no_binary(package: Package) -> Iterator[str]:
    """requirements, "Package contents": no executables and bundled binaries. So no offline package either."""
    for name, content in package.files.items():
        if PurePosixPath(name).suffix in BINARY_SUFFIXES or content.startswith(BINARY_BEGINNINGS):
            yield f"{name} is a binary"


def holds_no_secret(package: Package) -> Iterator[str]:
    """requirements, "Package contents": no tokens, API keys or private keys."""
    for name, content in package.files.items():
        if found := SECRET.search(content):
            yield f"{name} holds what looks like a secret: {found[0][:8].decode()}…"


def unpacks_safely(package: Package) -> Iterator[str]:
    """submit, "Run package validation" (safe extraction): names stay inside the folder."""
    for name in package.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            yield f"{name} leads out of the package"


def fits(package: Package) -> Iterator[str]:
    """daemon: MAX_PLUGIN_PACKAGE_SIZE, of the unpacked files."""
    size = sum(map(len, package.files.values()))
    if size > MAX_SIZE:
        yield f"the files have {size:,} bytes; at most {MAX_SIZE:,} are allowed"


def compiles(package: Package) -> Iterator[str]:
    """submit, "Run package validation" (Python compilation)."""
    for name, content in package.files.items():
        if name.endswith(".py"):
            try:
                compile(content, name, "exec")
            except SyntaxError as error:
                yield f"{name}:{error.lineno} {error.msg}"


def pins_its_dependencies(package: Package) -> Iterator[str]:
    """submit, "Dependencies": pinned, from no URL and no git; dify-plugin as new as asked."""
    if "requirements.txt" not in package.files:
        yield "requirements.txt is missing"
        return
    lines = package.text("requirements.txt").replace("\\\n", " ").splitlines()
    wanted = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for line in wanted:
        if not re.match(r"[\w.-]+==[\w.]+( |$)", line):
            yield f"requirements.txt: {line.split(' --hash')[0]!r} is not pinned, or comes from elsewhere"
    sdk = [line for line in wanted if re.match(r"dify[-_]plugin==", line)]
    if not sdk or Version(re.split(r"==|\s", sdk[0])[1]) < LEAST_SDK:
        yield f"requirements.txt: dify-plugin is not {LEAST_SDK} or newer"


RULES: Final[tuple[Rule, ...]] = (
    has_its_files,
    has_an_author_of_its_own,
    has_a_plain_version,
    has_icons_of_its_own,
    is_in_english,
    has_a_readme_that_leads_to_its_source,
    has_no_link_that_breaks,
    has_translations_that_dify_shows,
    has_its_privacy_policy,
    has_known_tags,
    has_a_date_and_a_runner,
    holds_nothing_left_over,
    holds_no_binary,
    holds_no_secret,
    unpacks_safely,
    fits,
    compiles,
    pins_its_dependencies,
)


def check(package: Package) -> dict[str, list[str]]:
    """What is wrong, by the name of the rule; rules that hold have an empty list."""
    return {rule.__name__: list(rule(package)) for rule in RULES}


def main() -> None:
    """Checks the packages that are named, else the one that `make package` would build."""
    try:
        contents = [Path(name).read_bytes() for name in sys.argv[1:]] or [build(ROOT)]
    except (OSError, PackageError) as error:
        sys.exit(f"No package was checked: {error}.")
    faulty = False
    for content in contents:
        for rule, faults in check(Package.read(content)).items():
            print(f"{'FAIL' if faults else 'ok':4} {rule.replace('_', ' ')}")
            for fault in faults:
                print(f"       {fault}")
            faulty |= bool(faults)
    if faulty:
        sys.exit(1)


if __name__ == "__main__":
    main()
