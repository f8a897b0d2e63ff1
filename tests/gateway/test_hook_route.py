import json
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import gevent
import pytest
from werkzeug import Request, Response
from werkzeug.test import EnvironBuilder

from gateway import serve
from gateway.events import Kind
from tests.gateway.fake_dify import FakeApp, FakeDify, refusal, variable
from tests.gateway.hooks.senders import GENERIC_ENTRY, SENDERS, Sender
from tests.gateway.recorded import RECORDINGS

IDS: Final = [f"{number:08}-1111-4111-8111-111111111111" for number in range(8)]
CHAT, WORKFLOW, FAILING, PAUSED, OTHER, MAPPED, SHAPED, FAULTY = IDS
FORM: Final = (variable("paragraph", "title"), variable("number", "number"), variable("file", "document"))
HOOK: Final = "{inputs: {title: issue.title}, headers: {event: X-GitHub-Event}}"
SHAPE: Final = "{reply: {form: text, succeeded: {status: 201, body: done}, failed: {status: 200, body: sorry}}}"

SECRET: Final = SENDERS["github"].secret
SETTINGS: Final[Mapping[str, Any]] = {
    "apps": f"{{chat: {{app_id: {CHAT}, hook: {{signature: {GENERIC_ENTRY}}}}}, workflow: {WORKFLOW}, "
    f"failing: {FAILING}, paused: {PAUSED}, other: {OTHER}, mapped: {{app_id: {MAPPED}, hook: {HOOK}}}, "
    f"shaped: {{app_id: {SHAPED}, hook: {SHAPE}}}, faulty: {{app_id: {FAULTY}, hook: {{query: 'a.'}}}}}}",
    "access_keys": "a-long-enough-key",
    "webhook_secrets": ", ".join(
        [f"chat={sender.setting}" for sender in SENDERS.values()]
        + [f"{alias}=github:{SECRET}" for alias in ("workflow", "failing", "paused", "mapped", "shaped", "faulty")]
    ),
}
BODY: Final = '{"type": "event_callback", "title": "Broken", "issue": {"title": "Deep", "number": 7}}'


def new_dify(**more: Any) -> FakeDify:
    succeeds, fails = RECORDINGS["workflow-two-strings"].dicts, RECORDINGS["workflow-fail"].dicts
    apps = {
        CHAT: FakeApp(Kind.CHAT),
        WORKFLOW: FakeApp(Kind.WORKFLOW, FORM, succeeds),
        FAILING: FakeApp(Kind.WORKFLOW, FORM, fails),
        PAUSED: FakeApp(Kind.WORKFLOW, FORM, RECORDINGS["workflow-human"].dicts),
        OTHER: FakeApp(Kind.CHAT),
        MAPPED: FakeApp(Kind.WORKFLOW, (*FORM, variable("text-input", "event")), succeeds),
        SHAPED: FakeApp(Kind.WORKFLOW, FORM, fails),
    }
    return FakeDify(apps, **more)


@pytest.fixture
def dify() -> FakeDify:
    return new_dify()


def deliver(
    dify: FakeDify,
    alias: str = "chat",
    body: str | bytes = BODY,
    *,
    sender: Sender = SENDERS["github"],
    headers: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    content_type: str = "application/json",
    **more: Any,
) -> Response:
    """The response to a delivery, signed now unless it has headers of its own."""
    text = body if isinstance(body, str) else body.decode("latin-1")
    signed = sender.headers(text, time.time(), **more) if headers is None else headers
    builder = EnvironBuilder(
        method="POST", path=f"/hooks/{alias}", data=body, headers=[("Content-Type", content_type), *signed.items()]
    )
    response = serve.handle(dify.session(), Request(builder.get_environ()), {**SETTINGS, **settings}, None)
    response.get_data()
    return response


def runs(dify: FakeDify) -> list[dict[str, Any]]:
    """What Dify was asked to run; a probe of an app's kind has an input of the wrong type."""
    return [call for _, call in dify.calls if not any(value == 0 for value in call["inputs"].values())]


def told(response: Response) -> tuple[int, Any]:
    return response.status_code, json.loads(response.get_data())


def code_of(response: Response) -> tuple[int, str]:
    status, body = told(response)
    return status, body["code"]


each_sender = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)


# -- Who is let in -------------------------------------------------------------------------------------------------


