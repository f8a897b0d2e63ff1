import json
from typing import Any, Final

import gevent
import pytest

from gateway import running
from gateway.chats import MAX_ID_LENGTH
from gateway.events import Kind
from gateway.running import OPEN_WEBUI_CHAT
from tests.gateway.fake_dify import RUN_OF, FakeApp, FakeDify, refusal, variable
from tests.gateway.protocols.openai.calls import (
    CHAT,
    CONVERSATION,
    KEY,
    ONE_APP,
    RESPONSES_PATH,
    TWO_APPS,
    WORKFLOW,
    ask,
    call,
    respond,
    sent_to,
    workspace,
)
from tests.gateway.protocols.openai.replies import chunks, content_of, sequence

OTHER_KEY: Final = "another-long-enough-key"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies end at once; the pauses at their end are tests' of the streaming."""
    monkeypatch.setattr("gateway.streaming.MIN_STREAM", 0.0)
    monkeypatch.setattr("gateway.streaming.HOLD_SHARE", 0.0)


def said(*texts: str, kind: Kind = Kind.CHAT) -> FakeDify:
    """A chat app that says these texts."""
    ids = {"conversation_id": CONVERSATION, "message_id": "m", "task_id": "t"}
    dicts = [{"event": "message", **ids, "answer": text} for text in texts]
    return FakeDify({CHAT: FakeApp(kind, dicts=(*dicts, {"event": "message_end", **ids, "metadata": {}}))})


# -- Which app -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "path", "headers", "app_id"),
    [
        pytest.param("support", "/v1/chat/completions", {}, CHAT, id="an alias"),
        pytest.param("report", "/v1/chat/completions", {}, WORKFLOW, id="another alias"),
        pytest.param(WORKFLOW, "/v1/chat/completions", {}, WORKFLOW, id="an id"),
        pytest.param("gpt-4o", "/apps/report/v1/chat/completions", {}, WORKFLOW, id="bound to one app: any name"),
        pytest.param("support", "/apps/report/v1/chat/completions", {}, WORKFLOW, id="bound to one app: another's"),
        pytest.param(
            "support", "/v1/chat/completions", {"X-Duck-App": "report"}, WORKFLOW, id="the header outranks it"
        ),
    ],
)
def test_a_model_is_an_app(model: str, path: str, headers: dict[str, str], app_id: str) -> None:
    dify = workspace()
    reply = ask(dify=dify, model=model, path=path, headers=headers)
    assert (reply.status, sent_to(dify)["app_id"]) == (200, app_id)
    assert reply.json()["model"] == {CHAT: "support", WORKFLOW: "report"}[app_id]


@pytest.mark.parametrize("model", ["gpt-4o", "", None, "<app_id>", WORKFLOW])
def test_where_one_app_is_exposed_any_model_is_its(model: str | None) -> None:
    dify = workspace()
    assert ask(dify=dify, model=model, settings=ONE_APP).status == 200
    assert sent_to(dify)["app_id"] == CHAT


@pytest.mark.parametrize("path", ["/v1/chat/completions", RESPONSES_PATH])
def test_an_unknown_model_is_a_404_without_asking_dify(path: str) -> None:
    dify = workspace()
    members = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "input": "hi"}
    reply = call("POST", path, dify, members=members)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_not_found", "model")
    assert (dify.calls, dify.asked) == ([], [])


def test_under_workspace_an_app_that_dify_does_not_know_is_the_same_404_whatever_else_is_sent() -> None:
    """Metadata and files make Duck ask for the app's form first, which must tell a caller nothing more."""
    settings = {**TWO_APPS, "exposure": "workspace"}
    unknown = "99999999-1111-4111-8111-111111111111"
    image = [{"type": "image_url", "image_url": {"url": "https://x/y"}}]
    replies = [
        ask(model=unknown, settings=settings),
        ask(model=unknown, settings=settings, metadata={"a": "1"}),
        ask(model=unknown, settings=settings, messages=[{"role": "user", "content": image}]),
    ]
    assert [(reply.status, reply.error["code"]) for reply in replies] == [(404, "model_not_found")] * 3


def test_metadata_of_an_app_whose_form_dify_does_not_tell_is_left_out() -> None:
    dify = FakeDify({CHAT: FakeApp(Kind.CHAT, tells_form=False)})
    assert ask(dify=dify, metadata={"city": "Oslo"}).status == 200
    assert sent_to(dify)["inputs"] == {}


