import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.diagnosis import (
    MAX_CAUSE,
    from_error_event,
    from_platform,
    from_run_error,
    from_service_reply,
    readable,
    without_traceback,
)
from gateway.errors import STATUS, DuckError
from gateway.events import Raw
from tests.gateway.mutations import json_values
from tests.gateway.recorded import RECORDINGS, blocking_lines

NEVER_SAID: Final = ('{"', "Traceback", "/app/", "http://api:5001", 'File "')
"""What no sentence may hold: JSON, tracebacks, paths and addresses of the platform's own."""

LOG: Final = "The app's log in Dify names the step that failed."
FORM: Final = "The app's input form in Dify says what it takes."
PROVIDER: Final = "Its operator finds the provider under Settings, Model Provider in Dify."

# -- What the recordings say ---------------------------------------------------------------------------------------

OUTCOMES: Final[Mapping[tuple[int, str, str], str]] = {
    (
        504,
        "run_timeout",
        (
            "Dify's plugin daemon ended the run at its time limit for one call of an app. Raise "
            "DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT (milliseconds) of the daemon, and the setting run_timeout."
        ),
    ): "cf330_stream:exception cf_silent300:exception wf330_stream:exception",
    (
        504,
        "silence_timeout",
        (
            "The app sent nothing for so long that the plugin's SDK gave up waiting. Raise MAX_INVOCATION_TIMEOUT "
            "(seconds) in the environment of the plugin daemon."
        ),
    ): "wf330_blocking:exception",
    (
        400,
        "invalid_request",
        (
            "Dify refused the call before the app was started: Agent Chat App does not support blocking mode. "
            "Check the query and the inputs against the app's input form."
        ),
    ): """
        agent-boom.blocking:exception agent-chat-nonuuid-conversation.blocking:exception
        agent-chat-unknown-conversation.blocking:exception agent-chat.blocking:exception
        agent-mod-input.blocking:exception agent-mod.blocking:exception agent-png.blocking:exception
        agent-reason-on.blocking:exception agent-think-on.blocking:exception
    """,
    (
        502,
        "dify_error",
        "Dify failed with an error of its own and did not say why. The log of Dify's API container has the cause.",
    ): """
        agent-chat-nonuuid-conversation:exception chat-nonuuid-conversation:exception
        chat-nonuuid-conversation.blocking:exception completion:exception completion.blocking:exception
    """,
    (
        404,
        "conversation_not_found",
        (
            "Dify refused the call without a reason, which it does for a conversation that does not exist in this app. "
            "Start without conversation_id; if that fails too, the app has no model configured in Dify."
        ),
    ): """
        agent-chat-unknown-conversation:exception chat-unknown-conversation:exception
        chat-unknown-conversation.blocking:exception
    """,
    (
        502,
        "dify_error",
        (
            "The plugin daemon did not accept the call that Duck made. The daemon's version may be unsupported; Duck's "
            "README lists those that work."
        ),
    ): "bad-response-mode:exception bad-response-mode.blocking:exception",
    (
        502,
        "provider_error",
        f"The app's model provider failed (HTTP 401): fake provider error 401. {PROVIDER}",
    ): "chat-401:error chat-401.blocking:exception",
    (
        502,
        "provider_error",
        f"The app's model provider failed (HTTP 500): fake provider error 500. {PROVIDER}",
    ): """
        chat-err0:error chat-err0.blocking:exception
        chatflow-agentnode-err:error chatflow-agentnode-err:finished chatflow-agentnode-err.blocking:exception
        chatflow-err0:error chatflow-err0:finished chatflow-err0.blocking:exception
        workflow-err0:finished workflow-err0.blocking:result
    """,
    (
        502,
        "provider_error",
        f"The app's model provider failed: fake mid-stream provider error. {PROVIDER}",
    ): "chat-errmid:error chatflow-errmid:error chatflow-errmid:finished chatflow-errmid.blocking:exception",
    (
        400,
        "wrong_app_kind",
        "This is a chat app, and the call has no query. Send a non-empty query to /chat/<app_id>.",
    ): """
        chat-as-workflow:exception chat-as-workflow.blocking:exception chat-emptyquery:exception
        chat-emptyquery.blocking:exception
    """,
    (
        502,
        "app_unavailable",
        (
            "Dify does not find the app in the workspace that Duck is installed in. Its operator has to correct the "
            "app's id in Duck's settings."
        ),
    ): "nonuuid-app:exception nonuuid-app.blocking:exception unknown-app:exception unknown-app.blocking:exception",
    (502, "app_failed", f"The app failed while it was running. {LOG}"): """
        chat-nel:error chatflow-nel:error chatflow-nel:finished chat-nel.blocking:exception
        chatflow-nel.blocking:exception
    """,
    (
        502,
        "app_failed",
        f"The app failed while it was running. It reported: [Errno 111] Connection refused. {LOG}",
    ): """
        chatflow-fail:error chatflow-fail:finished chatflow-fail.blocking:exception
        chatflow-fail-late:error chatflow-fail-late:finished chatflow-fail-late.blocking:exception
        chatflow-iter-fail:error chatflow-iter-fail:finished chatflow-iter-fail.blocking:exception
        chatflow-retry-fail:error chatflow-retry-fail:finished chatflow-retry-fail.blocking:exception
        workflow-fail:finished workflow-fail.blocking:result
        workflow-iter-fail:finished workflow-iter-fail.blocking:result
        workflow-parallel-fail:finished workflow-parallel-fail.blocking:result
        workflow-retry-fail:finished workflow-retry-fail.blocking:result
    """,
    (
        502,
        "app_failed",
        f"The app failed while it was running. It reported: Stream inner.text is already closed. {LOG}",
    ): """
        chatflow-iter-answer:error chatflow-iter-answer:finished chatflow-iter-answer.blocking:exception
        chatflow-loop:error chatflow-loop:finished chatflow-loop.blocking:exception
    """,
    (
        502,
        "app_failed",
        f'The app failed while it was running. It reported: the tool broke: <secret> & "quotes". {LOG}',
    ): "workflow-boom:finished workflow-boom.blocking:result",
    (
        502,
        "app_failed",
        (
            "The app failed while it was running. It reported: JSON object for 'cfg' does not match schema: 'str' is "
            f"not of type 'number'. {LOG}"
        ),
    ): "workflow-full-badschema:finished workflow-full-badschema.blocking:result",
    (
        400,
        "invalid_input",
        f"The input color must be one of the following: ['red', 'blue']. {FORM}",
    ): "chat-form-badopt:exception chat-form-badopt.blocking:exception",
    (400, "invalid_input", f"The input name is required. {FORM}"): """
        chat-form-missing:exception chat-form-missing.blocking:exception chat-full-missing:exception
        chat-full-missing.blocking:exception workflow-full-missing:exception workflow-full-missing.blocking:exception
    """,
    (400, "invalid_input", f"The input n is required. {FORM}"): """
        workflow-inputs-missing:exception workflow-inputs-missing.blocking:exception
    """,
    (400, "invalid_input", f"The input query is required. {FORM}"): """
        workflow-missing-input:exception workflow-missing-input.blocking:exception
    """,
    (400, "invalid_input", f"The input cfg must be a dict. {FORM}"): """
        workflow-full-badjson:exception workflow-full-badjson.blocking:exception
    """,
    (
        400,
        "invalid_input",
        f"The input choice must be one of the following: ['a', 'b']. {FORM}",
    ): "workflow-inputs-choice-bad:exception",
    (400, "invalid_input", f"The input doc must be a file. {FORM}"): "workflow-inputs-doc-bad:exception",
    (
        400,
        "invalid_input",
        f"The app does not take the file doc.txt. {FORM}",
    ): "workflow-inputs-doc-notype:exception",
    (
        400,
        "invalid_input",
        f"A file input names a type that is not the file's own. {FORM}",
    ): "workflow-inputs-doc-wrongtype:exception",
    (400, "invalid_input", f"The input n must be a valid number. {FORM}"): "workflow-inputs-n-bad:exception",
    (400, "invalid_input", f"The input text must be a string. {FORM}"): "workflow-inputs-text-int:exception",
}
"""Status, code and whole sentence (the app's own words included), for `recording:place` of each text."""