@each_sender
def test_a_signed_delivery_runs_its_app_once_and_without_a_key(dify: FakeDify, sender: Sender) -> None:
    status, body = told(deliver(dify, sender=sender))
    assert (status, body["status"]) == (200, "succeeded")
    assert body["answer"]
    assert [call["query"] for call in runs(dify)] == [BODY]
    again = deliver(dify, sender=sender)
    if sender.scheme in ("stripe", "slack"):  # their ids stand in the body, and this one has none
        assert again.status_code == 200
    else:
        assert told(again) == (200, {"status": "duplicate"})
        assert len(runs(dify)) == 1


@pytest.mark.parametrize(
    ("alias", "headers", "reason"),
    [
        pytest.param("chat", {}, "unsigned", id="unsigned"),
        pytest.param("chat", {"Authorization": "Bearer a-long-enough-key"}, "unsigned", id="a key"),
        pytest.param("chat", SENDERS["github"].headers("x", 0), "wrong_signature", id="another body's"),
        pytest.param("chat", SENDERS["slack"].headers(BODY, 1), "old_or_early_timestamp", id="an old time"),
        pytest.param("other", SENDERS["github"].headers(BODY, 0), "app_without_a_secret", id="no secret"),
        pytest.param("nobody", SENDERS["github"].headers(BODY, 0), "unknown_app", id="no app"),
        pytest.param("<app_id>", SENDERS["github"].headers(BODY, 0), "unknown_app", id="a placeholder"),
        pytest.param("", SENDERS["github"].headers(BODY, 0), "unknown_app", id="no name, and no default app"),
    ],
)
def test_whoever_is_not_let_in_is_told_the_same_and_the_log_has_the_reason(
    dify: FakeDify, duck_log: pytest.LogCaptureFixture, alias: str, headers: dict[str, str], reason: str
) -> None:
    response = deliver(dify, alias, headers={**headers, "X-Request-Id": "same"})
    body = json.loads(response.get_data())
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Webhook-Signature realm="duck"')
    assert body == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "The request is not signed as a webhook of this address has to be. Sign it with the secret that the "
        "endpoint's operator has set for the app; the plugin's log has the reason.",
        "code": "unauthorized",
        "request_id": "same",
    }
    assert (dify.calls, dify.asked, dify.storage.calls) == ([], [], [])
    [line] = duck_log.messages
    assert line.endswith(f"error=unauthorized reason={reason}")
    assert not any(len(value) > 16 and value in line for value in headers.values())


def test_without_secrets_there_is_no_such_path(dify: FakeDify) -> None:
    assert code_of(deliver(dify, settings={"webhook_secrets": ""})) == (404, "not_found")
    assert code_of(deliver(dify, settings={"webhook_secrets": "x"})) == (401, "unauthorized")


def test_without_a_name_the_default_app_is_meant(dify: FakeDify) -> None:
    picked = {"app": {"app_id": CHAT}, "aliases": "chat"}
    assert deliver(dify, "", settings=picked).status_code == 200
    assert len(runs(dify)) == 1


def test_a_body_that_may_have_been_cut_is_a_413_for_everyone(dify: FakeDify) -> None:
    for alias in ("chat", "nobody"):
        response = deliver(dify, alias, " " * 10 * 1024 * 1024, headers={})
        assert code_of(response) == (413, "payload_too_large")


def test_a_byte_order_mark_is_signed_too(dify: FakeDify) -> None:
    body = "\ufeff" + BODY
    assert deliver(dify, body=body.encode(), headers=SENDERS["github"].headers(body, 0)).status_code == 200
    assert deliver(dify, body=body.encode(), headers=SENDERS["github"].headers(BODY, 0)).status_code == 401


def test_the_log_and_the_rate_limit_know_the_hook_by_its_alias(
    dify: FakeDify, duck_log: pytest.LogCaptureFixture
) -> None:
    limit = {"rate_limit": "1/hour"}
    assert deliver(dify, settings=limit).status_code == 200
    assert code_of(deliver(dify, settings=limit)) == (429, "rate_limited")
    assert deliver(dify, "workflow", settings=limit).status_code == 200
    callers = [line.partition("caller=")[2].split()[0] for line in duck_log.messages if "caller=" in line]
    assert callers == ["hook:chat", "hook:chat", "hook:workflow"]