# -- Conversations that the client carries -------------------------------------------------------------------------


def test_a_conversation_is_in_the_reply_in_every_chunk_and_in_the_header() -> None:
    reply = ask()
    handle = reply.json()["conversation_id"]
    assert (reply.headers["X-Conversation-Id"], CONVERSATION in handle) == (handle, False)
    streamed = ask(stream=True)
    assert {chunk["conversation_id"] for chunk in chunks(streamed.body)} == {streamed.headers["X-Conversation-Id"]}


def test_a_response_is_named_by_its_conversation() -> None:
    whole = respond()
    handle = whole.headers["X-Conversation-Id"]
    assert whole.json()["id"].startswith(f"resp_{handle}.")
    states = [event["response"] for event in sequence(respond(stream=True).body) if "response" in event]
    assert len({state["id"] for state in states}) == 1


@pytest.mark.parametrize("ids", ["sealed", "plain"])
@pytest.mark.parametrize("way", ["conversation_id", "metadata", "previous_response_id", "conversation", "object"])
def test_a_conversation_goes_on(way: str, ids: str) -> None:
    dify, settings = workspace(), {**TWO_APPS, "conversation_ids": ids}
    handle = ask(dify=dify, settings=settings).json()["conversation_id"]
    response_id = respond(dify=dify, settings=settings).json()["id"]
    match way:
        case "conversation_id":
            reply = ask("more", dify, settings=settings, conversation_id=handle)
        case "metadata":
            reply = ask("more", dify, settings=settings, metadata={"conversation_id": handle})
        case "previous_response_id":
            reply = respond("more", dify, settings=settings, previous_response_id=response_id)
        case "conversation":
            reply = respond("more", dify, settings=settings, conversation=handle)
        case _:
            reply = respond("more", dify, settings=settings, conversation={"id": handle})
    assert (reply.status, sent_to(dify)["query"], sent_to(dify)["conversation_id"]) == (200, "more", CONVERSATION)


@pytest.mark.parametrize("kind", ["msg", "rs"])
def test_an_item_that_is_referred_to_names_its_conversation(kind: str) -> None:
    """AI SDK's `@ai-sdk/openai` sends references in place of what the app said."""
    dify = workspace()
    (item,) = respond(dify=dify).json()["output"]
    reference = {"type": "item_reference", "id": item["id"].replace("msg", kind)}
    items = [{"role": "user", "content": "one"}, reference, {"role": "user", "content": "two"}]
    reply = respond(dify=dify, input=items)
    assert (reply.status, sent_to(dify)["query"], sent_to(dify)["conversation_id"]) == (200, "two", CONVERSATION)


def test_a_workflows_item_that_is_referred_to_is_left_out() -> None:
    dify = workspace()
    (item,) = respond(dify=dify, model="report").json()["output"]
    items = [{"type": "item_reference", "id": item["id"]}, {"role": "user", "content": "two"}]
    assert respond(dify=dify, model="report", input=items).status == 200


@pytest.mark.parametrize("item_id", ["msg_1", "x", "", "msg_a.b.c_0"])
def test_an_item_that_nobody_knows_is_a_404(item_id: str) -> None:
    dify = workspace()
    reply = respond(dify=dify, input=[{"type": "item_reference", "id": item_id}, {"role": "user", "content": "two"}])
    assert (reply.status, dify.calls) == ((404, []) if item_id else (200, dify.calls))


def test_a_conversation_that_goes_on_needs_no_earlier_messages() -> None:
    dify = workspace()
    handle = ask(dify=dify).json()["conversation_id"]
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    ask(dify=dify, messages=messages, conversation_id=handle)
    assert sent_to(dify)["query"] == "three"
    ask(dify=dify, messages=messages)
    assert sent_to(dify)["query"] == "User: one\n\nAssistant: two\n\nUser: three"


@pytest.mark.parametrize("handle", ["x", CONVERSATION, "AAAAAAAAAAAAAAAAAAAAAA.x", "resp_x"])
def test_a_conversation_that_is_none_is_a_404_without_asking_dify(handle: str) -> None:
    dify = workspace()
    reply = ask(dify=dify, conversation_id=handle)
    assert (reply.status, reply.error["code"]) == (404, "conversation_not_found")
    assert dify.calls == []


