"""Which apps the Service API offers, and under which key each.

Owns the keys, which are fixed and no secret: this Dify is a demonstration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workbench.app import App

KEY_PREFIX: Final = "app-demo-key-"
"""An app's key is this and its alias."""


@dataclass(frozen=True, slots=True)
class Entry:
    alias: str
    app_id: str
    app: App

    @property
    def key(self) -> str:
        return KEY_PREFIX + self.alias


def entries(apps: Mapping[str, App], aliases: Mapping[str, str]) -> tuple[Entry, ...]:
    """Those of `aliases` (alias to app id) that stand for an app in `apps` (by id)."""
    return tuple(
        Entry(alias, app_id, apps[app_id]) for alias, app_id in aliases.items() if app_id in apps and apps[app_id].mode
    )
