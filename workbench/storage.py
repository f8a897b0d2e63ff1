"""The plugin's storage: one per workspace and plugin, in memory, with the daemon's checks and its quota's quirks.

Owns values and sizes and the texts of the errors; lives as long as the workbench, so longer than the plugin's process
(internal/core/persistence/persistence.go; wire 11).
"""

from dataclasses import dataclass, field

from workbench import laws


class StorageError(Exception):
    """The daemon's error; its text is what follows `save data failed: ` and the like."""


@dataclass(slots=True)
class Drawer:
    """The values of one plugin in one workspace. `counted` is the size the daemon believes it holds, in bytes; None
    until a first value was within the quota."""

    values: dict[str, bytes] = field(default_factory=dict)
    counted: int | None = None


class Storage:
    def __init__(self) -> None:
        self._drawers: dict[tuple[str, str], Drawer] = {}

    def drawer(self, tenant_id: str, plugin_id: str) -> Drawer:
        return self._drawers.setdefault((tenant_id, plugin_id), Drawer())


def save(drawer: Drawer, key: str, value: bytes, quota: int) -> None:
    """Keeps the value, then checks the quota: one that exceeds it raises and stays, uncounted (wire 11)."""
    _check(key)
    if len(key.encode()) > laws.STORAGE_KEY_LIMIT:
        raise StorageError("key length must be less than 256 characters")
    growth = len(value) - len(drawer.values.get(key, b""))
    drawer.values[key] = value
    size = growth + (drawer.counted or 0)
    if size > min(quota, laws.STORAGE_LIMIT):
        raise StorageError("allocated size is greater than max storage size")
    drawer.counted = size


def load(drawer: Drawer, key: str) -> bytes:
    _check(key)
    try:
        return drawer.values[key]
    except KeyError:
        raise StorageError("no such file or directory") from None


def delete(drawer: Drawer, key: str) -> None:
    _check(key)
    if key not in drawer.values:
        raise StorageError(f"stat {key}: no such file or directory")
    drawer.counted = (drawer.counted or 0) - len(drawer.values.pop(key))


def exists(drawer: Drawer, key: str) -> bool:
    _check(key)
    return key in drawer.values


def _check(key: str) -> None:
    """Stricter than the daemon, which cleans the path first and so lets some of these through."""
    if any(part in key for part in ("..", "//", "\\")):
        raise StorageError("invalid key: path traversal attempt detected")
