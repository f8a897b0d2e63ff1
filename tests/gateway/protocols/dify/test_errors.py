import json
from typing import Any, Final

import pytest

from gateway.errors import STATUS, DuckError
from gateway.protocols import dify
from gateway.protocols.dify.errors import CODES
from gateway.protocols.protocol import Shaped, WireProtocol
from tests.gateway.protocols.dify.dify_replies import SERVICE

KNOWN: Final = {"conversation_id": "h.s", "request_id": "r"}

ROWS: Final[dict[str, tuple[DuckError, str, int]]] = {
    "no key, or a bad one": (DuckError("unauthorized", "x"), "unauthorized", 401),
    "unknown app": (DuckError("app_not_found", "x"), "not_found", 404),
    "unknown conversation": (DuckError("conversation_not_found", "x"), "not_found", 404),
    "what can't be read": (DuckError("invalid_request", "x"), "invalid_param", 400),
    "a missing input": (DuckError("invalid_input", "x"), "invalid_param", 400),
    "no query": (DuckError("wrong_app_kind", "x"), "invalid_param", 400),
    "another kind of app": (DuckError("wrong_route", "x"), "not_chat_app", 400),
    "too often": (DuckError("rate_limited", "x"), "too_many_requests", 429),
    "the provider's limit": (DuckError("provider_error", "x", status=429), "rate_limit_error", 429),
    "the provider failed": (DuckError("provider_error", "x"), "completion_request_error", 502),
    "the provider's quota": (DuckError("quota_exceeded", "x"), "provider_quota_exceeded", 429),
    "not published": (DuckError("app_not_published", "x"), "app_unavailable", 502),
    "too long": (DuckError("run_timeout", "x"), "gateway_timeout", 504),
}


def members(shaped: Shaped) -> dict[str, Any]:
    assert (shaped.content_type, dict(shaped.headers)) == ("application/json", {})
    told: dict[str, Any] = json.loads(shaped.body)
    return told


@pytest.mark.parametrize(("error", "code", "status"), ROWS.values(), ids=ROWS)
def test_an_error_has_difys_members_and_code_and_ducks_status(error: DuckError, code: str, status: int) -> None:
    told = members(dify.CHAT_MESSAGES.shape(error, KNOWN, with_cause=True))
    assert list(told.items()) == [("code", code), ("message", "x"), ("status", status)]


def test_every_code_of_ducks_has_one_of_difys() -> None:
    assert CODES.keys() == STATUS.keys()


@pytest.mark.parametrize("name", ["chat.badkey", "chat.noquery", "chat-unknown-conversation.blocking"])
def test_what_dify_was_recorded_to_say_has_the_same_members_code_and_status(name: str) -> None:
    recorded = json.loads((SERVICE / f"{name}.json").read_text("utf-8"))
    of_duck = {"chat.badkey": "unauthorized", "chat.noquery": "invalid_request"}.get(name, "conversation_not_found")
    told = members(dify.CHAT_MESSAGES.shape(DuckError(of_duck, "x"), KNOWN, with_cause=True))
    assert {**told, "message": recorded["message"]} == recorded
    assert list(told) == list(recorded)


@pytest.mark.parametrize(
    ("protocol", "code", "recording"),
    [
        (dify.CHAT_MESSAGES, "wrong_route", "workflow-via-chat-messages"),
        (dify.WORKFLOWS_RUN, "wrong_route", "chat-via-workflows-run"),
        (dify.WORKFLOWS_RUN, "wrong_app_kind", "chat-via-workflows-run"),
    ],
)
def test_an_app_of_another_kind_is_refused_as_dify_does(protocol: WireProtocol, code: str, recording: str) -> None:
    recorded = json.loads((SERVICE / f"{recording}.blocking.json").read_text("utf-8"))
    told = members(protocol.shape(DuckError(code, "x"), KNOWN, with_cause=True))
    assert (told["code"], told["status"]) == (recorded["code"], recorded["status"])


def test_another_error_is_the_same_of_a_workflow() -> None:
    error = DuckError("unauthorized", "x")
    assert dify.WORKFLOWS_RUN.shape(error, KNOWN, with_cause=True) == dify.CHAT_MESSAGES.shape(
        error, KNOWN, with_cause=True
    )


def test_an_apps_own_words_are_told_when_they_may_be() -> None:
    error = DuckError("app_failed", "It failed.", "Mend it.", cause="no bread")
    said = [members(dify.CHAT_MESSAGES.shape(error, KNOWN, with_cause=told))["message"] for told in (False, True)]
    assert said == ["It failed. Mend it.", "It failed. It reported: no bread. Mend it."]
