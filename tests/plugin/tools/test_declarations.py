"""What Dify is told of the tools: in all its languages, and in the names that the code goes by."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scripts.package import ROOT
from tests.plugin.tools.conftest import Toolbox

LANGUAGES = {"en_US", "zh_Hans", "ja_JP", "pt_BR"}
RUNS = ["tools/run_app.yaml", "tools/run_listed_app.yaml"]
FILES = ["provider/duck.yaml", *RUNS, "tools/list_apps.yaml"]
MOST_CHARACTERS = 1023
"""Of a text in one language (daemon: pkg/entities/plugin_entities/basic_type.go)."""


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text("utf-8"))
    return content


def texts(value: Any) -> Iterator[dict[str, str]]:
    """All texts for people, by language."""
    if isinstance(value, dict) and "en_US" in value:
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


@pytest.mark.parametrize("name", FILES)
def test_every_text_is_there_in_difys_four_languages(name: str) -> None:
    found = list(texts(read(name)))
    assert found
    assert [text for text in found if text.keys() != LANGUAGES] == []
    assert [text for text in found for said in text.values() if not 0 < len(said) <= MOST_CHARACTERS] == []


def test_nothing_has_to_be_filled_in() -> None:
    fields = read("provider/duck.yaml")["credentials_for_provider"].values()
    parameters = read("tools/run_app.yaml")["parameters"]
    assert [field for field in (*fields, *parameters) if field["required"]] == []


@pytest.mark.parametrize("name", RUNS)
def test_the_declared_outputs_are_those_that_are_said(tools: Toolbox, name: str) -> None:
    declared = read(name)["output_schema"]["properties"]
    say = tools.run if read(name)["identity"]["name"] == "run_app" else tools.run_listed
    assert declared.keys() == say(alias="echo", query="Hi").variables.keys()


@pytest.mark.parametrize("name", RUNS)
def test_what_a_model_fills_in_has_words_for_it(name: str) -> None:
    filled = {item["name"]: item for item in read(name)["parameters"] if item["form"] == "llm"}
    assert filled.keys() == {"alias", "query", "inputs", "conversation_id"}
    assert [name for name, item in filled.items() if not item.get("llm_description")] == []


def test_the_two_tools_that_run_apps_differ_in_the_app_and_in_no_parameter_that_both_have() -> None:
    (app, alias, *rest), (needed, *others) = (read(name)["parameters"] for name in RUNS)
    assert (app["name"], alias["name"], needed["name"], needed["required"]) == ("app", "alias", "alias", True)
    assert rest == others
