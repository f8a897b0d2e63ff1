"""A conversation goes on, and one that does not exist is not quietly begun anew."""

import httpx
import pytest

from tests.plugin import sse

JSON = {"Accept": "application/json"}


@pytest.mark.parametrize("app", ["echo", "chatflow"])
def test_a_conversation_goes_on(client: httpx.Client, app: str) -> None:
    first = client.post(f"/chat/{app}", json={"query": "one"}, headers=JSON)
    conversation = first.json()["conversation_id"]
    assert first.headers["x-conversation-id"] == conversation
    second = client.post(f"/chat/{app}", json={"query": "two", "conversation_id": conversation}, headers=JSON)
    assert second.json()["answer"].endswith("(turn 2)")
    assert second.json()["conversation_id"] == conversation


def test_every_form_of_reply_carries_the_conversation_early(client: httpx.Client) -> None:
    for accept in ("text/event-stream", "application/x-ndjson", "text/plain", "application/json"):
        reply = client.post("/chat/echo", json={"query": "x"}, headers={"Accept": accept})
        assert reply.headers["x-conversation-id"].count(".") == 1  # a handle, not Dify's id
    named = sse.events(client, "/chat/echo", {"query": "x"})
    assert named[0][1]["conversation_id"] == named[-1][1]["conversation_id"]


@pytest.mark.parametrize("conversation", ["00000000-0000-4000-8000-000000000000", "not-a-uuid", "1" * 5000])
@pytest.mark.parametrize("app", ["echo", "agent", "chatflow"])
def test_an_unknown_conversation_is_a_404(client: httpx.Client, app: str, conversation: str) -> None:
    reply = client.post(f"/chat/{app}", json={"query": "x", "conversation_id": conversation})
    assert (reply.status_code, reply.json()["code"]) == (404, "conversation_not_found")
