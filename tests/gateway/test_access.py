import hashlib
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from gateway import access
from gateway.access import Caller, choose_app
from gateway.errors import DuckError
from gateway.settings import PLACEHOLDERS, App, Settings, parse

KEY: Final = "a-long-enough-key"
OTHER_KEY: Final = "another-long-key="
ID: Final = "11111111-1111-4111-8111-111111111111"
OTHER_ID: Final = "22222222-2222-4222-8222-222222222222"
THIRD_ID: Final = "33333333-3333-4333-8333-333333333333"


def given_settings(**raw: Any) -> Settings:
    return parse({"access_keys": f"web={KEY}, {OTHER_KEY}", **raw})


def authenticate(settings: Settings, headers: Headers) -> Caller:
    """The caller, where no token is known."""
    return access.authenticate(settings, headers, lambda _: None)


CALLER: Final = Caller("web")


def bearer(key: str) -> Headers:
    return Headers({"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        pytest.param({"Authorization": f"Bearer {KEY}"}, "web", id="bearer"),
        pytest.param({"Authorization": f"bearer  {KEY} "}, "web", id="bearer in small letters, spaces around the key"),
        pytest.param({"X-API-Key": KEY}, "web", id="X-API-Key"),
        pytest.param({"X-API-Key": f" {OTHER_KEY}"}, "default", id="a key without a name"),
        pytest.param({"Authorization": "Basic abc", "X-API-Key": KEY}, "web", id="another scheme, and X-API-Key"),
        pytest.param({"Authorization": "Bearer ", "X-API-Key": KEY}, "web", id="an empty bearer, and X-API-Key"),
    ],
)
def test_a_key_names_its_caller(headers: dict[str, str], caller: str) -> None:
    assert authenticate(given_settings(), Headers(headers)) == Caller(caller)


def test_a_key_may_stand_in_the_settings_as_its_digest() -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert authenticate(parse({"access_keys": f"web=sha256:{digest}"}), bearer(KEY)) == Caller("web")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": f"Bearer {KEY}x"}, id="too long"),
        pytest.param({"Authorization": f"Bearer {KEY[:-1]}"}, id="too short"),
        pytest.param({"Authorization": f"Basic {KEY}"}, id="another scheme"),
        pytest.param({"Authorization": KEY}, id="without a scheme"),
        pytest.param({"Authorization": f"Bearer web={KEY}"}, id="with its name"),
        pytest.param({"X-API-Key": ""}, id="empty"),
        pytest.param({"X-API-Key": "é\udcff" * 20}, id="no ASCII"),
        pytest.param({"X-API-Key": hashlib.sha256(KEY.encode()).hexdigest()}, id="the digest"),
    ],
)
def test_without_a_valid_key_it_is_a_401(headers: dict[str, str]) -> None:
    with pytest.raises(DuckError) as refusal:
        authenticate(given_settings(), Headers(headers))
    assert (refusal.value.code, refusal.value.status) == ("unauthorized", 401)
    assert refusal.value.headers == {"WWW-Authenticate": 'Bearer realm="duck"'}
    assert "X-API-Key" in refusal.value.remedy


@given(key=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=40))
def test_no_other_text_is_a_key(key: str) -> None:
    with pytest.raises(DuckError, match="unauthorized"):
        authenticate(given_settings(), Headers({"X-API-Key": key}))


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": KEY}], ids=["without a key", "with a key"])
def test_without_access_keys_nobody_gets_in_and_the_operator_is_told(headers: dict[str, str]) -> None:
    with pytest.raises(DuckError) as refusal:
        authenticate(parse({}), Headers(headers))
    assert refusal.value.status == 401
    assert "operator sets access_keys" in refusal.value.remedy


def test_when_every_key_is_faulty_it_is_a_500_that_names_the_entry() -> None:
    with pytest.raises(DuckError) as refusal:
        authenticate(parse({"access_keys": "web=short"}), bearer("short"))
    assert (refusal.value.code, refusal.value.status) == ("misconfigured", 500)
    assert "access_keys, entry 1" in refusal.value.message
    assert "short" not in refusal.value.message.replace("under 16 characters", "")


def test_a_faulty_key_takes_no_other_key_with_it() -> None:
    assert authenticate(parse({"access_keys": f"a=short,web={KEY}"}), bearer(KEY)) == Caller("web")


def test_under_open_access_nobody_needs_a_key() -> None:
    assert authenticate(parse({"access": "open"}), Headers()) == Caller("anonymous", is_ambient=True)


def test_under_open_access_a_key_still_names_its_caller() -> None:
    assert authenticate(given_settings(access="open"), bearer(KEY)) == Caller("web")


@pytest.mark.parametrize("keys", [f"web={KEY}", ""], ids=["with keys", "without keys"])
def test_under_open_access_a_wrong_key_is_still_a_401(keys: str) -> None:
    with pytest.raises(DuckError) as refusal:
        authenticate(parse({"access": "open", "access_keys": keys}), bearer("a-wrong-key-of-some-length"))
    assert refusal.value.status == 401


