from typing import Final

import pytest

from gateway.protocols.dify.paths import TABLE, DifyPath, Reach, dify_path, refusal

RECORDED: Final[dict[str, str]] = {
    "POST /v1/chat-messages": "/chat-messages",
    "POST /v1/completion-messages": "/completion-messages",
    "POST /v1/workflows/run": "/workflows/run",
    "POST /v1/chat-messages/t/stop": "/chat-messages/<task_id>/stop",
    "POST /v1/completion-messages/t/stop": "/completion-messages/<task_id>/stop",
    "POST /v1/workflows/tasks/t/stop": "/workflows/tasks/<task_id>/stop",
    "GET /v1/parameters": "/parameters",
    "GET /v1/info": "/info",
    "GET /v1/site": "/site",
    "GET /v1/meta": "/meta",
    "POST /v1/files/upload": "/files/upload",
    "GET /v1/conversations": "/conversations",
    "DELETE /v1/conversations/c": "/conversations/<conversation_id>",
    "POST /v1/conversations/c/name": "/conversations/<conversation_id>/name",
    "GET /v1/conversations/c/variables": "/conversations/<conversation_id>/variables",
    "GET /v1/messages": "/messages",
    "POST /v1/messages/m/feedbacks": "/messages/<message_id>/feedbacks",
    "GET /v1/messages/m/suggested": "/messages/<message_id>/suggested",
    "GET /v1/workflows/run/r": "/workflows/run/<workflow_run_id>",
    "GET /v1/workflows/logs": "/workflows/logs",
    "GET /v1/workflow/r/events": "/workflow/<workflow_run_id>/events",
    "GET /v1/form/human_input/f": "/form/human_input/<form_token>",
    "POST /v1/form/human_input/f": "/form/human_input/<form_token>",
    "GET /v1/app/feedbacks": "/app/feedbacks",
}
"""Every method and path that the recordings of a real Service API have."""

SERVED: Final = {
    Reach.ANY: {
        "/chat-messages",
        "/completion-messages",
        "/workflows/run",
        "/parameters",
        "/info",
        "/site",
        "/meta",
    },
    Reach.SERVICE_API: {
        "/chat-messages/<task_id>/stop",
        "/completion-messages/<task_id>/stop",
        "/workflows/tasks/<task_id>/stop",
        "/files/upload",
        "/conversations",
        "/conversations/<conversation_id>",
        "/conversations/<conversation_id>/name",
        "/messages",
        "/messages/<message_id>/feedbacks",
        "/messages/<message_id>/suggested",
        "/workflows/run/<workflow_run_id>",
        "/audio-to-text",
        "/text-to-audio",
    },
}
"""What the plugin promises to serve."""


def found(path: str) -> DifyPath:
    listed = dify_path(path)
    assert listed is not None
    return listed


@pytest.mark.parametrize(("call", "listed"), RECORDED.items(), ids=RECORDED)
def test_every_path_that_was_recorded_is_listed_with_its_method(call: str, listed: str) -> None:
    method, path = call.split()
    assert found(path).path == listed
    assert method in found(path).methods


def test_the_promised_paths_are_served_and_no_others() -> None:
    for reach, paths in SERVED.items():
        assert {listed.path for listed in TABLE if listed.reach is reach} == paths


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        ("v1/messages", "/messages"),
        ("/v1/messages/", "/messages"),
        ("//v1//messages", "/messages"),
        ("/apps/support/v1/messages", "/messages"),
        ("/v1/workflows/w/run", "/workflows/<workflow_id>/run"),
        ("/v1/datasets/d/documents/e/segments", "/datasets/<path:rest>"),
        ("/v1/apps/annotations/a", "/apps/annotations/<annotation_id>"),
        ("/apps/support/v1/apps/annotations", "/apps/annotations"),
    ],
)
def test_a_path_is_found_however_it_is_written(path: str, listed: str) -> None:
    assert found(path).path == listed


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/", "", "/chat-messages", "/v1/models", "/v1/chat/completions", "/v1/responses", "/v2/messages",
     "/v1/messages/m", "/v1/files/f", "/apps/v1/messages", "/v1/v1/messages"],
)  # fmt: skip
def test_what_is_not_difys_is_not_found(path: str) -> None:
    assert dify_path(path) is None


def test_a_path_is_listed_once() -> None:
    assert len({listed.path for listed in TABLE}) == len(TABLE)


@pytest.mark.parametrize("listed", TABLE, ids=lambda listed: listed.path)
def test_a_path_that_is_not_served_says_why(listed: DifyPath) -> None:
    errors = {has_key: refusal(listed, has_app_key=has_key) for has_key in (False, True)}
    refused = {has_key: (error.code, error.status) for has_key, error in errors.items() if error}
    not_found = ("not_found", 404)
    assert (
        refused
        == {
            Reach.ANY: {},
            Reach.SERVICE_API: {False: not_found},
            Reach.NONE: {False: not_found, True: not_found},
        }[listed.reach]
    )
    assert all(listed.path in error.message for error in errors.values() if error)


def test_a_path_that_needs_a_key_says_where_it_goes() -> None:
    no_key = refusal(found("/v1/conversations"), has_app_key=False)
    assert no_key is not None
    assert no_key.sentence(with_cause=False) == (
        "Dify's path /conversations needs the app's own API key, and this app has none in Duck's settings. "
        "Its operator puts one into dify_api_keys."
    )


def test_the_reason_of_a_path_that_is_never_served_is_its_own() -> None:
    never = refusal(found("/v1/workflows/w/run"), has_app_key=True)
    assert never is not None
    assert never.sentence(with_cause=False) == (
        "Duck does not serve Dify's path /workflows/<workflow_id>/run: Duck runs an app as it is published."
    )
