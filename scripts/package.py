"""Builds the package that Dify installs: a zip with the manifest at its root, and the same bytes for the same tree.

Owns what belongs in the package (an allow-list) and what makes it reproducible: order, dates, modes. Refuses to build
when the folders hold anything of another kind, when a file that the manifest leads to would be missing, or when the
package would be too large.
"""

import hashlib
import io
import posixpath
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parent.parent
DIST: Final = ROOT / "dist"

FILES: Final = ("LICENSE", "PRIVACY.md", "README.md", "SECURITY.md", "main.py", "manifest.yaml", "requirements.txt")
"""Files of the root. Not pyproject.toml: the daemon would install from it, and not from requirements.txt."""

FOLDERS: Final = ("_assets", "endpoints", "gateway", "group", "pages/built", "provider", "readme", "runtime", "tools")
"""Folders that are packed whole, where they exist."""

PAGE: Final = tuple(f"pages/built/{name}" for name in ("icon.svg", "index.html", "page.css", "page.js"))
"""What gateway/page.py reads; scripts/pages.sh builds it."""

KINDS: Final = frozenset({".css", ".html", ".js", ".json", ".md", ".png", ".py", ".svg", ".yaml"})
"""Suffixes of what those folders may hold."""

MAX_SIZE: Final = 2 * 1024 * 1024
"""Bytes of a package. Far below the daemon's 50 MiB: whatever is larger has picked up something by mistake."""

DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: the earliest that a zip can hold."""

MODE: Final = 0o100644
"""Type and mode of every entry: a plain file that its owner may write and anyone may read."""

_LINK: Final = re.compile(r"((?<!!)\[[^\[\]]*\])\((?![a-z]+:|#)([^()#\s]+)(#[^()\s]*)?\)")
"""A link of Markdown to a file beside the page: its text, the file, and the heading in it."""

UNIX: Final = 3
"""The zip format's number of the system that made an entry, which Python would take from the machine."""


class PackageError(Exception):
    """The tree can't be packed; the message says what to change."""


def build(root: Path) -> bytes:
    """The package of the tree at `root`."""
    return archive(package_files(root), MAX_SIZE)


def package_files(root: Path) -> dict[str, bytes]:
    """What the package holds: the content of each file by its name, relative to `root`."""
    packed = packed_files(root)
    missing = sorted(named_files(root) - set(packed))
    if missing:
        raise PackageError(f"the manifest leads to files that are missing or not packed: {', '.join(missing)}")
    repository = read_manifest(root)["repo"]
    files = {name: (root / name).read_bytes() for name in packed}
    pages = [name for name in packed if name.endswith(".md")]
    return files | {name: with_absolute_links(name, files[name], repository) for name in pages}


def with_absolute_links(name: str, content: bytes, repository: str) -> bytes:
    """The Markdown page `name` with its links to other files leading to the repository.

    For docs/ is not packed, and where Dify and the marketplace show the page there are no files beside it. Pictures are
    packed, and stay relative.
    """

    def absolute(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link[2]))
        return f"{link[1]}({repository}/blob/main/{target}{link[3] or ''})"

    return _LINK.sub(absolute, content.decode("utf-8")).encode("utf-8")


def archive(files: dict[str, bytes], max_size: int) -> bytes:
    """A zip of these files, sorted by name: the same bytes for the same files, at most `max_size` of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name in sorted(files):
            package.writestr(_entry(name), files[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    content = buffer.getvalue()
    if len(content) > max_size:
        raise PackageError(f"the package would have {len(content):,} bytes; at most {max_size:,} are allowed")
    return content


def packed_files(root: Path) -> list[str]:
    """The names, relative to `root` and sorted, of the files that the package holds."""
    names = [name for name in FILES if (root / name).is_file()]
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root)
            if not path.is_file() or _is_left_behind(name):
                continue
            if path.suffix not in KINDS:
                raise PackageError(f"{name} is of no kind that a package holds; move it out of {folder}/")
            names.append(name.as_posix())
    return sorted(names)


def named_files(root: Path) -> set[str]:
    """What the daemon and the SDK will open: the files of the root, and all that the manifest leads to."""
    manifest = read_manifest(root)
    icons = {f"_assets/{manifest[key]}" for key in ("icon", "icon_dark")}
    entrypoint = f"{manifest['meta']['runner']['entrypoint']}.py"
    declared = {name for names in manifest["plugins"].values() for top in names for name in _declared_files(root, top)}
    return {*FILES, *PAGE, *icons, entrypoint, manifest["privacy"], *declared}


def _declared_files(root: Path, name: str) -> Iterator[str]:
    """The declaration `name`, the source that it names, and all that the declarations listed in it name."""
    yield name
    if not (root / name).is_file():
        return
    declaration = _read_yaml(root / name)
    if "extra" in declaration:
        yield declaration["extra"]["python"]["source"]
    for listed in (*declaration.get("endpoints", ()), *declaration.get("tools", ())):
        yield from _declared_files(root, listed)


def _is_left_behind(name: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in name.parts)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATE)
    entry.create_system = UNIX
    entry.external_attr = MODE << 16
    return entry


def _read_yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def read_manifest(root: Path) -> dict[str, Any]:
    return _read_yaml(root / "manifest.yaml")


def write_package(content: bytes, variant: str = "") -> None:
    """Writes `dist/<name>-<version>[-<variant>].difypkg`, and prints its size and digest."""
    manifest = read_manifest(ROOT)
    target = DIST / f"{'-'.join(filter(None, (manifest['name'], manifest['version'], variant)))}.difypkg"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)
    entries = zipfile.ZipFile(io.BytesIO(content)).namelist()
    print(f"{target.relative_to(ROOT)}: {len(content):,} bytes, {len(entries)} files")
    print(f"sha256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    try:
        content = build(ROOT)
    except PackageError as error:
        sys.exit(f"No package was built: {error}.")
    write_package(content)


if __name__ == "__main__":
    main()