def _recorded() -> Iterator[tuple[str, DuckError]]:
    """Each text of a failure in the recordings, by `recording:place`, and what it is taken for."""
    for name, recording in RECORDINGS.items():
        if recording.exception:
            yield f"{name}:exception", from_platform(recording.exception)
        for raw in recording.dicts:
            if raw["event"] == "error":
                yield f"{name}:error", from_error_event(raw)
            elif raw["event"] == "workflow_finished" and raw["data"]["status"] == "failed":
                yield f"{name}:finished", from_run_error(raw["data"]["error"])
    for name, line in blocking_lines():
        if "_exception" in line:
            yield f"{name}:exception", from_platform(line["_text"])
        elif line.get("data", {}).get("status") == "failed":
            yield f"{name}:result", from_run_error(line["data"]["error"])


RECORDED: Final[Mapping[str, DuckError]] = dict(_recorded())
EXPECTED: Final = {place: outcome for outcome, places in OUTCOMES.items() for place in places.split()}


def outcome(error: DuckError) -> tuple[int, str, str]:
    return error.status, error.code, error.sentence(with_cause=True)


def test_every_text_in_the_recordings_has_a_line_in_the_table() -> None:
    assert set(EXPECTED) == set(RECORDED)


@pytest.mark.parametrize("place", RECORDED)
def test_a_recorded_text_means(place: str) -> None:
    assert outcome(RECORDED[place]) == EXPECTED[place]


