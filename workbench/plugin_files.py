"""The plugin's files: which of them, when they change, are a reason to start the plugin again.

Owns that choice; what a change leads to is decided elsewhere.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from watchfiles import Change, DefaultFilter, awatch

OTHER_FOLDERS: Final = frozenset({"tests", "workbench", "benchmarks", "docs", "recordings", "dist"})
"""Folders beside the plugin's own that are no part of it."""


class PluginFiles(DefaultFilter):
    """Changes that would change what the plugin does."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def __call__(self, change: Change, path: str) -> bool:
        folder, *rest = Path(path).relative_to(self._directory).parts or (".",)  # the directory itself was touched
        hidden = folder.startswith(".") and (bool(rest) or folder == ".")
        return folder not in OTHER_FOLDERS and not hidden and super().__call__(change, path)


async def changed_files(directory: Path) -> AsyncIterator[list[str]]:
    """The names, from the directory on and sorted, of the files that have changed at about the same time."""
    async for changes in awatch(directory, watch_filter=PluginFiles(directory)):
        yield sorted(str(Path(path).relative_to(directory)) for _, path in changes)
