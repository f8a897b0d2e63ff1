"""The native protocol and the live page: `/chat`, `/workflow`, `/completion`, `/duck`."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.errors import STATUS
from gateway.events import Kind, Raw, Writer
from gateway.openapi import sample
from gateway.openapi.failures import Failures
from gateway.openapi.operation import ADMITTING, CHOOSING, READING, RUNNING, Media, Operation, Parameter, Reply
from gateway.openapi.schema import (
    Schema,
    Schemas,
    any_of,
    anything,
    constant,
    items,
    mapping,
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
from gateway.protocols import classic, problem
from gateway.protocols.native import reply
from gateway.protocols.native.reply import Form
from gateway.protocols.native.request import NativeRequest

TAG: Final = "Native"
NOT_ACCEPTABLE: Final = (406,)

PROBLEM: Final = Failures("Problem", problem.CONTENT_TYPE, ref("Problem"), problem.shape)
"""RFC 9457; also of all that is outside a protocol of its own."""

_PAGE_FAILURE: Final = Failures("LivePage", classic.CONTENT_TYPE, text("An `error` event and ` <br>`."), classic.shape)

_MEMBERS: Final[Schemas] = {
    "query": says("The caller's text. A workflow takes it as its text input."),
    "inputs": says("The app's variables by name."),
    "conversation_id": says("Goes on with a conversation; from an earlier reply."),
    "files": {"anyOf": [items(ref("LinkedFile")), {"type": "null"}], "description": "Files that go with the query."},
    "user": says("A name for your end user; a token's own takes its place."),
    "response_mode": says("A stream or one body; without it, `Accept` decides."),
}

_OF_RUN: Final[Schemas] = {
    "conversation_id": text("Send it with the next call to go on with the conversation."),
    "message_id": text(),
    "run_id": text("Of a workflow or a chatflow."),
}
_FULL: Final = "At `detail: full` only"
_PROGRESS: Final = "From `detail: progress` on"
_DIFYS_EVENT: Final[Schemas] = {"dify": mapping(f"{_FULL}: Dify's own event.")}

_USAGE: Final = record(
    f"What the run used, as Dify counted it. {_FULL}, prices too.",
    {},
    {
        "prompt_tokens": whole(),
        "completion_tokens": whole(),
        "total_tokens": whole(),
        "latency": number("Seconds."),
        **{
            name: text("A decimal number.")
            for name in (
                "prompt_unit_price", "prompt_price_unit", "prompt_price", "completion_unit_price",
                "completion_price_unit", "completion_price", "total_price",
            )
        },
        "currency": text(),
    },
)  # fmt: skip

_FILE_TYPE: Final = word("", "image", "document", "audio", "video", "custom")
_LINK: Final = "^([hH][tT][tT][pP][sS]?://|[dD][aA][tT][aA]:)"
_FILE_MEMBERS: Final[Schemas] = {
    "id": text(),
    "type": _FILE_TYPE,
    "url": text("A link, signed by Dify; it ends after a while."),
    "filename": text(),
    "mime_type": text(),
    "size": whole("Bytes."),
}

_STEP: Final[Schemas] = {
    "id": text(),
    "kind": word("", "node", "iteration", "loop", "agent"),
    "type": text("The node's type, such as `llm`."),
    "title": text(),
    "status": text("`started`, `next` (a new round), or Dify's word: `succeeded`, `failed`, `exception`, `retry`; "
                   "`start` and `success` of an agent."),
    "index": whole("The round."),
    "parent_id": text(),
    "error": text(),
    "elapsed": number("Seconds."),
    "details": mapping(f"{_FULL}: what went in and came out."),
}  # fmt: skip

_END: Final = record(
    "What a run has come to: the one JSON body, and what a stream ends with. Absent members are left out.",
    {"answer": text(), "status": word("", "succeeded", "partial-succeeded", "stopped", "paused")},
    {
        **_OF_RUN,
        "outputs": mapping("A workflow's."),
        "reasoning": text("What the model thought."),
        "files": items(ref("OutputFile")),
        "sources": items(ref("Source")),
        "forms": items(ref("HumanForm"), "What a paused run asks."),
        "usage": ref("Usage"),
    },
)


def _event(about: str, required: Schemas, optional: Schemas | None = None) -> Schema:
    return record(about, required, {**(optional or {}), **_DIFYS_EVENT})


_EVENT_SCHEMAS: Final[Schemas] = {
    "StartEvent": _event(
        "The run has begun.",
        {"kind": word("", *Kind)},
        {**_OF_RUN, "task_id": text(), "created_at": whole("Unix seconds.")},
    ),
    "TextEvent": _event(
        "More of the answer (`text`), or all of it anew (`replace`), or of what is thought.", {"text": text()}
    ),
    "FileEvent": _event("A file that the app made.", {}, _FILE_MEMBERS),
    "SourcesEvent": _event("What the answer rests on.", {"items": items(ref("Source"))}),
    "StepEvent": _event(f"{_PROGRESS}: a step of the run.", {}, _STEP),
    "ToolEvent": _event(
        f"{_PROGRESS}: a tool that the app calls.",
        {"status": word("", "started", "finished")},
        {"id": text(), "name": text(), "input": anything(f"{_FULL}."), "output": anything(f"{_FULL}.")},
    ),
    "PausedEvent": _event(
        "The run waits for a human; `end` follows.", {}, {"run_id": text(), "forms": items(ref("HumanForm"))}
    ),
    "ErrorEvent": _event(
        "Why the run has failed.",
        {"code": ref("ErrorCode"), "status": whole(), "message": text("Cause and remedy.")},
    ),
    "OtherEvent": _event(f"{_FULL}: what has no name of its own.", {}),
}

EVENTS: Final[Mapping[str, str]] = {
    "start": "StartEvent",
    "text": "TextEvent",
    "replace": "TextEvent",
    "reasoning": "TextEvent",
    "file": "FileEvent",
    "sources": "SourcesEvent",
    "step": "StepEvent",
    "tool": "ToolEvent",
    "paused": "PausedEvent",
    "end": "RunResult",
    "error": "ErrorEvent",
    "dify": "OtherEvent",
}
"""What the object of an event is, by the event's name. `end` or `error` is the last one."""


