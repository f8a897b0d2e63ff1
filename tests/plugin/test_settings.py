"""What an operator's settings do to a running endpoint; several endpoints side by side in one plugin process."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import FAST, caller, hooks_file, listed
from workbench.apps import DEMO_APPS

KEY = "a-key-of-sixteen-or-more"
JSON = {"Accept": "application/json"}
ECHO = {"type": "app-selector", "app_id": DEMO_APPS["echo"], "inputs": {}, "files": []}
WORKFLOW = {"type": "app-selector", "app_id": DEMO_APPS["workflow"], "inputs": {"text": "a default"}, "files": []}

HOOKS: dict[str, dict[str, Any]] = {
    "empty": {},
    "blank": {"access_keys": "", "apps": "", "detail": "", "max_streams": ""},
    "one": {"access_keys": f"ann={KEY}, bob=another-key-of-16-chars", "app": ECHO, "app_2": None},
    "picked": {"access_keys": KEY, "app": WORKFLOW, "app_2": ECHO, "aliases": "report, talk"},
    "open": {"access": "open", "app": ECHO, "access_keys": KEY},
    "workspace": {"access_keys": KEY, "exposure": "workspace"},
    "open-workspace": {"access": "open", "exposure": "workspace"},
    "answer": {"access_keys": KEY, "apps": listed("agent", "workflow", "failing", "reasoning", "paused")},
    "full": {"access_keys": KEY, "detail": "full", "apps": listed("agent", "workflow", "paused", "chatflow")},
    "tight": {"access_keys": KEY, "max_streams": "1", "apps": listed("slow", "echo")},
    "yaml": {
        "access_keys": KEY,
        "apps": json.dumps({"form": {"app_id": DEMO_APPS["form"], "query": "name", "answer": "color"}}),
    },
    "faulty": {
        "access_keys": f"ann={KEY}, short, another-valid-key-here",
        "apps": f"echo={DEMO_APPS['echo']}, bad=not-an-id, secret=app-0123456789abcdef",
    },
    "masked": {"access_keys": "a-****-key-of-some-length", "app": ECHO},
    "wrong-choice": {"access_keys": KEY, "detail": "everything", "app": ECHO},
}


@pytest.fixture(scope="module")
def many(start_workbench: Callable[..., RunningWorkbench], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The workbench's address, up to the hook's name."""
    path = hooks_file(tmp_path_factory.mktemp("hooks"), **HOOKS)
    started = start_workbench(*FAST, "--hooks", path, "--env", "WORKBENCH_SLOW_SECONDS=12")
    return started.url.rpartition("/")[0]


def on(many: str, hook: str, key: str | None = KEY) -> httpx.Client:
    return caller(f"{many}/{hook}", key)


@pytest.mark.parametrize("hook", ["empty", "blank"])
def test_without_a_key_in_the_settings_nobody_gets_in(many: str, hook: str) -> None:
    for key in (None, KEY, ""):
        reply = on(many, hook, key).post("/chat/echo", json={"query": "x"})
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
        assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "access_keys" in on(many, hook, None).post("/chat/echo", json={}).json()["detail"]


def test_each_key_opens_and_a_wrong_one_does_not(many: str) -> None:
    for key in (KEY, "another-key-of-16-chars"):
        assert on(many, "one", key).post("/chat", json={"query": "x"}).status_code == 200
    for header in ({"X-API-Key": KEY}, {"Authorization": f"bearer {KEY}"}):
        assert on(many, "one", None).post("/chat", json={"query": "x"}, headers=header).status_code == 200
    for key in (KEY + "x", KEY[:-1], KEY.upper(), f"ann={KEY}"):
        assert on(many, "one", key).post("/chat", json={"query": "x"}).status_code == 401
    assert on(many, "one", None).post(f"/chat?key={KEY}&access_token={KEY}", json={"query": "x"}).status_code == 401


def test_a_401_is_the_same_whether_the_app_exists_or_not(many: str) -> None:
    replies = [on(many, "one", None).post(f"/chat/{name}", json={}).json() for name in ("app", "nowhere")]
    assert replies[0] | {"request_id": ""} == replies[1] | {"request_id": ""}


def test_open_lets_anyone_in_but_not_with_a_wrong_key(many: str) -> None:
    assert on(many, "open", None).post("/chat", json={"query": "x"}).status_code == 200
    assert on(many, "open", "a-wrong-key-of-16-chars").post("/chat", json={"query": "x"}).status_code == 401


def test_picked_apps_are_named_by_aliases_and_bring_default_inputs(many: str) -> None:
    client = on(many, "picked")
    report = client.post("/workflow/report", json={}, headers=JSON).json()
    assert "a default" in report["outputs"]["text"]
    given = client.post("/workflow/report", json={"inputs": {"text": "mine"}}, headers=JSON).json()
    assert "mine" in given["outputs"]["text"]
    assert client.post("/chat/talk", json={"query": "x"}).status_code == 200
    assert client.post("/workflow", json={}, headers=JSON).json()["answer"] == report["answer"]
    assert client.post(f"/chat/{DEMO_APPS['echo'].upper()}", json={"query": "x"}).status_code == 200
    assert client.post("/chat/app", json={"query": "x"}).status_code == 404


def test_what_is_not_exposed_is_one_and_the_same_404(many: str) -> None:
    client = on(many, "one")
    names = (DEMO_APPS["agent"], "d1f70000-0000-4000-8000-0000000000ff", "nothing", "x" * 300)
    bodies = [client.post(f"/chat/{name}", json={"query": "x"}) for name in names]
    assert {reply.status_code for reply in bodies} == {404}
    assert len({json.dumps(reply.json() | {"request_id": ""}) for reply in bodies}) == 1


