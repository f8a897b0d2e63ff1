"""Dify's own Service API, as Duck serves it (docs/dify.md has what differs)."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.dify_routes import AUDIO_TYPES
from gateway.events import Kind, Raw
from gateway.openapi import sample
from gateway.openapi.failures import Failures
from gateway.openapi.openai import CHOICE
from gateway.openapi.operation import ADMITTING, CHOOSING, READING, RUNNING, Media, Operation, Parameter, Reply
from gateway.openapi.schema import (
    Schema,
    Schemas,
    any_of,
    anything,
    constant,
    flag,
    items,
    mapping,
    nullable,
    number,
    of_model,
    record,
    ref,
    says,
    sse_event,
    text,
    whole,
    word,
)
from gateway.protocols.dify import app_info, blocking, errors
from gateway.protocols.dify import reply as dify_reply
from gateway.protocols.dify.errors import CODES
from gateway.protocols.dify.paths import Reach
from gateway.protocols.dify.request import ChatRequestPayload, CompletionRequestPayload, WorkflowRunPayload
from gateway.settings import App
from gateway.wire import json_bytes

TAG: Final = "Dify"

_FAILURES: Final = Failures("DifyError", "application/json", ref("DifyError"), errors.shape)
_ASKED: Final = (400, *ADMITTING, *CHOOSING, *RUNNING)
_SENT: Final = (*_ASKED, *READING)
_NEEDS_KEY: Final = f"Served {Reach.SERVICE_API.value}."

_USER: Final = "Your name for the end user, the same in all calls that belong together, or in none."
_OF_USER: Final = Parameter("user", _USER, text())
_ID_GIVEN: Final = "A handle, which only this caller and user can use."

_PAYLOAD_MEMBERS: Final[Schemas] = {
    "inputs": says("The app's variables by name."),
    "files": {"anyOf": [items(ref("LinkedFile")), {"type": "null"}], "description": "Files that go with the query."},
    "response_mode": says("`blocking` is the default."),
    "user": {"anyOf": [text(), whole(), {"type": "null"}], "description": _USER},
}
_QUERY: Final = "What the app is asked."

# -- What an app is ------------------------------------------------------------------------------------------------


def _described() -> dict[str, Schema]:
    switch = {**record("A feature, and its settings.", {}, {"enabled": flag()}), "additionalProperties": True}
    field = record(
        "",
        {"variable": text("The input's name."), "label": text(), "required": flag()},
        {
            "type": text(),
            "options": items(text()),
            "max_length": nullable(whole()),
            "default": anything(),
            **dict.fromkeys(("description", "placeholder", "unit"), nullable(text())),
            "hide": flag(),
            **dict.fromkeys(
                ("allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods"),
                nullable(items(text())),
            ),
            "json_schema": anything(),
        },
    )
    return {
        "DifyParameters": record(
            "An app's features and input form.",
            {},
            {
                "opening_statement": nullable(text()),
                "suggested_questions": items(text()),
                **dict.fromkeys(
                    ("suggested_questions_after_answer", "speech_to_text", "text_to_speech", "retriever_resource",
                     "annotation_reply", "more_like_this", "sensitive_word_avoidance"),
                    switch,
                ),
                "user_input_form": items({"type": "object", "additionalProperties": field}, "Each field, by its type."),
                "file_upload": mapping("Which files the app takes."),
                "system_parameters": mapping("Sizes of files in MiB, and how many."),
            },
        ),
        "DifyInfo": record(
            "What the app is.",
            {
                "name": text(),
                "description": text(),
                "tags": items(text()),
                "mode": word("A guess until the app has run, where its own key does not tell it.", *Kind),
                "author_name": text("At `detail: full` only."),
            },
        ),
        "DifySite": record(
            "How the app looks.",
            {
                **dict.fromkeys(
                    ("title", "icon", "icon_background", "icon_type", "icon_url", "default_language", "description",
                     "chat_color_theme", "copyright", "privacy_policy", "input_placeholder", "custom_disclaimer"),
                    nullable(text()),
                ),
                **dict.fromkeys(
                    ("chat_color_theme_inverted", "show_workflow_steps", "use_icon_as_answer_icon"), nullable(flag())
                ),
            },
        ),
        "DifyMeta": record("", {"tool_icons": mapping("The icons of the app's tools, by the tools' names.")}),
    }  # fmt: skip


# -- Runs ----------------------------------------------------------------------------------------------------------


def _run_requests() -> dict[str, Schema]:
    chat = {
        **_PAYLOAD_MEMBERS,
        "query": says(_QUERY),
        "conversation_id": says("Goes on with a conversation; from an earlier reply."),
        "workflow_id": {
            "anyOf": [{"const": ""}, {"type": "null"}],
            "description": "Names a version in Dify; Duck runs an app as it is published.",
        },
    }
    completion = {**_PAYLOAD_MEMBERS, "query": says(_QUERY)}
    return {
        **of_model(ChatRequestPayload, "DifyChatRequest", "To a chat, an agent or a chatflow.", chat),
        **of_model(CompletionRequestPayload, "DifyCompletionRequest", "To a text generator.", completion),
        **of_model(WorkflowRunPayload, "DifyWorkflowRequest", "To a workflow.", _PAYLOAD_MEMBERS),
    }


_RUN_DATA: Final[Schemas] = {
    "id": text(),
    "workflow_id": nullable(text()),
    "status": nullable(text("`succeeded`, `failed`, `stopped`, `paused` or `partial-succeeded`.")),
    "outputs": nullable(mapping()),
    "error": nullable(text()),
    "elapsed_time": nullable(number("Seconds.")),
    "total_tokens": nullable(whole()),
    "total_steps": nullable(whole()),
    "created_at": nullable(whole("Unix seconds.")),
    "finished_at": nullable(whole("Unix seconds.")),
}
_PAUSE: Final[Schemas] = {"paused_nodes": items({}), "reasons": items({})}


def _run_replies() -> dict[str, Schema]:
    metadata = record(
        "",
        {
            "annotation_reply": nullable(mapping()),
            "retriever_resources": items(mapping(), "What the answer rests on."),
            "usage": nullable(mapping("Prices at `detail: full` only.")),
            "reasoning": mapping("What the model thought, by node."),
        },
    )
    message = {
        "event": word("", "message", "workflow_paused"),
        "task_id": text(),
        "id": text(),
        "message_id": text(),
        "mode": word("", *Kind),
        "answer": text(),
        "metadata": metadata,
        "created_at": whole("Unix seconds."),
    }
    waiting = {"workflow_run_id": text(), "data": mapping("Of a chatflow that waits for a human.")}
    return {
        "DifyMessage": record("A message that is whole.", message, {"conversation_id": text(), **waiting}),
        "DifyWorkflowRun": record(
            "A run that has ended, or waits for a human.",
            {"task_id": text(), "workflow_run_id": text(), "data": record("", _RUN_DATA, _PAUSE)},
        ),
        "DifyEvent": _event(),
    }


def _event() -> Schema:
    """The events' common form; `data` is as Dify has it, with what `detail` holds back empty."""
    return record(
        "One of Dify's events. At `detail: answer` those of the answer come, at `progress` those of steps too, at "
        "`full` all, whole. Ignore those that you don't know.",
        {"event": text("Such as `message`, `message_end`, `workflow_started`, `text_chunk`, `error`.")},
        {
            **dict.fromkeys(("task_id", "workflow_run_id", "message_id", "id"), text()),
            "conversation_id": nullable(text()),
            "created_at": whole("Unix seconds."),
            "answer": text("More of the answer; of `message_replace`, all of it."),
            "from_variable_selector": nullable(items(text())),
            "reason": text(),
            "metadata": mapping("Of `message_end`."),
            "files": nullable(items(mapping())),
            "data": mapping("Of a run or a step."),
            "mode": text(),
            "audio": text("In base64."),
            **dict.fromkeys(("thought", "observation", "tool", "tool_input"), nullable(text("Of an agent's thought."))),
            "tool_labels": nullable(mapping()),
            "message_files": nullable(items(text())),
            "position": nullable(whole()),
            **dict.fromkeys(("type", "url", "belongs_to"), text("Of a file.")),
            "code": text("Of an error."),
            "status": whole("Of an error."),
            "message": text("Of an error: cause and remedy."),
            "request_id": text("Of an error before the run."),
            "run_id": text("Of an error."),
        },
    )