def _lines() -> dict[str, Schema]:
    """The lines of NDJSON: the object of each event, with the event's name among its members."""
    objects = {**_EVENT_SCHEMAS, "RunResult": _END}
    named = {f"{name.capitalize()}Line": _line(name, objects[schema]) for name, schema in EVENTS.items()}
    ping = {"PingLine": record("A sign of life, after silence.", {"event": constant("ping")})}
    about = "A line of a stream. Ignore those that you don't know."
    return {**named, **ping, "RunEvent": any_of(about, *(ref(name) for name in (*named, *ping)))}


def _line(name: str, schema: Schema) -> Schema:
    required = ["event", *schema.get("required", ())]
    return {**schema, "properties": {"event": constant(name), **schema["properties"]}, "required": required}


def schemas() -> dict[str, Schema]:
    return {
        **of_model(NativeRequest, "RunRequest", "What is asked of an app.", _MEMBERS),
        "LinkedFile": any_of(
            "A file, as Dify's API has it.",
            record(
                "A link, or a `data:` URL where the app has a key of its own.",
                {"type": _FILE_TYPE, "transfer_method": constant("remote_url"), "url": text("", pattern=_LINK)},
            ),
            record(
                "What was given to `POST /v1/files/upload`.",
                {"type": _FILE_TYPE, "transfer_method": constant("local_file"), "upload_file_id": text()},
            ),
        ),
        "RunForm": record(
            "The same as fields; an input may also be a field of its own, `inputs.NAME`.",
            {},
            {
                "query": text(),
                "inputs": text("A JSON object."),
                "conversation_id": text(),
                "files": text("A JSON list."),
                "user": text(),
                "response_mode": word("", "streaming", "blocking"),
            },
        ),
        "RunResult": _END,
        "OutputFile": record("A file that the app made.", {}, _FILE_MEMBERS),
        "Source": record(
            "What an answer rests on.",
            {},
            {
                "position": whole(),
                "title": text(),
                "url": text(),
                "dataset": text(f"{_FULL}."),
                "score": number(f"{_FULL}."),
                "content": text(f"{_FULL}."),
            },
        ),
        "HumanForm": record(
            "What a paused run asks a human.",
            {},
            {"title": text(), "actions": items(text()), "content": text(f"{_FULL}.")},
        ),
        "Usage": _USAGE,
        **_EVENT_SCHEMAS,
        **_lines(),
        "ErrorCode": text("What failed; callers may rely on it, and there may be more.", examples=[*STATUS]),
        "Problem": record(
            "RFC 9457.",
            {
                "type": constant("about:blank"),
                "title": text("The status' own phrase."),
                "status": whole(),
                "detail": text("Cause and remedy."),
                "code": ref("ErrorCode"),
                "request_id": text("As in `X-Request-Id`, and in the plugin's log."),
            },
            {**_OF_RUN, "task_id": text()},
        ),
    }


