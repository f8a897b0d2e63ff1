"""The plugin's storage: one per workspace, in memory, with the daemon's checks and its quota's quirks.

Owns values and sizes and the texts of the errors, also of those that a test asks for; lives as long as the workbench,
so longer than the plugin's process, and is shared by all of them (internal/core/persistence/persistence.go; wire 11).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from workbench import laws

type Fault = Literal["failing", "full"]
"""`failing`: no call succeeds, and nothing is done. `full`: a value is kept, but its quota is said to be exceeded."""

_UNREACHABLE: Final = "dial tcp 127.0.0.1:9000: connect: connection refused"
"""The daemon passes on what its object storage, file system, Redis or database says; this is the first."""


class StorageError(Exception):
    """The daemon's error; its text is what follows `save data failed: ` and the like."""


@dataclass(slots=True)
class Drawer:
    """The values of one workspace. `counted` is the size the daemon believes it holds, in bytes; None until a first
    value was within the quota.

    `calls` counts the plugin's calls by operation (get, set, del, exist). A call is done at once, and answered `delay`
    seconds later.
    """

    values: dict[str, bytes] = field(default_factory=dict)
    counted: int | None = None
    calls: Counter[str] = field(default_factory=Counter)
    delay: float = 0
    fault: Fault | None = None

    def put(self, values: Mapping[str, bytes]) -> None:
        """Replaces all values, quota or not."""
        self.values = dict(values)
        self.counted = sum(map(len, values.values()))


class Storage:
    """A workbench runs one plugin, so a workspace is enough to tell the drawers apart; the daemon adds the plugin."""

    def __init__(self) -> None:
        self._drawers: dict[str, Drawer] = {}

    def drawer(self, tenant_id: str) -> Drawer:
        return self._drawers.setdefault(tenant_id, Drawer())


def save(drawer: Drawer, key: str, value: bytes, quota: int) -> None:
    """Keeps the value, then checks the quota: one that exceeds it raises and stays, uncounted (wire 11)."""
    _check(drawer, key)
    if len(key.encode()) > laws.STORAGE_KEY_LIMIT:
        raise StorageError("key length must be less than 256 characters")
    growth = len(value) - len(drawer.values.get(key, b""))
    drawer.values[key] = value
    size = growth + (drawer.counted or 0)
    if drawer.fault == "full" or size > min(quota, laws.STORAGE_LIMIT):
        raise StorageError("allocated size is greater than max storage size")
    drawer.counted = size


def load(drawer: Drawer, key: str) -> bytes:
    _check(drawer, key)
    try:
        return drawer.values[key]
    except KeyError:
        raise StorageError("no such file or directory") from None


def delete(drawer: Drawer, key: str) -> None:
    _check(drawer, key)
    if key not in drawer.values:
        raise StorageError(f"stat {key}: no such file or directory")
    drawer.counted = (drawer.counted or 0) - len(drawer.values.pop(key))


def exists(drawer: Drawer, key: str) -> bool:
    _check(drawer, key)
    return key in drawer.values


def _check(drawer: Drawer, key: str) -> None:
    """Stricter than the daemon, which cleans the path first and so lets some of these through."""
    if any(part in key for part in ("..", "//", "\\")):
        raise StorageError("invalid key: path traversal attempt detected")
    if drawer.fault == "failing":
        raise StorageError(_UNREACHABLE)
