from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.about import VERSION, about
from gateway.errors import DuckError
from gateway.routes import TABLE, Match, Route, allowed_methods, is_mcps, is_openais, match

ROOT: Final = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", Match(Route.ABOUT, None)),
        ("GET", "", Match(Route.ABOUT, None)),
        ("GET", "/healthz", Match(Route.HEALTH, None)),
        ("GET", "/openapi.json", Match(Route.OPENAPI, None)),
        ("GET", "/duck/echo", Match(Route.DUCK, "echo")),
        ("HEAD", "/duck/echo", Match(Route.DUCK, "echo")),
        ("POST", "/duck/echo", Match(Route.DUCK, "echo")),
        ("POST", "/chat/echo", Match(Route.CHAT, "echo")),
        ("POST", "/workflow/echo", Match(Route.WORKFLOW, "echo")),
        ("POST", "/completion/echo", Match(Route.COMPLETION, "echo")),
        ("POST", "/chat", Match(Route.CHAT, None)),
        ("GET", "/duck", Match(Route.DUCK, None)),
        ("POST", "/workflow/", Match(Route.WORKFLOW, None)),
        ("POST", "/chat/echo/", Match(Route.CHAT, "echo")),
        ("POST", "//chat//echo", Match(Route.CHAT, "echo")),
        ("POST", "/chat/<app_id>", Match(Route.CHAT, "<app_id>")),
        ("POST", "/chat/你好", Match(Route.CHAT, "你好")),
        ("POST", "/v1/chat/completions", Match(Route.CHAT_COMPLETIONS, None)),
        ("POST", "/chat/completions", Match(Route.CHAT_COMPLETIONS, None)),
        ("POST", "/chat/completions/", Match(Route.CHAT_COMPLETIONS, None)),
        ("POST", "//v1//chat//completions", Match(Route.CHAT_COMPLETIONS, None)),
        ("POST", "/apps/echo/v1/chat/completions", Match(Route.CHAT_COMPLETIONS, "echo")),
        ("POST", "/apps/echo/chat/completions", Match(Route.CHAT_COMPLETIONS, "echo")),
        ("POST", "/apps/<app_id>/v1/chat/completions", Match(Route.CHAT_COMPLETIONS, "<app_id>")),
        ("POST", "/v1/responses", Match(Route.RESPONSES, None)),
        ("POST", "/responses", Match(Route.RESPONSES, None)),
        ("POST", "/apps/echo/v1/responses", Match(Route.RESPONSES, "echo")),
        ("POST", "/apps/echo/responses", Match(Route.RESPONSES, "echo")),
        ("GET", "/v1/models", Match(Route.MODELS, None)),
        ("GET", "/models/", Match(Route.MODELS, None)),
        ("HEAD", "/v1/models", Match(Route.MODELS, None)),
        ("GET", "/apps/echo/v1/models", Match(Route.MODELS, "echo")),
        ("GET", "/apps/echo/models", Match(Route.MODELS, "echo")),
        ("GET", "/v1/models/echo", Match(Route.MODEL, None, "echo")),
        ("GET", "/models/echo", Match(Route.MODEL, None, "echo")),
        ("GET", "/apps/echo/v1/models/gpt-4o", Match(Route.MODEL, "echo", "gpt-4o")),
        ("POST", "/chat/models", Match(Route.CHAT, "models")),
        ("POST", "/mcp", Match(Route.MCP, None)),
        ("POST", "/mcp/", Match(Route.MCP, None)),
        ("POST", "//mcp", Match(Route.MCP, None)),
        ("POST", "/apps/echo/mcp", Match(Route.MCP, "echo")),
    ],
    ids=lambda value: value if isinstance(value, str) and value else "root",
)
def test_a_path_leads_to(method: str, path: str, expected: Match) -> None:
    assert match(method, path) == expected


@pytest.mark.parametrize(
    "path", ["/nowhere", "/chat/a/b", "/v1", "/v1/files", "/CHAT/echo", "/healthz/x", "/chat\n", "/%"]
)
def test_an_unknown_path_is_a_404(path: str) -> None:
    with pytest.raises(DuckError) as refusal:
        match("POST", path)
    assert (refusal.value.code, refusal.value.status) == ("not_found", 404)
    assert allowed_methods(path) == ()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/chat/echo", "OPTIONS, POST"),
        ("GET", "/chat", "OPTIONS, POST"),
        ("DELETE", "/duck/echo", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/", "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("GET", "/chat/completions", "OPTIONS, POST"),
        ("GET", "/v1/chat/completions", "OPTIONS, POST"),
        ("DELETE", "/v1/responses", "OPTIONS, POST"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/apps/echo/v1/models/echo", "GET, HEAD, OPTIONS"),
        ("GET", "/mcp", "OPTIONS, POST"),
        ("HEAD", "/apps/echo/mcp", "OPTIONS, POST"),
    ],
)
def test_a_wrong_method_is_a_405_that_lists_the_right_ones(method: str, path: str, allow: str) -> None:
    with pytest.raises(DuckError) as refusal:
        match(method, path)
    assert (refusal.value.code, refusal.value.status) == ("method_not_allowed", 405)
    assert refusal.value.headers == {"Allow": allow}
    assert "OPTIONS" not in refusal.value.remedy


