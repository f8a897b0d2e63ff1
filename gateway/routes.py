"""Every route of Duck in one werkzeug Map: what is served, what `Allow` says, and what `GET /` lists come from it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from gateway.errors import DuckError
from gateway.protocols.dify import paths


class Route(StrEnum):
    """What a path leads to."""

    ABOUT = "about"
    HEALTH = "healthz"
    OPENAPI = "openapi"
    DUCK = "duck"
    CHAT = "chat"
    WORKFLOW = "workflow"
    COMPLETION = "completion"
    TOKENS = "tokens"
    CHAT_COMPLETIONS = "chat-completions"
    RESPONSES = "responses"
    MODELS = "models"
    MODEL = "model"
    CHAT_MESSAGES = "chat-messages"
    COMPLETION_MESSAGES = "completion-messages"
    WORKFLOWS_RUN = "workflows-run"
    DIFY = "dify"
    MCP = "mcp"
    HOOKS = "hooks"


@dataclass(frozen=True, slots=True)
class Match:
    """A served path. app_id: what stands in its place in the path, None when the path names no app. model, file: the
    same of a model's name, and of a file of the page.
    """

    route: Route
    app_id: str | None
    model: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the table below. methods: those that do something; OPTIONS and HEAD come by themselves. also: paths
    that lead to the same and are not shown.
    """

    route: Route
    path: str
    methods: tuple[str, ...]
    about: str
    also: tuple[str, ...] = ()


def _openai(path: str) -> tuple[str, ...]:
    """Where else one of OpenAI's paths is served: without the `/v1`, which people forget, and bound to one app."""
    return path.removeprefix("/v1"), f"/apps/<app_id>{path}", f"/apps/<app_id>{path.removeprefix('/v1')}"


_RUNS: Final[Mapping[str, tuple[Route, str]]] = {
    "/chat-messages": (Route.CHAT_MESSAGES, "Dify's own Service API: a chat, an agent or a chatflow."),
    "/completion-messages": (Route.COMPLETION_MESSAGES, "The same: a text generator."),
    "/workflows/run": (Route.WORKFLOWS_RUN, "The same: a workflow."),
}


def _difys() -> Iterator[Listed]:
    """The paths of Dify's Service API that are served, for each app that they can be (protocols.dify.paths)."""
    for entry in paths.TABLE:
        if entry.reach is not paths.Reach.NONE:
            route, about = _RUNS.get(entry.path, (Route.DIFY, f"Dify's Service API, {entry.reach.value}."))
            yield Listed(route, f"/v1{entry.path}", entry.methods, about, (f"/apps/<app_id>/v1{entry.path}",))


TABLE: Final = (
    Listed(Route.ABOUT, "/", ("GET",), "What this is; with a key, its apps. A page for browsers.", ("/page/<file>",)),
    Listed(Route.HEALTH, "/healthz", ("GET",), "Whether Duck runs; asks nothing of Dify."),
    Listed(Route.OPENAPI, "/openapi.json", ("GET",), "All of this for generators of clients (OpenAPI 3.1)."),
    Listed(Route.DUCK, "/duck/<app_id>", ("GET", "POST"), "The app's events as a live page."),
    Listed(Route.CHAT, "/chat/<app_id>", ("POST",), "Talks to a chat, agent or chatflow app."),
    Listed(Route.WORKFLOW, "/workflow/<app_id>", ("POST",), "Runs a workflow."),
    Listed(Route.COMPLETION, "/completion/<app_id>", ("POST",), "Runs a text generator."),
    Listed(
        Route.CHAT_COMPLETIONS,
        "/v1/chat/completions",
        ("POST",),
        "OpenAI's Chat Completions; the base URL of a client is …/v1.",
        _openai("/v1/chat/completions"),
    ),
    Listed(Route.RESPONSES, "/v1/responses", ("POST",), "OpenAI's Responses.", _openai("/v1/responses")),
    Listed(Route.MODELS, "/v1/models", ("GET",), "The apps, as OpenAI lists models.", _openai("/v1/models")),
    Listed(Route.MODEL, "/v1/models/<model>", ("GET",), "One of them.", _openai("/v1/models/<model>")),
    Listed(
        Route.MCP,
        "/mcp",
        ("POST",),
        "The apps as tools of the Model Context Protocol.",
        ("/apps/<app_id>/mcp",),
    ),
    *_difys(),
    Listed(Route.HOOKS, "/hooks/<app_id>", ("POST",), "Runs an app for a signed webhook; its result is the response."),
    Listed(Route.TOKENS, "/tokens", ("POST",), "A short-lived token for one app and one user, for browsers."),
)


