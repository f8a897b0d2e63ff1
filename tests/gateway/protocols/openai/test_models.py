from gateway.about import RELEASED
from gateway.protocols.openai.models import model, model_list
from gateway.settings import App


def test_an_app_is_a_model() -> None:
    app = App("support-bot", "11111111-1111-4111-8111-111111111111", inputs={"secret": "x"})
    assert model(app) == {"id": "support-bot", "object": "model", "created": RELEASED, "owned_by": "dify"}
    assert isinstance(RELEASED, int)


def test_the_list_keeps_the_order_of_the_settings() -> None:
    apps = [App("b", "2"), App("a", "1"), App("c", "3")]
    assert model_list(apps) == {"object": "list", "data": [model(app) for app in apps]}
    assert [item["id"] for item in model_list(apps)["data"]] == ["b", "a", "c"]


def test_without_apps_the_list_is_empty() -> None:
    assert model_list([]) == {"object": "list", "data": []}
