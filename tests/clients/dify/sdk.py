"""The scenarios of Python's `dify-client`, which has no workflows, no stop and no deletion.

Usage: python -m tests.clients.dify.sdk ENDPOINT KEY USER
The user is one that nobody else is, so that its conversations are those of these scenarios.
"""

import io
import sys
from typing import Any

from dify_client import ChatClient, CompletionClient

from tests.clients.dify.events import LINKED, PNG, Refused, answer_of, arrived, events, names_of
from tests.clients.openai.scenarios import by_name, run

ENDPOINT, KEY, USER = sys.argv[1:]


def client[C: (ChatClient, CompletionClient)](kind: type[C], app: str, key: str = KEY) -> C:
    made = kind(key)
    made.base_url = f"{ENDPOINT}/apps/{app}/v1"
    return made


def given(response: Any) -> Any:
    """The reply's object. Raises Refused."""
    body = response.json()
    if not response.ok:
        raise Refused(response.status_code, body["code"], body["message"])
    return body


def ask(app: str, query: str = "Hello", user: str = USER, **more: Any) -> Any:
    return given(client(ChatClient, app).create_chat_message({}, query, user, **more))


def stream(app: str, query: str = "Hello", **more: Any) -> list[dict[str, Any]]:
    reply = client(ChatClient, app).create_chat_message({}, query, USER, "streaming", **more)
    return list(events(reply.iter_content(None)))


def upload(app: str) -> dict[str, str]:
    files = {"file": ("cat.png", io.BytesIO(PNG), "image/png")}
    file_id = given(client(ChatClient, app).file_upload(USER, files))["id"]
    return {"type": "image", "transfer_method": "local_file", "upload_file_id": file_id}


def parameters() -> Any:
    form = given(client(ChatClient, "workflow").get_application_parameters(USER))["user_input_form"]
    return [[kind, field["variable"]] for entry in form for kind, field in entry.items()]


def blocking() -> Any:
    reply = ask("echo")
    return [reply["event"], reply["mode"], reply["answer"]]


def streamed() -> Any:
    found = stream("echo")
    return {"names": names_of(found), "answer": answer_of(found)}


def turns() -> Any:
    first = ask("echo", "one")
    second = ask("echo", "two", conversation_id=first["conversation_id"])
    return [first["answer"], second["answer"], first["conversation_id"] == second["conversation_id"]]


def turns_of_a_stream() -> Any:
    conversation_id = stream("chatflow", "one")[0]["conversation_id"]
    second = stream("chatflow", "two", conversation_id=conversation_id)
    return [answer_of(second), {event["conversation_id"] for event in second} == {conversation_id}]


def completion() -> Any:
    return given(
        client(CompletionClient, "completion").create_completion_message({"query": "Hello"}, "blocking", USER)
    )["answer"]


def completion_streamed() -> Any:
    reply = client(CompletionClient, "completion").create_completion_message({"query": "Hello"}, "streaming", USER)
    if not reply.ok:
        given(reply)
    return answer_of(events(reply.iter_content(None)))


def uploaded_picture() -> Any:
    return arrived(ask("mirror", files=[upload("mirror")])["answer"])


def uploaded_picture_in_a_chatflow() -> Any:
    return arrived(answer_of(stream("gallery", files=[upload("gallery")])))


def linked_picture() -> Any:
    file = {"type": "image", "transfer_method": "remote_url", "url": LINKED}
    return arrived(ask("mirror", files=[file])["answer"])


def conversations() -> Any:
    """Two of them, of which the older one is read and renamed."""
    other = f"{USER}-lists"
    chat = client(ChatClient, "echo")
    older, newer = (ask("echo", query, user=other)["conversation_id"] for query in ("one", "two"))
    listed = given(chat.get_conversations(other))["data"]
    messages = given(chat.get_conversation_messages(other, older))["data"]
    pages = [given(chat.get_conversations(other, limit=1)), given(chat.get_conversations(other, newer, 1))]
    given(chat.rename_conversation(older, "Ducks", other))
    return {
        "listed": [item["id"] for item in listed] == [newer, older],
        "messages": [[message["query"], message["answer"]] for message in messages],
        "pages": [[item["name"] for item in page["data"]] for page in pages],
        "renamed": sorted(item["name"] for item in given(chat.get_conversations(other))["data"]),
    }


def feedback() -> Any:
    chat = client(ChatClient, "echo")
    reply = ask("echo")
    said = given(chat.message_feedback(reply["message_id"], "like", USER))
    (message,) = given(chat.get_conversation_messages(USER, reply["conversation_id"]))["data"]
    return [said["result"], message["feedback"]]


def bad_key() -> Any:
    return given(client(ChatClient, "echo", "not-the-key-of-anyone").create_chat_message({}, "Hello", USER))


def unknown_conversation() -> Any:
    return ask("echo", conversation_id="d1f7ffff-0000-4000-8000-000000000001")


def conversation_of_another_app() -> Any:
    return ask("chatflow", conversation_id=ask("echo")["conversation_id"])


def no_query() -> Any:
    return ask("echo", query="")


if __name__ == "__main__":
    run(
        by_name(
            parameters,
            blocking,
            streamed,
            turns,
            turns_of_a_stream,
            completion,
            completion_streamed,
            uploaded_picture,
            uploaded_picture_in_a_chatflow,
            linked_picture,
            conversations,
            feedback,
            bad_key,
            unknown_conversation,
            conversation_of_another_app,
            no_query,
        )
    )
