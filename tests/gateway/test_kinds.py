import time
from typing import Any, Final

import pytest

from gateway.errors import DuckError
from gateway.events import Kind
from gateway.kinds import LEARNT_FOR, MOST_LEARNT, Kinds, Variable, variables
from gateway.settings import App
from gateway.transports.reverse import ReverseTransport
from tests.gateway.fake_dify import FakeApp, FakeDify, variable
from tests.gateway.recorded import input_form

ID: Final = "11111111-1111-4111-8111-111111111111"
APP: Final = App("app", ID)


def workspace(kind: Kind, *form: dict[str, Any]) -> FakeDify:
    return FakeDify({ID: FakeApp(kind, form)})


def found(dify: FakeDify, app: App = APP) -> Kind | None:
    return Kinds().find("e", app, ReverseTransport(dify.session()))


def query_variable(*form: dict[str, Any], app: App = APP) -> str:
    transport = ReverseTransport(workspace(Kind.WORKFLOW, *form).session())
    return Kinds().query_variable("e", app, transport)


# -- The form ------------------------------------------------------------------------------------------------------


def test_a_form_is_read_with_what_people_and_machines_are_told_of_its_fields() -> None:
    parameters = {
        "user_input_form": [
            {
                "select": {
                    "variable": "color",
                    "type": "select",
                    "label": "Colour",
                    "description": "Which?",
                    "required": True,
                    "hide": True,
                    "options": ["red", 3, "blue"],
                    "default": "red",
                    "max_length": 48,
                }
            },
            {
                "file-list": {
                    "variable": "files",
                    "label": None,
                    "allowed_file_types": ["image"],
                    "max_length": None,
                }
            },
            {"json_object": {"variable": "more", "json_schema": {"type": "object"}, "options": "none"}},
            {"number": {"variable": 3}},
            {"text-input": "malformed"},
            "malformed",
        ]
    }
    assert variables(parameters) == (
        Variable(
            "color",
            "select",
            is_typed=True,
            is_required=True,
            is_hidden=True,
            label="Colour",
            description="Which?",
            options=("red", "blue"),
            default="red",
            max_length=48,
        ),
        Variable("files", "file-list", is_typed=False, file_types=("image",)),
        Variable("more", "json_object", is_typed=False, json_schema={"type": "object"}),
    )


# -- Which kind ----------------------------------------------------------------------------------------------------

TYPED: Final = ("text-input", "paragraph", "select", "number", "file", "file-list", "json_object")


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize("kind", [Kind.WORKFLOW, Kind.CHATFLOW])
@pytest.mark.parametrize("type_", TYPED)
def test_a_form_with_types_is_probed_and_nothing_runs(type_: str, kind: Kind, required: bool) -> None:
    dify = workspace(kind, variable(type_, "v", required=required))
    assert found(dify) is kind
    assert [request["query"] for _, request in dify.calls] == [""]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        pytest.param(Kind.WORKFLOW, [], id="a workflow without a form"),
        pytest.param(Kind.CHATFLOW, [], id="a chatflow without a form"),
        pytest.param(Kind.WORKFLOW, [variable("checkbox", "v")], id="a checkbox takes everything, so it would run"),
        pytest.param(Kind.CHAT, [variable("text-input", "v", is_typed=False)], id="a chat app with a form"),
        pytest.param(Kind.COMPLETION, [variable("paragraph", "query", is_typed=False)], id="a completion app"),
    ],
)
def test_what_can_not_be_probed_is_not_run_to_find_out(kind: Kind, form: list[dict[str, Any]]) -> None:
    dify = workspace(kind, *form)
    assert found(dify) is None
    assert dify.calls == []


@pytest.mark.parametrize("app", ["workflow", "workflow-full", "workflow-inputs"])
def test_recorded_forms_of_workflows_are_probed(app: str) -> None:
    dify = workspace(Kind.WORKFLOW, *input_form(app)["user_input_form"])
    assert found(dify) is Kind.WORKFLOW


@pytest.mark.parametrize("app", ["chat", "chat-form", "chat-full", "agent-chat", "completion", "chatflow"])
def test_recorded_forms_of_others_give_nothing_away(app: str) -> None:
    dify = workspace(Kind.CHAT, *input_form(app)["user_input_form"])
    assert found(dify) is None
    assert dify.calls == []


def test_the_settings_outrank_what_dify_would_say() -> None:
    dify = workspace(Kind.CHATFLOW, variable("file", "v"))
    assert found(dify, App("app", ID, kind=Kind.AGENT)) is Kind.AGENT
    assert (dify.asked, dify.calls) == ([], [])


def test_an_app_that_dify_does_not_know_has_no_kind() -> None:
    assert found(FakeDify({})) is None


