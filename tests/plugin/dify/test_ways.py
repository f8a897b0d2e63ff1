"""What an app's own key adds, through every protocol: apps, files, the end user, and runs that are stopped."""

import base64
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

from tests.plugin.dify.conftest import ALICE, APPS, BOB, ServiceApi, caller, stops_of

PNG: Final = b"\x89PNG\r\n\x1a\n and a picture behind it"
DATA_URL: Final = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
DATA: Final = {"url": DATA_URL}

type Path = tuple[str | int, ...]
"""Where something stands in a JSON value."""


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _messages(*content: Mapping[str, Any] | str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}]


COMPLETION: Final[Mapping[str, tuple[str, dict[str, Any], Path]]] = {
    "native": ("/completion/completion", {"inputs": {"query": "Hello"}}, ("answer",)),
    "native, as a query": ("/completion/completion", {"query": "Hello"}, ("answer",)),
    "Chat Completions": (
        "/v1/chat/completions",
        {"model": "completion", "messages": _messages("Hello")},
        ("choices", 0, "message", "content"),
    ),
    "Responses": ("/v1/responses", {"model": "completion", "input": "Hello"}, ("output", 0, "content", 0, "text")),
    "Dify": ("/apps/completion/v1/completion-messages", {"inputs": {"query": "Hello"}}, ("answer",)),
}


@pytest.mark.parametrize(("path", "body", "answer"), COMPLETION.values(), ids=COMPLETION)
def test_a_text_generator_runs_by_every_protocol(endpoints: str, path: str, body: dict[str, Any], answer: Path) -> None:
    with caller(f"{endpoints}/keyed") as alice:
        reply = alice.post(path, json=body, headers={"Accept": "application/json"})
    assert (reply.status_code, _at(reply.json(), answer)) == (200, "You wrote: Hello")


def test_a_text_generator_is_a_tool_too(endpoints: str) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}
    call["params"] = {"name": "completion", "arguments": {"query": "Hello"}}
    with caller(f"{endpoints}/keyed") as alice:
        reply = alice.post("/mcp", json=call, headers={"Accept": "application/json, text/event-stream"})
    assert reply.json()["result"]["content"] == [{"type": "text", "text": "You wrote: Hello"}]


PICTURES: Final[Mapping[str, tuple[str, dict[str, Any], Path]]] = {
    "Chat Completions": (
        "/v1/chat/completions",
        {
            "messages": _messages(
                {"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": DATA_URL}}
            )
        },
        ("choices", 0, "message", "content"),
    ),
    "Responses": (
        "/v1/responses",
        {"input": _messages({"type": "input_text", "text": "Look"}, {"type": "input_image", "image_url": DATA_URL})},
        ("output", 0, "content", 0, "text"),
    ),
}


@pytest.mark.parametrize("app", ["mirror", "gallery"])
@pytest.mark.parametrize(("path", "body", "answer"), PICTURES.values(), ids=PICTURES)
def test_a_picture_as_data_reaches_the_app(
    endpoints: str, app: str, path: str, body: dict[str, Any], answer: Path
) -> None:
    with caller(f"{endpoints}/keyed") as alice:
        reply = alice.post(path, json={**body, "model": app})
    assert reply.status_code == 200, reply.text
    arrived = json.loads(_at(reply.json(), answer))
    (file,) = arrived["files"]
    assert (arrived["query"], file["type"], file["transfer_method"], file["size"]) == (
        "Look",
        "image",
        "local_file",
        len(PNG),
    )


USERS: Final[Mapping[str, tuple[str, dict[str, Any], Path]]] = {
    "Dify": ("/apps/mirror/v1/chat-messages", {"query": "Who?", "inputs": {}, "user": "ann"}, ("answer",)),
    "native": ("/chat/mirror", {"query": "Who?", "user": "ann", "response_mode": "blocking"}, ("answer",)),
    "Chat Completions": (
        "/v1/chat/completions",
        {"model": "mirror", "messages": _messages("Who?"), "user": "ann"},
        ("choices", 0, "message", "content"),
    ),
    "Responses": (
        "/v1/responses",
        {"model": "mirror", "input": "Who?", "user": "ann"},
        ("output", 0, "content", 0, "text"),
    ),
}


@pytest.mark.parametrize(("path", "body", "answer"), USERS.values(), ids=USERS)
def test_difys_user_is_the_caller_and_its_user(endpoints: str, path: str, body: dict[str, Any], answer: Path) -> None:
    for key, user in ((ALICE, "alice:ann"), (BOB, "bob:ann")):
        with caller(f"{endpoints}/keyed", key) as someone:
            reply = someone.post(path, json=body, headers={"Accept": "application/json"})
        assert json.loads(_at(reply.json(), answer))["user"] == user


