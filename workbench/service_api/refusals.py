"""The errors of Dify's Service API, word for word as recorded (`recordings/service`), else as its source has them."""

from typing import Final

from workbench.app import Refused

_WRONG_ROUTE: Final = "Please check if your app mode matches the right API route."
_DID_YOU_MEAN: Final = {
    "chat-messages": "/v1/chat-messages or /api/chat-messages or /v1/chat-messages/<string:task_id>/stop",
    "messages": "/v1/messages or /v1/chat-messages or /api/messages",
}
"""What Flask-RESTX adds to a 404 of a route that takes no id in its path."""


def unauthorized(message: str = "Access token is invalid") -> Refused:
    return Refused(401, "unauthorized", message)


def user_missing() -> Refused:
    return Refused(400, "invalid_param", "Arg user must be provided.")


def bad_request() -> Refused:
    return Refused(400, "bad_request", "The browser (or proxy) sent a request that this server could not understand.")


def not_json() -> Refused:
    return Refused(
        415,
        "unsupported_media_type",
        "Did not attempt to load JSON data because the request Content-Type was not 'application/json'.",
    )


def no_such_route() -> Refused:
    return Refused(
        404,
        "not_found",
        "The requested URL was not found on the server. If you entered the URL manually please check your spelling "
        "and try again.",
    )


def wrong_method() -> Refused:
    return Refused(405, "method_not_allowed", "The method is not allowed for the requested URL.")


def not_chat_app() -> Refused:
    return Refused(400, "not_chat_app", _WRONG_ROUTE)


def not_workflow_app() -> Refused:
    return Refused(400, "not_workflow_app", _WRONG_ROUTE)


def not_completion_app() -> Refused:
    """Dify has a code of this name, but does not use it here."""
    return Refused(400, "app_unavailable", "App unavailable, please check your app configurations.")


def not_found(what: str, route: str = "") -> Refused:
    """`what` is a sentence such as `Conversation Not Exists.`; `route` the last part of a path without an id."""
    hint = ""
    if route:
        hint = f" You have requested this URI [/v1/{route}] but did you mean {_DID_YOU_MEAN[route]} ?"
    return Refused(404, "not_found", what + hint)


def no_file() -> Refused:
    return Refused(400, "no_file_uploaded", "Please upload your file.")


def too_many_files() -> Refused:
    return Refused(400, "too_many_files", "Only one file is allowed.")


def nameless_file() -> Refused:
    return Refused(400, "filename_not_exists_error", "The specified filename does not exist.")


def file_too_large() -> Refused:
    """The braces are Dify's: nobody fills them in."""
    return Refused(413, "file_too_large", "File size exceeded. {message}")


def file_type_not_allowed() -> Refused:
    return Refused(415, "unsupported_file_type", "File type not allowed.")


def audio_too_large() -> Refused:
    return Refused(413, "audio_too_large", "Audio size larger than 30 mb")


def audio_type_not_allowed() -> Refused:
    return Refused(415, "unsupported_audio_type", "Audio type not allowed.")


def suggestions_off() -> Refused:
    return Refused(400, "bad_request", "Suggested Questions Is Disabled.")
