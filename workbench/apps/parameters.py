"""The body of `fetch_app` and of `GET /parameters`, as Dify 1.16.0 fills it (facts: wire section 7).

Owns the two bases that real apps show, one for apps made of a prompt (chat, agent, completion), one for workflows and
chatflows, and the features that an app may have on. The form inside is the caller's.
"""

from collections.abc import Sequence
from typing import Any, Final

type Declaration = dict[str, dict[str, Any]]
"""One item of `user_input_form`: `{"<type>": {"variable": …, "label": …, "required": …, …}}`."""

_OFF: Final[dict[str, Any]] = {"enabled": False}
_ON: Final[dict[str, Any]] = {"enabled": True}

EVERY_FEATURE: Final[dict[str, Any]] = {
    "suggested_questions_after_answer": _ON,
    "speech_to_text": _ON,
    "text_to_speech": {"enabled": True, "language": "en-US", "voice": "demo"},
    "file_upload": {
        "image": {
            "enabled": True,
            "number_limits": 3,
            "detail": "high",
            "transfer_methods": ["remote_url", "local_file"],
        },
        "enabled": True,
        "allowed_file_types": ["image"],
        "allowed_file_extensions": [],
        "allowed_file_upload_methods": ["remote_url", "local_file"],
        "number_limits": 3,
    },
}
"""Images with a message, questions after an answer, speech both ways. Not recorded: by reading Dify's source."""

_COMMON: Final[dict[str, Any]] = {
    "opening_statement": "",
    "suggested_questions": [],
    "suggested_questions_after_answer": _OFF,
    "speech_to_text": _OFF,
    "text_to_speech": {"enabled": False, "language": "", "voice": ""},
    "retriever_resource": _OFF,
    "annotation_reply": _OFF,
    "more_like_this": _OFF,
    "user_input_form": [],
    "sensitive_word_avoidance": _OFF,
    "file_upload": _OFF,
    "system_parameters": {
        "image_file_size_limit": 10,
        "video_file_size_limit": 100,
        "audio_file_size_limit": 50,
        "file_size_limit": 15,
        "workflow_file_upload_limit": 10,
    },
}


def prompt_app_parameters(
    form: Sequence[Declaration] = (),
    moderation: dict[str, Any] | None = None,
    features: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """For chat, agent and completion. `moderation` is the stored `sensitive_word_avoidance`, keywords and all."""
    return {
        **_COMMON,
        "file_upload": {
            "image": {
                "enabled": False,
                "number_limits": 3,
                "detail": "high",
                "transfer_methods": ["remote_url", "local_file"],
            }
        },
        "sensitive_word_avoidance": moderation or {"enabled": False, "type": "", "configs": []},
        "user_input_form": list(form),
        **(features or {}),
    }


def workflow_parameters(form: Sequence[Declaration] = (), features: dict[str, Any] | None = None) -> dict[str, Any]:
    """For workflows and chatflows."""
    return {**_COMMON, "user_input_form": list(form), **(features or {})}
