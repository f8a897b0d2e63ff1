"""Reverse calls through the real SDK: what a plugin gets, and the texts of what it gets instead."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from workbench.app import END_USER_ID

if TYPE_CHECKING:
    from tests.workbench.conftest import Bench


def test_a_runs_events_arrive_as_they_are_then_the_stream_ends(bench: "Bench") -> None:
    assert bench.events("words") == [{"event": "message", "answer": "a"}, {"event": "message_end"}]


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (
            "refused",
            (
                "invoke app failed: request failed with status code: 400 and respond with: "
                '{"code":"invalid_param","message":"missing query","status":400}\n'
            ),
        ),
        (
            "crashed",
            (
                "invoke app failed: request failed with status code: 500 and respond with: "
                '{"message":"Internal Server Error","code":"unknown","status":500}\n'
            ),
        ),
        ("unreachable", 'invoke app failed: Post "http://api:5001/inner/api/invoke/app": EOF'),
        (
            "nowhere",
            (
                "invoke app failed: request failed with status code: 400 and respond with: "
                '{"code":"invalid_param","message":"app not found","status":400}\n'
            ),
        ),
    ],
)
def test_a_run_that_does_not_start_raises_the_daemons_text(bench: "Bench", app: str, text: str) -> None:
    assert bench.raised(app) == text


def test_a_completion_app_fails_as_in_difys_inner_api(bench: "Bench") -> None:
    assert bench.raised("completing") == (
        "invoke app failed: request failed with status code: 500 and respond with: "
        '{"message":"Internal Server Error","code":"unknown","status":500}\n'
    )
    assert bench.apps["completing"].calls == []


@pytest.mark.parametrize(
    ("stopper", "state"),
    [({"user": END_USER_ID}, "stopped"), ({"user": "another"}, "abandoned")],
    ids=["its own user", "another user, who is told success all the same"],
)
def test_a_run_is_stopped_over_the_service_api_by_its_own_user_only(
    make_bench: Callable[..., "Bench"], stopper: dict[str, str], state: str
) -> None:
    bench = make_bench(environment={"DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT": "2000"})
    bench.wait_for("listening on")
    body = {"app_id": bench.app_id("ticking"), "query": "q"}
    with bench.http.stream("POST", "app", json=body) as response:
        lines = (line for line in response.iter_lines() if line)
        assert json.loads(next(lines))["event"] == "message"
        shown = httpx.get(bench.service_control).json()
        stopped = httpx.post(
            f"{shown['url']}/chat-messages/t/stop",
            headers={"Authorization": f"Bearer {shown['keys']['ticking']}"},
            json=stopper,
        )
        rest = [json.loads(line) for line in lines]
    assert (stopped.status_code, stopped.content) == (200, b'{"result":"success"}\n')
    names = [event.get("event") or event["raised"].partition(":")[0] for event in rest]
    assert names == (["message_end"] if state == "stopped" else ["read app failed"])
    (run,) = httpx.get(bench.service_control).json()["runs"]
    assert run == {"app": "ticking", "user": END_USER_ID, "way": "reverse", "task_id": "t", "state": state}


def test_an_id_that_is_no_uuid_is_an_app_that_is_not_found(stdio_bench: "Bench") -> None:
    assert '"message":"app not found"' in stdio_bench.raised("words", app_id="no-uuid")


def test_a_run_that_breaks_raises_after_its_events(bench: "Bench") -> None:
    assert bench.events("broken") == [
        {"event": "message", "answer": "a"},
        {"raised": "read app failed: request failed: boom"},
    ]


def test_an_apps_bug_is_difys_500_and_shown_with_its_traceback(stdio_bench: "Bench") -> None:
    assert "status code: 500" in stdio_bench.raised("faulty")
    stdio_bench.wait_for('KeyError: "an app\'s bug"')


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"inputs": ["a"]},
            (
                "unmarshal backwards invoke request failed: error decoding map: 1 error(s) decoding:\n\n"
                "* 'inputs' expected a map, got 'slice'"
            ),
        ),
        (
            {"query": 5, "inputs": "a"},
            (
                "unmarshal backwards invoke request failed: error decoding map: 2 error(s) decoding:\n\n"
                "* 'inputs' expected a map, got 'string'\n"
                "* 'query' expected type 'string', got unconvertible type 'float64', value: '5'"
            ),
        ),
        (
            {"app_id": ""},
            (
                "unmarshal backwards invoke request failed: error validating struct: Key: "
                "'InvokeAppRequest.InvokeAppSchema.AppId' Error:"
                "Field validation for 'AppId' failed on the 'required' tag"
            ),
        ),
        (
            {"inputs": None},
            (
                "invoke app failed: request failed with status code: 400 and respond with: "
                '{"code":"invalid_param","message":"invalid payload: 1 validation error for RequestInvokeApp\\n'
                "inputs\\n  Input should be a valid dictionary [type=dict_type, input_value=None, input_type=NoneType]"
                '","status":400}\n'
            ),
        ),
    ],
    ids=["inputs list", "query number", "no app id", "no inputs"],
)
def test_arguments_that_are_none_are_refused_before_the_app(
    stdio_bench: "Bench", arguments: dict[str, Any], text: str
) -> None:
    before = list(stdio_bench.apps["words"].calls)
    assert stdio_bench.raised("words", **arguments) == text
    assert stdio_bench.apps["words"].calls == before


def test_blocking_mode_is_refused_in_the_workbenchs_own_words(stdio_bench: "Bench") -> None:
    raised = stdio_bench.raised("words", response_mode="blocking")
    assert "the workbench serves response_mode streaming only" in raised


def test_workflow_and_completion_calls_have_no_query(stdio_bench: "Bench") -> None:
    app = stdio_bench.apps["words"]
    for kind in ("workflow", "completion"):
        body = {"kind": kind, "app_id": stdio_bench.app_id("words"), "inputs": {"a": 1}}
        stdio_bench.http.post("app", json=body)
        assert (app.calls[-1].query, app.calls[-1].conversation_id, app.calls[-1].inputs) == ("", "", {"a": 1})


def test_parameters_of_an_app_and_of_none(bench: "Bench") -> None:
    def parameters(app_id: str) -> object:
        return bench.http.get("parameters", params={"app": app_id}).json()

    assert parameters(bench.app_id("words")) == {"result": {"user_input_form": []}}
    assert parameters(str(uuid4())) == {"raised": "fetch app failed: data is nil"}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("llm", "permission denied, you need to enable llm access in plugin manifest"),
        ("text_embedding", "permission denied, you need to enable text-embedding access in plugin manifest"),
        ("tool", "permission denied, you need to enable tool access in plugin manifest"),
        ("node_question_classifier", "permission denied, you need to enable node access in plugin manifest"),
        ("upload_file", "the workbench does not serve upload_file"),
    ],
)
def test_what_the_manifest_does_not_permit_is_denied(stdio_bench: "Bench", kind: str, text: str) -> None:
    assert stdio_bench.http.post("call", params={"kind": kind}, json={}).json() == {"raised": text}


def test_storage_keeps_a_value_for_its_workspace_and_no_other(bench: "Bench") -> None:
    def use(hook: str, op: str, key: str = "k", value: str = "") -> object:
        url = bench.url.replace("/e/duck/", f"/e/{hook}/storage")
        return bench.http.post(url, params={"op": op, "key": key}, content=value or "-").json()

    assert use("duck", "set", value="v") == {"result": None}
    assert use("duck", "get") == use("neighbour", "get") == {"result": "v"}
    assert use("stranger", "exist") == {"result": False}
    assert use("stranger", "get")["raised"].startswith("load data failed, please check")  # type: ignore[index]
    assert use("neighbour", "delete") == {"result": None}
    assert use("duck", "exist") == {"result": False}
    assert use("duck", "delete") == {"raised": "delete data failed: stat k: no such file or directory"}


def test_storage_over_the_manifests_quota_is_refused_but_kept(stdio_bench: "Bench") -> None:
    raised = stdio_bench.http.post("storage?op=set&key=big", content=b"x" * 1025).json()["raised"]
    assert raised == "save data failed: allocated size is greater than max storage size"
    assert len(stdio_bench.http.get("storage?op=get&key=big").json()["result"]) == 1025


def test_storage_outlives_the_plugins_process(make_bench: "Any") -> None:
    bench: Bench = make_bench()
    bench.http.post("storage?op=set&key=k", content=b"v")
    bench.kill_plugin()
    bench.wait_for("is up again")
    assert bench.http.get("storage?op=get&key=k").json() == {"result": "v"}