# -- Every row of wire section 4 -----------------------------------------------------------------------------------


def refused(message: str, status: int = 400, code: str = "invalid_param") -> str:
    """Shape A: Dify's refusal before the stream, as the daemon and the SDK wrap it."""
    body = json.dumps({"code": code, "message": message, "status": status})
    return f"invoke app failed: request failed with status code: {status} and respond with: {body}\n"


PACKED: Final = json.dumps({"args": {"description": "[models] Error: rate limit"}, "error_type": "InvokeError"})
INTERNAL_SERVER_ERROR: Final = (
    "invoke app failed: request failed with status code: 500 and respond with: "
    '{"message":"Internal Server Error","code":"unknown","status":500}\n'
)
POST: Final = 'invoke app failed: Post "http://api:5001/inner/api/invoke/app": '
HEADER: Final = "\nfailed to read system header"

PLATFORM_TEXTS: Final = {
    "A: app not found, other tenant, no UUID": (refused("app not found"), 502, "app_unavailable"),
    "A: not published": (refused("unexpected app type"), 502, "app_not_published"),
    "A: no message: unknown conversation, or no model": (refused(""), 404, "conversation_not_found"),
    "A: no query": (refused("missing query"), 400, "wrong_app_kind"),
    "A: required input missing": (refused("city is required in input form"), 400, "invalid_input"),
    "A: text of another type": (
        refused("(type 'text-input') v in input form must be a string"),
        400,
        "invalid_input",
    ),
    "A: too long": (refused("v in input form must be less than 10 characters"), 400, "invalid_input"),
    "A: bad option": (refused("v in input form must be one of the following: ['a']"), 400, "invalid_input"),
    "A: no number": (refused("v in input form must be a valid number"), 400, "invalid_input"),
    "A: no file": (refused("v in input form must be a file"), 400, "invalid_input"),
    "A: no list of files": (refused("v in input form must be a list of files"), 400, "invalid_input"),
    "A: no dict": (refused("v in input form must be a dict"), 400, "invalid_input"),
    "A: file refused": (refused("File validation failed for file: a.pdf"), 400, "invalid_input"),
    "A: file of another type": (
        refused("Detected file type does not match the specified type. Please verify the file."),
        400,
        "invalid_input",
    ),
    "A: number given a list, non-UUID conversation, completion": (INTERNAL_SERVER_ERROR, 502, "dify_error"),
    "A: invalid payload": (refused("invalid payload: 1 validation error"), 502, "dify_error"),
    "A: pool exhausted (14.8)": (refused("user not found"), 503, "dify_busy"),
    "A: too many requests": (refused("Too many requests", 429, "too_many_requests"), 503, "dify_busy"),
    "A: provider error of a blocking call": (
        refused(f"req_id: 7bd0a5be32 PluginInvokeError: {PACKED}"),
        502,
        "provider_error",
    ),
    "A: provider error without a prefix": (refused(PACKED), 502, "provider_error"),
    "A: a body that is no JSON": (
        "invoke app failed: request failed with status code: 502 and respond with: <html>Bad Gateway</html>",
        502,
        "dify_error",
    ),
    "A: JSON with other spacing": (
        (
            "invoke app failed: request failed with status code: 400 and respond with: "
            '{\n  "code": "invalid_param",\n  "message": "missing query"\n}\n\n'
        ),
        400,
        "wrong_app_kind",
    ),
    "A: a refusal that nobody knows yet": (refused("the moon is full"), 400, "invalid_request"),
    "A: the daemon's key is refused": (refused("Unauthorized", 401, "unauthorized"), 502, "dify_unreachable"),
    "A: the inner API is shut": (refused("Not Found", 404, "not_found"), 502, "dify_unreachable"),
    "A: another status": (refused("I'm a teapot", 418, "teapot"), 502, "dify_error"),
    "C: in Dify's generator": ("read app failed: request failed: 'NoneType' has no x", 502, "dify_error"),
    "C: a text that sounds like the daemon's": (
        "read app failed: request failed: permission denied for table messages",
        502,
        "dify_error",
    ),
    "C: a frame too long (1.5)": ("read app failed: data length is too long: 31457281", 502, "dify_error"),
    "D: connection refused": (f"{POST}dial tcp 172.18.0.3:5001: connect: connection refused", 502, "dify_unreachable"),
    "D: no such host": (f"{POST}dial tcp: lookup api: no such host", 502, "dify_unreachable"),
    "D: dial timeout": (f"{POST}dial tcp 172.18.0.3:5001: i/o timeout", 502, "dify_unreachable"),
    "D: context canceled": (f"{POST}context canceled", 499, "client_gone"),
    "D: EOF": (f"{POST}EOF", 502, "dify_unreachable"),
    "D: canceled while reading (14.4)": (f"read app failed: context canceled{HEADER}", 499, "client_gone"),
    "D: reset while reading": (f"read app failed: connection reset by peer{HEADER}", 502, "dify_unreachable"),
    "D: unexpected EOF": (f"read app failed: unexpected EOF{HEADER}", 502, "dify_unreachable"),
    "D: 240 s, as read (1.5)": (
        f"read app failed: http: read on closed response body{HEADER}",
        504,
        "run_timeout",
    ),
    "D: 240 s, as measured (14.5)": (
        f"read app failed: read tcp 127.0.0.1:1->127.0.0.1:2: use of closed network connection{HEADER}",
        504,
        "run_timeout",
    ),
    "D: 250 s of silence (14.5)": (
        "invocation exited without response after 250 seconds",
        504,
        "silence_timeout",
    ),
    "D: no answer from the pool": (f"{POST}net/http: timeout awaiting response headers", 503, "dify_busy"),
    "E: fetch_app": ("fetch app failed: data is nil", 502, "dify_error"),
    "daemon: permission off": (
        "permission denied, you need to enable app access in plugin manifest",
        500,
        "permission_denied",
    ),
    "daemon: inputs that are a list (14.8)": (
        "unmarshal backwards invoke request failed: 1 error(s) decoding",
        502,
        "dify_error",
    ),
    "SDK: a dict that it can't read": ("Failed to parse response: keywords must be strings", 502, "dify_error"),
    "nothing": ("", 502, "dify_error"),
    "a text that nobody knows yet": ("the moon is full", 502, "dify_error"),
}
"""Wire section 4, with the texts of 1.5, 14.4, 14.5 and 14.8: text, status, code."""


