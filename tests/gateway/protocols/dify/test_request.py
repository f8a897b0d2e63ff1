import contextlib
import json
from typing import Any, Final

import pytest
from hypothesis import given
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.call import Asked, Attachment
from gateway.errors import DuckError
from gateway.protocols.dify.request import (
    ChatRequestPayload,
    CompletionRequestPayload,
    Payload,
    WorkflowRunPayload,
    read_payload,
)
from tests.gateway.mutations import json_values
from tests.gateway.protocols.dify.dify_replies import SERVICE

LINK: Final = {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}
UPLOADED: Final = {"type": "document", "transfer_method": "local_file", "upload_file_id": "u"}
DATA: Final = {"type": "image", "transfer_method": "remote_url", "url": "data:image/png;base64,AA=="}


def request_of(body: bytes, content_type: str = "application/json") -> Request:
    return Request(EnvironBuilder(method="POST", data=body, content_type=content_type).get_environ())


def payload(members: Any, model: type[Payload] = ChatRequestPayload) -> Payload:
    return read_payload(request_of(json.dumps(members).encode()), model)


def refusal(members: Any, model: type[Payload] = ChatRequestPayload) -> DuckError:
    with pytest.raises(DuckError) as raised:
        payload(members, model).asked()
    return raised.value


ROWS: Final[dict[str, tuple[type[Payload], dict[str, Any], Asked]]] = {
    "a chat": (
        ChatRequestPayload,
        {"query": "hi", "inputs": {"a": 1}, "user": "u1", "conversation_id": "h.s"},
        Asked("hi", {"a": 1}, "h.s", "u1"),
    ),
    "the least of a chat": (ChatRequestPayload, {"query": ""}, Asked("", {}, "", "")),
    "null for what is missing": (
        ChatRequestPayload,
        {"query": "hi", "inputs": None, "user": None, "conversation_id": None, "files": None, "workflow_id": None},
        Asked("hi", {}, "", ""),
    ),
    "a blank conversation": (ChatRequestPayload, {"query": "hi", "conversation_id": " "}, Asked("hi", {}, "", "")),
    "a conversation amid spaces": (
        ChatRequestPayload,
        {"query": "hi", "conversation_id": " h.s\n"},
        Asked("hi", {}, "h.s", ""),
    ),
    "a number as the user": (ChatRequestPayload, {"query": "hi", "user": 7}, Asked("hi", {}, "", "7")),
    "what Dify knows and Duck has no use for": (
        ChatRequestPayload,
        {"query": "hi", "auto_generate_name": False, "retriever_from": "api", "trace_id": "t"},
        Asked("hi", {}, "", ""),
    ),
    "what nobody knows": (ChatRequestPayload, {"query": "hi", "model": "x"}, Asked("hi", {}, "", "")),
    "a text generator": (
        CompletionRequestPayload,
        {"inputs": {"query": "hi"}, "user": "u1"},
        Asked("", {"query": "hi"}, "", "u1"),
    ),
    "a text generator with a query": (CompletionRequestPayload, {"query": "hi"}, Asked("hi", {}, "", "")),
    "a workflow": (WorkflowRunPayload, {"inputs": {"a": [1]}, "user": "u1"}, Asked("", {"a": [1]}, "", "u1")),
    "a workflow, which has no query and no conversation": (
        WorkflowRunPayload,
        {"query": "hi", "conversation_id": "h.s"},
        Asked("", {}, "", ""),
    ),
    "files": (
        WorkflowRunPayload,
        {"files": [UPLOADED, LINK, DATA]},
        Asked(
            "",
            {},
            "",
            "",
            files=(Attachment("image", "https://example.com/a.png", "files[1]"),),
            dify_files=(UPLOADED, LINK, DATA),
        ),
    ),
    "a file by the other name of its link": (
        ChatRequestPayload,
        {"query": "hi", "files": [{"type": "custom", "transfer_method": "remote_url", "remote_url": "HTTP://x/y"}]},
        Asked(
            "hi",
            {},
            "",
            "",
            files=(Attachment("custom", "HTTP://x/y", "files[0]"),),
            dify_files=({"type": "custom", "transfer_method": "remote_url", "remote_url": "HTTP://x/y"},),
        ),
    ),
}


@pytest.mark.parametrize(("model", "members", "asked"), ROWS.values(), ids=ROWS)
def test_a_body_is_read_as_dify_reads_it(model: type[Payload], members: dict[str, Any], asked: Asked) -> None:
    assert payload(members, model).asked() == asked


@pytest.mark.parametrize(("mode", "is_streamed"), [("streaming", True), ("blocking", False), (None, False)], ids=str)
def test_a_reply_is_one_body_unless_it_is_asked_for_as_a_stream(mode: str | None, *, is_streamed: bool) -> None:
    assert payload({"query": "hi", "response_mode": mode}).is_streamed is is_streamed
    assert payload({"query": "hi"}).is_streamed is False