def _rules(listed: Listed) -> list[Rule]:
    """The path, and the same without the app's name at its end, which then is the default app."""
    paths = dict.fromkeys((listed.path, listed.path.removesuffix("/<app_id>") or "/", *listed.also))
    return [Rule(path, methods=listed.methods, endpoint=listed.route) for path in paths]


_MAP: Final = Map([rule for listed in TABLE for rule in _rules(listed)], strict_slashes=False)


def match(method: str, path: str) -> Match:
    """The route of a request.

    Raises `not_found`, or `method_not_allowed` with `Allow`. A path with doubled slashes, as a base URL that ends in
    one gives, is served like the path without.
    """
    try:
        route, values = _MAP.bind("").match(_single_slashes(path), method)
    except MethodNotAllowed:
        raise _method_not_allowed(method, allowed_methods(path)) from None
    except NotFound:
        raise not_found(path) from None
    return Match(route, values.get("app_id"), values.get("model"), values.get("file"))


def allowed_methods(path: str) -> tuple[str, ...]:
    """The methods that a path answers, in a stable order; `()` for a path that is not served."""
    allowed = set(_MAP.bind("").allowed_methods(_single_slashes(path)))
    return tuple(sorted({*allowed, "OPTIONS"})) if allowed else ()


def _single_slashes(path: str) -> str:
    return re.sub("/{2,}", "/", f"/{path}")


_OPENAI: Final = re.compile(r"/+(?:apps/+[^/]+/+)?(?:v1(?:/|$)|(?:chat/+completions|responses|models(?:/+[^/]+)?)/*$)")


def is_openais(path: str) -> bool:
    """Whether a path lies where OpenAI's clients look, and so answers in their shape, served or not."""
    return _OPENAI.match(f"/{path}") is not None


_MCP: Final = re.compile(r"/+(?:apps/+[^/]+/+)?mcp/*")


def is_mcps(path: str) -> bool:
    """Whether a path is that of the Model Context Protocol, whatever the method."""
    return _MCP.fullmatch(f"/{path}") is not None


def not_found(path: str) -> DuckError:
    """For a path that is not served."""
    entry = paths.dify_path(path)
    refused = entry and paths.refusal(entry, has_app_key=True)
    if refused:
        return refused
    if re.search("/v1/+v1(/|$)", f"/{path}"):
        return DuckError("not_found", "The path has /v1 twice.", "A client's base URL ends in one /v1.")
    if path.count("/chat/completions") > 1 or re.search("/(chat/completions|responses)/+(models|responses|chat)", path):
        return DuckError("not_found", "A client's base URL has the route in it.", "It ends in /v1.")
    if re.search("/(completions|embeddings)/*$", path):
        return DuckError("not_found", "Apps do neither plain completions nor embeddings.", "They do chat/completions.")
    return DuckError(
        "not_found", "There is nothing at this path.", "GET / at the endpoint's own address lists what there is."
    )


def _method_not_allowed(method: str, allowed: tuple[str, ...]) -> DuckError:
    return DuckError(
        "method_not_allowed",
        f"{method} is not for this path.",
        f"Use {' or '.join(name for name in allowed if name not in ('OPTIONS', 'HEAD'))}.",
        headers={"Allow": ", ".join(allowed)},
    )
