import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from gateway.events import Kind
from gateway.kinds import Variable, variables
from gateway.protocols.mcp.schema import MOST_FAULTS, MOST_ITEMS, ToolInput, open_input, tool_input

RECORDINGS: Final = Path(__file__).resolve().parents[4] / "recordings" / "plugin"
CONVERSATION: Final = {
    "type": "string",
    "description": "Goes on with a conversation: the conversation_id of an earlier result. Left out, a new one begins.",
}
LINK: Final = {"type": "string", "pattern": r"^[hH][tT][tT][pP][sS]?://[^\s]+$"}


def recorded(name: str) -> tuple[Variable, ...]:
    """The form of a real app."""
    return variables(json.loads((RECORDINGS / f"fetch_app.{name}.json").read_text("utf-8")))


def text(name: str, **more: Any) -> Variable:
    return Variable(name, "text-input", is_typed=True, **more)


# -- The schema ----------------------------------------------------------------------------------------------------


def test_a_workflows_form_is_its_schema() -> None:
    assert tool_input(Kind.WORKFLOW, recorded("workflow-full")).schema == {
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "maxLength": 48,
                "title": "Your name 姓名",
                "description": "Who are you?",
                "default": "Bob <b>",
            },
            "bio": {
                "type": "string",
                "maxLength": 500,
                "title": "Bio",
                "description": "Bio",
                "default": "line1\nline2",
            },
            "color": {
                "type": "string",
                "enum": ["red", 'blue "dark"', "绿"],
                "title": "Colour",
                "description": "Colour",
                "default": "red",
            },
            "age": {"type": "number", "title": "Age", "description": "Age", "default": 7},
            "agree": {"type": "boolean", "title": "I agree", "description": "I agree", "default": True},
            "doc": {
                **LINK,
                "title": "Document",
                "description": "Document: link to a file (document, image) that Dify can reach",
            },
            "pics": {
                "type": "array",
                "items": LINK,
                "maxItems": 3,
                "title": "Pictures",
                "description": "Pictures: links to files (image) that Dify can reach",
            },
            "custom": {
                **LINK,
                "title": "Custom",
                "description": "Custom: link to a file (custom) that Dify can reach",
            },
            "cfg": {
                "properties": {"a": {"type": "number"}},
                "required": ["a"],
                "type": "object",
                "title": "Config",
                "description": "Config",
            },
        },
        "required": ["name", "color"],
        "additionalProperties": False,
    }


def test_a_chat_takes_a_query_and_a_conversation_beside_its_form() -> None:
    schema = tool_input(Kind.CHAT, recorded("chat-form")).schema
    assert list(schema["properties"]) == ["query", "name", "color", "n", "conversation_id"]
    assert (schema["required"], schema["properties"]["conversation_id"]) == (["query", "name"], CONVERSATION)


@pytest.mark.parametrize(
    ("kind", "form", "required"),
    [
        pytest.param(Kind.CHAT, (), ["query"], id="a chat"),
        pytest.param(Kind.AGENT, (), ["query"], id="an agent"),
        pytest.param(Kind.CHATFLOW, (text("a", is_required=True),), ["query", "a"], id="a chatflow"),
        pytest.param(None, (replace(text("a"), is_typed=False),), ["query"], id="a form of no workflow"),
        pytest.param(None, (), None, id="unknown, without a form: it may be a workflow"),
        pytest.param(None, (text("a", is_required=True),), ["a"], id="unknown, with a workflow's form"),
        pytest.param(Kind.WORKFLOW, (), None, id="a workflow"),
        pytest.param(Kind.COMPLETION, (text("query", is_required=True),), ["query"], id="a text generator"),
    ],
)
def test_what_is_required(kind: Kind | None, form: tuple[Variable, ...], required: list[str] | None) -> None:
    assert tool_input(kind, form).schema.get("required") == required