@pytest.mark.parametrize("response_id", ["x", "resp_", f"resp_{CONVERSATION}.x", "resp_AAAAAAAAAAAAAAAAAAAAAA.x.y"])
def test_a_response_that_is_none_is_a_404_by_openais_own_code(response_id: str) -> None:
    """protocols.md, section 4: clients tell it from other 404s by `previous_response_not_found`."""
    dify = workspace()
    reply = respond(dify=dify, previous_response_id=response_id)
    assert (reply.status, reply.error["code"]) == (404, "previous_response_not_found")
    assert dify.calls == []


def test_another_callers_conversation_is_a_404() -> None:
    dify = workspace()
    settings = {**TWO_APPS, "access_keys": f"web={KEY}, shop={OTHER_KEY}"}
    handle = ask(dify=dify, settings=settings).json()["conversation_id"]
    response_id = respond(dify=dify, settings=settings).json()["id"]
    ran = len(dify.calls)
    assert ask(dify=dify, settings=settings, key=OTHER_KEY, conversation_id=handle).status == 404
    assert respond(dify=dify, settings=settings, key=OTHER_KEY, previous_response_id=response_id).status == 404
    assert len(dify.calls) == ran


# -- Chats that the client names -----------------------------------------------------------------------------------


def chat(chat_id: str, name: str = OPEN_WEBUI_CHAT) -> dict[str, str]:
    return {name: chat_id}


def gone_on(text: str, dify: FakeDify, run: Any = ask, **more: Any) -> str | None:
    """The conversation that a call is started in; None where one begins."""
    assert (run(text, dify, **more).status, sent_to(dify)["query"]) == (200, text)
    conversation: str | None = sent_to(dify)["conversation_id"]
    return conversation