def test_two_keys_with_the_same_user_see_nothing_of_each_other(endpoints: str, service_api: ServiceApi) -> None:
    url, ann = f"{endpoints}/keyed/apps/mirror/v1", {"user": "ann-of-both"}
    with caller(url) as alice, caller(url, BOB) as bob:
        made = alice.post("/chat-messages", json={**ann, "query": "Hello", "inputs": {}}).json()
        file = {"file": ("cat.png", PNG, "image/png")}
        file_id = alice.post("/files/upload", data=ann, files=file).json()["id"]
        conversation, message = made["conversation_id"], made["message_id"]
        own = alice.get("/conversations", params=ann).json()["data"]
        others = bob.get("/conversations", params=ann).json()["data"]
        service_api.heal()
        picture = {"type": "image", "transfer_method": "local_file", "upload_file_id": file_id}
        again = {**ann, "query": "Hello", "inputs": {}}
        refused = {
            "going on": bob.post("/chat-messages", json={**again, "conversation_id": conversation}),
            "the file": bob.post("/chat-messages", json={**again, "files": [picture]}),
            "reading": bob.get("/messages", params={**ann, "conversation_id": conversation}),
            "renaming": bob.post(f"/conversations/{conversation}/name", json={**ann, "name": "mine"}),
            "deleting": bob.request("DELETE", f"/conversations/{conversation}", json=ann),
            "rating": bob.post(f"/messages/{message}/feedbacks", json={**ann, "rating": "like"}),
            "suggestions": bob.get(f"/messages/{message}/suggested", params=ann),
        }
    assert ([item["id"] for item in own], others) == ([conversation], [])
    assert {name: (reply.status_code, reply.json()["code"]) for name, reply in refused.items()} == dict.fromkeys(
        refused, (404, "not_found")
    )
    assert service_api.sent() == []  # nothing of it was asked of Dify


def test_another_caller_can_stop_nothing(endpoints: str, service_api: ServiceApi) -> None:
    url, ann = f"{endpoints}/keyed/apps/endless/v1", {"user": "ann"}
    asked = {**ann, "query": "Hello", "inputs": {}, "response_mode": "streaming"}
    with caller(url) as alice, caller(url, BOB) as bob, alice.stream("POST", "/chat-messages", json=asked) as run:
        lines = (line for line in run.iter_lines() if line.startswith("data: "))
        task_id = json.loads(next(lines).removeprefix("data: "))["task_id"]
        before = len(service_api.sent("/chat-messages/"))
        stop = f"/chat-messages/{task_id}/stop"
        assert bob.post(stop, json=ann).status_code == 404
        assert len(service_api.sent("/chat-messages/")) == before
        assert '"message"' in next(lines)
        assert alice.post(stop, json=ann).json() == {"result": "success"}
        assert '"message_end"' in list(lines)[-1]


def test_strangers_are_not_given_each_others_conversations(endpoints: str) -> None:
    asked = {"query": "my secret diary", "inputs": {}, "user": "ann"}
    with httpx.Client(base_url=f"{endpoints}/public/apps/echo/v1", timeout=60, verify=False) as stranger:
        begun = stranger.post("/chat-messages", json=asked)
        listed = stranger.get("/conversations", params={"user": "ann"})
        own = stranger.get("/messages", params={"user": "ann", "conversation_id": begun.json()["conversation_id"]})
    assert (begun.status_code, listed.status_code, listed.json()["code"]) == (200, 403, "forbidden")
    assert own.json()["data"][0]["query"] == "my secret diary"


@pytest.mark.parametrize(
    ("app", "path", "code"),
    [
        ("workflow", "chat-messages", "not_chat_app"),
        ("completion", "chat-messages", "not_chat_app"),
        ("completion", "workflows/run", "not_workflow_app"),
        ("echo", "workflows/run", "not_workflow_app"),
        ("echo", "completion-messages", "app_unavailable"),
    ],
)
def test_a_route_of_difys_runs_no_app_of_another_kind(
    endpoints: str, service_api: ServiceApi, app: str, path: str, code: str
) -> None:
    service_api.heal()
    with caller(f"{endpoints}/keyed/apps/{app}/v1") as alice:
        reply = alice.post(f"/{path}", json={"query": "Hello", "inputs": {"text": "Hello", "query": "Hello"}})
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert [request["path"] for request in service_api.sent() if request["path"].endswith(path)] == []


