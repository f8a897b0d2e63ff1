import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.body import BODY_LIMIT
from gateway.call import Asked, Attachment, Message
from gateway.errors import DuckError
from gateway.protocols.openai.chat.request import ChatRequest, read_chat
from tests.gateway.mutations import json_values

HI: Final = [{"role": "user", "content": "hi"}]


def sent(body: bytes, content_type: str = "application/json") -> Request:
    return Request(EnvironBuilder(method="POST", data=body, content_type=content_type).get_environ())


def read(**members: Any) -> ChatRequest:
    return read_chat(sent(json.dumps({"messages": HI, **members}).encode()))


def refused(**members: Any) -> DuckError:
    with pytest.raises(DuckError) as refusal:
        read(**members).asked()
    return refusal.value


# -- What is asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, Asked("hi", {}, "", ""), id="a message"),
        pytest.param({"model": "support"}, Asked("hi", {}, "", "", app_name="support"), id="a model is an app"),
        pytest.param({"user": "ann"}, Asked("hi", {}, "", "ann"), id="a user"),
        pytest.param({"safety_identifier": "ann"}, Asked("hi", {}, "", "ann"), id="a user by the newer name"),
        pytest.param({"user": "ann", "safety_identifier": "x"}, Asked("hi", {}, "", "ann"), id="both: user"),
        pytest.param({"inputs": {"city": "Oslo"}}, Asked("hi", {"city": "Oslo"}, "", ""), id="inputs"),
        pytest.param({"conversation_id": "c"}, Asked("hi", {}, "c", ""), id="a conversation"),
        pytest.param(
            {"metadata": {"conversation_id": "c", "a": "1"}},
            Asked("hi", {}, "c", "", metadata={"a": "1"}),
            id="a conversation in the metadata",
        ),
        pytest.param(
            {"conversation_id": "c", "metadata": {"conversation_id": "d", "a": "1"}},
            Asked("hi", {}, "c", "", metadata={"a": "1"}),
            id="a conversation in both: the body's own member",
        ),
        pytest.param(
            {"conversation_id": "", "metadata": {"conversation_id": "c"}},
            Asked("hi", {}, "c", ""),
            id="an empty conversation is none",
        ),
        pytest.param(
            {
                "model": None,
                "user": None,
                "metadata": None,
                "inputs": None,
                "conversation_id": None,
                "stream": None,
                "stream_options": None,
                "n": None,
                "tool_choice": None,
                "safety_identifier": None,
            },
            Asked("hi", {}, "", ""),
            id="null is not given",
        ),
    ],
)
def test_a_request_asks_for(members: dict[str, Any], expected: Asked) -> None:
    assert read(**members).asked() == expected


def test_messages_are_taken_apart() -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "a", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "c"}, {"type": "image_url", "image_url": {"url": "https://x/y"}}],
        },
    ]
    assert read(messages=messages).asked() == Asked(
        "c",
        {},
        "",
        "",
        instructions="be brief",
        history=(Message("user", "a"), Message("assistant", "b")),
        files=(Attachment("image", "https://x/y", "messages[5].content[1]"),),
    )