# -- What a caller has ---------------------------------------------------------------------------------------------


def _kept() -> dict[str, Schema]:
    conversation = record(
        "",
        {"id": text(_ID_GIVEN), "name": text(), "inputs": mapping(), "status": text()},
        {"introduction": nullable(text()), "created_at": nullable(whole()), "updated_at": nullable(whole())},
    )
    page: Schemas = {"limit": nullable(whole()), "has_more": flag()}
    shared_request = {"user": nullable({"anyOf": [text(), whole()], "description": _USER})}
    return {
        "DifyConversation": conversation,
        "DifyConversations": record("", {**page, "data": items(ref("DifyConversation"))}),
        "DifyStoredMessage": _stored_message(),
        "DifyMessages": record("", {**page, "data": items(ref("DifyStoredMessage"))}),
        "DifyFile": _file(),
        "DifySuggestions": record("", {"result": constant("success"), "data": items(text())}),
        "DifyResult": record("", {"result": constant("success")}),
        "DifyRunDetail": record(
            "", {**_RUN_DATA, "inputs": any_of("As Dify tells them: JSON in a text.", text(), mapping())}
        ),
        "DifyTranscript": record("", {"text": text()}),
        "DifyUserRequest": record("", {}, shared_request),
        "DifyNameRequest": record(
            "", {}, {**shared_request, "name": nullable(text()), "auto_generate": flag("Lets Dify find a name.")}
        ),
        "DifyFeedbackRequest": record(
            "",
            {},
            {
                **shared_request,
                "rating": nullable(word("Null takes it back.", "like", "dislike")),
                "content": nullable(text()),
            },
        ),
        "DifySpeechRequest": record(
            "Of a message, or of a text.",
            {},
            {**shared_request, "message_id": text(), "text": text(), "voice": text(), "streaming": flag()},
        ),
        "DifyUploadForm": record(
            "",
            {"file": text("At most what `/parameters` says, and below 10 MiB.", format="binary")},
            {"user": text(_USER)},
        ),
        "DifyAudioForm": record(
            "", {"file": text(f"One of {', '.join(sorted(AUDIO_TYPES))}.", format="binary")}, {"user": text(_USER)}
        ),
        "DifyError": record(
            "", {"code": text("Dify's code for the case.", examples=_codes()), "message": text("Cause and remedy."),
                 "status": whole()}
        ),
    }  # fmt: skip


