"""The exposed apps as OpenAI's models (protocols section 3, "Routes")."""

from collections.abc import Iterable
from typing import Any

from gateway.about import RELEASED
from gateway.settings import App


def model(app: App) -> dict[str, Any]:
    """One app. Dify does not tell when it was made, so `created` is when Duck was.

    Behind OpenAI's members stand those that are known: `name`, which Open WebUI shows,
    `description`, and Dify's `mode`.
    """
    told = {"name": app.title, "description": app.about, "mode": app.kind}
    known = {name: value for name, value in told.items() if value}
    return {"id": app.alias, "object": "model", "created": RELEASED, "owned_by": "dify", **known}


def model_list(apps: Iterable[App]) -> dict[str, Any]:
    """All of them, in the order of the settings."""
    return {"object": "list", "data": [model(app) for app in apps]}
