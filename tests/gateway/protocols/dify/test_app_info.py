import json
from typing import Any, Final

import pytest
from hypothesis import given

from gateway.events import Kind
from gateway.protocols.dify.app_info import info, meta, parameters, site
from gateway.settings import App
from gateway.wire import json_bytes
from tests.gateway.mutations import json_values
from tests.gateway.protocols.dify.dify_replies import ANSWER, FULL, PROGRESS, SERVICE, service_body
from tests.gateway.recorded import input_form

APP: Final = App("support", "11111111-1111-4111-8111-111111111111")
APPS: Final = sorted(path.name.split(".")[1] for path in SERVICE.glob("parameters.*.json") if ".meta." not in path.name)
MODERATED: Final = ["chat-mod", "chatflow-mod"]


def body(kind: str, app: str) -> dict[str, Any]:
    return service_body(kind, app)


def in_order(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- /parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("app", [app for app in APPS if app not in MODERATED])
def test_parameters_are_difys_whichever_way_they_came(app: str) -> None:
    assert in_order(parameters(body("parameters", app))) == in_order(body("parameters", app))
    assert parameters(input_form(app)) == body("parameters", app)
    assert list(parameters(input_form(app))) == list(body("parameters", app))


@pytest.mark.parametrize("app", MODERATED)
def test_of_a_moderation_nothing_is_told_but_that_it_is_on(app: str) -> None:
    told = parameters(body("parameters", app))
    assert told["sensitive_word_avoidance"] == {"enabled": True, "type": "", "config": {}}
    assert {**told, "sensitive_word_avoidance": 0} == {**body("parameters", app), "sensitive_word_avoidance": 0}


def test_a_tools_settings_are_not_told() -> None:
    entry = {"label": "Weather", "variable": "w", "type": "api", "required": True, "config": {"api_key": "SECRET"}}
    told = parameters({"user_input_form": [{"external_data_tool": {**entry, "icon": "SECRET"}}]})
    assert told == {
        "user_input_form": [
            {"external_data_tool": {"label": "Weather", "variable": "w", "type": "api", "required": True}}
        ]
    }


def test_a_feature_that_nobody_knows_is_not_told() -> None:
    told = parameters({"tomorrow": 1, "annotation_reply": {"enabled": True, "id": "a", "embedding_model": {"x": 1}}})
    assert told == {"annotation_reply": {"enabled": True, "id": "", "embedding_model": {}}}


# -- /info -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("app", APPS)
def test_info_is_difys_where_it_is_known(app: str) -> None:
    assert in_order(info(APP, None, body("info", app), FULL)) == in_order(body("info", app))


@pytest.mark.parametrize("view", [ANSWER, PROGRESS], ids=["answer", "progress"])
def test_an_authors_name_leaves_at_full_only(view: Any) -> None:
    assert info(APP, None, body("info", "chat"), view) == {**body("info", "chat"), "author_name": ""}


@pytest.mark.parametrize(
    ("kind", "mode"), [(Kind.WORKFLOW, "workflow"), (Kind.CHATFLOW, "advanced-chat"), (None, "chat")], ids=str
)
def test_info_without_the_service_api_is_what_duck_knows(kind: Kind | None, mode: str) -> None:
    assert info(APP, kind, {}, FULL) == {
        "name": "support",
        "description": "",
        "tags": [],
        "mode": mode,
        "author_name": "",
    }


# -- /site and /meta -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("app", APPS)
def test_site_is_difys_where_it_is_known(app: str) -> None:
    assert in_order(site(APP, body("site", app), FULL)) == in_order(body("site", app))


def test_site_without_the_service_api_is_that_of_a_new_app() -> None:
    assert in_order(site(APP, {}, FULL)) == in_order({**body("site", "chat"), "title": "support"})


@pytest.mark.parametrize(("view", "shows"), [(ANSWER, False), (PROGRESS, True)], ids=["answer", "progress"])
def test_a_client_is_told_to_show_steps_where_it_is_sent_any(view: Any, *, shows: bool) -> None:
    assert site(APP, body("site", "chatflow"), view)["show_workflow_steps"] is shows


def test_steps_that_the_app_does_not_show_are_not_shown() -> None:
    assert site(APP, {"show_workflow_steps": False}, FULL)["show_workflow_steps"] is False


@pytest.mark.parametrize("app", APPS)
def test_meta_is_difys_where_it_is_known(app: str) -> None:
    assert meta(body("meta", app), FULL) == body("meta", app)


def test_an_icons_link_does_not_name_the_tenant() -> None:
    icons = {"a": "https://x/icon?tenant_id=4412c408-1a70-44a2-b27e-150406652fe9&filename=f", "b": {"content": "B"}}
    assert meta({"tool_icons": icons}, FULL) == {
        "tool_icons": {"a": "https://x/icon?filename=f", "b": {"content": "B"}}
    }


def test_tools_have_no_names_at_answer() -> None:
    assert body("meta", "agent-chat")["tool_icons"]
    assert meta(body("meta", "agent-chat"), ANSWER) == {"tool_icons": {}}
    assert meta({}, FULL) == {"tool_icons": {}}


# -- Whatever Dify tells ---------------------------------------------------------------------------------------------


@given(json_values)
def test_any_json_is_told_without_raising(value: Any) -> None:
    names = ("user_input_form", "text_to_speech", "name", "tags", "title", "tool_icons", "sensitive_word_avoidance")
    told = dict.fromkeys(names, value)
    for said in (parameters(told), info(APP, None, told, FULL), site(APP, told, FULL), meta(told, FULL)):
        json_bytes(said)