REFUSED: Final[dict[str, tuple[type[Payload], Any, str]]] = {
    "no query": (
        ChatRequestPayload,
        {},
        "1 validation error for ChatRequestPayload\nquery\n  Field required [type=missing]",
    ),
    "a query that is no text": (
        ChatRequestPayload,
        {"query": 1},
        "1 validation error for ChatRequestPayload\nquery\n  Input should be a valid string [type=string_type]",
    ),
    "an unknown mode": (
        ChatRequestPayload,
        {"query": "hi", "response_mode": "live"},
        (
            "1 validation error for ChatRequestPayload\n"
            "response_mode\n  Input should be 'blocking' or 'streaming' [type=literal_error]"
        ),
    ),
    "inputs that are no object": (
        WorkflowRunPayload,
        {"inputs": []},
        "1 validation error for WorkflowRunPayload\ninputs\n  Input should be a valid dictionary [type=dict_type]",
    ),
    "two faults": (
        CompletionRequestPayload,
        {"inputs": 1, "user": []},
        (
            "2 validation errors for CompletionRequestPayload\n"
            "inputs\n  Input should be a valid dictionary [type=dict_type]\n"
            "user\n  Input should be a valid string [type=string_type]"
        ),
    ),
    "a yes as the user": (
        WorkflowRunPayload,
        {"user": True},
        "1 validation error for WorkflowRunPayload\nuser\n  Input should be a valid string [type=string_type]",
    ),
    "a file that is no object": (
        WorkflowRunPayload,
        {"files": [LINK, "x"]},
        "1 validation error for WorkflowRunPayload\nfiles.1\n  Input should be a valid dictionary [type=dict_type]",
    ),
    "a version of the app": (
        ChatRequestPayload,
        {"query": "hi", "workflow_id": "w"},
        "'workflow_id' names a version, and Duck runs an app as it is published. Leave workflow_id out.",
    ),
    "a link that is none": (
        ChatRequestPayload,
        {"query": "hi", "files": [{**LINK, "url": "/etc/passwd"}]},
        "'files[0].url' must be a link. Send one that begins with https://.",
    ),
    "no link": (
        ChatRequestPayload,
        {"query": "hi", "files": [{"type": "image", "transfer_method": "remote_url"}]},
        "'files[0].url' must be a link. Send one that begins with https://.",
    ),
    "a file of no type": (
        ChatRequestPayload,
        {"query": "hi", "files": [UPLOADED, {**LINK, "type": ""}]},
        "'files[1].type' must be one of audio, custom, document, image, video.",
    ),
}


@pytest.mark.parametrize(("model", "members", "said"), REFUSED.values(), ids=REFUSED)
def test_a_body_that_dify_would_refuse_is_refused_in_its_words(model: type[Payload], members: Any, said: str) -> None:
    error = refusal(members, model)
    assert (error.code, error.status, error.sentence(with_cause=True)) == ("invalid_request", 400, said)


def test_the_words_are_difys_without_what_was_sent() -> None:
    recorded = json.loads((SERVICE / "chat.noquery.json").read_text("utf-8"))["message"]
    assert recorded.startswith(refusal({"inputs": {}, "user": "u1"}).message.removesuffix("]"))


def test_a_refusal_lists_five_faults_and_counts_them_all() -> None:
    said = refusal({"query": "hi", "files": [1] * 1_000}).message
    assert (said.count("\n"), said[:23]) == (10, "1000 validation errors ")


def test_a_refusal_never_holds_what_was_sent() -> None:
    said = refusal({"query": ["SENT"], "response_mode": "SENT", "files": [{"SENT": 1}, "SENT"], "user": {"SENT": 1}})
    assert "SENT" not in str(said.sentence(with_cause=True))


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"{", "application/json", "invalid_request"),
        (b"[]", "application/json", "invalid_request"),
        (b"query=hi", "text/html", "unsupported_media_type"),
    ],
    ids=["cut", "a list", "no JSON"],
)
def test_what_is_no_json_object_is_refused(body: bytes, content_type: str, code: str) -> None:
    with pytest.raises(DuckError) as raised:
        read_payload(request_of(body, content_type), WorkflowRunPayload)
    assert raised.value.code == code


@given(json_values)
def test_any_json_is_read_or_refused(value: Any) -> None:
    for model in (ChatRequestPayload, CompletionRequestPayload, WorkflowRunPayload):
        for members in (value, {"query": "hi", "inputs": value}, {"query": "hi", "files": [value]}, {"query": value}):
            with contextlib.suppress(DuckError):
                read_payload(request_of(json.dumps(members).encode()), model).asked()
