"""The description as a whole: the operations of each protocol, in the order of the route table that serves.

It says what any endpoint does, and nothing of the apps of this one.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.about import VERSION
from gateway.openapi import dify, hooks, mcp, native, openai, own, sample
from gateway.openapi.operation import Operation
from gateway.openapi.schema import text, whole
from gateway.openapi.security import KEYS, signatures
from gateway.routes import TABLE, Listed

OPENAPI: Final = "3.1.1"

_PROTOCOLS: Final = (own, native, openai, dify, mcp, hooks)

_ABOUT: Final = (
    "One endpoint of Duck gives apps of a Dify workspace an HTTP face, in several protocols; take the one that your "
    "client speaks. `GET /` says it in short.\n\n"
    "A key or a token travels in a header. Where the endpoint's operator lets anyone in, it may be left out. "
    "Every path answers `OPTIONS`."
)

_TAGS: Final[Mapping[str, str]] = {
    own.TAG: "What Duck is, and tokens.",
    native.TAG: "Duck's own API: any app, streamed or not.",
    openai.TAG: "OpenAI's API; a client's base URL is this address and `/v1`.",
    dify.TAG: "Dify's own Service API.",
    mcp.TAG: "The apps as tools of models.",
    hooks.TAG: "The apps behind signed webhooks.",
}

_PATH_PARAMETERS: Final[Mapping[str, tuple[str, str]]] = {
    "app_id": ("The app's alias or id. Left out with its slash, it is the default app.", sample.APP),
    "model": ("The app's alias or id.", sample.APP),
    "task_id": ("Of the run's stream or body.", sample.TASK),
    "conversation_id": ("Of an earlier reply.", sample.CONVERSATION),
    "message_id": ("Of an earlier reply.", sample.MESSAGE),
    "workflow_run_id": ("Of an earlier reply.", sample.RUN),
}

_HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "X-Request-Id": text("Names the request, in the plugin's log too; one that you send is kept."),
    "X-Conversation-Id": text("The conversation, where it is known before the reply begins."),
    "ETag": text("Changes with the description."),
    "WWW-Authenticate": text("How to be let in."),
    "Retry-After": whole("Seconds to wait."),
    "RateLimit": text("What is left (draft-ietf-httpapi-ratelimit-headers-10)."),
    "RateLimit-Policy": text("How often a caller may call."),
    "x-should-retry": text("`false` where the app may have run already.", const="false"),
}

_BOUND: Final = "apps/{app_id}"
"""Where a part of the paths is served bound to one app."""

_PLACEHOLDER: Final = re.compile(r"<([a-z_]+)>")


def document() -> dict[str, Any]:
    """The OpenAPI object. Raises `LookupError` where it and the route table don't hold the same."""
    operations = {key: item for protocol in _PROTOCOLS for key, item in protocol.operations().items()}
    served = {(method, listed.path) for listed in TABLE for method in listed.methods}
    if served != operations.keys():
        raise LookupError(f"not described as it is served: {sorted(served ^ operations.keys())}")
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Duck",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": ".", "description": "The endpoint that this description comes from."}],
        "security": [{name: []} for name in KEYS],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "paths": {_braced(listed.path): _path_item(listed, operations) for listed in TABLE},
        "components": _components(operations.values()),
    }


def _braced(path: str) -> str:
    return _PLACEHOLDER.sub(r"{\1}", path)


def _path_item(listed: Listed, operations: Mapping[tuple[str, str], Operation]) -> dict[str, Any]:
    names = tuple(_PLACEHOLDER.findall(listed.path))
    written = {method.lower(): operations[method, listed.path].written(names) for method in listed.methods}
    return {**written, **({"servers": _servers()} if f"/apps/<app_id>{listed.path}" in listed.also else {})}


def _servers() -> list[dict[str, Any]]:
    """The endpoint itself, and the same bound to one app, for clients that can't choose a model."""
    variable = {"app_id": {"default": sample.APP, "description": "The app's alias or id."}}
    return [{"url": "."}, {"url": _BOUND, "description": "Bound to one app.", "variables": variable}]


def _components(operations: Iterable[Operation]) -> dict[str, Any]:
    return {
        "schemas": {name: schema for protocol in _PROTOCOLS for name, schema in protocol.schemas().items()},
        "responses": _failures(operations),
        "parameters": {name: _path_parameter(name) for name in _PATH_PARAMETERS},
        "headers": {
            name: {"description": schema["description"], "schema": _bare(schema)} for name, schema in _HEADERS.items()
        },
        "securitySchemes": {**KEYS, **signatures()},
    }


def _failures(operations: Iterable[Operation]) -> dict[str, Any]:
    """The errors of all protocols, as far as some operation has them."""
    used: dict[Any, set[int]] = {}
    for operation in operations:
        if operation.failures:
            used.setdefault(operation.failures.name, set()).update(operation.statuses)
    kinds = {operation.failures.name: operation.failures for operation in operations if operation.failures}
    return {name: item for kind, statuses in used.items() for name, item in kinds[kind].responses(statuses).items()}


def _path_parameter(name: str) -> dict[str, Any]:
    about, example = _PATH_PARAMETERS[name]
    return {
        "name": name, "in": "path", "required": True, "description": about, "schema": {"type": "string"},
        "example": example,
    }  # fmt: skip


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "description"}