@pytest.mark.parametrize("run", [ask, respond], ids=["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True], ids=["one body", "stream"])
def test_a_chat_goes_on_in_its_conversation(run: Any, stream: bool) -> None:
    dify = workspace()
    assert gone_on("one", dify, run, headers=chat("chat-1"), stream=stream) is None
    assert gone_on("two", dify, run, headers=chat("chat-1"), stream=stream) == CONVERSATION
    assert gone_on("three", dify, run, headers=chat("chat-2"), stream=stream) is None


@pytest.mark.parametrize("chat_id", ["new", "null", "", "{{LIBRECHAT_BODY_CONVERSATIONID}}", "x" * (MAX_ID_LENGTH + 1)])
def test_chats_without_an_id_share_no_conversation(chat_id: str) -> None:
    dify = workspace()
    assert [gone_on(text, dify, headers=chat(chat_id)) for text in ("one", "two")] == [None, None]
    assert [key for _, key in dify.storage.calls if key.startswith("chats")] == []


def test_the_configured_header_names_a_chat_and_outranks_the_known_one() -> None:
    dify, settings = workspace(), {**TWO_APPS, "conversation_header": "X-Chat"}
    assert gone_on("one", dify, settings=settings, headers=chat("a", "X-Chat")) is None
    assert gone_on("two", dify, settings=settings, headers={**chat("a", "x-chat"), **chat("b")}) == CONVERSATION
    assert gone_on("three", dify, settings=settings, headers=chat("b")) is None
    assert gone_on("four", dify, settings=settings, headers={**chat("new", "X-Chat"), **chat("b")}) == CONVERSATION


def test_a_header_that_is_not_configured_names_nothing() -> None:
    dify = workspace()
    assert [gone_on(text, dify, headers=chat("a", "X-Chat")) for text in ("one", "two")] == [None, None]


def test_the_conversation_in_the_body_outranks_the_chat() -> None:
    dify = workspace()
    assert ask(dify=dify, headers=chat("a"), conversation_id="x").status == 404
    handle = ask(dify=dify).json()["conversation_id"]
    assert gone_on("one", dify, headers=chat("a"), conversation_id=handle) == CONVERSATION
    assert gone_on("two", dify, headers=chat("a")) is None


def test_another_callers_chat_of_the_same_name_is_another() -> None:
    dify = workspace()
    settings = {**TWO_APPS, "access_keys": f"web={KEY}, shop={OTHER_KEY}"}
    assert gone_on("one", dify, settings=settings, headers=chat("a")) is None
    assert gone_on("two", dify, settings=settings, headers=chat("a"), key=OTHER_KEY) is None


def test_the_native_routes_know_no_chats() -> None:
    dify = workspace()
    for text in ("one", "two"):
        assert call("POST", "/chat/support", dify, members={"query": text}, headers=chat("a")).status == 200
        assert (sent_to(dify)["query"], sent_to(dify)["conversation_id"]) == (text, None)


def test_a_chat_whose_conversation_was_deleted_in_dify_begins_anew_with_its_messages() -> None:
    dify = workspace()
    ask(dify=dify, headers=chat("a"))
    dify.apps[CHAT] = FakeApp(Kind.CHAT)
    messages = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    reply = ask(dify=dify, headers=chat("a"), messages=messages)
    assert (reply.status, sent_to(dify)["conversation_id"]) == (200, None)
    assert sent_to(dify)["query"] == "User: one\n\nUser: two"


def test_a_chat_whose_chatflow_began_anew_comes_with_its_messages_next_time() -> None:
    """A chatflow begins anew without a word where its conversation was deleted (wire section 4)."""
    other = CONVERSATION[:-1] + ("0" if CONVERSATION[-1] != "0" else "1")
    dify = FakeDify({CHAT: FakeApp(Kind.CHATFLOW)})
    assert gone_on("one", dify, headers=chat("a")) is None
    dicts = tuple({**raw, "conversation_id": other} for raw in RUN_OF[Kind.CHATFLOW])
    dify.apps[CHAT] = FakeApp(Kind.CHATFLOW, dicts=dicts)
    assert gone_on("two", dify, headers=chat("a")) == RUN_OF[Kind.CHATFLOW][0]["conversation_id"]
    messages = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    ask(dify=dify, headers=chat("a"), messages=messages)
    assert (sent_to(dify)["conversation_id"], sent_to(dify)["query"]) == (None, "User: one\n\nUser: two\n\nUser: three")
    assert gone_on("four", dify, headers=chat("a")) == other


def test_strangers_have_no_chats() -> None:
    """Under access: open all are one caller, and would guess each other's ids."""
    dify = workspace()
    settings = {**ONE_APP, "access": "open"}
    for _ in range(2):
        assert gone_on("hi", dify, headers=chat("42"), settings=settings, key="") is None


def test_a_chat_whose_handle_no_longer_opens_begins_anew() -> None:
    dify = workspace()
    assert gone_on("one", dify, settings={**TWO_APPS, "conversation_ids": "plain"}, headers=chat("a")) is None
    assert gone_on("two", dify, headers=chat("a")) is None
    assert gone_on("three", dify, headers=chat("a")) == CONVERSATION


def test_a_workflow_keeps_no_chat() -> None:
    dify = workspace()
    for _ in range(2):
        assert ask(dify=dify, model="report", headers=chat("a")).status == 200
    assert len(dify.calls) == 2
    assert [name for name, key in dify.storage.calls if key.startswith("chats") and name == "set"] == []


def test_a_storage_that_fails_is_a_503_that_may_be_tried_again() -> None:
    dify = workspace()
    dify.storage.fault = Exception("down")
    reply = ask(dify=dify, headers=chat("a"))
    assert (reply.status, reply.error["code"], dify.calls) == (503, "storage_unavailable", [])
    assert "x-should-retry" not in reply.headers


# -- Memory, instructions, inputs ----------------------------------------------------------------------------------

TURNS: Final = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three"},
]
MEMBERS: Final = f"{{support: {{app_id: {CHAT}, transcript: log, instructions: role, user: who}}}}"


@pytest.mark.parametrize(
    ("settings", "query", "inputs"),
    [
        pytest.param({}, "User: one\n\nAssistant: two\n\nUser: three", {}, id="by default before the query"),
        pytest.param(
            {"memory_mode": "all_messages"}, "User: one\n\nAssistant: two\n\nUser: three", {}, id="all_messages"
        ),
        pytest.param({"memory_mode": "last_user_message"}, "three", {}, id="last_user_message"),
        pytest.param(
            {"apps": MEMBERS}, "three", {"log": "User: one\n\nAssistant: two", "role": "be brief"}, id="inputs for them"
        ),
        pytest.param(
            {"apps": MEMBERS, "memory_mode": "last_user_message"}, "three", {"role": "be brief"}, id="an input unused"
        ),
    ],
)
def test_what_a_client_sends_of_a_dialogue_reaches_the_app_as(
    settings: dict[str, str], query: str, inputs: dict[str, str]
) -> None:
    dify = workspace()
    ask(dify=dify, messages=TURNS, settings={**TWO_APPS, **settings})
    assert (sent_to(dify)["query"], sent_to(dify)["inputs"]) == (query, inputs)
    respond(dify=dify, settings={**TWO_APPS, **settings}, input=TURNS[1:], instructions="be brief")
    assert (sent_to(dify)["query"], sent_to(dify)["inputs"]) == (query, inputs)


@pytest.mark.parametrize("name", ["user", "safety_identifier"])
def test_the_user_goes_to_the_input_for_it(name: str) -> None:
    dify = workspace()
    ask(dify=dify, settings={**TWO_APPS, "apps": MEMBERS}, **{name: "ann"})
    assert sent_to(dify)["inputs"] == {"who": "ann"}


def test_inputs_metadata_and_files_go_to_the_apps_inputs() -> None:
    entry = variable("file", "pic")
    entry["file"]["allowed_file_types"] = ["image"]
    form = (variable("text-input", "city"), variable("text-input", "n"), entry)
    dify = FakeDify({CHAT: FakeApp(Kind.CHATFLOW, form)})
    content = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    ask(
        dify=dify,
        messages=[{"role": "user", "content": content}],
        inputs={"n": "1"},
        metadata={"city": "Oslo", "trace": "2"},
    )
    picture = {"type": "image", "transfer_method": "remote_url", "url": "https://x/y.png"}
    assert sent_to(dify)["query"] == "see"
    assert sent_to(dify)["inputs"] == {"n": "1", "city": "Oslo", "pic": picture}


def test_a_workflow_takes_the_text_as_its_input_and_answers_with_its_output() -> None:
    end = {"id": "r", "status": "succeeded", "outputs": {"out": "done"}}
    ids = {"workflow_run_id": "r", "task_id": "t"}
    dicts = (
        {"event": "workflow_started", **ids, "data": {"id": "r", "created_at": 1}},
        {"event": "workflow_finished", **ids, "data": end},
    )
    dify = FakeDify({CHAT: FakeApp(Kind.WORKFLOW, (variable("text-input", "question"),), dicts)})
    for run in (ask, respond):
        reply = run("why?", dify)
        assert sent_to(dify)["inputs"] == {"question": "why?"}
        assert '"done"' in reply.body.decode()


# -- Thoughts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "thoughts", "text"),
    [("", "hm", "Hello."), ("split", "hm", "Hello."), ("keep", "", "<think>hm</think>\n\nHello.")],
)
def test_think_tags_are_split_or_kept(setting: str, thoughts: str, text: str) -> None:
    dify, settings = said("<thi", "nk>hm</th", "ink>\n\nHello."), {**TWO_APPS, "think_tags": setting}
    body = ask(dify=dify, settings=settings, stream=True).body
    assert (content_of(body, "reasoning_content"), content_of(body)) == (thoughts, text)
    message = ask(dify=dify, settings=settings).json()["choices"][0]["message"]
    assert (message.get("reasoning_content", ""), message["content"]) == (thoughts, text)
    output = respond(dify=dify, settings=settings).json()["output"]
    assert [item["type"] for item in output] == (["reasoning", "message"] if thoughts else ["message"])
    native = call(
        "POST", "/chat/support", dify, members={"query": "hi", "response_mode": "blocking"}, settings=settings
    )
    assert (native.json()["answer"], native.json().get("reasoning", "")) == (text, thoughts)