@pytest.mark.parametrize(("text", "status", "code"), PLATFORM_TEXTS.values(), ids=list(PLATFORM_TEXTS))
def test_a_text_of_the_platform_means(text: str, status: int, code: str) -> None:
    error = from_platform(text)
    assert (error.status, error.code) == (status, code)


@pytest.mark.parametrize(
    ("code", "status", "meant"),
    [
        ("invalid_param", 502, "app_failed"),
        ("provider_not_initialize", 502, "provider_error"),
        ("provider_quota_exceeded", 429, "quota_exceeded"),
        ("model_currently_not_support", 502, "provider_error"),
        ("completion_request_error", 502, "provider_error"),
        ("rate_limit_error", 429, "provider_error"),
        ("internal_server_error", 502, "dify_error"),
        ("something_new", 502, "app_failed"),
    ],
)
def test_a_code_of_an_error_event_means(code: str, status: int, meant: str) -> None:
    error = from_error_event({"event": "error", "code": code, "status": 400, "message": "boom"})
    assert (error.status, error.code) == (status, meant)


@pytest.mark.parametrize(
    "raw",
    [{}, {"code": None, "message": None}, {"code": ["x"], "message": {"a": 1}}, {"code": 5, "message": 5}],
    ids=["empty", "nulls", "containers", "numbers"],
)
def test_a_malformed_error_event_is_a_failure_behind_duck(raw: Raw) -> None:
    assert from_error_event({"event": "error", **raw}).status == 502


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "req_id: a1 PluginInvokeError: " + PACKED.replace("Error: rate", "status code 429: rate"), id="text"
        ),
        pytest.param(PACKED.replace("InvokeError", "InvokeRateLimitError"), id="type"),
        pytest.param(
            "Run failed: req_id: a1 PluginInvokeError: " + json.dumps({"message": "status code: 429"}), id="run"
        ),
    ],
)
def test_a_providers_429_is_a_429(text: str) -> None:
    error = from_run_error(text)
    assert (error.status, error.code, error.remedy) == (429, "provider_error", "Try again later.")