@pytest.mark.parametrize("hook", ["keyed", "keyless"])
def test_a_link_in_files_goes_to_a_workflows_file_input_either_way(endpoints: str, hook: str) -> None:
    """`form` has more required inputs than this one; what is asked for next tells that it was filled."""
    link = {"type": "document", "transfer_method": "remote_url", "url": "https://files.example/a.pdf"}
    with caller(f"{endpoints}/{hook}") as alice:
        reply = alice.post("/workflow/form", json={"inputs": {}, "files": [link], "response_mode": "blocking"})
        without = alice.post("/workflow/form", json={"inputs": {}, "response_mode": "blocking"})
    assert "document" not in reply.text
    assert reply.status_code == without.status_code


def test_of_two_apps_the_one_with_a_key_is_reached_by_it(endpoints: str, service_api: ServiceApi) -> None:
    service_api.heal()
    asked = {"query": "Hello", "inputs": {}, "user": "ann"}
    with caller(f"{endpoints}/mixed/apps") as alice:
        replies = [alice.post(f"/{app}/v1/chat-messages", json=asked) for app in ("mirror", "echo")]
        listed = [alice.get(f"/{app}/v1/conversations", params={"user": "ann"}) for app in ("mirror", "echo")]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert [reply.status_code for reply in listed] == [200, 404]
    assert {request["app"] for request in service_api.sent()} == {"mirror"}


ENDLESS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "native": ("/chat/endless", {"query": "Hello", "response_mode": "blocking"}),
    "native workflow": ("/workflow/endless-workflow", {"inputs": {}, "response_mode": "blocking"}),
    "native completion": ("/completion/endless-completion", {"inputs": {"query": "Hello"}}),
    "Chat Completions": ("/v1/chat/completions", {"model": "endless-chatflow", "messages": _messages("Hello")}),
    "Responses": ("/v1/responses", {"model": "endless", "input": "Hello"}),
    "Dify": ("/apps/endless/v1/chat-messages", {"query": "Hello", "inputs": {}}),
    "Dify workflow": ("/apps/endless-workflow/v1/workflows/run", {"inputs": {}}),
}


@pytest.fixture(scope="module")
def timed_out(endpoints: str, service_api: ServiceApi) -> Mapping[str, int]:
    """The status of each of these runs in one body, under a run_timeout of 2 s; all at the same time."""
    service_api.heal()

    def status(path: str, body: dict[str, Any], user: str) -> int:
        with caller(f"{endpoints}/hurried") as alice:
            return alice.post(path, json={**body, "user": user}, headers={"Accept": "application/json"}).status_code

    with ThreadPoolExecutor() as pool:
        replies = {name: pool.submit(status, *asked, f"late {name}") for name, asked in ENDLESS.items()}
        return {name: reply.result() for name, reply in replies.items()}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_run_that_takes_too_long_is_stopped_in_dify(
    timed_out: Mapping[str, int], service_api: ServiceApi, name: str
) -> None:
    assert timed_out[name] == 504
    user = f"alice:late {name}"
    state = service_api.until(lambda state: stops_of(state, user))
    (run,) = [run for run in state["runs"] if run["user"] == user]
    assert stops_of(state, user) == [run["task_id"]]
    assert run["state"] != "running"


def _described(endpoints: str, hook: str, alias: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An app as a model and as a tool, without what the tool takes."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with caller(f"{endpoints}/{hook}") as alice:
        models = alice.get("/v1/models").json()["data"]
        tools = alice.post("/mcp", json=asked, headers={"Accept": "application/json"}).json()["result"]["tools"]
    model = next(item for item in models if item["id"] == alias)
    tool = next(item for item in tools if item["name"] == alias)
    told = {name: model[name] for name in ("name", "description", "mode") if name in model}
    return told, {name: tool[name] for name in ("title", "description") if name in tool}


@pytest.mark.parametrize(
    ("hook", "model", "tool"),
    [
        (
            "mixed",
            {"name": "mirror", "description": "mirror", "mode": "chat"},
            {"title": "mirror", "description": "mirror"},
        ),
        ("keyless", {}, {"description": "Asks the app mirror."}),
    ],
    ids=["with a key", "without"],
)
def test_with_a_key_an_app_has_its_own_name_in_lists(
    endpoints: str, hook: str, model: dict[str, Any], tool: dict[str, Any]
) -> None:
    assert _described(endpoints, hook, "mirror") == (model, tool)


def test_an_app_whose_name_can_not_be_had_is_listed_without(endpoints: str, service_api: ServiceApi) -> None:
    service_api.misbehave(kind="down")
    try:
        with caller(f"{endpoints}/hurried") as alice:
            models = {item["id"] for item in alice.get("/v1/models").json()["data"]}
    finally:
        service_api.heal()
    assert models == set(APPS)