@pytest.mark.parametrize("kind", [Kind.WORKFLOW, Kind.COMPLETION])
def test_what_has_no_conversation_takes_none(kind: Kind) -> None:
    assert (tool_input(kind, ()).schema["properties"], open_input(kind).schema["properties"]) == ({}, {})


def test_a_field_that_the_operator_has_filled_is_not_required() -> None:
    takes = tool_input(Kind.WORKFLOW, (text("a", is_required=True), text("b", is_required=True)), filled=["a"])
    assert (takes.schema["required"], list(takes.schema["properties"])) == (["b"], ["a", "b"])


def test_a_field_named_like_an_argument_of_a_chat_is_called_otherwise() -> None:
    takes = tool_input(Kind.CHAT, (text("query"), text("conversation_id")))
    assert list(takes.schema["properties"]) == ["query", "query_input", "conversation_id_input", "conversation_id"]
    asked = takes.asked({"query": "hi", "query_input": "a", "conversation_id_input": "b", "conversation_id": "c"})
    assert (asked.query, asked.conversation_id, asked.inputs) == ("hi", "c", {"query": "a", "conversation_id": "b"})


def test_a_workflows_own_query_is_an_input() -> None:
    asked = tool_input(Kind.WORKFLOW, (text("query"),)).asked({"query": "hi"})
    assert (asked.query, asked.inputs) == ("", {"query": "hi"})


@pytest.mark.parametrize(
    ("variable", "is_there"),
    [
        (text("a", is_hidden=True), False),
        (text("a", is_hidden=True, is_required=True), True),
        (Variable("a", "external_data_tool", is_typed=False), False),
        (Variable("a", "a-type-of-a-later-dify", is_typed=True), True),
    ],
    ids=["hidden", "hidden but required", "filled by Dify", "unknown"],
)
def test_what_a_caller_should_not_fill_is_left_out(variable: Variable, is_there: bool) -> None:
    assert ("a" in tool_input(Kind.WORKFLOW, (variable,)).schema["properties"]) is is_there


@pytest.mark.parametrize(
    ("variable", "default"),
    [
        (text("a", default="x"), "x"),
        (text("a", default=""), None),
        (text("a", default=3), None),
        (Variable("a", "select", is_typed=True, options=("x",), default="x"), "x"),
        (Variable("a", "select", is_typed=True, options=("x",), default=""), None),
        (Variable("a", "checkbox", is_typed=True, default=False), False),
        (Variable("a", "checkbox", is_typed=True, default="yes"), None),
        (Variable("a", "number", is_typed=True, default="7"), 7),
        (Variable("a", "number", is_typed=True, default="1.5"), 1.5),
        (Variable("a", "number", is_typed=True, default=0), 0),
        (Variable("a", "number", is_typed=True, default=""), None),
        (Variable("a", "number", is_typed=True, default="inf"), None),
        (Variable("a", "number", is_typed=True, default=True), None),
        (Variable("a", "file", is_typed=True, default="x"), None),
    ],
    ids=lambda value: repr(value) if not isinstance(value, Variable) else f"{value.type} {value.default!r}",
)
def test_a_default_is_of_the_fields_own_type_or_left_out(variable: Variable, default: object) -> None:
    schema = tool_input(Kind.WORKFLOW, (variable,)).schema["properties"]["a"]
    assert schema.get("default") == default
    assert ("default" in schema) is (default is not None)