def _codes() -> list[str]:
    """Dify's codes; some depend on the route, or on what a provider has said."""
    return [*dict.fromkeys((*CODES.values(), "not_workflow_app", "rate_limit_error"))]


def _stored_message() -> Schema:
    return record(
        "",
        {"id": text(_ID_GIVEN), "conversation_id": text(), "inputs": mapping(), "query": text(), "answer": text()},
        {
            "parent_message_id": nullable(text()),
            "feedback": nullable(mapping()),
            "retriever_resources": items(mapping()),
            "created_at": nullable(whole()),
            "agent_thoughts": items(mapping()),
            "message_files": items(mapping()),
            **dict.fromkeys(("message_tokens", "answer_tokens", "total_tokens"), nullable(whole())),
            "provider_response_latency": nullable(number()),
            "total_price": nullable(any_of("", text(), number())),
            "currency": nullable(text()),
            "status": text(),
            "error": nullable(text()),
            "extra_contents": items({}),
            "metadata": nullable(mapping()),
        },
    )


def _file() -> Schema:
    return record(
        "An uploaded file.",
        {"id": text(_ID_GIVEN), "name": text(), "size": whole("Bytes."), "extension": nullable(text())},
        {
            "mime_type": nullable(text()),
            "created_at": nullable(whole()),
            "created_by": nullable(text()),
            **dict.fromkeys(
                ("preview_url", "source_url", "original_url", "reference", "user_id", "tenant_id", "conversation_id",
                 "file_key"),
                nullable(text()),
            ),
        },
    )  # fmt: skip


