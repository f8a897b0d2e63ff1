"""SSE as an independent client reads it (httpx-sse)."""

import json
from typing import Any

import httpx
from httpx_sse import EventSource, connect_sse


def events(client: httpx.Client, path: str, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and object of each event of a streamed reply."""
    with connect_sse(client, "POST", path, json=body) as source:
        return read(source)


def read(source: EventSource) -> list[tuple[str, dict[str, Any]]]:
    source.response.raise_for_status()
    return [(event.event, json.loads(event.data)) for event in source.iter_sse()]


def text_of(found: list[tuple[str, dict[str, Any]]]) -> str:
    """What the `text` events say together."""
    return "".join(data["text"] for name, data in found if name == "text")