IGNORED: Final[dict[str, Any]] = {
    "temperature": 0.2,
    "top_p": 1,
    "max_tokens": 5,
    "max_completion_tokens": 5,
    "stop": ["x"],
    "seed": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": True,
    "response_format": {"type": "json_object"},
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "functions": [{"name": "f"}],
    "parallel_tool_calls": True,
    "reasoning_effort": "low",
    "modalities": ["text"],
    "prompt_cache_key": "k",
    "store": True,
    "service_tier": "auto",
    "something_new": {"a": 1},
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_can_not_be_honoured_and_not_missed_is_ignored(name: str) -> None:
    assert read(**{name: IGNORED[name]}).asked() == read().asked()


@pytest.mark.parametrize(
    "choice",
    [
        "auto",
        "none",
        None,
        {"type": "auto"},
        {"type": "none"},
        {"type": "allowed_tools", "mode": "auto", "tools": []},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    ],
    ids=str,
)
def test_a_tool_choice_that_demands_none_is_ignored(choice: object) -> None:
    assert read(tool_choice=choice, tools=IGNORED["tools"]).asked().query == "hi"


@pytest.mark.parametrize("n", [1, None])
def test_one_answer_is_what_there_is(n: int | None) -> None:
    assert read(n=n).asked().query == "hi"


# -- What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "named"),
    [
        pytest.param({"n": 2}, "'n'", id="two answers"),
        pytest.param({"n": 0}, "'n'", id="no answer"),
        pytest.param({"tool_choice": "required"}, "'tool_choice'", id="any tool"),
        pytest.param(
            {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": []}},
            "'tool_choice'",
            id="one of some",
        ),
        pytest.param(
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}},
            "'tool_choice'",
            id="one of some, as Chat Completions has it",
        ),
        pytest.param({"function_call": {"name": "f"}}, "'function_call'", id="a function"),
        pytest.param({"tool_choice": "sometimes"}, "'tool_choice'", id="a choice nobody knows"),
        pytest.param({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "'tool_choice'", id="a tool"),
        pytest.param({"messages": None}, "'messages' must be a list", id="messages are null"),
        pytest.param({"messages": "hi"}, "'messages' must be a list", id="messages are a text"),
        pytest.param({"messages": []}, "'messages'", id="no messages"),
        pytest.param({"messages": ["hi"]}, "'messages[0]'", id="a message that is a text"),
        pytest.param({"messages": [{"content": "hi"}]}, "'messages[0].role' must be given", id="no role"),
        pytest.param({"messages": [{"role": 1}]}, "'messages[0].role' must be a string", id="a role that is a number"),
        pytest.param({"messages": [{"role": "system", "content": "x"}]}, "'messages' has no message", id="no user"),
        pytest.param({"messages": [{"role": "user", "content": 5}]}, "'messages[0].content'", id="content of no form"),
        pytest.param({"model": 5}, "'model' must be a string", id="a model that is a number"),
        pytest.param({"stream": "true"}, "'stream'", id="stream as a text"),
        pytest.param({"stream_options": True}, "'stream_options'", id="options that are none"),
        pytest.param(
            {"stream_options": {"include_usage": "yes"}}, "'stream_options.include_usage'", id="an option as a text"
        ),
        pytest.param({"inputs": []}, "'inputs' must be an object", id="inputs as a list"),
        pytest.param({"metadata": "x"}, "'metadata' must be an object", id="metadata as a text"),
        pytest.param({"conversation_id": 5}, "'conversation_id' must be a string", id="a conversation as a number"),
        pytest.param(
            {"metadata": {"conversation_id": 5}},
            "'metadata.conversation_id' must be a string",
            id="in the metadata too",
        ),
        pytest.param({"user": ["ann"]}, "'user' must be a string", id="a user as a list"),
    ],
)
def test_what_would_make_another_reply_is_a_400_that_names_the_member(members: dict[str, Any], named: str) -> None:
    error = refused(**members)
    assert (error.code, error.status) == ("invalid_request", 400)
    assert named in error.message


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"", "application/json", 400, id="an empty body misses the messages"),
        pytest.param(b"{", "application/json", 400, id="no JSON"),
        pytest.param(b"[]", "application/json", 400, id="a list"),
        pytest.param(b"messages=hi", "application/x-www-form-urlencoded", 415, id="a form"),
        pytest.param(b"hi", "text/plain", 415, id="text"),
        pytest.param(b'{"messages": []}', "application/json; charset=latin-1", 415, id="another charset"),
        pytest.param(b" " * BODY_LIMIT, "application/json", 413, id="what the daemon has cut"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(DuckError) as refusal:
        read_chat(sent(body, content_type))
    assert refusal.value.status == status


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_json_is_known_as_it_begins_whatever_its_type(content_type: str) -> None:
    """curl -d calls it a form."""
    body = json.dumps({"messages": HI}).encode()
    assert read_chat(sent(body, content_type)).asked().query == "hi"


@given(members=st.dictionaries(st.sampled_from([*ChatRequest.model_fields]), json_values, max_size=4))
def test_any_request_is_read_or_refused(members: dict[str, Any]) -> None:
    try:
        asked = read_chat(sent(json.dumps({"messages": HI, **members}).encode())).asked()
    except DuckError as refusal:
        assert refusal.status == 400  # noqa: PT017 - a refusal is one of two good ends
    else:
        assert isinstance(asked.query, str)
