import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from gateway.errors import STATUS
from gateway.openapi.document import document
from gateway.openapi.failures import MEANS
from gateway.openapi.schema import of_model, says
from gateway.routes import TABLE
from gateway.tokens import TokenRequest
from tests.gateway.openapi.described import DOCUMENT, faults_of, operations
from tests.gateway.test_serve import ALIASES, answer


def contents(value: Any, path: str = "") -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Place, content type and Media Type Object of every body."""
    if isinstance(value, dict):
        for type_, media in (value.get("content") or {}).items() if "properties" not in value else ():
            if isinstance(media, dict) and "schema" in media:
                yield path, type_, media
        for name, item in value.items():
            if name not in ("schema", "schemas", "example", "examples"):
                yield from contents(item, f"{path}/{name}")


def examples() -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Place, schema and value."""
    for place, type_, media in contents(DOCUMENT):
        shown = {"example": {"value": media["example"]}} if "example" in media else media.get("examples", {})
        for name, example in shown.items():
            yield f"{place} {type_} {name}", media["schema"], example["value"]


def references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(target)}:
            yield target
        case dict():
            for item in value.values():
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)


def test_every_route_is_described_and_nothing_else() -> None:
    served = {
        (re.sub("<([a-z_]+)>", r"{\1}", listed.path), method.lower()) for listed in TABLE for method in listed.methods
    }
    assert {(path, method) for path, method, _ in operations()} == served


def test_a_route_that_is_not_described_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.openapi.document.TABLE", TABLE[1:])
    with pytest.raises(LookupError, match=re.escape("[('GET', '/')]")):
        document()


def test_a_member_of_a_request_that_is_not_described_is_a_fault() -> None:
    with pytest.raises(LookupError, match=re.escape("['app', 'nobody', 'user']")):
        of_model(TokenRequest, "TokenRequest", "", {"expires_in": says("Seconds."), "nobody": says("Nothing.")})


def test_each_operation_has_a_name_of_its_own_that_is_one_in_any_language() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if not re.fullmatch("[a-z]+([A-Z][a-z]+)*", name)] == []


def test_all_that_is_referred_to_is_there_and_all_that_is_there_is_referred_to() -> None:
    components = {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses", "parameters", "headers")
        for name in DOCUMENT["components"][kind]
    }  # fmt: skip
    assert set(references(DOCUMENT)) == components


def test_every_example_is_as_it_is_described() -> None:
    found = {place: faults_of(schema, value) for place, schema, value in examples()}
    assert {place: told for place, told in found.items() if told} == {}
    assert len(found) > len(DOCUMENT["components"]["responses"])


def test_every_code_that_a_caller_may_be_told_is_explained() -> None:
    assert MEANS.keys() == STATUS.keys() - {"client_gone"}


PUBLIC: Final = {"/", "/healthz", "/openapi.json"}


def test_only_public_routes_need_no_key_and_only_webhooks_a_signature() -> None:
    asked = {path: operation.get("security") for path, _, operation in operations()}
    signatures = [item for item in DOCUMENT["components"]["securitySchemes"] if "ignature" in item]
    assert DOCUMENT["security"] == [{"bearer": []}, {"apiKey": []}, {"basic": []}]
    assert {path for path, security in asked.items() if security == []} == PUBLIC - {"/"}
    assert asked["/"] == [{}, *DOCUMENT["security"]]  # more is told to a caller
    assert asked["/hooks/{app_id}"] == [{name: []} for name in signatures]
    assert {path for path, security in asked.items() if security} == {"/", "/hooks/{app_id}"}


def test_paths_are_relative_to_the_endpoint_also_where_they_can_be_bound_to_an_app() -> None:
    assert DOCUMENT["servers"][0]["url"] == "."
    bound = {path for path, item in DOCUMENT["paths"].items() if "servers" in item}
    assert bound == {
        re.sub("<([a-z_]+)>", r"{\1}", listed.path) for listed in TABLE if f"/apps/<app_id>{listed.path}" in listed.also
    }
    assert [server["url"] for server in DOCUMENT["paths"]["/mcp"]["servers"]] == [".", "apps/{app_id}"]


def test_anyone_is_told_the_same_whatever_the_settings_are() -> None:
    said = answer("GET", "/openapi.json", key="")
    assert (said.status, said.type, said.json()["openapi"]) == (200, "application/json", "3.1.1")
    assert said.body == answer("GET", "/openapi.json", settings={"apps": "", "detail": "nonsense"}).body
    assert not any(app_id in said.body.decode() for app_id in ALIASES.values())


def test_it_is_asked_for_again_only_when_it_has_changed() -> None:
    first = answer("GET", "/openapi.json", key="")
    assert first.headers["Cache-Control"] == "no-cache"
    again = answer("GET", "/openapi.json", key="", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    other = answer("GET", "/openapi.json", key="", headers={"If-None-Match": '"other"'})
    assert (other.status, other.body) == (200, first.body)
