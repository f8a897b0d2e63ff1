"""What a newcomer sees when the workbench is up: the key, and commands that work."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from workbench.hooks import Hook
from workbench.service_api.catalogue import KEY_PREFIX

_SAMPLES: Final[tuple[tuple[str, str, str, str, dict[str, Any]], ...]] = (
    ("a streamed chat", "echo", "chat", "-N", {"query": "Hello Duck, what do you say?"}),
    ("a workflow", "workflow", "workflow", "-N", {"inputs": {"text": "Hello Duck"}}),
    ("an error", "failing", "workflow", "-i", {"inputs": {"text": "Hello Duck"}, "response_mode": "blocking"}),
)
"""Title, app, route, curl's option, and the body of the plugin's native API."""


def banner(url: str, hook: Hook, aliases: Collection[str], service_url: str) -> str:
    """The lines for a hook at `url` whose apps have these aliases. `service_url` is the Service API's base URL."""
    key = _first_key(hook.settings)
    lines = [f"key: {key}"] if key else []
    for title, alias, route, option, body in _SAMPLES:
        if alias in aliases:
            lines += ["", f"# {title}", _curl(f"{url}{route}/{alias}", option, key, body)]
    if "echo" in aliases:
        lines += ["", "# Dify's own Service API, an app's key", _curl(*_service_sample(service_url))]
    return "\n".join([*lines, ""])


def _service_sample(url: str) -> tuple[str, str, str, dict[str, Any]]:
    body = {"query": "Hello Dify", "inputs": {}, "user": "ann", "response_mode": "streaming"}
    return f"{url}/chat-messages", "-N", f"{KEY_PREFIX}echo", body


def _first_key(settings: Mapping[str, Any]) -> str:
    """The key of the first `name=key` pair, or the first bare key, in `access_keys`; empty if there is none."""
    first = re.search(r"[^,\s]+", str(settings.get("access_keys") or ""))
    # A bare key may hold or end in `=` too, but does not begin with a caller's name.
    return re.sub(r"^[a-z][a-z0-9_-]{0,31}=(?=.)", "", first[0]) if first else ""


def _curl(url: str, option: str, key: str, body: dict[str, Any]) -> str:
    headers = [f"'Authorization: Bearer {key}'"] if key else []
    headers.append("'Content-Type: application/json'")
    sent = " ".join(f"-H {header}" for header in headers)
    return f"curl {option} {url} {sent} -d '{json.dumps(body)}'"
