"""Duck's own protocol: `/chat`, `/workflow` and `/completion` (docs/native.md)."""

from gateway.protocols.native.reply import read
from gateway.protocols.problem import shape

__all__ = ["read", "shape"]
