"""Three serverless copies in turn: nothing that must last is in one of them (law 17)."""

import json
import time
from typing import Any, Final

import httpx
import pytest

from tests.gateway.hooks.senders import SENDERS
from tests.plugin.conftest import Endpoints, Serve, listed

COPIES: Final = 3
KEY: Final = "ann-key-0123456789abcdef"
GITHUB: Final = SENDERS["github"]
SETTINGS: Final = {"access_keys": f"ann={KEY}", "apps": listed("echo"), "webhook_secrets": f"echo={GITHUB.setting}"}


@pytest.fixture(scope="module")
def copies(serve: Serve) -> Endpoints:
    found = serve({"one": {"duck": SETTINGS}}, "--serverless", "--replicas", str(COPIES))
    assert found.workbench.log().count("plugin process ") == COPIES
    return found


def test_a_conversation_goes_from_copy_to_copy(copies: Endpoints) -> None:
    conversation, answers = "", []
    with copies.caller("duck", KEY) as client:
        for _ in range(COPIES + 1):
            reply = client.post("/chat/echo", json={"query": "x", "conversation_id": conversation}).json()
            conversation = reply["conversation_id"]
            answers.append(reply["answer"])
    assert answers == [f"You said: x (turn {number})" for number in range(1, COPIES + 2)]


def test_a_chat_of_openais_clients_goes_from_copy_to_copy(copies: Endpoints) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
    with copies.caller("duck", KEY) as client:
        client.headers["X-OpenWebUI-Chat-Id"] = "a chat"
        replies = [client.post("/v1/chat/completions", json=body).json() for _ in range(COPIES + 1)]
    answers = [reply["choices"][0]["message"]["content"] for reply in replies]
    assert answers == [f"You said: x (turn {number})" for number in range(1, COPIES + 2)]


def test_a_delivery_that_comes_again_is_known_to_every_copy(copies: Endpoints) -> None:
    body = json.dumps({"text": "x"})
    headers = {"Content-Type": "application/json", **GITHUB.headers(body, time.time(), id_="once")}

    def deliver() -> tuple[int, Any]:
        reply = httpx.post(f"{copies.url('duck')}/hooks/echo", content=body, headers=headers, timeout=60, verify=False)
        return reply.status_code, reply.json().get("status")

    told = [deliver() for _ in range(COPIES + 1)]
    assert told == [(200, "succeeded"), *[(200, "duplicate")] * COPIES]


def test_a_token_made_by_one_copy_is_good_at_all(copies: Endpoints) -> None:
    with copies.caller("duck", KEY) as client:
        token = client.post("/tokens", json={"app": "echo", "user": "visitor"}).json()["token"]
    with copies.caller("duck", token) as client:
        statuses = [client.post("/chat/echo", json={"query": "x"}).status_code for _ in range(COPIES)]
    assert statuses == [200] * COPIES
