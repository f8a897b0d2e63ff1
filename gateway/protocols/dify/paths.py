"""All paths of Dify's Service API, and by which way to Dify Duck serves each.

Source: recordings/service, of Dify 1.16.0, and for what was not recorded Dify's controllers/service_api. They are below
`/v1`, where OpenAI's are too: what is in this table answers in Dify's shape, served or not, all else in OpenAI's
(DESIGN section 3, "Whose error shape").
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule

from gateway.errors import DuckError


class Reach(Enum):
    """Where a path can be served."""

    ANY = "by every way to Dify"
    SERVICE_API = "for an app whose own API key is in Duck's settings"
    NONE = "nowhere"


@dataclass(frozen=True, slots=True)
class DifyPath:
    """A path below the base URL. methods: those that Dify routes. why: the reason, where Duck does not serve it."""

    path: str
    methods: tuple[str, ...]
    reach: Reach
    why: str = ""


_KNOWLEDGE: Final = "it is about knowledge bases, which have keys of their own, and Duck is about apps."
_OPERATORS: Final = "it is about all callers of the app, and a caller of Duck's sees only what is its own."
_FORMS: Final = "it takes a form's token, which Duck gives to nobody."


def _no(path: str, methods: tuple[str, ...], why: str) -> DifyPath:
    return DifyPath(path, methods, Reach.NONE, why)


TABLE: Final = (
    DifyPath("/chat-messages", ("POST",), Reach.ANY),
    DifyPath("/completion-messages", ("POST",), Reach.ANY),
    DifyPath("/workflows/run", ("POST",), Reach.ANY),
    DifyPath("/parameters", ("GET",), Reach.ANY),
    DifyPath("/info", ("GET",), Reach.ANY),
    DifyPath("/site", ("GET",), Reach.ANY),
    DifyPath("/meta", ("GET",), Reach.ANY),
    DifyPath("/chat-messages/<task_id>/stop", ("POST",), Reach.SERVICE_API),
    DifyPath("/completion-messages/<task_id>/stop", ("POST",), Reach.SERVICE_API),
    DifyPath("/workflows/tasks/<task_id>/stop", ("POST",), Reach.SERVICE_API),
    DifyPath("/files/upload", ("POST",), Reach.SERVICE_API),
    DifyPath("/conversations", ("GET",), Reach.SERVICE_API),
    DifyPath("/conversations/<conversation_id>", ("DELETE",), Reach.SERVICE_API),
    DifyPath("/conversations/<conversation_id>/name", ("POST",), Reach.SERVICE_API),
    DifyPath("/messages", ("GET",), Reach.SERVICE_API),
    DifyPath("/messages/<message_id>/feedbacks", ("POST",), Reach.SERVICE_API),
    DifyPath("/messages/<message_id>/suggested", ("GET",), Reach.SERVICE_API),
    DifyPath("/workflows/run/<workflow_run_id>", ("GET",), Reach.SERVICE_API),
    DifyPath("/audio-to-text", ("POST",), Reach.SERVICE_API),
    DifyPath("/text-to-audio", ("POST",), Reach.SERVICE_API),
    _no("/conversations/<conversation_id>/variables", ("GET",), "a conversation's variables are the app's inside."),
    _no(
        "/conversations/<conversation_id>/variables/<variable_id>",
        ("PUT",),
        "a conversation's variables are the app's inside.",
    ),
    _no("/files", (), "Dify takes a file at /files/upload, and lists none."),
    _no("/files/<file_id>/preview", ("GET",), "a file's own link, which an answer holds, opens it."),
    _no("/workflows/<workflow_id>/run", ("POST",), "Duck runs an app as it is published."),
    _no("/workflows/logs", ("GET",), _OPERATORS),
    _no("/workflow/<workflow_run_id>/events", ("GET",), "a run that waited goes on without its caller."),
    _no("/form/human_input/<form_token>", ("GET", "POST"), _FORMS),
    _no("/form/human_input/<form_token>/<path:rest>", ("GET", "POST"), _FORMS),
    _no("/app/feedbacks", ("GET",), _OPERATORS),
    _no("/apps/annotations", ("GET", "POST"), _OPERATORS),
    _no("/apps/annotations/<annotation_id>", ("PUT", "DELETE"), _OPERATORS),
    _no("/apps/annotation-reply/<action>", ("POST",), _OPERATORS),
    _no("/apps/annotation-reply/<action>/status/<job_id>", ("GET",), _OPERATORS),
    _no("/end-users/<end_user_id>", ("GET",), _OPERATORS),
    _no("/datasets", ("GET", "POST"), _KNOWLEDGE),
    _no("/datasets/<path:rest>", ("GET", "POST", "PUT", "DELETE"), _KNOWLEDGE),
    _no("/workspaces/current/models/model-types/<model_type>", ("GET",), _KNOWLEDGE),
)
"""Of `PATCH`, which Dify has for knowledge bases, the daemon routes nothing (law 11)."""

_MAP: Final = Map([Rule(listed.path, endpoint=listed) for listed in TABLE], strict_slashes=False)

_BELOW_BASE: Final = re.compile(r"/+(?:apps/+[^/]+/+)?v1(?=/)")


def dify_path(path: str) -> DifyPath | None:
    """The entry of a request's path, whatever its method; None for one that is not Dify's.

    path: as it came, with its `/v1`, bound to an app (`/apps/<app_id>/v1/…`) or not.
    """
    base = _BELOW_BASE.match(f"/{path}")
    if base is None:
        return None
    try:
        found, _ = _MAP.bind("").match(re.sub("/{2,}", "/", f"/{path}"[base.end() :]))
    except NotFound:
        return None
    return found if isinstance(found, DifyPath) else None


def refusal(listed: DifyPath, *, has_app_key: bool) -> DuckError | None:
    """Why this path can't be served, as a 404; None where it can.

    has_app_key: whether the app that is meant can be reached by the Service API.
    """
    match listed.reach:
        case Reach.SERVICE_API if not has_app_key:
            return DuckError(
                "not_found",
                f"Dify's path {listed.path} needs the app's own API key, and this app has none in Duck's settings.",
                "Its operator puts one into dify_api_keys.",
            )
        case Reach.NONE:
            return DuckError("not_found", f"Duck does not serve Dify's path {listed.path}: {listed.why}")
        case _:
            return None