@pytest.mark.parametrize(
    "form",
    [None, "text", [None], ["x"], [{"text-input": None}], [{"text-input": {}}], [{"text-input": {"variable": 5}}]],
    ids=str,
)
def test_a_malformed_form_gives_nothing_away(form: Any) -> None:
    dify = workspace(Kind.WORKFLOW)
    session: Any = dify.session()
    session.app.fetch_app = lambda **_: {"user_input_form": form}
    assert Kinds().find("e", APP, ReverseTransport(session)) is None
    assert dify.calls == []


# -- What is remembered --------------------------------------------------------------------------------------------


def test_an_app_is_asked_once() -> None:
    dify = workspace(Kind.WORKFLOW, variable("text-input", "v"))
    known, transport = Kinds(), ReverseTransport(dify.session())
    assert {known.find("e", APP, transport) for _ in range(3)} == {Kind.WORKFLOW}
    assert (len(dify.asked), len(dify.calls)) == (1, 1)


def test_what_a_run_taught_is_known_without_asking() -> None:
    known, dify = Kinds(), FakeDify({})
    known.learn("e", APP, Kind.CHAT)
    assert known.known("e", APP) is Kind.CHAT
    assert known.find("e", APP, ReverseTransport(dify.session())) is Kind.CHAT
    assert dify.asked == []


def test_endpoints_learn_for_themselves() -> None:
    known = Kinds()
    known.learn("one", APP, Kind.CHAT)
    assert known.known("two", APP) is None


def test_what_was_learnt_is_forgotten_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    known, now = Kinds(), 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    known.learn("e", APP, Kind.CHAT)
    now += LEARNT_FOR - 1
    assert known.known("e", APP) is Kind.CHAT
    now += 1
    assert known.known("e", APP) is None
    assert LEARNT_FOR == 600


def test_the_memory_has_a_bound() -> None:
    known = Kinds()
    for number in range(MOST_LEARNT + 10):
        known.learn("e", App("app", str(number)), Kind.CHAT)
    remembered = [number for number in range(MOST_LEARNT + 10) if known.known("e", App("app", str(number)))]
    assert 0 < len(remembered) <= MOST_LEARNT
    assert MOST_LEARNT + 9 in remembered


# -- Where a workflow takes its query ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param([variable("text-input", "city")], "city", id="the only text"),
        pytest.param([variable("number", "n"), variable("paragraph", "city")], "city", id="the only text among others"),
        pytest.param([variable("text-input", "a"), variable("text-input", "text")], "text", id="by its name"),
        pytest.param(
            [variable("paragraph", "prompt"), variable("text-input", "query")], "query", id="query before prompt"
        ),
        pytest.param(
            [variable("text-input", "message"), variable("text-input", "input")], "input", id="input before message"
        ),
    ],
)
def test_the_query_goes_to(form: list[dict[str, Any]], expected: str) -> None:
    assert query_variable(*form) == expected


def test_a_workflow_without_inputs_takes_no_query() -> None:
    assert query_variable() == ""


def test_the_query_goes_where_the_settings_say() -> None:
    assert query_variable(app=App("app", ID, query="anything")) == "anything"


@pytest.mark.parametrize(
    ("form", "listed"),
    [
        pytest.param([variable("number", "n"), variable("file", "query")], "n, query", id="no text"),
        pytest.param([variable("text-input", "a"), variable("paragraph", "b")], "a, b", id="two texts of other names"),
    ],
)
def test_where_it_is_not_known_it_is_a_400_that_lists_the_variables(form: list[dict[str, Any]], listed: str) -> None:
    with pytest.raises(DuckError) as refusal:
        query_variable(*form)
    assert (refusal.value.code, refusal.value.status) == ("wrong_app_kind", 400)
    assert f"inputs are: {listed}." in refusal.value.message


# -- Completion apps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "form", "expected"),
    [
        pytest.param(Kind.COMPLETION, [variable("paragraph", "query", is_typed=False)], True, id="a completion app"),
        pytest.param(Kind.CHAT, [variable("paragraph", "query", is_typed=False)], False, id="a chat app with a form"),
        pytest.param(Kind.COMPLETION, [], False, id="without a form it is not asked, for it could run"),
        pytest.param(
            Kind.WORKFLOW, [variable("text-input", "v")], False, id="a workflow is not asked, for it could run"
        ),
    ],
)
def test_a_completion_app_is_told_from_one_that_failed(kind: Kind, form: list[dict[str, Any]], expected: bool) -> None:
    dify = workspace(kind, *form)
    assert Kinds().is_completion("e", APP, ReverseTransport(dify.session())) is expected
    assert all(request["query"] == "" for _, request in dify.calls)


def test_an_app_that_dify_does_not_know_is_no_completion_app() -> None:
    assert Kinds().is_completion("e", APP, ReverseTransport(FakeDify({}).session())) is False