def schemas() -> dict[str, Schema]:
    return {**_described(), **_run_requests(), **_run_replies(), **_kept()}


# -- The operations ------------------------------------------------------------------------------------------------


def _runs(id_: str, summary: str, request: str, example: Mapping[str, Any], run: tuple[Raw, ...]) -> Operation:
    body = sample.body(
        lambda answer: json_bytes(blocking.body_of(answer, sample.VIEW)), run, blocking.new_answer(sample.VIEW)
    )
    asked = {"inputs": {}, "user": "ann", **example}
    reply = "DifyWorkflowRun" if request == "DifyWorkflowRequest" else "DifyMessage"
    content = {
        dify_reply.JSON: Media(ref(reply), body),
        dify_reply.SSE: Media(
            text("Server-Sent Events. The `data` of each is a `DifyEvent`; `event: ping` is a sign of life."),
            sample.stream(lambda events: dify_reply.write(events, sample.VIEW), run),
            sse_event(ref("DifyEvent")),
        ),
    }
    return Operation(
        id_,
        summary,
        TAG,
        {200: Reply("One body, or a stream, by `response_mode`.", content, ("X-Conversation-Id",))},
        parameters=(CHOICE,),
        body={"application/json": Media(ref(request), (asked, {**asked, "response_mode": "streaming"}))},
        failures=_FAILURES,
        statuses=_SENT,
    )


def _reads(
    id_: str, summary: str, schema: str, *parameters: Parameter, about: str = _NEEDS_KEY, example: Any = None
) -> Operation:
    return Operation(
        id_,
        summary,
        TAG,
        {200: Reply(summary, {dify_reply.JSON: Media(ref(schema), example)})},
        about,
        (CHOICE, *parameters),
        failures=_FAILURES,
        statuses=_ASKED,
    )


def _writes(id_: str, summary: str, reply: Reply, body: Mapping[str, Media], *, needs_body: bool = True) -> Operation:
    return Operation(
        id_,
        summary,
        TAG,
        {204 if not reply.content else 201 if id_ == "uploadFile" else 200: reply},
        _NEEDS_KEY,
        (CHOICE,),
        body,
        needs_body,
        _FAILURES,
        _SENT,
    )


def _sends(id_: str, summary: str, request: str, schema: str, example: Mapping[str, Any]) -> Operation:
    reply = Reply("Done.", {dify_reply.JSON: Media(ref(schema))})
    body = {"application/json": Media(ref(request), {"user": "ann", **example})}
    return _writes(id_, summary, reply, body, needs_body=bool(example))


def _of_an_app() -> dict[tuple[str, str], Operation]:
    app = App("11111111-1111-4111-8111-111111111111", sample.APP)
    info = app_info.info(app, Kind.CHAT, {}, sample.VIEW)
    anyway = "Served by every way to the app."
    return {
        ("GET", "/v1/parameters"): _reads(
            "getAppParameters", "An app's features and input form.", "DifyParameters", _OF_USER, about=anyway
        ),
        ("GET", "/v1/info"): _reads(
            "getAppInfo", "What an app is.", "DifyInfo", _OF_USER, about=anyway, example=info
        ),
        ("GET", "/v1/site"): _reads(
            "getAppSite", "How an app looks.", "DifySite", _OF_USER, about=anyway,
            example=app_info.site(app, {}, sample.VIEW),
        ),
        ("GET", "/v1/meta"): _reads(
            "getAppMeta", "The icons of an app's tools.", "DifyMeta", _OF_USER, about=anyway,
            example=app_info.meta({}, sample.VIEW),
        ),
    }  # fmt: skip


