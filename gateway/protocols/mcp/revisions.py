"""The revisions of the protocol that are served.

Modern ones (from 2026-07-28 on) have no connection: each request says in its `_meta` which revision it is of. Those
before begin with `initialize`, and name the revision in a header from then on.
"""

from typing import Final

SERVED_MODERN: Final = ("2026-07-28",)
SERVED_LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""The newest first."""

WITHOUT_HEADER: Final = "2025-03-26"
"""What a request is of that names no revision (MCP 2025-06-18, transports, "Protocol Version Header")."""


def is_modern(revision: str) -> bool:
    return revision in SERVED_MODERN


def agreed(wanted: object) -> str:
    """The revision that `initialize` ends with: the client's, else the newest (MCP 2025-11-25, lifecycle)."""
    return wanted if isinstance(wanted, str) and wanted in SERVED_LEGACY else SERVED_LEGACY[0]


def has_resource_links(revision: str) -> bool:
    """Whether a result may hold links; clients of 2025-03-26 know no such content."""
    return revision != "2025-03-26"
