"""The tool Run listed app: what models are given, whose arguments outrank an author's."""

from tests.plugin.tools.conftest import Toolbox
from workbench.apps import DEMO_APPS, TEST_APPS


def test_an_app_is_run_by_its_alias(tools: Toolbox) -> None:
    said = tools.run_listed(alias="echo", query="Hi")
    assert (said.error, said.text) == ("", "You said: Hi (turn 1)")


def test_an_app_that_a_model_names_by_the_picker_is_not_run(tools: Toolbox) -> None:
    elsewhere = {"app_id": DEMO_APPS["workflow"], "inputs": {"text": "x"}}
    said = tools.run_listed(alias="echo", query="Hi", app=elsewhere)
    assert said.text == "You said: Hi (turn 1)"
    unnamed = tools.run_listed(query="Hi", app=elsewhere)
    aliases = ", ".join([*DEMO_APPS, *TEST_APPS])
    assert unnamed.error.startswith("The call names no app. Give one of ")
    assert unnamed.error.removesuffix(".").rpartition(" ")[2] in aliases
