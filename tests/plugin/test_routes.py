"""Each demo app, through each route, in each form of reply."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.plugin import sse
from workbench.apps import DEMO_APPS

SSE, NDJSON, TEXT, JSON = "text/event-stream", "application/x-ndjson", "text/plain", "application/json"
PROBLEM = "application/problem+json"

QUERY: dict[str, Any] = {"query": "hello duck"}
TEXT_INPUT: dict[str, Any] = {"inputs": {"text": "hello duck"}}
FORM: dict[str, Any] = {
    "inputs": {
        "name": "Ann",
        "about": "a\nb",
        "age": 7,
        "color": "red",
        "agree": True,
        "document": {"type": "document", "transfer_method": "remote_url", "url": "https://example.com/a.pdf"},
        "pictures": [{"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}],
        "config": {"a": 1},
    }
}

ANSWERS = {
    "echo": (QUERY, "You said: hello duck"),
    "agent": (QUERY, "You said: hello duck"),
    "chatflow": (QUERY, "You said: hello duck"),
    "reasoning": (QUERY, "you said hello duck"),
    "moderated": (QUERY, "OUTPUT BLOCKED by policy."),
    "workflow": (TEXT_INPUT, "hello duck"),
    "form": (FORM, "Ann"),
    "long": (QUERY, "tok4999"),
    "fixed": ({}, "This is a simple text response for testing."),
    "steps": ({}, "Done in 3 steps."),
}
"""Apps that answer: what to send, and what the answer holds."""

FAILURES = {
    "failing": ({}, 502, "app_failed"),
    "broken": (QUERY, 502, "provider_error"),
    "nowhere": (QUERY, 502, "app_unavailable"),
    "completion": ({"inputs": {"query": "x"}}, 400, "completion_not_supported"),
}
"""Apps that fail: what to send, and the error of one JSON body."""


@pytest.mark.parametrize("route", ["chat", "workflow", "completion"])
@pytest.mark.parametrize("app", ANSWERS)
def test_an_app_answers_on_each_native_route_in_each_form(client: httpx.Client, route: str, app: str) -> None:
    body, expected = ANSWERS[app]
    whole = client.post(f"/{route}/{app}", json=body, headers={"Accept": JSON})
    assert (whole.status_code, whole.headers["content-type"]) == (200, JSON)
    assert expected in whole.json()["answer"]
    assert whole.json()["status"] == "succeeded"

    named = sse.events(client, f"/{route}/{app}", body)
    assert named[0][0] == "start"
    assert [name for name, _ in named].count("end") == 1
    assert named[-1][0] == "end"
    assert expected in named[-1][1]["answer"]

    lines = client.post(f"/{route}/{app}", json=body, headers={"Accept": NDJSON})
    assert lines.headers["content-type"] == NDJSON
    objects = [json.loads(line) for line in lines.text.split("\n") if line]
    assert expected in objects[-1]["answer"]

    text = client.post(f"/{route}/{app}", json=body, headers={"Accept": TEXT})
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert expected in text.text


@pytest.mark.parametrize("app", ANSWERS)
def test_the_live_page_shows_difys_events_of_every_app(client: httpx.Client, app: str) -> None:
    body, expected = ANSWERS[app]
    page = client.post(f"/duck/{app}", json=body)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == "sandbox; default-src 'none'"
    shown = [json.loads(part) for part in page.text.split(" <br>") if part.strip()]
    assert shown[-1]["event"] in {"message_end", "workflow_finished"}
    told = "".join(event.get("answer") or (event.get("data") or {}).get("text") or "" for event in shown)
    assert expected in told


@pytest.mark.parametrize("app", FAILURES)
def test_a_failure_of_an_app_is_a_status_for_one_body_and_never_a_clean_end(client: httpx.Client, app: str) -> None:
    body, status, code = FAILURES[app]
    whole = client.post(f"/chat/{app}", json=body, headers={"Accept": JSON})
    assert (whole.status_code, whole.headers["content-type"], whole.json()["code"]) == (status, PROBLEM, code)
    streamed = client.post(f"/chat/{app}", json=body)
    if streamed.status_code == 200:
        assert streamed.text.rstrip().rpartition("\n\n")[2].startswith("event: error")
        assert code in streamed.text
        assert "event: end" not in streamed.text
    else:
        assert (streamed.status_code, streamed.json()["code"]) == (status, code)
    page = client.post(f"/duck/{app}", json=body)
    last = json.loads(page.text.split(" <br>")[-2])
    assert (last["event"], last["code"]) == ("error", code)


def test_every_demo_app_is_in_one_of_the_tables() -> None:
    assert set(DEMO_APPS) == {*ANSWERS, *FAILURES, "slow", "paused"}


def test_a_paused_run_says_so_and_never_shows_its_token(client: httpx.Client) -> None:
    whole = client.post("/workflow/paused", json={}, headers={"Accept": JSON})
    assert (whole.status_code, whole.json()["status"]) == (200, "paused")
    named = sse.events(client, "/workflow/paused", {})
    assert [name for name, _ in named][-2:] == ["paused", "end"]
    page = client.get("/duck/paused")
    for body in (whole.text, json.dumps(named), page.text):
        assert "form_token" not in body
        assert "approval_channels" not in body


def test_text_that_was_replaced_is_not_the_answer(client: httpx.Client) -> None:
    named = sse.events(client, "/chat/moderated", QUERY)
    assert ("replace", {"text": "OUTPUT BLOCKED by policy."}) in named
    assert named[-1][1]["answer"] == "OUTPUT BLOCKED by policy."


def test_reasoning_is_apart_from_the_answer(client: httpx.Client) -> None:
    named = sse.events(client, "/chat/reasoning", QUERY)
    assert any(name == "reasoning" for name, _ in named)
    assert named[-1][1]["reasoning"] not in named[-1][1]["answer"]


def test_the_tool_and_the_steps_show_at_progress(client: httpx.Client) -> None:
    tools = [data for name, data in sse.events(client, "/chat/agent", QUERY) if name == "tool"]
    assert [(tool["name"], tool["status"]) for tool in tools] == [
        ("current_time", "started"),
        ("current_time", "finished"),
    ]
    steps = [data for name, data in sse.events(client, "/workflow/workflow", TEXT_INPUT) if name == "step"]
    assert {step["status"] for step in steps} == {"started", "succeeded"}
    assert not any("inputs" in step or "details" in step for step in steps)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/nothing", 404, "not_found"),
        ("GET", "/chat/echo/more", 404, "not_found"),
        ("POST", "/v2/chat/completions", 404, "not_found"),
        ("GET", "/chat/echo", 405, "method_not_allowed"),
        ("PUT", "/duck/echo", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("POST", "/chat/<app_id>", 404, "app_not_found"),
        ("POST", "/chat/unknown", 404, "app_not_found"),
        ("POST", "/chat/..%2Fecho", 404, "not_found"),
        ("POST", "/chat", 404, "app_not_found"),
        ("POST", "/workflow/echo", 400, "wrong_app_kind"),
        ("POST", "/chat/form", 400, "invalid_input"),
    ],
)
def test_a_wrong_path_method_or_app_gets_problem_details(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    reply = client.request(method, path, json={} if method == "POST" else None)
    assert (reply.status_code, reply.headers["content-type"]) == (status, PROBLEM)
    problem = reply.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["request_id"] == reply.headers["x-request-id"]
    if status == 405:
        assert "OPTIONS" in reply.headers["allow"]


def test_doubled_and_trailing_slashes_lead_to_the_same_place(client: httpx.Client) -> None:
    for path in ("//chat/echo", "/chat//echo", "/chat/echo/"):
        assert client.post(str(client.base_url).rstrip("/") + path, json=QUERY).status_code == 200, path


def test_a_placeholder_left_in_the_address_is_named(client: httpx.Client) -> None:
    for path in ("/chat/<app_id>", "/chat/%3Capp_id%3E", "/chat/{app_id}"):
        assert "placeholder" in client.post(path, json=QUERY).json()["detail"]


def test_options_and_head_never_run_an_app(client: httpx.Client) -> None:
    options = client.request("OPTIONS", "/duck/echo")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    head = client.head("/duck/echo?query=hi")
    assert (head.status_code, head.content) == (200, b"")
    first = client.post("/chat/echo", json=QUERY, headers={"Accept": JSON}).json()
    assert first["answer"].endswith("(turn 1)")


def test_duck_says_what_it_is_without_a_key(client: httpx.Client) -> None:
    del client.headers["Authorization"]
    about = client.get("/")
    assert about.json()["name"] == "duck"
    assert "duck/<app_id>" in [route["path"] for route in about.json()["routes"]]
    assert "echo" not in about.text
    assert client.get("/healthz").json() == {"status": "ok"}


def test_no_answer_lets_a_browser_guess_its_type(client: httpx.Client) -> None:
    for reply in (client.get("/"), client.post("/chat/echo", json=QUERY), client.post("/x")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in reply.headers["cache-control"]


def test_a_sane_request_id_is_echoed_and_an_odd_one_is_not(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert re.fullmatch("[0-9a-f]{32}", client.get("/healthz", headers={"X-Request-Id": "a b"}).headers["x-request-id"])