# -- Which app -----------------------------------------------------------------------------------------------------


def test_an_app_is_found_by_alias_and_by_id_however_it_is_written() -> None:
    settings = given_settings(apps=f"echo={ID}, other={OTHER_ID}")
    names = ("echo", ID, ID.upper(), ID.replace("-", ""))
    assert {choose_app(settings, CALLER, name).app_id for name in names} == {ID}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param({"apps": f"echo={ID}"}, ID, id="the only app"),
        pytest.param({"app": {"app_id": ID}, "app_2": {"app_id": OTHER_ID}}, ID, id="the default one"),
        pytest.param({"app_2": {"app_id": OTHER_ID}, "apps": f"echo={ID}"}, OTHER_ID, id="the first that is picked"),
    ],
)
@pytest.mark.parametrize("name", [None, ""], ids=["no name", "an empty name"])
def test_without_a_name_it_is(raw: dict[str, Any], expected: str, name: str | None) -> None:
    assert choose_app(given_settings(**raw), CALLER, name).app_id == expected


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param({}, "Its operator picks one", id="no app at all"),
        pytest.param({"apps": f"a={ID},b={OTHER_ID}"}, "end of the path", id="two apps and no default"),
        pytest.param({"exposure": "workspace"}, "end of the path", id="every app of the workspace"),
    ],
)
def test_without_a_name_and_a_default_it_is_a_404_that_says_what_to_do(raw: dict[str, Any], says: str) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(given_settings(**raw), CALLER, None)
    assert (refusal.value.code, refusal.value.status) == ("app_not_found", 404)
    assert says in refusal.value.remedy


@pytest.mark.parametrize("name", sorted(PLACEHOLDERS))
def test_a_placeholder_is_answered_with_what_belongs_there(name: str) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(given_settings(apps=f"echo={ID}"), CALLER, name)
    assert refusal.value.status == 404
    assert name in refusal.value.message
    assert "alias, or its id" in refusal.value.remedy


@pytest.mark.parametrize("exposure", ["listed", "workspace"])
@pytest.mark.parametrize("name", ["nowhere", "x" * 5000, "../..", "é", "\x00", f"{ID}x", "{}", " "])
def test_what_is_unknown_or_malformed_is_the_same_404(name: str, exposure: str) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(given_settings(apps=f"echo={ID}", exposure=exposure), CALLER, name)
    with pytest.raises(DuckError) as not_exposed:
        choose_app(given_settings(apps=f"echo={ID}"), CALLER, THIRD_ID)
    said = [(error.code, error.status, error.message, error.remedy) for error in (refusal.value, not_exposed.value)]
    assert said[0] == said[1]
    assert said[0][:2] == ("app_not_found", 404)


@pytest.mark.parametrize("name", [THIRD_ID, THIRD_ID.upper(), THIRD_ID.replace("-", "")])
def test_under_workspace_every_id_is_open(name: str) -> None:
    assert choose_app(given_settings(exposure="workspace"), CALLER, name) == App(THIRD_ID, THIRD_ID)


def test_a_faulty_app_answers_500_and_takes_no_other_with_it() -> None:
    settings = given_settings(apps=f"bad=no-id, good={ID}")
    assert choose_app(settings, CALLER, "good").app_id == ID
    with pytest.raises(DuckError) as refusal:
        choose_app(settings, CALLER, "bad")
    assert (refusal.value.code, refusal.value.status) == ("misconfigured", 500)
    assert "apps, entry 1" in refusal.value.message
    assert "no-id" not in refusal.value.message


@pytest.mark.parametrize("apps", ["{broken", f"'no alias'={ID}"], ids=["nothing can be read", "an alias can't be read"])
def test_an_unknown_name_may_be_one_that_could_not_be_read(apps: str) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(given_settings(apps=apps), CALLER, "echo")
    assert (refusal.value.code, refusal.value.status) == ("misconfigured", 500)


def test_a_fault_of_another_app_makes_no_500_of_an_unknown_name() -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(given_settings(apps=f"bad=no-id, good={ID}"), CALLER, "nowhere")
    assert (refusal.value.code, refusal.value.status) == ("app_not_found", 404)


def test_a_picker_that_holds_no_app_answers_500_to_those_who_call_it() -> None:
    settings = given_settings(app={"app_id": ID}, app_2={"app_id": "no-id"})
    assert choose_app(settings, CALLER, "app").app_id == ID
    with pytest.raises(DuckError) as refusal:
        choose_app(settings, CALLER, "app_2")
    assert (refusal.value.code, refusal.value.message) == (
        "misconfigured",
        "Duck's settings have a fault: app_2: does not hold an app; pick it again.",
    )
