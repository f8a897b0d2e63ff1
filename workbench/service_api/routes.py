"""Every route of the Service API that is served here: its path, where its user stands, which apps it is for.

Owns the table and the checks that Dify makes before a route's own, in Dify's order: the key, the body, the user, the
app's mode.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiohttp import web

from workbench.app import Refused
from workbench.service_api import keeping, refusals, running
from workbench.service_api.calls import Call

DEFAULT_USER: Final = "DEFAULT-USER"
"""Whose a request without a user is, where none is required."""

BASE_PATH: Final = "/service-api/v1"

type Handler = Callable[[Call], Awaitable[web.StreamResponse]]
type Place = Literal["json", "query", "form"]


@dataclass(frozen=True, slots=True)
class Family:
    """Apps of these modes; for any other, what Dify says."""

    modes: frozenset[str]
    refused: Callable[[], Refused]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is below the base path; `{id}` in it is a UUID only if `has_uuid`. `place` is where the user and the other
    arguments stand."""

    method: str
    path: str
    handler: Handler
    place: Place
    family: Family | None = None
    user_required: bool = False
    has_uuid: bool = False


CHAT: Final = Family(frozenset({"chat", "agent-chat", "advanced-chat"}), refusals.not_chat_app)
WORKFLOW: Final = Family(frozenset({"workflow"}), refusals.not_workflow_app)
COMPLETION: Final = Family(frozenset({"completion"}), refusals.not_completion_app)

ROUTES: Final = (
    Route("POST", "/chat-messages", running.chat_messages, "json", CHAT, user_required=True),
    Route("POST", "/chat-messages/{id}/stop", running.stop, "json", CHAT, user_required=True),
    Route("POST", "/completion-messages", running.completion_messages, "json", COMPLETION, user_required=True),
    Route("POST", "/completion-messages/{id}/stop", running.stop, "json", COMPLETION, user_required=True),
    Route("POST", "/workflows/run", running.workflows_run, "json", WORKFLOW, user_required=True),
    Route("POST", "/workflows/tasks/{id}/stop", running.stop, "json", WORKFLOW, user_required=True),
    Route("GET", "/workflows/run/{id}", keeping.workflow_run, "query", WORKFLOW),
    Route("GET", "/parameters", keeping.parameters, "query"),
    Route("GET", "/info", keeping.info, "query"),
    Route("GET", "/meta", keeping.meta, "query"),
    Route("GET", "/site", keeping.site, "query"),
    Route("GET", "/conversations", keeping.list_conversations, "query", CHAT),
    Route("DELETE", "/conversations/{id}", keeping.delete_conversation, "json", CHAT, has_uuid=True),
    Route("POST", "/conversations/{id}/name", keeping.rename_conversation, "json", CHAT, has_uuid=True),
    Route("GET", "/messages", keeping.list_messages, "query", CHAT),
    Route("POST", "/messages/{id}/feedbacks", keeping.rate_message, "json", user_required=True, has_uuid=True),
    Route(
        "GET", "/messages/{id}/suggested", keeping.suggest_questions, "query", CHAT, user_required=True, has_uuid=True
    ),
    Route("POST", "/files/upload", keeping.upload_file, "form"),
    Route("POST", "/audio-to-text", keeping.audio_to_text, "form"),
    Route("POST", "/text-to-audio", keeping.text_to_audio, "json"),
)


async def read_arguments(route: Route, request: web.Request) -> Mapping[str, Any]:
    """Raises Refused for a body that is no JSON object."""
    if route.place == "query":
        return dict(request.query)
    if route.place == "form":
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    if request.content_type != "application/json":
        raise refusals.not_json()
    try:
        sent = await request.json()
    except ValueError:
        raise refusals.bad_request() from None
    if not isinstance(sent, dict):
        raise refusals.bad_request()
    return sent


def read_user(route: Route, sent: Mapping[str, Any]) -> str:
    user = sent.get("user")
    if not user and route.user_required:
        raise refusals.user_missing()
    return str(user or DEFAULT_USER)


def check_mode(route: Route, mode: str) -> None:
    if route.family is not None and mode not in route.family.modes:
        raise route.family.refused()