OBJECT: Final = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param(OBJECT, OBJECT, id="plain"),
        pytest.param({}, {"type": "object"}, id="none"),
        pytest.param({"type": "array"}, {"type": "object"}, id="of another type"),
        pytest.param({"type": "object", "properties": 3}, {"type": "object"}, id="no schema"),
        pytest.param({**OBJECT, "$schema": "x", "uniqueItems": True}, OBJECT, id="beside what is not plain"),
        pytest.param(
            {"type": "object", "minProperties": -1, "required": 3, "enum": [{}]}, {"type": "object"}, id="ill formed"
        ),
        pytest.param(
            {"type": "object", "properties": {"pattern": {"type": "string"}}},
            {"type": "object", "properties": {"pattern": {"type": "string"}}},
            id="a member that is called like a keyword",
        ),
        pytest.param({"type": "object", "$ref": "https://x.example/"}, {"type": "object"}, id="leads elsewhere"),
        pytest.param(
            {"type": "object", "properties": {"a": {"pattern": "(a+)+$"}}},
            {"type": "object", "properties": {"a": {}}},
            id="holds a pattern",
        ),
        pytest.param({"type": "object", "allOf": [{"$ref": "#"}]}, {"type": "object"}, id="leads to itself"),
    ],
)
def test_what_an_author_demands_of_an_object_is_taken_where_it_is_plain(
    given: Mapping[str, Any], shown: Mapping[str, Any]
) -> None:
    form = (Variable("a", "json_object", is_typed=True, json_schema=given),)
    assert tool_input(Kind.WORKFLOW, form).schema["properties"]["a"] == shown


@pytest.mark.parametrize("name", ["workflow-full", "workflow-inputs", "chat-full", "chat-form", "chatflow-full"])
@pytest.mark.parametrize("kind", [Kind.CHAT, Kind.WORKFLOW, None], ids=str)
def test_every_schema_is_a_good_one(name: str, kind: Kind | None) -> None:
    Draft202012Validator.check_schema(tool_input(kind, recorded(name)).schema)


# -- The arguments -------------------------------------------------------------------------------------------------

FORM: Final = tool_input(
    Kind.CHAT,
    (
        text("name", max_length=5, is_required=True),
        Variable("color", "select", is_typed=True, options=("red", "blue")),
        Variable("age", "number", is_typed=True),
        Variable("doc", "file", is_typed=True),
        Variable("pics", "file-list", is_typed=True, max_length=1),
        Variable("cfg", "json_object", is_typed=True, json_schema={**OBJECT, "required": ["a"]}),
    ),
)
GOOD: Final = {"query": "hi", "name": "Ann"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        pytest.param({"query": ""}, "'query' must have at least 1 characters.", id="an empty query"),
        pytest.param({"name": "Annabel"}, "'name' must have at most 5 characters.", id="too long"),
        pytest.param({"name": 3}, "'name' must be of the type string.", id="of another type"),
        pytest.param({"color": "green"}, "'color' must be one of: red, blue.", id="no option"),
        pytest.param({"age": "3"}, "'age' must be of the type number.", id="a number as text"),
        pytest.param({"age": True}, "'age' must be of the type number.", id="true for a number"),
        pytest.param({"doc": "file:///etc/passwd"}, "'doc' must be an http(s) link.", id="no link"),
        pytest.param({"pics": "https://a.example/b"}, "'pics' must be of the type array.", id="a link for links"),
        pytest.param({"pics": ["x"]}, "'pics.0' must be an http(s) link.", id="no link among links"),
        pytest.param({"pics": ["https://a.example/b"] * 2}, "'pics' must have at most 1 items.", id="too many links"),
        pytest.param({"cfg": {}}, "'cfg.a' must be given.", id="a member that the author demands"),
        pytest.param({"cfg": {"a": 1.5}}, "'cfg.a' must be of the type integer.", id="of another type inside"),
        pytest.param(
            {"colour": "red"},
            "'colour' is no argument of this tool, which takes: query, name, color, age, doc, pics, cfg, "
            "conversation_id.",
            id="unknown",
        ),
    ],
)
def test_a_fault_is_told_in_words(changed: Mapping[str, Any], sentence: str) -> None:
    assert FORM.faults({**GOOD, **changed}) == [sentence]


def test_faults_are_told_together_and_never_what_was_sent() -> None:
    secret = "a-very-private-value"
    told = FORM.faults({"name": secret, "color": secret, "age": secret, "doc": secret, "pics": secret, "cfg": secret})
    assert (len(told), told[0]) == (MOST_FAULTS, "'query' must be given.")
    assert secret not in " ".join(told)


