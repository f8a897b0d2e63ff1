from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import pytest
from werkzeug.datastructures import Headers

from gateway.call import Asked, Attachment
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.hooks.content import Content
from gateway.hooks.entry import Hook
from gateway.hooks.mapping import asked_of
from gateway.kinds import Variable
from gateway.settings.hook_entry import read_hook
from gateway.wire import json_text

ISSUE: Final = {"action": "opened", "issue": {"title": "Broken", "number": 42, "labels": ["bug"]}, "none": None}
JSON: Final = Content(ISSUE, json_text(ISSUE))
TEXT: Final = Content(None, "Hello")
HEADERS: Final = Headers({"X-GitHub-Event": "issues"})
FORM: Final = (
    Variable("action", "text-input", is_typed=True),
    Variable("issue", "paragraph", is_typed=True),
    Variable("count", "number", is_typed=True),
    Variable("none", "paragraph", is_typed=True),
    Variable("labels", "json_object", is_typed=True),
)
NO_HOOK: Final[Mapping[str, Any]] = MappingProxyType({})
ISSUE_TEXT: Final = json_text(ISSUE["issue"])


def asked(hook: Mapping[str, Any], content: Content, kind: Kind | None, *form: Variable) -> Asked:
    return asked_of(read_hook(dict(hook)) if hook else Hook(), content, HEADERS, kind, form)


def expected(query: str = "", **inputs: Any) -> Asked:
    return Asked(query, inputs, "", "")


@pytest.mark.parametrize("kind", [Kind.CHAT, Kind.AGENT, Kind.CHATFLOW, None])
@pytest.mark.parametrize("content", [JSON, TEXT], ids=["JSON", "text"])
def test_without_a_hook_a_chat_is_asked_the_whole_body(kind: Kind | None, content: Content) -> None:
    assert asked(NO_HOOK, content, kind, *FORM) == expected(content.text)


@pytest.mark.parametrize("kind", [Kind.WORKFLOW, Kind.COMPLETION])
@pytest.mark.parametrize(
    ("content", "form", "result"),
    [
        pytest.param(JSON, FORM, expected(action="opened", issue=ISSUE_TEXT), id="members with an input's name"),
        pytest.param(JSON, FORM[2:], expected(JSON.text), id="none with an input's name"),
        pytest.param(JSON, (), expected(JSON.text), id="no inputs"),
        pytest.param(TEXT, FORM, expected("Hello"), id="text"),
        pytest.param(Content([1], "[1]"), FORM, expected("[1]"), id="a list"),
        pytest.param(Content({"count": "7"}, "count=7"), FORM, expected(count="7"), id="a form"),
    ],
)
def test_without_a_hook_a_workflow_gets_members_by_name_or_the_whole_body(
    kind: Kind, content: Content, form: tuple[Variable, ...], result: Asked
) -> None:
    assert asked(NO_HOOK, content, kind, *form) == result


@pytest.mark.parametrize(
    ("hook", "content", "result"),
    [
        pytest.param({"body": "issue"}, JSON, expected(issue=JSON.text), id="the whole body"),
        pytest.param({"body": "issue"}, TEXT, expected(issue="Hello"), id="the whole body, of text"),
        pytest.param({"fields": "on"}, JSON, expected(action="opened", issue=ISSUE_TEXT), id="fields"),
        pytest.param({"fields": "on"}, TEXT, expected(), id="fields of a text"),
        pytest.param({"inputs": {"action": "issue.title"}}, JSON, expected(action="Broken"), id="a path"),
        pytest.param({"inputs": {"action": "issue.number"}}, JSON, expected(action="42"), id="a number for a text"),
        pytest.param({"inputs": {"count": "issue.number"}}, JSON, expected(count=42), id="a number for a number"),
        pytest.param({"inputs": {"issue": "issue.labels"}}, JSON, expected(issue='["bug"]'), id="a list for a text"),
        pytest.param({"inputs": {"labels": "issue"}}, JSON, expected(labels=ISSUE["issue"]), id="an object"),
        pytest.param({"inputs": {"other": "issue.number"}}, JSON, expected(other=42), id="an unknown input"),
        pytest.param({"inputs": {"action": "nothing"}}, JSON, expected(), id="a path to nothing"),
        pytest.param({"inputs": {"action": "@"}}, TEXT, expected(action="Hello"), id="a path into a text"),
        pytest.param({"headers": {"action": "x-github-event"}}, JSON, expected(action="issues"), id="a header"),
        pytest.param({"headers": {"action": "X-Other"}}, JSON, expected(), id="a header that is not there"),
        pytest.param({"query": "issue.title"}, JSON, expected("Broken"), id="a query"),
        pytest.param({"query": "issue"}, JSON, expected(ISSUE_TEXT), id="an object for a query"),
        pytest.param({"query": "nothing"}, JSON, expected(), id="nothing for a query"),
        pytest.param(
            {"fields": "on", "inputs": {"action": "issue.title"}, "headers": {"count": "X-GitHub-Event"}},
            JSON,
            expected(action="Broken", issue=ISSUE_TEXT, count="issues"),
            id="what is named, before fields of the same name",
        ),
    ],
)
def test_a_workflow_gets_what_its_hook_says_and_nothing_else(
    hook: Mapping[str, Any], content: Content, result: Asked
) -> None:
    assert asked(hook, content, Kind.WORKFLOW, *FORM) == result


@pytest.mark.parametrize(
    ("hook", "query"),
    [
        ({"inputs": {"action": "action"}}, JSON.text),
        ({"inputs": {"action": "action"}, "query": "issue.title"}, "Broken"),
        ({"inputs": {"action": "action"}, "query": "nothing"}, ""),
    ],
    ids=["without a path for it", "by its path", "a path to nothing"],
)
def test_a_chat_is_asked_the_whole_body_unless_its_hook_says_what(hook: Mapping[str, Any], query: str) -> None:
    assert asked(hook, JSON, Kind.CHAT, *FORM) == expected(query, action="opened")


def test_a_file_comes_along() -> None:
    file = Attachment("image", "data:image/png;base64,AP8=", "f")
    assert asked(NO_HOOK, Content({}, "", (file,)), Kind.WORKFLOW, *FORM).files == (file,)


def test_a_path_that_does_not_fit_is_a_400() -> None:
    with pytest.raises(DuckError) as refusal:
        asked({"query": "length(issue.number)"}, JSON, Kind.CHAT)
    assert refusal.value.code == "invalid_request"