@pytest.mark.parametrize(
    ("alias", "settings", "text"),
    [
        ("faulty", {}, "apps, entry 8: hook.query: a path is not valid JMESPath"),
        ("chat", {"detail": "x"}, "detail: must be one of answer, progress, full"),
        ("chat", {"dify_api_keys": "chat=app-0123456789"}, "dify_api_url: is missing"),
    ],
    ids=["of the hook", "of everything", "of the app"],
)
def test_a_fault_in_the_settings_is_told_to_whoever_has_signed(
    dify: FakeDify, alias: str, settings: Mapping[str, Any], text: str
) -> None:
    response = deliver(dify, alias, settings=settings)
    assert code_of(response) == (500, "misconfigured")
    assert text in response.get_data(as_text=True)
    assert deliver(dify, alias, headers={}, settings=settings).status_code == 401
    assert dify.calls == []


# -- Deliveries that come again ------------------------------------------------------------------------------------


def test_one_that_has_failed_runs_again(dify: FakeDify) -> None:
    for count in (1, 2, 3):
        assert code_of(deliver(dify, "failing")) == (502, "app_failed")
        assert len(runs(dify)) == count


def test_two_at_once_run_once(dify: FakeDify) -> None:
    dify.apps[CHAT].dicts = (lambda: gevent.sleep(0.05), *RECORDINGS["chat-echo-turn1"].dicts)
    jobs = [gevent.spawn(deliver, dify) for _ in range(3)]
    gevent.joinall(jobs, timeout=20, raise_error=True)
    replies = sorted((told(job.value) for job in jobs if job.value), key=lambda reply: reply[0])
    assert [status for status, _ in replies] == [200, 202, 202]
    assert replies[1][1] == {"status": "running"}
    assert len(runs(dify)) == 1


@pytest.mark.parametrize("name", ["stripe", "slack"])
def test_an_event_that_is_signed_anew_is_known_by_its_id(dify: FakeDify, name: str) -> None:
    member = {"stripe": "id", "slack": "event_id"}[name]
    body = json.dumps({member: "Ev1", "text": "hi"})
    first = deliver(dify, body=body, headers=SENDERS[name].headers(body, time.time() - 9))
    retry = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    second = deliver(dify, body=body, headers={**SENDERS[name].headers(body, time.time()), **retry})
    assert told(first)[1]["status"] == "succeeded"
    assert told(second) == (200, {"status": "duplicate"})
    assert len(runs(dify)) == 1


def test_an_id_is_known_whatever_the_body_and_time(dify: FakeDify) -> None:
    assert deliver(dify, sender=SENDERS["standard"], id_="msg_7").status_code == 200
    assert told(deliver(dify, body="{}", sender=SENDERS["standard"], id_="msg_7")) == (200, {"status": "duplicate"})
    assert deliver(dify, sender=SENDERS["standard"], id_="msg_8").status_code == 200
    assert len(runs(dify)) == 2


def test_another_app_has_deliveries_of_its_own(dify: FakeDify) -> None:
    assert [deliver(dify, alias).status_code for alias in ("chat", "workflow")] == [200, 200]
    assert len(runs(dify)) == 2


def test_without_the_storage_nothing_is_run_and_the_sender_shall_come_again(dify: FakeDify) -> None:
    dify.storage.fault = Exception("full")
    assert code_of(deliver(dify)) == (503, "storage_unavailable")
    assert dify.calls == []
    dify.storage.fault = None
    assert deliver(dify).status_code == 200