@pytest.mark.parametrize("setting", ["split", "keep"])
def test_the_page_shows_difys_events_as_they_are(setting: str) -> None:
    dify = said("<think>hm</think>Hello.")
    page = call("POST", "/duck/support", dify, members={"query": "hi"}, settings={**TWO_APPS, "think_tags": setting})
    assert '{"event":"message"' in page.body.decode()
    assert "\\u003cthink\\u003ehm\\u003c/think\\u003eHello." in page.body.decode()


# -- Errors, and whether to try again ------------------------------------------------------------------------------

FAILED: Final = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=(refusal("unexpected app type"),))})
BUSY: Final = "invoke app failed: request failed with status code: 429 and respond with: {}\n"


@pytest.mark.parametrize("run", [ask, respond], ids=["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True], ids=["one body", "stream"])
def test_once_the_app_was_started_a_retry_would_run_it_twice(run: Any, stream: bool) -> None:
    reply = run(dify=FAILED, stream=stream)
    assert (reply.status, reply.error["type"], reply.headers["x-should-retry"]) == (502, "api_error", "false")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        pytest.param({"key": ""}, 401, id="no key"),
        pytest.param({"model": "gpt-4o"}, 404, id="no such app"),
        pytest.param({"n": 2}, 400, id="two answers"),
        pytest.param({"conversation_id": "x"}, 404, id="no such conversation"),
    ],
)
def test_a_call_that_started_nothing_may_be_tried_again(more: dict[str, Any], status: int) -> None:
    reply = ask(**more)
    assert (reply.status, "x-should-retry" in reply.headers) == (status, False)
    assert set(reply.error) == {"message", "type", "param", "code"}