def test_dify_without_a_free_connection_says_when_to_come_back_and_which_knob_turns() -> None:
    error = from_platform(refused("user not found"))
    assert error.headers == {"Retry-After": "30"}
    assert "SERVER_WORKER_CONNECTIONS" in error.remedy


@pytest.mark.parametrize("text", [text for text, _, _ in PLATFORM_TEXTS.values()], ids=list(PLATFORM_TEXTS))
def test_every_failure_has_a_sentence_and_a_remedy(text: str) -> None:
    error = from_platform(text)
    assert error.message.endswith(".")
    assert error.remedy.endswith(".")
    assert error.status in (STATUS[error.code], 429)


# -- Dify's Service API --------------------------------------------------------------------------------------------


def service_reply(status: int, code: str, message: str) -> DuckError:
    body = json.dumps({"code": code, "message": message, "status": status})
    return from_service_reply(status, body.encode(), "support", is_run=True)


PAGE: Final = b"<html><body>Traceback at http://api:5001 in /app/api/x.py</body></html>"
SERVICE: Final = Path(__file__).resolve().parents[2] / "recordings" / "service"

SETTINGS: Final = "Its operator mends it in the endpoint's settings."
NO_CONVERSATION: Final = (
    "Dify does not know this conversation of this user and app, or it has ended. Start without conversation_id."
)

SERVICE_RECORDINGS: Final[Mapping[str, tuple[int, str, str]]] = {
    "chat-form-missing.streaming": (400, "invalid_input", f"The input name is required. {FORM}"),
    "chat-nonuuid-conversation.streaming": (404, "conversation_not_found", NO_CONVERSATION),
    "chat-unknown-conversation.streaming": (404, "conversation_not_found", NO_CONVERSATION),
    "chat-conv.messages-unknown": (404, "conversation_not_found", NO_CONVERSATION),
    "chat-conv.delete-again": (404, "conversation_not_found", NO_CONVERSATION),
    "chat-conv.feedback-unknown": (
        404,
        "not_found",
        "Dify refused this: Message Not Exists. Ids are those that this caller was given for this app.",
    ),
    "workflow-run-detail-unknown": (
        404,
        "not_found",
        "Dify refused this: Workflow run not found. Ids are those that this caller was given for this app.",
    ),
    "chat-conv.feedback-bad": (
        400,
        "invalid_request",
        "Dify refused this: rating: Input should be 'like' or 'dislike'. Correct the request.",
    ),
    "chat-conv.rename-empty": (
        400,
        "invalid_request",
        "Dify refused this: name is required when auto_generate is false. Correct the request.",
    ),
    "chat-via-workflows-run.streaming": (
        400,
        "wrong_app_kind",
        (
            "The app support is not of the kind that it was called as. Call it by the route of its kind; its operator "
            "corrects a wrong kind in the setting apps."
        ),
    ),
    "chat.badkey": (
        500,
        "misconfigured",
        f"Duck's settings have a fault: dify_api_keys: Dify does not accept the key of support. {SETTINGS}",
    ),
    "chat-err0.blocking": (
        502,
        "provider_error",
        f"The app's model provider failed (HTTP 500): fake provider error 500. {PROVIDER}",
    ),
}
"""What a recorded refusal of the Service API means: status, code and whole sentence."""