def test_workspace_opens_every_app_by_its_id_and_an_unknown_one_is_the_same_404(many: str) -> None:
    client = on(many, "workspace")
    assert client.post(f"/chat/{DEMO_APPS['echo']}", json={"query": "x"}).status_code == 200
    unknown = client.post(f"/chat/{DEMO_APPS['nowhere']}", json={"query": "x"})
    malformed = client.post("/chat/nothing", json={"query": "x"})
    assert (unknown.status_code, malformed.status_code) == (404, 404)
    assert unknown.json() | {"request_id": ""} == malformed.json() | {"request_id": ""}


@pytest.mark.parametrize(
    ("hook", "path", "named"),
    [
        ("open-workspace", "/chat/x", "access"),
        ("masked", "/chat/app", "access_keys, entry 1: Dify's mask was edited"),
        ("wrong-choice", "/chat/app", "detail"),
        ("faulty", "/chat/bad", "apps, entry 2"),
        ("faulty", "/chat/secret", "apps, entry 3"),
    ],
)
def test_a_fault_is_a_500_that_names_setting_and_entry(many: str, hook: str, path: str, named: str) -> None:
    key = None if hook.startswith("open") else KEY
    reply = on(many, hook, key).post(path, json={"query": "x"})
    assert (reply.status_code, reply.json()["code"]) == (500, "misconfigured")
    assert named in reply.json()["detail"]
    assert "0123456789abcdef" not in reply.text


def test_a_fault_disables_only_what_its_entry_governs(many: str) -> None:
    assert on(many, "faulty").post("/chat/echo", json={"query": "x"}).status_code == 200
    assert on(many, "faulty", "another-valid-key-here").post("/chat/echo", json={"query": "x"}).status_code == 200
    assert on(many, "faulty", "short").post("/chat/echo", json={"query": "x"}).status_code == 401


def test_at_answer_no_step_tool_or_error_of_a_step_leaves(many: str) -> None:
    client = on(many, "answer")
    for path, body in (
        ("agent", {"query": "x"}),
        ("workflow", {"inputs": {"text": "x"}}),
        ("reasoning", {"query": "x"}),
    ):
        for route in ("chat", "duck"):
            shown = client.post(f"/{route}/{path}", json=body).text
            for private in (
                "current_time",
                "node_started",
                "node_finished",
                "agent_thought",
                "llm1",
                "start1",
                "event: step",
                "event: tool",
            ):
                assert private not in shown, (route, path, private)
    for accept in ("application/json", "text/event-stream", "text/plain"):
        failed = client.post("/workflow/failing", json={}, headers={"Accept": accept})
        assert "app_failed" in failed.text
        assert "refused" not in failed.text


def test_at_full_difys_own_events_travel_inside_without_what_never_leaves(many: str) -> None:
    client = on(many, "full")
    stream = client.post("/workflow/workflow", json={"inputs": {"text": "Oslo"}}).text
    objects = [json.loads(block.partition("data: ")[2]) for block in stream.split("\n\n") if block]
    names = [item["dify"]["event"] for item in objects if "dify" in item]
    assert names[0] == "workflow_started"
    assert names[-1] == "workflow_finished"
    assert any(item.get("details", {}).get("inputs") for item in objects)
    for route in ("workflow", "duck"):
        paused = client.post(f"/{route}/paused", json={}).text
        assert "Approve" in paused
        assert "form_token" not in paused


def test_an_app_entry_names_the_query_and_the_answer_of_a_workflow(many: str) -> None:
    body = {
        "query": "Ann",
        "inputs": {
            "about": "b", "age": 1, "color": "red", "agree": True, "config": {"a": 1},
            "document": {"type": "document", "transfer_method": "remote_url", "url": "https://example.com/a.pdf"},
            "pictures": [{"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}],
        },
    }  # fmt: skip
    reply = on(many, "yaml").post("/chat/form", json=body, headers=JSON)
    assert (reply.status_code, reply.json()["answer"]) == (200, "red")
    assert reply.json()["outputs"]["name"] == "Ann"


def test_a_call_beyond_max_streams_waits_and_then_is_told_so(many: str) -> None:
    client = on(many, "tight")
    held = threading.Thread(target=lambda: client.post("/chat/slow", json={"query": "x"}, headers=JSON))
    held.start()
    refused = None
    with on(many, "tight") as other:
        while refused is None or refused.status_code == 200:
            refused = other.post("/chat/echo", json={"query": "x"})
            if not held.is_alive():
                break
    held.join()
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
    assert refused.headers["retry-after"] == "10"
    assert "max_streams" in refused.json()["detail"]
    assert "SERVER_WORKER_CONNECTIONS" in refused.json()["detail"]
    assert client.post("/chat/echo", json={"query": "x"}).status_code == 200


def test_the_log_has_each_fault_once_and_no_key(
    start_workbench: Callable[..., RunningWorkbench], tmp_path: Path
) -> None:
    started = start_workbench(*FAST, "--hooks", hooks_file(tmp_path, faulty=HOOKS["faulty"]), "--quiet")
    with caller(started.url.rpartition("/")[0] + "/faulty", KEY) as client:
        for _ in range(3):
            client.post("/chat/echo", json={"query": "a planted question"})
    log = started.log()
    assert log.count("access_keys, entry 2: under 16 characters") == 1
    assert KEY not in log
    assert "a planted question" not in log
