"""What Dify's Service API tells of an app itself: its name and its mode, which reverse invocation does not."""

import time
from dataclasses import dataclass
from typing import Final

from gateway.events import Kind, Raw

KNOWN_FOR: Final = 600.0
"""Seconds (DESIGN section 2)."""

MOST_KNOWN: Final = 2_000
"""Apps remembered in one process; beyond it all is forgotten and asked again (own choice, about 1 MB)."""


@dataclass(frozen=True, slots=True)
class AppInfo:
    """name: as its author called it. kind: None for a mode that no route runs. raw: all of it, as Dify sends it."""

    name: str
    description: str
    kind: Kind | None
    raw: Raw


class Infos:
    """What is known of the apps of one process, by endpoint, app id, address and key; a cache and nothing more."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[float, AppInfo]] = {}

    def known(self, key: tuple[str, ...]) -> AppInfo | None:
        since, info = self._known.get(key, (float("-inf"), None))
        return info if time.monotonic() - since < KNOWN_FOR else None

    def remember(self, key: tuple[str, ...], info: AppInfo) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key] = (time.monotonic(), info)


def info_of(raw: Raw) -> AppInfo:
    """The body of `GET /info`; what is missing is empty."""
    name, description, mode = raw.get("name"), raw.get("description"), raw.get("mode")
    return AppInfo(
        name if isinstance(name, str) else "",
        description if isinstance(description, str) else "",
        next((kind for kind in Kind if kind == mode), None),
        raw,
    )