@pytest.mark.parametrize("name", SERVICE_RECORDINGS)
def test_a_recorded_refusal_of_the_service_api_means(name: str) -> None:
    body = (SERVICE / f"{name}.json").read_bytes()
    assert (
        outcome(from_service_reply(json.loads(body)["status"], body, "support", is_run=True))
        == SERVICE_RECORDINGS[name]
    )


SERVICE_REPLIES: Final[Mapping[str, tuple[DuckError, int, str]]] = {
    "a page as an error": (from_service_reply(500, PAGE, "support", is_run=True), 502, "dify_error"),
    "a proxy's error": (from_service_reply(502, PAGE, "support", is_run=True), 502, "dify_unreachable"),
    "Dify's own 503": (service_reply(503, "provider_down", "x"), 502, "dify_error"),
    "a redirect": (from_service_reply(301, b"", "support", is_run=True), 500, "misconfigured"),
    "another kind of reply": (from_service_reply(200, PAGE, "support", is_run=True), 500, "misconfigured"),
    "a page that is not there": (from_service_reply(404, PAGE, "support", is_run=True), 500, "misconfigured"),
    "a method of no route": (
        service_reply(405, "method_not_allowed", "The method is not allowed for the requested URL."),
        500,
        "misconfigured",
    ),
    "another API's error": (from_service_reply(400, b'{"error": "no"}', "support", is_run=True), 500, "misconfigured"),
    "an app whose API is off": (
        service_reply(403, "forbidden", "The app's API service has been disabled."),
        502,
        "app_unavailable",
    ),
    "an app without a model": (service_reply(400, "app_unavailable", "App unavailable"), 502, "app_not_published"),
    "a conversation that has ended": (
        service_reply(400, "conversation_completed", "The conversation has ended. Please start a new conversation."),
        404,
        "conversation_not_found",
    ),
    "no credit": (service_reply(400, "provider_quota_exceeded", "Your quota is used up."), 429, "quota_exceeded"),
    "a provider without a key": (service_reply(400, "provider_not_initialize", "No key."), 502, "provider_error"),
    "a provider's 429": (service_reply(429, "rate_limit_error", "Slow down."), 429, "provider_error"),
    "too many at once": (service_reply(429, "too_many_requests", "Too many requests."), 503, "dify_busy"),
    "a file too large": (service_reply(413, "file_too_large", "File size exceeded."), 413, "payload_too_large"),
    "a file of no known type": (
        service_reply(415, "unsupported_file_type", "File type not allowed."),
        415,
        "unsupported_media_type",
    ),
    "no file": (service_reply(400, "no_file_uploaded", "Please upload your file."), 400, "invalid_request"),
    "a form that was filled in": (service_reply(412, "human_input_form_submitted", "Late."), 400, "invalid_request"),
    "a refusal without a word": (service_reply(400, "invalid_param", ""), 404, "conversation_not_found"),
}


@pytest.mark.parametrize(("error", "status", "code"), SERVICE_REPLIES.values(), ids=list(SERVICE_REPLIES))
def test_a_reply_of_the_service_api_means(error: DuckError, status: int, code: str) -> None:
    assert (error.status, error.code) == (status, code)
    said = error.sentence(with_cause=True)
    assert [never for never in (*NEVER_SAID, "html") if never in said] == []
    assert error.message.endswith(".")
    assert error.remedy.endswith(".")


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()),
)
def test_any_reply_of_the_service_api_is_read_without_raising(status: int, body: bytes) -> None:
    assert from_service_reply(status, body, "support", is_run=True).status >= 400