@pytest.mark.parametrize("path", ["/v1/v1", "/v1/v1/models", "/v1//v1/responses", "/apps/echo/v1/v1/chat/completions"])
def test_a_doubled_v1_is_told_where_the_base_url_ends(path: str) -> None:
    with pytest.raises(DuckError) as refusal:
        match("POST", path)
    assert (refusal.value.code, refusal.value.remedy) == ("not_found", "A client's base URL ends in one /v1.")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1", True),
        ("/v1/", True),
        ("v1/models", True),
        ("//v1//x", True),
        ("/apps/echo/v1", True),
        ("/apps/echo/v1/x", True),
        ("/v1x", False),
        ("/chat/v1", False),
        ("/apps/v1", False),
        ("/apps/echo/x/v1", False),
        ("/", False),
    ],
)
def test_openais_clients_look_below_v1(path: str, expected: bool) -> None:
    assert is_openais(path) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/mcp", True),
        ("mcp/", True),
        ("//mcp", True),
        ("/apps/echo/mcp", True),
        ("/apps/mcp", False),
        ("/mcp/x", False),
        ("/chat/mcp", False),
        ("/v1/mcp", False),
        ("/", False),
    ],
)
def test_the_paths_of_the_model_context_protocol(path: str, expected: bool) -> None:
    assert is_mcps(path) is expected


def _endpoints() -> list[dict[str, Any]]:
    group = yaml.safe_load((ROOT / "group" / "duck.yaml").read_text("utf-8"))
    return [yaml.safe_load((ROOT / path).read_text("utf-8")) for path in group["endpoints"]]


NOT_SHOWN: Final = {("/v1/models/<model>", "GET"), ("/openapi.json", "GET")}
"""Listed, but not in the card of the endpoint in Dify, like the lesser paths of Dify's own API: nobody types them, and
the catch-all rules serve them."""


def test_the_visible_endpoints_are_just_the_table() -> None:
    visible = {(endpoint["path"], endpoint["method"]) for endpoint in _endpoints() if not endpoint.get("hidden")}
    listed_ones = {(entry.path, method) for entry in TABLE if entry.route is not Route.DIFY for method in entry.methods}
    assert visible | NOT_SHOWN == listed_ones
    assert visible.isdisjoint(NOT_SHOWN)


def test_every_method_that_the_daemon_routes_is_caught_on_every_path() -> None:
    declared = {(endpoint["path"], endpoint["method"]) for endpoint in _endpoints()}
    methods = {"GET", "POST", "PUT", "DELETE", "OPTIONS"}  # GET takes HEAD along; PATCH never arrives (law 11)
    assert {("/", method) for method in methods} <= declared
    assert {("/<path:rest>", method) for method in methods} <= declared


def test_every_endpoint_runs_the_file_of_its_route() -> None:
    for endpoint in _endpoints():
        source = ROOT / endpoint["extra"]["python"]["source"]
        is_caught = endpoint["path"] in ("/", "/<path:rest>") and endpoint.get("hidden", False)
        assert (source.stem == "other") is is_caught, endpoint
        route = match(endpoint["method"], endpoint["path"]).route if not is_caught else None
        assert is_caught or f"Route.{route.name}" in source.read_text(), endpoint  # type: ignore[union-attr]


def test_openais_path_is_told_from_an_app_by_the_sdk_too() -> None:
    """The SDK knows only the declared paths, and would take `completions` for an app of `/chat/<app_id>`."""
    declared = {(endpoint["path"], endpoint["method"]) for endpoint in _endpoints()}
    assert ("/chat/completions", "POST") in declared


def test_about_lists_the_table_relative_to_the_hook() -> None:
    said = about()
    assert [(route["path"], tuple(route["methods"])) for route in said["routes"]] == [
        (listed.path.removeprefix("/"), listed.methods) for listed in TABLE
    ]


def test_about_says_where_the_description_is() -> None:
    assert match("GET", about()["openapi"]).route is Route.OPENAPI


def test_the_version_is_the_manifests() -> None:
    manifest = yaml.safe_load((ROOT / "manifest.yaml").read_text("utf-8"))
    assert manifest["version"] == VERSION == about()["version"]
