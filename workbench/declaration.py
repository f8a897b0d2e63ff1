"""What a plugin declares of itself, as far as a host needs it: its name and what it may do.

Parsed from the SDK's first message; the SDK has already checked the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Declaration:
    """`permissions` is the manifest's `resource.permission`; `storage_size` is its quota in bytes."""

    name: str
    version: str
    permissions: Mapping[str, Any]

    @property
    def storage_size(self) -> int:
        return int(self.permissions["storage"]["size"])

    def allows(self, permission: str, member: str = "enabled") -> bool:
        """Whether the manifest grants e.g. `app`, or one `member` of what has several, such as the `llm` of `model`."""
        granted = self.permissions.get(permission) or {}
        return bool(granted.get("enabled") and granted.get(member))


NOTHING_DECLARED: Final = Declaration(name="", version="", permissions={})
"""Of a plugin that has not introduced itself yet."""


def read_declaration(configuration: Mapping[str, Any]) -> Declaration:
    return Declaration(
        name=configuration["name"],
        version=configuration["version"],
        permissions=configuration["resource"].get("permission") or {},
    )
