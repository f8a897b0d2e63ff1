"""The routes that describe an app, keep its users' conversations and files, and speak.

Owns their checks; what is kept is in `records.py`.
"""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from aiohttp.web_request import FileField

from workbench.apps.refusals import invalid_param
from workbench.service_api import refusals
from workbench.service_api.calls import Call, answer, whole
from workbench.service_api.payloads import (
    ConversationListQuery,
    ConversationRenamePayload,
    MessageFeedbackPayload,
    MessageListQuery,
    TextToAudioPayload,
    read,
)
from workbench.service_api.recorded import RecordedService

MEBIBYTE: Final = 1024 * 1024

UPLOAD_LIMITS: Final[Mapping[str, int]] = {
    **dict.fromkeys("jpg jpeg png webp gif svg".split(), 10 * MEBIBYTE),
    **dict.fromkeys("mp4 mov mpeg webm".split(), 100 * MEBIBYTE),
    **dict.fromkeys("mp3 m4a wav amr mpga".split(), 50 * MEBIBYTE),
}
"""Bytes by a name's extension (recorded as `system_parameters`)."""

UPLOAD_LIMIT: Final = 15 * MEBIBYTE
"""Bytes, for every other extension."""

AUDIO_LIMIT: Final = 30 * MEBIBYTE
"""Bytes (`FILE_SIZE`, Dify's services/audio_service.py)."""

AUDIO_TYPES: Final = frozenset(f"audio/{kind}" for kind in "mp3 mp4 mpeg mpga m4a wav webm amr".split())
"""As above: `ALLOWED_EXTENSIONS`."""

SUGGESTIONS: Final = ("First?", "Second 二?", "Third <b>?")
"""As recorded."""


async def parameters(call: Call) -> web.StreamResponse:
    return _described(call, "parameters", call.entry.app.parameters())


async def info(call: Call) -> web.StreamResponse:
    name = call.entry.alias
    described = {"name": name, "description": name, "tags": [], "mode": call.mode, "author_name": "workbench"}
    return _described(call, "info", described)


async def meta(call: Call) -> web.StreamResponse:
    return _described(call, "meta", {"tool_icons": {}})


async def site(call: Call) -> web.StreamResponse:
    described = {
        "title": call.entry.alias,
        "chat_color_theme": None,
        "chat_color_theme_inverted": False,
        "icon_type": "emoji",
        "icon": "\U0001f916",
        "icon_background": "#FFEAD5",
        "description": None,
        "copyright": None,
        "privacy_policy": None,
        "input_placeholder": None,
        "custom_disclaimer": "",
        "default_language": "en-US",
        "show_workflow_steps": True,
        "use_icon_as_answer_icon": False,
        "icon_url": None,
    }
    return _described(call, "site", described)


def _described(call: Call, what: str, made: Mapping[str, Any]) -> web.Response:
    app = call.entry.app
    if isinstance(app, RecordedService) and what in app.descriptions:
        return whole(app.descriptions[what], "application/json")
    return answer(made)


async def list_conversations(call: Call) -> web.StreamResponse:
    query = read(ConversationListQuery, call.sent)
    return answer(call.own.list_conversations(str(query.last_id) if query.last_id else None, query.limit))


async def list_messages(call: Call) -> web.StreamResponse:
    query = read(MessageListQuery, call.sent)
    first_id = str(query.first_id) if query.first_id else None
    return answer(call.own.list_messages(str(query.conversation_id), first_id, query.limit))


async def delete_conversation(call: Call) -> web.StreamResponse:
    del call.own.conversations[call.own.conversation(call.path_id()).id]
    return whole(b"", "application/json", 204)


async def rename_conversation(call: Call) -> web.StreamResponse:
    payload = read(ConversationRenamePayload, call.sent)
    return answer(call.own.rename(call.path_id(), None if payload.auto_generate else payload.name))


async def rate_message(call: Call) -> web.StreamResponse:
    payload = read(MessageFeedbackPayload, call.sent)
    call.own.rate(call.path_id(), payload.rating)
    return answer({"result": "success"})


async def suggest_questions(call: Call) -> web.StreamResponse:
    call.own.message(call.path_id())
    if not call.entry.app.parameters()["suggested_questions_after_answer"]["enabled"]:
        raise refusals.suggestions_off()
    return answer({"result": "success", "data": SUGGESTIONS})


async def workflow_run(call: Call) -> web.StreamResponse:
    return answer(call.records.workflow_run(call.entry.app_id, call.path_id()))


async def upload_file(call: Call) -> web.StreamResponse:
    file = await _the_file(call)
    if not file.filename:
        raise refusals.nameless_file()
    size = _size(file)
    extension = file.filename.rpartition(".")[2].lower()
    if size > UPLOAD_LIMITS.get(extension, UPLOAD_LIMIT):
        raise refusals.file_too_large()
    origin = f"http://{call.request.host}"
    return answer(call.own.keep_upload(origin, call.user, file.filename, file.content_type, size), 201)


async def audio_to_text(call: Call) -> web.StreamResponse:
    """The text says how much of what has arrived."""
    if not call.entry.app.parameters()["speech_to_text"]["enabled"]:
        raise invalid_param("Speech to text is not enabled")
    file = await _the_file(call)
    if file.content_type not in AUDIO_TYPES:
        raise refusals.audio_type_not_allowed()
    size = _size(file)
    if size > AUDIO_LIMIT:
        raise refusals.audio_too_large()
    return answer({"text": f"{size} bytes of {file.content_type}"})


async def text_to_audio(call: Call) -> web.StreamResponse:
    """Not really: the text, behind the first bytes of an MP3."""
    payload = read(TextToAudioPayload, call.sent)
    if not call.entry.app.parameters()["text_to_speech"]["enabled"]:
        raise invalid_param("TTS is not enabled")
    text = call.own.message(payload.message_id)["answer"] if payload.message_id else payload.text
    if not text:
        raise invalid_param("Text is required")
    return whole(b"ID3\x04\x00" + text.encode(), "audio/mpeg")


async def _the_file(call: Call) -> FileField:
    form = await call.request.post()
    given = [value for value in form.values() if isinstance(value, FileField)]
    file = form.get("file")
    if not isinstance(file, FileField):
        raise refusals.no_file()
    if len(given) > 1:
        raise refusals.too_many_files()
    return file


def _size(file: FileField) -> int:
    size = file.file.seek(0, 2)
    file.file.seek(0)
    return size
