import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from gateway.call import Asked, Attachment, Message
from gateway.errors import DuckError
from gateway.protocols.openai.responses.request import ResponsesRequest, handle_in, read_responses
from tests.gateway.mutations import json_values

CODEX: Final[dict[str, Any]] = {
    "model": "support",
    "instructions": "be brief",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be kind"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "42"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": []}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "c"}]},
    ],
    "tools": [{"type": "function", "name": "f"}] * 9,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "k",
    "client_metadata": {"x": "y"},
}
"""What Codex sends in its second turn (protocols.md, section 4)."""


def read(**members: Any) -> ResponsesRequest:
    body = json.dumps({"input": "hi", **members}).encode()
    return read_responses(
        Request(EnvironBuilder(method="POST", data=body, content_type="application/json").get_environ())
    )


def refused(**members: Any) -> DuckError:
    with pytest.raises(DuckError) as refusal:
        read(**members).asked()
    return refusal.value


# -- What is asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, Asked("hi", {}, "", ""), id="a text"),
        pytest.param(
            {"input": [{"role": "user", "content": "a"}]}, Asked("a", {}, "", ""), id="a message without a type"
        ),
        pytest.param(
            {"input": [{"type": "message", "role": "user", "content": "a"}]}, Asked("a", {}, "", ""), id="with its type"
        ),
        pytest.param(
            {"input": [{"role": "user", "content": "a"}, {"type": "agent_note", "role": "user", "content": "b"}]},
            Asked("a", {}, "", ""),
            id="an item of another type is no message, whatever its role",
        ),
        pytest.param({"model": "support"}, Asked("hi", {}, "", "", app_name="support"), id="a model is an app"),
        pytest.param({"user": "ann"}, Asked("hi", {}, "", "ann"), id="a user"),
        pytest.param({"safety_identifier": "ann"}, Asked("hi", {}, "", "ann"), id="a user by the newer name"),
        pytest.param({"inputs": {"a": 1}}, Asked("hi", {"a": 1}, "", ""), id="inputs"),
        pytest.param({"metadata": {"a": "1"}}, Asked("hi", {}, "", "", metadata={"a": "1"}), id="metadata"),
        pytest.param({"conversation_id": "a.b"}, Asked("hi", {}, "a.b", ""), id="Duck's own member"),
        pytest.param(
            {"metadata": {"conversation_id": "a.b", "a": "1"}},
            Asked("hi", {}, "a.b", "", metadata={"a": "1"}),
            id="a conversation in the metadata",
        ),
        pytest.param(
            {"previous_response_id": "resp_a.b.c", "conversation": "d", "conversation_id": "e"},
            Asked("hi", {}, "a.b", ""),
            id="the response before outranks all",
        ),
        pytest.param({"instructions": "be brief"}, Asked("hi", {}, "", "", instructions="be brief"), id="instructions"),
        pytest.param({"previous_response_id": "resp_a.b.c"}, Asked("hi", {}, "a.b", ""), id="a response before"),
        pytest.param({"previous_response_id": ""}, Asked("hi", {}, "", ""), id="an empty one is none"),
        pytest.param({"conversation": "a.b"}, Asked("hi", {}, "a.b", ""), id="a conversation"),
        pytest.param({"conversation": {"id": "a.b"}}, Asked("hi", {}, "a.b", ""), id="a conversation's object"),
        pytest.param(
            CODEX,
            Asked(
                "c",
                {},
                "",
                "",
                app_name="support",
                instructions="be brief\n\nbe kind",
                history=(Message("user", "a"), Message("assistant", "b")),
            ),
            id="Codex",
        ),
    ],
)
def test_a_request_asks_for(members: dict[str, Any], expected: Asked) -> None:
    assert read(**members).asked() == expected


def test_a_file_is_named_by_its_place() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://x/y", "detail": "auto"}]
    given = [{"type": "reasoning", "summary": []}, {"role": "user", "content": parts}]
    assert read(input=given).asked().files == (Attachment("image", "https://x/y", "input[1].content[1]"),)


@pytest.mark.parametrize("store", [True, False, None])
def test_store_changes_nothing(store: bool | None) -> None:
    assert read(store=store).asked() == read().asked()


# -- The conversation in a response's id ---------------------------------------------------------------------------

PLAIN: Final = "fbd966e1-9f06-4fa8-9e4a-59100c620363"


@pytest.mark.parametrize(
    ("response_id", "handle"),
    [
        pytest.param("resp_conversation.signature.0b1c", "conversation.signature", id="a sealed handle and a message"),
        pytest.param(f"resp_{PLAIN}.0b1c", PLAIN, id="Dify's own id, under conversation_ids: plain"),
        pytest.param(f"resp_{'0b1c' * 8}", "", id="a workflow's run has no conversation"),
        pytest.param("conversation.signature", "conversation.signature", id="a handle alone"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_response_id_holds_a_handle(response_id: str, handle: str) -> None:
    assert handle_in(response_id) == handle


# -- What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "named"),
    [
        pytest.param({"input": None}, "'input' must be a string or a list", id="input is null"),
        pytest.param({"input": {"role": "user"}}, "'input' must be a string or a list", id="an item without its list"),
        pytest.param({"input": ["hi"]}, "'input[0]' must be an object", id="an item that is a text"),
        pytest.param({"input": []}, "'input' has no message", id="no items"),
        pytest.param(
            {"input": [{"type": "function_call_output"}]}, "'input' has no message", id="a tool's result only"
        ),
        pytest.param({"input": [{"role": "user", "content": 5}]}, "'input[0].content'", id="content of no form"),
        pytest.param({"background": True}, "'background'", id="in the background"),
        pytest.param({"tool_choice": "required"}, "'tool_choice'", id="any tool"),
        pytest.param({"tool_choice": {"type": "function", "name": "f"}}, "'tool_choice'", id="a tool"),
        pytest.param({"conversation": 5}, "'conversation'", id="a conversation as a number"),
        pytest.param({"conversation": {"id": 5}}, "'conversation'", id="a conversation's object with a number"),
        pytest.param({"previous_response_id": 5}, "'previous_response_id' must be a string", id="an id as a number"),
        pytest.param({"metadata": []}, "'metadata' must be an object", id="metadata as a list"),
        pytest.param({"stream": 1}, "'stream'", id="stream as a number"),
    ],
)
def test_what_would_make_another_reply_is_a_400_that_names_the_member(members: dict[str, Any], named: str) -> None:
    error = refused(**members)
    assert (error.code, error.status) == ("invalid_request", 400)
    assert named in error.message


@given(members=st.dictionaries(st.sampled_from([*ResponsesRequest.model_fields]), json_values, max_size=4))
def test_any_request_is_read_or_refused(members: dict[str, Any]) -> None:
    try:
        asked = read(**members).asked()
    except DuckError as refusal:
        assert refusal.status == 400  # noqa: PT017 - a refusal is one of two good ends
    else:
        assert isinstance(asked.query, str)
