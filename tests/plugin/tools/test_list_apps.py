"""The tool List apps."""

import json
from typing import Any

from tests.plugin.tools.conftest import Toolbox
from workbench.apps import DEMO_APPS

APPS = json.dumps(
    {
        "desk": {"app_id": DEMO_APPS["echo"], "kind": "chat", "title": "Help desk", "about": "Answers customers."},
        "write": {"app_id": DEMO_APPS["workflow"], "user": "hidden"},
        "gone": {"app_id": DEMO_APPS["nowhere"]},
        "broken": {"app_id": "nonsense"},
    }
)


def test_each_app_is_told_with_what_it_is_and_takes_but_none_whose_entry_is_faulty(tools: Toolbox) -> None:
    said = tools.list({"apps": APPS})
    assert said.text == (
        "desk (chat), Help desk: Answers customers. Takes a query.\n"
        "write (workflow). Inputs: text (text-input, required).\n"
        "gone. What it takes is not known."
    )
    empty: dict[str, Any] = {"title": "", "about": ""}
    text = {"name": "text", "type": "text-input", "required": True, "max_length": 20_000}
    assert said.json == {
        "apps": [
            {
                "alias": "desk",
                "title": "Help desk",
                "about": "Answers customers.",
                "kind": "chat",
                "needs_query": True,
                "inputs": [],
            },
            {"alias": "write", **empty, "kind": "workflow", "needs_query": False, "inputs": [text]},
            {"alias": "gone", **empty, "kind": "", "needs_query": None, "inputs": None},
        ]
    }


def test_an_input_tells_all_that_its_form_says(tools: Toolbox) -> None:
    (app,) = tools.list({"apps": f"form={DEMO_APPS['form']}"}).json["apps"]
    inputs = {field["name"]: field for field in app["inputs"]}
    color = {"type": "select", "required": True, "options": ["red", "blue"], "max_length": 48}
    assert inputs["color"] == {"name": "color", **color}
    assert inputs["document"]["file_types"] == ["document", "image"]


def test_the_input_for_the_user_is_not_the_callers(tools: Toolbox) -> None:
    apps = f'{{"write": {{"app_id": "{DEMO_APPS["workflow"]}", "user": "text"}}}}'
    assert tools.list({"apps": apps}).json["apps"][0]["inputs"] == []


def test_an_app_with_a_key_is_described_by_the_service_api(tools: Toolbox) -> None:
    apps = {app["alias"]: app["kind"] for app in tools.list(tools.keys("agent", "completion")).json["apps"]}
    assert (apps["agent"], apps["completion"]) == ("agent-chat", "completion")


def test_where_no_apps_are_listed_it_says_where_to_list_them(tools: Toolbox) -> None:
    said = tools.list({})
    assert said.text == (
        "No apps are listed. Whoever has authorized Duck under Tools in Dify lists them there, as alias=app_id."
    )
    assert said.json == {"apps": []}
