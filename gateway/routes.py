"""Every route of Duck in one werkzeug Map: what is served, what `Allow` says, and what `GET /` lists come from it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from gateway.errors import DuckError


class Route(StrEnum):
    """What a path leads to."""

    ABOUT = "about"
    HEALTH = "healthz"
    DUCK = "duck"
    CHAT = "chat"
    WORKFLOW = "workflow"
    COMPLETION = "completion"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Match:
    """A served path. app_id: what stands in its place in the path, None when the path names no app."""

    route: Route
    app_id: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the table below. methods: those that do something; OPTIONS and HEAD come by themselves."""

    route: Route
    path: str
    methods: tuple[str, ...]
    about: str


TABLE: Final = (
    Listed(Route.ABOUT, "/", ("GET",), "What this is."),
    Listed(Route.HEALTH, "/healthz", ("GET",), "Whether Duck runs; asks nothing of Dify."),
    Listed(Route.DUCK, "/duck/<app_id>", ("GET", "POST"), "The app's events as a live page."),
    Listed(Route.CHAT, "/chat/<app_id>", ("POST",), "Talks to a chat, agent or chatflow app."),
    Listed(Route.WORKFLOW, "/workflow/<app_id>", ("POST",), "Runs a workflow."),
    Listed(Route.COMPLETION, "/completion/<app_id>", ("POST",), "Runs a text generator."),
    Listed(Route.TOKENS, "/tokens", ("POST",), "A short-lived token for one app and one user, for browsers."),
)


def _rules(listed: Listed) -> list[Rule]:
    """The path, and the same without the app's name, which then is the default app."""
    paths = [listed.path, listed.path.removesuffix("/<app_id>")] if "<app_id>" in listed.path else [listed.path]
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
        raise not_found() from None
    return Match(route, values.get("app_id"))


def allowed_methods(path: str) -> tuple[str, ...]:
    """The methods that a path answers, in a stable order; `()` for a path that is not served."""
    allowed = set(_MAP.bind("").allowed_methods(_single_slashes(path)))
    return tuple(sorted({*allowed, "OPTIONS"})) if allowed else ()


def _single_slashes(path: str) -> str:
    return re.sub("/{2,}", "/", f"/{path}")


def not_found() -> DuckError:
    """For a path that is not served."""
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
