"""Unmodified clients, with what they send by default."""

import json
import shutil
import subprocess

import httpx
import pytest

from tests.clients.node import run_script
from tests.conftest import RunningWorkbench
from tests.plugin import sse

N8N_ACCEPT = "application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, */*;q=0.7"
"""n8n's HTTP Request node, default options."""

BROWSER_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def test_httpx_sse_and_an_npm_parser_read_the_same_events(duck: RunningWorkbench, client: httpx.Client) -> None:
    body = {"inputs": {"text": "U+2028 \u2028, U+0085 \u0085, a newline \n, 中文 and 🦆"}}
    python = sse.events(client, "/workflow/workflow", body)
    node = run_script("sse_reader.mjs", f"{duck.url}/workflow/workflow", "POST", json.dumps(body), duck.key)
    assert [event["event"] for event in node] == [name for name, _ in python]
    assert json.loads(node[-1]["data"])["answer"] == python[-1][1]["answer"]
    assert "\u2028" in python[-1][1]["answer"]


def test_an_npm_parser_reads_an_error_inside_a_stream(duck: RunningWorkbench) -> None:
    found = run_script("sse_reader.mjs", f"{duck.url}/chat/broken", "POST", '{"query": "x"}', duck.key)
    assert found[-1]["event"] == "error"
    assert json.loads(found[-1]["data"])["code"] == "provider_error"


def test_axios_gets_one_json_body_by_default(duck: RunningWorkbench) -> None:
    (reply,) = run_script("axios_post.mjs", f"{duck.url}/chat/echo", '{"query": "x"}', duck.key)
    assert reply["status"] == 200
    assert reply["data"]["answer"].startswith("You said: x")


def test_n8n_gets_one_json_body_by_default(client: httpx.Client) -> None:
    reply = client.post("/chat/echo", json={"query": "x"}, headers={"Accept": N8N_ACCEPT})
    assert reply.headers["content-type"] == "application/json"


def test_a_browser_gets_the_live_page(client: httpx.Client) -> None:
    reply = client.get("/duck/echo", params={"query": "x"}, headers={"Accept": BROWSER_ACCEPT})
    assert reply.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-d", '{"query": "hello"}'], id="-d json without a content type"),
        pytest.param(["-H", "Content-Type: application/json", "-d", '{"query": "hello"}'], id="json"),
        pytest.param(["-d", "query=hello"], id="a form"),
        pytest.param(["--data-urlencode", "query=hello"], id="an encoded form"),
        pytest.param(["-F", "query=hello"], id="a multipart form"),
        pytest.param(["-H", "Content-Type: text/plain", "-d", "hello"], id="plain text"),
        pytest.param(["-X", "POST", "?query=hello"], id="the query string alone"),
    ],
)
def test_curl_streams_sse_by_default_whatever_the_body_is(duck: RunningWorkbench, arguments: list[str]) -> None:
    suffix = arguments.pop() if arguments[-1].startswith("?") else ""
    command = ["curl", "-sN", "-H", f"X-API-Key: {duck.key}", *arguments, f"{duck.url}/chat/echo{suffix}"]
    out = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert out.startswith("event: start\n")
    assert '"answer":"You said: hello (turn 1)"' in out


def test_inputs_come_from_the_query_string_and_from_forms(client: httpx.Client) -> None:
    for reply in (
        client.get("/duck/workflow", params={"inputs.text": "Oslo"}),
        client.post("/workflow/workflow", data={"inputs.text": "Oslo"}),
        client.post("/workflow/workflow", data={"inputs": '{"text": "Oslo"}'}),
        client.post("/workflow/workflow?inputs.text=Oslo"),
    ):
        assert reply.status_code == 200
        assert "Oslo" in reply.text


def test_a_query_sent_to_a_workflow_becomes_its_text_input(client: httpx.Client) -> None:
    reply = client.post("/chat/workflow", json={"query": "Oslo"}, headers={"Accept": "application/json"})
    assert "Oslo" in reply.json()["outputs"]["text"]
    both = client.post("/chat/workflow", json={"query": "Oslo", "inputs": {"text": "Bergen"}})
    assert (both.status_code, both.json()["code"]) == (400, "invalid_request")