# -- The readable part of a text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("It broke.", "It broke.", id="plain"),
        pytest.param("  two\n lines\t", "two lines", id="white space is joined"),
        pytest.param('{"message": "inner"}', "inner", id="JSON"),
        pytest.param("{'message': 'inner'}", "inner", id="Python's repr"),
        pytest.param('{"args": {"description": "best"}, "message": "worse"}', "best", id="description first"),
        pytest.param('{"error": {"message": "inner"}}', "inner", id="error.message"),
        pytest.param('{"detail": "inner"}', "inner", id="detail"),
        pytest.param('{"boom": "tool said"}', "tool said", id="one member is a tool and what it said"),
        pytest.param(json.dumps({"message": json.dumps({"message": '{"error": "deep"}'})}), "deep", id="three layers"),
        pytest.param("Run failed: req_id: a1 PluginInvokeError: " + json.dumps({"message": "x"}), "x", id="noise"),
        pytest.param('status code 500: {"error": {"message": "down"}}', "down", id="JSON behind words"),
        pytest.param('{"code": 0, "message": "success", "data": {}}', "", id="the debris of a stream"),
        pytest.param('{"cut": "of', "", id="cut JSON"),
        pytest.param('[{"cut": "of', "", id="a cut list"),
        pytest.param('before {"cut": "of', "before", id="cut JSON behind words"),
        pytest.param("", "", id="nothing"),
        pytest.param("x" * 1000, "x" * (MAX_CAUSE - 1) + "…", id="a page"),
        pytest.param("{" * 5000, "", id="nested too deep to parse"),
        pytest.param("[" * 100_000, "", id="brackets only"),
    ],
)
def test_readable_is_the_innermost_sentence(text: str, expected: str) -> None:
    assert readable(text) == expected


TRACEBACK: Final = (
    'Traceback (most recent call last):\n  File "/app/storage/cwd/plugin.py", line 4, in _invoke\n'
    "    raise ValueError('the tool broke')\nValueError: the tool broke\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("as it is {}", "as it is {}", id="without one it stays"),
        pytest.param(TRACEBACK, "ValueError: the tool broke", id="plain"),
        pytest.param(json.dumps({"boom": TRACEBACK}), "ValueError: the tool broke", id="in JSON"),
        pytest.param(
            json.dumps({"args": {"traceback": TRACEBACK}, "message": "the tool broke"}),
            "the tool broke",
            id="beside words",
        ),
        pytest.param('Traceback (most recent call last):\n  File "/app', "It failed.", id="cut off"),
    ],
)
def test_of_a_traceback_only_its_last_line_is_kept(text: str, expected: str) -> None:
    assert without_traceback(text) == expected


# -- What is never said --------------------------------------------------------------------------------------------

READERS: Final[Mapping[str, Callable[[str], str]]] = {
    "from_platform": lambda text: from_platform(text).sentence(with_cause=True),
    "from_platform, refused": lambda text: from_platform(refused(text)).sentence(with_cause=True),
    "from_run_error": lambda text: from_run_error(text).sentence(with_cause=True),
    "from_error_event": lambda text: from_error_event({"code": "completion_request_error", "message": text}).sentence(
        with_cause=True
    ),
    "from_service_reply": lambda text: service_reply(400, "invalid_param", text).sentence(with_cause=True),
    "from_service_reply, not found": lambda text: service_reply(404, "not_found", text).sentence(with_cause=True),
    "from_service_reply, bare": lambda text: from_service_reply(
        500, text.encode("utf-8", "surrogatepass"), "support", is_run=True
    ).sentence(with_cause=True),
    "readable": readable,
}

KEYS: Final = (
    "sk-proj-Abc123Def456Ghi789",
    "sk-ant-api03-Zz9Yy8Xx7Ww6Vv5",
    "app-Q1w2E3r4T5y6U7i8O9p0",
    "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
    "AIzaSyA1234567890abcdefghijk",
)
ADDRESS: Final = "http://api:5001/inner/api/invoke/app"
PATH: Final = "/app/storage/cwd/rig/media-0.0.1/tools/boom.py"

