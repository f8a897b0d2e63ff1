from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.about import VERSION, about
from gateway.errors import DuckError
from gateway.routes import TABLE, Match, Route, allowed_methods, match

ROOT: Final = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", Match(Route.ABOUT, None)),
        ("GET", "", Match(Route.ABOUT, None)),
        ("GET", "/healthz", Match(Route.HEALTH, None)),
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
    ],
    ids=lambda value: value if isinstance(value, str) and value else "root",
)
def test_a_path_leads_to(method: str, path: str, expected: Match) -> None:
    assert match(method, path) == expected


@pytest.mark.parametrize("path", ["/nowhere", "/chat/a/b", "/v1/models", "/CHAT/echo", "/healthz/x", "/chat\n", "/%"])
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
    ],
)
def test_a_wrong_method_is_a_405_that_lists_the_right_ones(method: str, path: str, allow: str) -> None:
    with pytest.raises(DuckError) as refusal:
        match(method, path)
    assert (refusal.value.code, refusal.value.status) == ("method_not_allowed", 405)
    assert refusal.value.headers == {"Allow": allow}
    assert "OPTIONS" not in refusal.value.remedy


def _endpoints() -> list[dict[str, Any]]:
    group = yaml.safe_load((ROOT / "group" / "duck.yaml").read_text("utf-8"))
    return [yaml.safe_load((ROOT / path).read_text("utf-8")) for path in group["endpoints"]]


def test_the_visible_endpoints_are_just_the_table() -> None:
    visible = {(endpoint["path"], endpoint["method"]) for endpoint in _endpoints() if not endpoint.get("hidden")}
    assert visible == {(listed.path, method) for listed in TABLE for method in listed.methods}


def test_every_method_that_the_daemon_routes_is_caught_on_every_path() -> None:
    declared = {(endpoint["path"], endpoint["method"]) for endpoint in _endpoints()}
    methods = {"GET", "POST", "PUT", "DELETE", "OPTIONS"}  # GET takes HEAD along; PATCH never arrives (law 11)
    assert {("/", method) for method in methods} <= declared
    assert {("/<path:rest>", method) for method in methods} <= declared


def test_every_endpoint_runs_the_file_of_its_route() -> None:
    for endpoint in _endpoints():
        source = ROOT / endpoint["extra"]["python"]["source"]
        named = (
            source.stem == "other"
            if endpoint.get("hidden")
            else f"Route.{_route(endpoint['path']).name}" in source.read_text()
        )
        assert named, endpoint


def _route(path: str) -> Route:
    return next(listed.route for listed in TABLE if listed.path == path)


def test_about_lists_the_table_relative_to_the_hook() -> None:
    said = about()
    assert [(route["path"], tuple(route["methods"])) for route in said["routes"]] == [
        (listed.path.removeprefix("/"), listed.methods) for listed in TABLE
    ]


def test_the_version_is_the_manifests() -> None:
    manifest = yaml.safe_load((ROOT / "manifest.yaml").read_text("utf-8"))
    assert manifest["version"] == VERSION == about()["version"]