_REQUEST: Final = {"query": sample.QUERY, "user": "ann"}
_WORKFLOW_REQUEST: Final = {"inputs": {"text": sample.QUERY}}


def _bodies(example: Mapping[str, Any]) -> dict[str, Media]:
    return {
        "application/json": Media(ref("RunRequest"), (example, {**example, "response_mode": "blocking"})),
        "application/x-www-form-urlencoded": Media(ref("RunForm")),
        "multipart/form-data": Media(ref("RunForm")),
        "text/plain": Media(text("The query.")),
    }


def _writer(form: Form) -> Writer:
    return reply.writer(form, sample.VIEW)


def _result(run: tuple[Raw, ...]) -> Reply:
    """One body, or a stream, in each form."""
    whole_body = sample.body(lambda answer: reply.whole(Form.JSON, answer, sample.VIEW), run)
    return Reply(
        "One body or a stream, as `response_mode` and `Accept` ask.",
        {
            "application/json": Media(ref("RunResult"), whole_body),
            "text/event-stream": Media(
                text("Server-Sent Events, with the names and objects of `RunEvent`. Comments are signs of life."),
                sample.stream(_writer(Form.SSE), run),
                any_of("", *(sse_event(ref(schema), name) for name, schema in EVENTS.items())),
            ),
            "application/x-ndjson": Media(
                text("One `RunEvent` a line."), sample.stream(_writer(Form.NDJSON), run), ref("RunEvent")
            ),
            Form.TEXT.value: Media(text("Just the answer."), sample.stream(_writer(Form.TEXT), run)),
        },
        ("X-Conversation-Id",),
    )  # fmt: skip


_STATUSES: Final = (*READING, *ADMITTING, *CHOOSING, *RUNNING)


def _run(id_: str, summary: str, about: str, example: Mapping[str, Any], run: tuple[Raw, ...]) -> Operation:
    return Operation(
        id_,
        summary,
        TAG,
        {200: _result(run)},
        about,
        body=_bodies(example),
        needs_body=False,
        failures=PROBLEM,
        statuses=(*_STATUSES, *NOT_ACCEPTABLE),
    )


_PARAMETERS: Final = (
    Parameter("query", "The caller's text.", text()),
    Parameter("inputs", "A JSON object; an input may also be a parameter of its own, `inputs.NAME`.", text()),
    Parameter("conversation_id", "Goes on with a conversation; from an earlier reply.", text()),
    Parameter("user", "A name for your end user.", text()),
)


def _page(id_: str, summary: str, **more: Any) -> Operation:
    page = Reply(
        "Each of Dify's events as its JSON and ` <br>`, as it comes.",
        {classic.CONTENT_TYPE: Media(text("A `DifyEvent` and ` <br>` for each."), _page_example())},
        ("X-Conversation-Id",),
    )
    return Operation(id_, summary, TAG, {200: page}, failures=_PAGE_FAILURE, statuses=_STATUSES, **more)


def _page_example() -> str:
    return sample.stream(lambda events: classic.write(events, sample.VIEW))


def operations() -> dict[tuple[str, str], Operation]:
    """By method and path of the route table."""
    any_kind = (
        "Any kind of app that the call fits. Without `response_mode` and `Accept` it is a stream; a generated client "
        "sends `response_mode: blocking`. The members may stand in the query string too, where no body says them."
    )
    return {
        ("GET", "/duck/<app_id>"): _page("openLivePage", "Dify's own events as a live page.", parameters=_PARAMETERS),
        ("POST", "/duck/<app_id>"): _page(
            "streamLivePage", "The same, asked by a body.", body=_bodies(_REQUEST), needs_body=False
        ),
        ("POST", "/chat/<app_id>"): _run(
            "chat", "Talks to a chat, agent or chatflow app.", any_kind, _REQUEST, sample.CHAT
        ),
        ("POST", "/workflow/<app_id>"): _run(
            "runWorkflow", "Runs a workflow.", any_kind, _WORKFLOW_REQUEST, sample.WORKFLOW
        ),
        ("POST", "/completion/<app_id>"): _run(
            "complete",
            "Runs a text generator.",
            "Needs the app's own key in the endpoint's settings.",
            _WORKFLOW_REQUEST,
            sample.CHAT,
        ),
    }


__all__ = ["PROBLEM", "operations", "schemas"]
