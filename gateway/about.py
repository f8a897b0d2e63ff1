"""What Duck says of itself."""

from typing import Any, Final

from gateway.routes import TABLE

RELEASED: Final = 1_790_000_000
"""Unix seconds; `created` of all that has no date of its own."""

VERSION: Final = "0.1.0"
"""As in manifest.yaml."""


def about() -> dict[str, Any]:
    """The body of `GET /`. Tells a stranger nothing about the apps."""
    return {
        "name": "duck",
        "version": VERSION,
        "about": "Duck gives the apps of a Dify workspace an HTTP face.",
        "documentation": "The README of the plugin, on its page under Plugins in Dify.",
        "openapi": "openapi.json",
        "authentication": "Authorization: Bearer <key or token>, X-API-Key: <key>, or the key as HTTP Basic's password",
        "routes": [
            {"path": listed.path.lstrip("/"), "methods": list(listed.methods), "about": listed.about}
            for listed in TABLE
        ],
    }