_words: Final = st.text(st.characters(codec="utf-8", exclude_characters="{}\"'\\"), max_size=30)
_prefixes: Final = st.sampled_from(
    ["", "Run failed: ", "req_id: a1b2 PluginInvokeError: ", "read app failed: request failed: ", "[models] Error: "]
)


def _wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A text, packed as Dify, its plugins and providers do it: prefix and JSON, or Python's repr, again and again."""
    packings: list[Callable[[str], str]] = [
        lambda text: json.dumps({"message": text}),
        lambda text: json.dumps({"args": {"description": text}, "error_type": "InvokeError", "message": text}),
        lambda text: json.dumps({"error": {"message": text, "type": "fake"}}),
        lambda text: repr({"message": text}),
        lambda text: f"API request failed with status code 500: {json.dumps({'error': text})}",
        lambda text: text,
    ]
    once = st.tuples(_prefixes, st.sampled_from(packings))
    return st.tuples(inner, st.lists(once, max_size=4)).map(_pack)


def _pack(parts: tuple[str, list[tuple[str, Callable[[str], str]]]]) -> str:
    text, layers = parts
    for prefix, pack in layers:
        text = prefix + pack(text)
    return text


def around(planted: str) -> st.SearchStrategy[str]:
    """Texts with something planted in them, between white space, packed in layers."""
    return _wrapped(st.tuples(_words, _words).map(lambda words: f"{words[0]} {planted} {words[1]}"))


@pytest.mark.parametrize("place", RECORDED)
def test_no_recorded_failure_says_what_is_never_said(place: str) -> None:
    said = RECORDED[place].sentence(with_cause=True)
    assert [never for never in NEVER_SAID if never in said] == []


@pytest.mark.parametrize("text", [text for text, _, _ in PLATFORM_TEXTS.values()], ids=list(PLATFORM_TEXTS))
def test_no_failure_of_the_platform_says_what_is_never_said(text: str) -> None:
    said = from_platform(text).sentence(with_cause=True)
    assert [never for never in NEVER_SAID if never in said] == []


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@given(text=_wrapped(st.text(st.characters(exclude_categories=()))))
@example(text="{" * 10_000)
@example(text="{'a': " * 200)
@example(text="invoke app failed: status code: 400 and respond with: {")
@example(text='{"message": {"message": []}}')
def test_any_text_is_read_without_raising(reader: Callable[[str], str], text: str) -> None:
    said = reader(text)
    assert "\n" not in said


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@given(data=st.data(), key=st.sampled_from(KEYS))
def test_a_key_is_never_said(reader: Callable[[str], str], data: st.DataObject, key: str) -> None:
    assert key not in reader(data.draw(around(key)))


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@given(text=around(TRACEBACK))
def test_a_traceback_is_never_said(reader: Callable[[str], str], text: str) -> None:
    said = reader(text)
    assert [never for never in ("Traceback", 'File "', "/app/", "raise ") if never in said] == []


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param('{"cut": "JS', id="cut JSON"),
        pytest.param('{"whole": {"a": [1]}, "b": 2}', id="whole JSON"),
        pytest.param("{'api_key': 'hunter2hunter2'}", id="one secret member"),
        pytest.param('"api_key": "hunter2hunter2"', id="a secret member of cut JSON"),
        pytest.param(ADDRESS, id="Dify's inner address"),
        pytest.param(PATH, id="a path"),
        pytest.param(f"FileNotFoundError: No such file: '{PATH}'", id="a path in an exception"),
        pytest.param(f"v in input form must be {ADDRESS} {PATH} {KEYS[0]}", id="a refusal of an input"),
    ],
)
def test_what_is_planted_is_never_said(planted: str) -> None:
    said = {name: reader(f"It broke: {planted}") for name, reader in READERS.items()}
    leaks = [(name, never) for name in said for never in (*NEVER_SAID, "hunter2", "sk-") if never in said[name]]
    assert leaks == []


@given(raw=st.dictionaries(st.sampled_from(["code", "message", "status"]), st.none() | st.integers() | st.text()))
def test_any_error_event_is_read_without_raising(raw: dict[str, Any]) -> None:
    assert from_error_event(raw).status in (429, 502)
