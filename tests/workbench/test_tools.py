"""What a tool sees of a call, and what comes of what it says."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from workbench.tools import USER_ID

if TYPE_CHECKING:
    from tests.workbench.conftest import Bench


def _lines(bench: "Bench", path: str, **body: Any) -> list[dict[str, Any]]:
    response = httpx.post(httpx.URL(bench.url).join(f"/workbench/{path}"), json=body, timeout=60)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in response.text.split("\n")[:-1]]


def _failure(line: dict[str, Any]) -> dict[str, Any]:
    """What Dify unpacks of a line that says no success."""
    assert (line["code"], line["data"]) == (-500, None)
    wrapped = json.loads(line["message"])
    assert (wrapped["error_type"], wrapped["args"]) == ("PluginInvokeError", None)
    found: dict[str, Any] = json.loads(wrapped["message"])
    return found


def test_a_tool_sees_the_call_as_dify_makes_it_and_no_endpoint(bench: "Bench") -> None:
    given = {"parameters": {"a": 1}, "credentials": {"key": "k"}, "user_id": "u"}
    (line,) = _lines(bench, "tools/say", **given, app_id="app", conversation_id="c", message_id="m")
    assert line == {
        "code": 0,
        "message": "success",
        "data": {
            "type": "json",
            "meta": None,
            "message": {
                "json_object": {
                    "endpoint_id": None,
                    "app_id": "app",
                    "conversation_id": "c",
                    "message_id": "m",
                    "user_id": "u",
                    "credentials": {"key": "k"},
                    "given": {"a": 1},
                }
            },
        },
    }


def test_a_call_that_says_nothing_is_some_users(bench: "Bench") -> None:
    (line,) = _lines(bench, "tools/say")
    told = line["data"]["message"]["json_object"]
    assert (told["user_id"], told["app_id"], told["given"]) == (USER_ID, None, {})


def test_all_messages_arrive_however_many_and_fast(bench: "Bench") -> None:
    texts = [f"{number} <&>" for number in range(3000)]
    _, *lines = _lines(bench, "tools/say", parameters={"texts": texts})
    assert [line["data"]["message"]["text"] for line in lines] == texts


def test_messages_arrive_as_they_are_said(bench: "Bench") -> None:
    url = httpx.URL(bench.url).join("/workbench/tools/say")
    with httpx.stream("POST", url, json={"parameters": {"wait": 600}}, timeout=60) as response:
        assert json.loads(next(response.iter_lines()))["data"]["type"] == "json"


def test_an_exception_is_the_last_line_as_dify_gets_it(bench: "Bench") -> None:
    lines = _lines(bench, "tools/say", parameters={"texts": ["a"], "raise": "boom"})
    assert [line["data"]["type"] for line in lines[:-1]] == ["json", "text"]
    failure = _failure(lines[-1])
    assert (failure["error_type"], failure["message"]) == ("ValueError", "boom")
    assert "Traceback" in failure["args"]["traceback"]


def test_a_tool_that_there_is_not_is_the_sdks_error(bench: "Bench") -> None:
    (line,) = _lines(bench, "tools/sing")
    assert _failure(line)["message"] == "Tool `sing` not found for provider `probe`"


def test_credentials_are_checked_by_the_provider(bench: "Bench") -> None:
    assert _lines(bench, "tool-credentials", credentials={}) == [
        {"code": 0, "message": "success", "data": {"result": True}}
    ]
    (line,) = _lines(bench, "tool-credentials", credentials={"fault": "no good"})
    assert _failure(line)["message"] == "no good"


def test_a_tool_has_the_storage_of_the_workspace_that_the_call_names(bench: "Bench") -> None:
    _lines(bench, "tools/say", parameters={"key": "of-a-tool"}, workspace="b")
    assert "of-a-tool" in httpx.get(bench.workspace_storage("b")).json()["values"]
    assert "of-a-tool" not in httpx.get(bench.workspace_storage("a")).json()["values"]


def test_a_call_is_cut_by_the_clock_of_a_response(hasty_bench: "Bench") -> None:
    first, last = _lines(hasty_bench, "tools/say", parameters={"wait": 600})
    assert first["code"] == 0
    assert json.loads(last["message"]) == {
        "message": "killed by timeout",
        "error_type": "PluginDaemonInternalServerError",
        "args": None,
    }


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        pytest.param(b"{}", "text/plain", 415, id="what a page of another site can send"),
        pytest.param(b"{", "application/json", 400, id="no JSON"),
        pytest.param(b'{"parameter": {}}', "application/json", 400, id="a member that there is not"),
    ],
)
def test_what_is_no_call_is_refused(bench: "Bench", content: bytes, content_type: str, status: int) -> None:
    url = httpx.URL(bench.url).join("/workbench/tools/say")
    response = httpx.post(url, content=content, headers={"Content-Type": content_type})
    assert response.status_code == status