def test_a_fault_of_the_operators_does_not_mend_itself() -> None:
    reply = ask(settings={**TWO_APPS, "detail": "nonsense"})
    assert (reply.status, reply.headers["x-should-retry"]) == (500, "false")


@pytest.mark.parametrize("path", ["/v1/chat/completions/models", "/v1/chat/completions/chat/completions"])
def test_a_base_url_that_names_the_route_is_told(path: str) -> None:
    reply = call("POST", path)
    assert (reply.status, "base URL" in reply.error["message"]) == (404, True)


def test_a_dify_that_is_busy_has_run_nothing() -> None:
    busy = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=(Exception(BUSY),))})
    reply = ask(dify=busy)
    assert (reply.status, reply.error["code"], "x-should-retry" in reply.headers) == (503, "dify_busy", False)
    assert int(reply.headers["Retry-After"]) > 0


def test_a_rate_limit_says_when_to_come_back() -> None:
    dify, settings = workspace(), {**TWO_APPS, "rate_limit": "1/hour"}
    assert ask(dify=dify, settings=settings).status == 200
    reply = ask(dify=dify, settings=settings)
    assert (reply.status, reply.error["type"], reply.error["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert int(reply.headers["Retry-After"]) > 0
    assert "x-should-retry" not in reply.headers


def test_a_failure_inside_a_stream_is_openais_and_the_last_word() -> None:
    first = RUN_OF[Kind.CHAT][0]
    dify = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=(first, refusal("unexpected app type")))})
    chat_stream = ask(dify=dify, stream=True)
    assert (chat_stream.status, chunks(chat_stream.body)[-1]["error"]["type"]) == (200, "api_error")
    assert sequence(respond(dify=dify, stream=True).body)[-1]["type"] == "response.failed"


def test_a_late_failure_under_keep_alive_is_openais_error_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "KEEP_ALIVE_AFTER", 0.03)
    first = RUN_OF[Kind.CHAT][0]
    dicts = (first, lambda: gevent.sleep(0.1), refusal("unexpected app type"))
    for run in (ask, respond):
        dify = FakeDify({CHAT: FakeApp(Kind.CHAT, dicts=dicts)})
        reply = run(dify=dify, settings={**TWO_APPS, "keep_alive": "on"})
        assert (reply.status, reply.body[:1], reply.error["code"]) == (200, b" ", "app_not_published")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/models", "/v1/models/support", "/v1/x"])
def test_every_reply_has_a_request_id(path: str) -> None:
    members = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "input": "hi"}
    method = "GET" if "models" in path else "POST"
    reply = call(method, path, members=members if method == "POST" else None, headers={"X-Request-Id": "mine"})
    assert reply.headers["X-Request-Id"] == "mine"


# -- Models --------------------------------------------------------------------------------------------------------


def models(path: str = "/v1/models", **more: Any) -> list[str]:
    return [item["id"] for item in call("GET", path, **more).json()["data"]]


def test_the_models_are_the_exposed_apps_in_order_without_asking_dify() -> None:
    dify = workspace()
    assert models(dify=dify) == ["support", "report"]
    assert models("/models", dify=dify) == models("/v1/models/", dify=dify) == ["support", "report"]
    assert (dify.asked, dify.calls) == ([], [])


def test_the_models_are_those_in_the_callers_scope() -> None:
    settings = {**TWO_APPS, "callers": "web(report)"}
    assert models(settings=settings) == ["report"]
    assert call("GET", "/v1/models/support", settings=settings).error["code"] == "model_not_found"
    assert models("/apps/report/v1/models", settings=settings) == ["report"]
    assert call("GET", "/apps/support/v1/models", settings=settings).status == 404


