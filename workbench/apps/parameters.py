"""The body of `fetch_app`, as Dify 1.16.0 fills it for an app with no features on (facts: wire section 7).

Owns the two bases that real apps show, one for apps made of a prompt (chat, agent, completion), one for workflows and
chatflows. The form inside is the caller's.
"""

from collections.abc import Sequence
from typing import Any, Final

type Declaration = dict[str, dict[str, Any]]
"""One item of `user_input_form`: `{"<type>": {"variable": …, "label": …, "required": …, …}}`."""

_OFF: Final[dict[str, Any]] = {"enabled": False}

_COMMON: Final[dict[str, Any]] = {
    "annotation_reply": _OFF,
    "more_like_this": _OFF,
    "opening_statement": "",
    "retriever_resource": _OFF,
    "speech_to_text": _OFF,
    "suggested_questions": [],
    "suggested_questions_after_answer": _OFF,
    "system_parameters": {
        "audio_file_size_limit": 50,
        "file_size_limit": 15,
        "image_file_size_limit": 10,
        "video_file_size_limit": 100,
        "workflow_file_upload_limit": 10,
    },
    "text_to_speech": {"enabled": False, "language": "", "voice": ""},
}


def prompt_app_parameters(form: Sequence[Declaration] = (), moderation: dict[str, Any] | None = None) -> dict[str, Any]:
    """For chat, agent and completion. `moderation` is the stored `sensitive_word_avoidance`, keywords and all."""
    return {
        **_COMMON,
        "file_upload": {
            "image": {
                "detail": "high",
                "enabled": False,
                "number_limits": 3,
                "transfer_methods": ["remote_url", "local_file"],
            }
        },
        "sensitive_word_avoidance": moderation or {"configs": [], "enabled": False, "type": ""},
        "user_input_form": list(form),
    }


def workflow_parameters(form: Sequence[Declaration] = ()) -> dict[str, Any]:
    """For workflows and chatflows."""
    return {
        **_COMMON,
        "file_upload": _OFF,
        "sensitive_word_avoidance": _OFF,
        "user_input_form": list(form),
    }