def _of_conversations() -> dict[tuple[str, str], Operation]:
    limit = Parameter("limit", "How many at most.", whole("", minimum=1, maximum=100))
    return {
        ("GET", "/v1/conversations"): _reads(
            "listConversations", "The user's conversations.", "DifyConversations", _OF_USER, limit,
            Parameter("last_id", "The last one of the page before.", text()),
            Parameter("sort_by", "`created_at` or `updated_at`, with `-` the newest first.", text()),
        ),
        ("DELETE", "/v1/conversations/<conversation_id>"): _writes(
            "deleteConversation", "Deletes a conversation.", Reply("It is gone."),
            {"application/json": Media(ref("DifyUserRequest"), {"user": "ann"})}, needs_body=False,
        ),
        ("POST", "/v1/conversations/<conversation_id>/name"): _sends(
            "renameConversation", "Names a conversation.", "DifyNameRequest", "DifyConversation", {"name": "Hello"}
        ),
        ("GET", "/v1/messages"): _reads(
            "listMessages", "The messages of a conversation.", "DifyMessages", _OF_USER, limit,
            Parameter("conversation_id", "The conversation.", text(), is_required=True),
            Parameter("first_id", "The first one of the page before.", text()),
        ),
        ("POST", "/v1/messages/<message_id>/feedbacks"): _sends(
            "rateMessage", "Rates a message.", "DifyFeedbackRequest", "DifyResult", {"rating": "like"}
        ),
        ("GET", "/v1/messages/<message_id>/suggested"): _reads(
            "listSuggestedQuestions", "What the user may ask next.", "DifySuggestions", _OF_USER
        ),
    }  # fmt: skip


def _of_files() -> dict[tuple[str, str], Operation]:
    uploaded = Reply("The file.", {dify_reply.JSON: Media(ref("DifyFile"))})
    said = Reply("The text.", {dify_reply.JSON: Media(ref("DifyTranscript"))})
    sound = Reply("The sound.", {"audio/*": Media({"type": "string", "format": "binary"})})
    speech = {"application/json": Media(ref("DifySpeechRequest"), {"text": "Hello", "user": "ann"})}
    return {
        ("POST", "/v1/files/upload"): _writes(
            "uploadFile", "Takes a file, for a call of the same user.", uploaded,
            {"multipart/form-data": Media(ref("DifyUploadForm"))},
        ),
        ("POST", "/v1/audio-to-text"): _writes(
            "transcribeAudio", "Turns speech into text.", said, {"multipart/form-data": Media(ref("DifyAudioForm"))}
        ),
        ("POST", "/v1/text-to-audio"): _writes("synthesizeSpeech", "Turns text into speech.", sound, speech),
    }  # fmt: skip


def operations() -> dict[tuple[str, str], Operation]:
    """By method and path of the route table."""
    stops = {
        "/v1/chat-messages/<task_id>/stop": "stopChatMessage",
        "/v1/completion-messages/<task_id>/stop": "stopCompletionMessage",
        "/v1/workflows/tasks/<task_id>/stop": "stopWorkflow",
    }
    return {
        ("POST", "/v1/chat-messages"): _runs(
            "sendChatMessage", "Talks to a chat, an agent or a chatflow.", "DifyChatRequest",
            {"query": sample.QUERY}, sample.CHAT,
        ),
        ("POST", "/v1/completion-messages"): _runs(
            "sendCompletionMessage", "Runs a text generator.", "DifyCompletionRequest",
            {"inputs": {"query": sample.QUERY}}, sample.CHAT,
        ),
        ("POST", "/v1/workflows/run"): _runs(
            "runDifyWorkflow", "Runs a workflow.", "DifyWorkflowRequest",
            {"inputs": {"text": sample.QUERY}}, sample.WORKFLOW,
        ),
        ("GET", "/v1/workflows/run/<workflow_run_id>"): _reads(
            "getWorkflowRun", "What a run has come to.", "DifyRunDetail", _OF_USER
        ),
        **{
            ("POST", path): _sends(id_, "Stops a run.", "DifyUserRequest", "DifyResult", {})
            for path, id_ in stops.items()
        },
        **_of_an_app(),
        **_of_conversations(),
        **_of_files(),
    }  # fmt: skip
