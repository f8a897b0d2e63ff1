"""The credentials of the tool's provider, as they are checked when they are saved."""

import pytest

from tests.plugin.tools.conftest import APPS, Toolbox
from workbench.apps import DEMO_APPS

ECHO = f"echo={DEMO_APPS['echo']}"


def test_empty_credentials_hold(tools: Toolbox) -> None:
    assert tools.check({}).messages == [{"result": True}]


def test_cleared_fields_hold(tools: Toolbox) -> None:
    cleared = dict.fromkeys(("apps", "dify_api_url", "dify_api_keys", "files_url", "detail"), "")
    assert tools.check(cleared).messages == [{"result": True}]


def test_apps_and_keys_that_dify_knows_hold(tools: Toolbox) -> None:
    assert tools.check(tools.keys("echo", "workflow")).messages == [{"result": True}]


@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        pytest.param(
            {"apps": "support=nonsense"},
            "apps, entry 1: app_id is not an app's id (a UUID, as in the address of its page in Dify).",
            id="an app's id",
        ),
        pytest.param(
            {"apps": ECHO, "dify_api_url": "ftp://dify.example"},
            "dify_api_url: must be an address such as https://dify.example.com/v1.",
            id="an address",
        ),
        pytest.param(
            {"apps": ECHO, "dify_api_url": "https://xn--a.example", "dify_api_keys": "echo=app-something-secret"},
            "dify_api_url: must be an address such as https://dify.example.com/v1.",
            id="an address whose host is no name",
        ),
        pytest.param(
            {"apps": ECHO, "dify_api_url": "https://dify.example", "dify_api_keys": "echo=sk-something-secret"},
            "dify_api_keys, entry 1: an app's key begins with app-, as Dify shows it under API Access.",
            id="a key of another kind",
        ),
        pytest.param(
            {"apps": "a=x, b=y", "files_url": "nowhere"},
            "apps, entry 1: app_id is not an app's id (a UUID, as in the address of its page in Dify). "
            "apps, entry 2: app_id is not an app's id (a UUID, as in the address of its page in Dify). "
            "files_url: must be an address such as https://dify.example.com.",
            id="several at once",
        ),
    ],
)
def test_a_fault_is_told_in_a_sentence_when_it_is_saved(
    tools: Toolbox, credentials: dict[str, str], error: str
) -> None:
    said = tools.check(credentials)
    assert (said.error_type, said.error) == ("CredentialsValidateFailedError", error)
    assert "something-secret" not in str(said)


def test_a_key_that_dify_refuses_is_told_by_its_apps_alias_and_not_repeated(tools: Toolbox) -> None:
    keys = {**tools.keys("echo"), "dify_api_keys": "echo=app-demo-key-echo, workflow=app-of-nobody"}
    said = tools.check(keys)
    assert "workflow" in said.error
    assert "echo" not in said.error
    assert "app-of-nobody" not in str(said)


def test_a_kind_that_dify_contradicts_is_told(tools: Toolbox) -> None:
    apps = f'{{"echo": {{"app_id": "{DEMO_APPS["echo"]}", "kind": "workflow"}}}}'
    said = tools.check({**tools.keys("echo"), "apps": apps})
    assert said.error == "apps: the kind of echo is workflow, and Dify says that it is chat."


@pytest.mark.parametrize("path", ["/elsewhere", "/v1/v1"])
def test_an_address_that_is_not_the_service_apis_is_told(tools: Toolbox, path: str) -> None:
    keys = tools.keys("echo", "workflow")
    said = tools.check({**keys, "dify_api_url": keys["dify_api_url"].removesuffix("/v1") + path})
    assert said.error == (
        "Duck's settings have a fault: dify_api_url: what answers there (HTTP 404) is not Dify's Service API."
    )


def test_an_address_where_nobody_answers_is_told_of(tools: Toolbox) -> None:
    nobody = "http://127.0.0.1:9/v1"
    said = tools.check({"apps": APPS, "dify_api_url": nobody, "dify_api_keys": "echo=app-demo-key-echo"})
    assert said.error.startswith("echo: ")