def test_an_app_whose_entry_is_faulty_is_no_model() -> None:
    settings = {**TWO_APPS, "apps": f"support={CHAT}, broken=nonsense"}
    assert models(settings=settings) == ["support"]


@pytest.mark.parametrize(
    "path", ["/v1/models/report", "/models/report", f"/v1/models/{WORKFLOW}", "/apps/report/v1/models/x"]
)
def test_one_model_is_told_by_alias_and_id(path: str) -> None:
    told = call("GET", path).json()
    assert (told["id"], told["object"], told["owned_by"]) == ("report", "model", "dify")


def test_a_model_that_is_none_is_openais_404() -> None:
    reply = call("GET", "/v1/models/gpt-4o")
    assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_not_found", "model")


def test_models_need_a_key() -> None:
    reply = call("GET", "/v1/models", key="")
    assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="duck"'


# -- Where OpenAI's clients look -----------------------------------------------------------------------------------

BASES: Final = ("/v1", "", "/apps/support/v1", "/apps/support")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_base_url_serves_all_of_openais_paths(base: str, slash: str) -> None:
    dify = workspace()
    assert ask(dify=dify, path=f"{base}/chat/completions{slash}").json()["object"] == "chat.completion"
    assert respond(dify=dify, path=f"{base}/responses{slash}").json()["object"] == "response"
    assert call("GET", f"{base}/models{slash}", dify).json()["object"] == "list"
    assert call("GET", f"{base}/models/support{slash}", dify).json()["object"] == "model"


def test_completions_is_no_app_of_the_native_route() -> None:
    settings = {**TWO_APPS, "apps": f"support={CHAT}, completions={WORKFLOW}"}
    dify = workspace()
    assert ask(dify=dify, path="/chat/completions", settings=settings).json()["object"] == "chat.completion"
    assert sent_to(dify)["app_id"] == CHAT


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/v1/", 404, "not_found"),
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("POST", "/v1/completions", 404, "not_found"),
        ("POST", "/v1/embeddings", 404, "not_found"),
        ("GET", "/v1/responses/resp_1", 404, "not_found"),
        ("DELETE", "/v1/responses/resp_1", 404, "not_found"),
        ("POST", "/v1/responses/resp_1/cancel", 404, "not_found"),
        ("GET", "/v1/responses/resp_1/input_items", 404, "not_found"),
        ("POST", "/v1/responses/compact", 404, "not_found"),
        ("POST", "/v1/v1/chat/completions", 404, "not_found"),
        ("GET", "/v1//v1/models", 404, "not_found"),
        ("GET", "/apps/support/v1/v1/models", 404, "not_found"),
        ("GET", "/apps/support/v1/nowhere", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PUT", "/v1/responses", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/support", 405, "method_not_allowed"),
        ("GET", "/apps/support/v1/chat/completions", 405, "method_not_allowed"),
    ],
)
@pytest.mark.parametrize("key", [KEY, ""], ids=["with a key", "without"])
def test_what_is_not_served_where_openais_clients_look_is_told_in_their_shape(
    method: str, path: str, status: int, code: str, key: str
) -> None:
    reply = call(method, path, key=key)
    assert (reply.status, reply.error["code"], reply.error["type"]) == (status, code, "invalid_request_error")
    assert ("Allow" in reply.headers) is (status == 405)
    assert ("/v1 twice" in reply.error["message"]) is ("/v1/v1" in path.replace("//", "/"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/chat/completions"),
        ("PUT", "/responses"),
        ("POST", "/models"),
        ("DELETE", "/models/support"),
        ("GET", "/apps/support/responses"),
    ],
)
def test_where_the_v1_was_forgotten_a_wrong_method_is_told_in_openais_shape_too(method: str, path: str) -> None:
    """DESIGN, section 3: these paths answer as under /v1."""
    reply = call(method, path)
    assert (reply.status, reply.headers["Content-Type"]) == (405, "application/json")
    assert reply.error["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/nowhere", "/v2/models", "/chat/a/b", "/apps/support", "/v1x", "/apps/v1/v2"])
def test_elsewhere_an_unknown_path_is_a_problem(path: str) -> None:
    reply = call("GET", path)
    assert (reply.status, reply.headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(reply.body)["code"] == "not_found"