def test_each_fault_is_told_once() -> None:
    form = (
        Variable("a", "number", is_typed=True, is_required=True),
        Variable("b", "number", is_typed=True, is_required=True),
    )
    assert tool_input(Kind.WORKFLOW, form).faults({}) == ["'a' must be given.", "'b' must be given."]


def test_a_list_of_thousands_is_refused_before_its_items_are_looked_at() -> None:
    assert FORM.faults({**GOOD, "pics": [1] * 90_000}) == [f"'pics' must have at most {MOST_ITEMS} items."]


@pytest.mark.parametrize("url", ["http://[::1", "http://]", "HTTPS://x.example/a.png", "http://x"])
def test_any_link_is_taken_without_raising(url: str) -> None:
    assert FORM.faults({**GOOD, "doc": url}) == []
    assert FORM.asked({**GOOD, "doc": url}).inputs["doc"]["url"] == url


def test_fields_that_are_called_alike_have_arguments_of_their_own() -> None:
    names = ("query", "query_input", "conversation_id")
    form = tuple(Variable(name, "text-input", is_typed=False, is_required=True) for name in names)
    takes = tool_input(Kind.CHAT, form)
    arguments = {"query": "q", "query_input_input": "a", "query_input": "b", "conversation_id_input": "c"}
    assert takes.faults(arguments) == []
    assert takes.asked(arguments).inputs == {"query": "a", "query_input": "b", "conversation_id": "c"}


def test_an_authors_schema_can_not_be_without_an_end() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    form = (Variable("a", "json_object", is_typed=True, json_schema=schema),)
    assert tool_input(Kind.WORKFLOW, form).faults({"a": {"a": {}}}) == []


def test_a_long_name_is_cut() -> None:
    (told,) = tool_input(Kind.WORKFLOW, ()).faults({"x" * 5_000: 1})
    assert told == f"'{'x' * 100}' is no argument of this tool, which takes: none."


def test_a_null_is_how_a_model_leaves_an_argument_out() -> None:
    given = FORM.without_nulls({**GOOD, "color": None, "age": None, "unknown": None})
    assert given == {**GOOD, "unknown": None}


def test_good_arguments_have_no_faults() -> None:
    links = {"doc": "http://a.example/b.pdf", "pics": ["https://a.example/c.png"]}
    assert FORM.faults({**GOOD, **links, "color": "red", "age": -1.5, "cfg": {"a": 1, "b": 2}}) == []


def test_where_the_form_is_not_known_everything_is_taken_and_is_an_input() -> None:
    takes = open_input(None)
    arguments = {"query": "hi", "anything": [1]}
    assert takes.faults(arguments) == []
    asked = takes.asked(arguments)
    assert (asked.query, asked.inputs) == ("hi", {"anything": [1]})


@pytest.mark.parametrize(
    ("types", "url", "type_"),
    [
        ((), "https://a.example/b.png", "image"),
        ((), "https://a.example/b.mp3?x=y.png", "audio"),
        ((), "https://a.example/b.mp4", "video"),
        ((), "https://a.example/b.pdf", "document"),
        ((), "https://a.example/b", "document"),
        (("image", "document"), "https://a.example/b.png", "image"),
        (("image",), "https://a.example/b", "image"),
        (("image", "custom"), "https://a.example/b.pdf", "custom"),
        (("custom",), "https://a.example/b.png", "custom"),
    ],
)
def test_a_link_is_a_file_of_a_type_that_the_field_takes(types: tuple[str, ...], url: str, type_: str) -> None:
    expected = {"type": type_, "transfer_method": "remote_url", "url": url}
    assert _takes_files("file", types).asked({"f": url}).inputs == {"f": expected}
    assert _takes_files("file-list", types).asked({"f": [url]}).inputs == {"f": [expected]}


def _takes_files(type_: str, types: tuple[str, ...]) -> ToolInput:
    return tool_input(Kind.WORKFLOW, (Variable("f", type_, is_typed=True, file_types=types),))
