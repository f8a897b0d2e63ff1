"""The hooks file: which endpoints the workbench serves, in whose workspace, with which settings.

Owns the file's form and the ids made from its names. What a setting means is the plugin's affair: values go to it as
they stand, unlike Dify's web form nothing is filled in, as for an endpoint made through Dify's API.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import yaml

_NAMESPACE: Final = UUID("3f1f9e0c-6f0e-4c39-9d3b-0d8c0b7f5a11")
"""Any constant will do; it keeps the ids the same from one start to the next."""
SERVICE_API: Final = "{service_api}"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MEMBERS: Final = frozenset({"workspace", "settings"})


class BadHooks(ValueError):
    """The hooks file can't be used; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One endpoint: `/e/<name>/` with its settings, in a workspace whose storage it shares with its neighbours."""

    name: str
    workspace: str
    settings: Mapping[str, Any]

    @property
    def endpoint_id(self) -> str:
        return stable_id("endpoint", self.name)

    @property
    def tenant_id(self) -> str:
        return stable_id("workspace", self.workspace)


def stable_id(kind: str, name: str) -> str:
    return str(uuid5(_NAMESPACE, f"{kind}/{name}"))


def read_hooks(path: Path) -> dict[str, Hook]:
    """The file's hooks by name, in its order; raises BadHooks."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadHooks(f"{path} can't be read: {error}") from error
    if not isinstance(content, dict) or not content:
        raise BadHooks(f"{path} must map hook names to workspace and settings")
    return {hook.name: hook for hook in (_hook(path, name, entry) for name, entry in content.items())}


def _hook(path: Path, name: object, entry: object) -> Hook:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadHooks(f"{path}: a hook's name has 1 to 64 letters, digits, _ or -, not {name!r}")
    if not isinstance(entry, dict) or entry.keys() - _MEMBERS:
        raise BadHooks(f"{path}: {name} has the members workspace and settings, no others")
    workspace, settings = entry.get("workspace", "demo"), entry.get("settings") or {}
    if not isinstance(workspace, str) or not isinstance(settings, dict):
        raise BadHooks(f"{path}: {name} needs a text as workspace and a mapping as settings")
    return Hook(name, workspace, settings)


def with_service_api(hook: Hook, url: str) -> Hook:
    """The hook with the base URL of the workbench's Service API wherever a text setting says `{service_api}`."""
    filled = {
        name: value.replace(SERVICE_API, url) if isinstance(value, str) else value
        for name, value in hook.settings.items()
    }
    return replace(hook, settings=filled)


def with_apps(hook: Hook, added: Mapping[str, str]) -> Hook:
    """The hook with alias=id pairs put into its `apps` setting, in place of those of the same alias."""
    listed = str(hook.settings.get("apps") or "")
    if listed.startswith(("{", "[")):
        raise BadHooks(f"{hook.name}: apps can only be added to a setting of alias=id pairs")
    kept = [pair for pair in re.split(r"[,\s]+", listed) if pair and pair.partition("=")[0] not in added]
    pairs = [*kept, *(f"{alias}={app_id}" for alias, app_id in added.items())]
    return replace(hook, settings={**hook.settings, "apps": " ".join(pairs)})