def test_what_nobody_foresaw_leaves_the_delivery_to_be_run_again(
    dify: FakeDify, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("gateway.hook_route.asked_of", lambda *_: 1 / 0)
        assert code_of(deliver(dify)) == (500, "internal_error")
    assert told(deliver(dify))[1]["status"] == "succeeded"


def test_slacks_challenge_is_answered_without_a_run(dify: FakeDify) -> None:
    body = '{"token": "t", "challenge": "abc", "type": "url_verification"}'
    for _ in range(2):
        assert told(deliver(dify, body=body, sender=SENDERS["slack"])) == (200, {"challenge": "abc"})
    assert (dify.calls, dify.asked, dify.storage.calls) == ([], [], [])
    assert deliver(dify, body=body, headers={}).status_code == 401
    assert told(deliver(dify, body=body))[1]["status"] == "succeeded"  # of another sender it is a delivery like any


# -- What the app is asked, and what is answered -------------------------------------------------------------------


def test_a_workflow_gets_the_members_that_it_declares(dify: FakeDify) -> None:
    status, body = told(deliver(dify, "workflow"))
    assert (status, body["status"]) == (200, "succeeded")
    assert [call["inputs"] for call in runs(dify)] == [{"title": "Broken"}]


def test_a_hook_says_where_a_delivery_goes(dify: FakeDify) -> None:
    assert deliver(dify, "mapped").status_code == 200
    assert [call["inputs"] for call in runs(dify)] == [{"title": "Deep", "event": "issues"}]


def test_a_paused_run_says_so_and_is_not_run_again(dify: FakeDify) -> None:
    status, body = told(deliver(dify, "paused"))
    assert (status, body["status"]) == (200, "paused")
    assert told(deliver(dify, "paused")) == (200, {"status": "duplicate"})


def test_a_failure_is_told_as_the_operator_has_said_and_runs_again(
    dify: FakeDify, duck_log: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        response = deliver(dify, "shaped")
        assert (response.status_code, response.get_data(), response.content_type) == (
            200,
            b"sorry",
            "text/plain; charset=utf-8",
        )
    assert len(runs(dify)) == 2
    assert all(line.endswith("error=app_failed") for line in duck_log.messages if "route=" in line)


def test_where_dify_was_not_reached_for_now_the_sender_shall_come_again(dify: FakeDify) -> None:
    dify.apps[SHAPED].dicts = (refusal("user not found"),)
    assert code_of(deliver(dify, "shaped")) == (503, "dify_busy")


@pytest.mark.parametrize(
    ("reply", "alias_kind", "expected"),
    [
        ("{succeeded: 204}", "workflow-two-strings", (204, b"", None)),
        ("{form: text, succeeded: {status: 201, body: done}}", "workflow-two-strings", (201, b"done", "text/plain")),
        ("{failed: 204}", "workflow-fail", (204, b"", None)),
        ("{failed: {status: 204, body: '{}'}}", "workflow-fail", (204, b"", None)),
    ],
)
def test_a_status_without_a_body_has_none(
    dify: FakeDify, reply: str, alias_kind: str, expected: tuple[int, bytes, str | None]
) -> None:
    dify.apps[WORKFLOW].dicts = RECORDINGS[alias_kind].dicts
    hook = {"apps": f"{{workflow: {{app_id: {WORKFLOW}, hook: {{reply: {reply}}}}}}}"}
    response = deliver(dify, "workflow", settings={**hook, "webhook_secrets": f"workflow=github:{SECRET}"})
    content_type = response.headers.get("Content-Type")
    assert (response.status_code, response.get_data()) == expected[:2]
    assert (content_type and content_type.partition(";")[0]) == expected[2]


def test_a_failure_with_another_status_is_a_problem_that_has_it(dify: FakeDify) -> None:
    hook = {"apps": f"{{failing: {{app_id: {FAILING}, hook: {{reply: {{failed: 500}}}}}}}}"}
    response = deliver(dify, "failing", settings={**hook, "webhook_secrets": f"failing=github:{SECRET}"})
    status, body = told(response)
    assert (status, body["status"], body["code"]) == (500, 500, "app_failed")


@pytest.mark.parametrize(
    ("body", "content_type", "query"),
    [
        ("a=1&b=2", "application/x-www-form-urlencoded", "a=1&b=2"),
        ("Hello", "text/plain", "Hello"),
        ("<a/>", "application/xml", "<a/>"),
        ('[{"a": 1}]', "application/json", '[{"a": 1}]'),
    ],
)
def test_a_chat_is_asked_a_body_of_any_kind(dify: FakeDify, body: str, content_type: str, query: str) -> None:
    assert deliver(dify, body=body, content_type=content_type).status_code == 200
    assert [call["query"] for call in runs(dify)] == [query]


def test_a_file_needs_the_apps_own_key(dify: FakeDify) -> None:
    body = '--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nhi\r\n--x--\r\n'
    response = deliver(dify, "workflow", body, content_type="multipart/form-data; boundary=x")
    assert code_of(response) == (400, "files_not_supported")
    assert "dify_api_keys" in response.get_data(as_text=True)
    assert runs(dify) == []


def test_a_bad_body_leaves_nothing_in_the_storage(dify: FakeDify) -> None:
    assert code_of(deliver(dify, body='{"a": ')) == (400, "invalid_request")
    assert dify.storage.calls == []
