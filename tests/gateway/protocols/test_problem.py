import json

from gateway.errors import STATUS, DuckError
from gateway.protocols import problem

ERROR = DuckError("app_failed", "The app failed.", "See its log.", cause="boom")


def test_a_problem_is_these_bytes() -> None:
    assert problem.shape(ERROR, {"request_id": "r"}, with_cause=False).body == (
        b'{"type":"about:blank","title":"Bad Gateway","status":502,"detail":"The app failed. See its log.",'
        b'"code":"app_failed","request_id":"r"}'
    )
    assert problem.shape(ERROR, {}, with_cause=False).content_type == "application/problem+json"


def test_the_apps_own_words_are_shown_only_where_they_may() -> None:
    said = [json.loads(problem.shape(ERROR, {}, with_cause=shown).body)["detail"] for shown in (False, True)]
    assert said == ["The app failed. See its log.", "The app failed. It reported: boom. See its log."]


def test_every_status_of_duck_has_a_phrase_for_its_title() -> None:
    for code in STATUS:
        body = json.loads(problem.shape(DuckError(code, "It failed."), {}, with_cause=True).body)
        assert body["title"]
        assert (body["code"], body["status"]) == (code, STATUS[code])


def test_a_providers_429_is_titled_as_such() -> None:
    error = DuckError("provider_error", "Too many.", status=429)
    assert json.loads(problem.shape(error, {}, with_cause=True).body)["title"] == "Too Many Requests"
