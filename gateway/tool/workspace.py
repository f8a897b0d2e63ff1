"""Which workspace a tool's call belongs to, as far as a plugin can know it.

Dify names neither the workspace nor an endpoint to a tool, and one process serves many workspaces. The plugin's storage
is one for each (wire section 11), so a random name is kept there, and read at each call. It needs no second look as the
secret does: where two processes make one at once, both find the later one from the next call on.
"""

import secrets
from typing import Final

from gateway.transports.interface import Storage

KEY: Final = "workspace-name"
SIZE: Final = 16
"""Bytes; no two workspaces have the same."""


def workspace_key(storage: Storage) -> str:
    """What caches, slots and handles of a workspace's tool calls are keyed by, in place of an endpoint's id; no
    endpoint's id begins so. Raises `DuckError` `storage_unavailable`.
    """
    if not storage.exists(KEY):
        storage.save(KEY, secrets.token_bytes(SIZE))
    return f"tool:{storage.load(KEY).hex()}"
