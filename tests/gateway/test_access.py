import base64
import contextlib
import hashlib
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from gateway import access, serve
from gateway.access import Caller, TokenReader, choose_app, choose_model, exposed_apps
from gateway.errors import DuckError
from gateway.settings import PLACEHOLDERS, App, Settings, parse
from tests.gateway.fake_dify import FakeDify

KEY: Final = "a-long-enough-key"
OTHER_KEY: Final = "another-long-key="
OLD_KEY: Final = "a-key-that-is-on-its-way-out"
COLON_KEY: Final = "a:key:with:colons:in:it"
UNICODE_KEY: Final = "schlüssel-mit-ümlauten-鍵"
ID: Final = "11111111-1111-4111-8111-111111111111"
OTHER_ID: Final = "22222222-2222-4222-8222-222222222222"
THIRD_ID: Final = "33333333-3333-4333-8333-333333333333"

TOKEN: Final = "duck-token-of-someone"
HOLDER: Final = Caller("web", ID, "a", "someone")
"""Whom the token speaks for."""


def given_settings(**raw: Any) -> Settings:
    return parse({"access_keys": f"web={KEY}, {OTHER_KEY}", **raw})


def read_token(text: str) -> Caller | None:
    return HOLDER if text == TOKEN else None


def authenticate(settings: Settings, headers: Mapping[str, str], reader: TokenReader = read_token) -> Caller:
    return access.authenticate(settings, Headers(headers), reader)


def refused(settings: Settings, headers: Mapping[str, str]) -> DuckError:
    with pytest.raises(DuckError) as refusal:
        authenticate(settings, headers)
    return refusal.value


CALLER: Final = Caller("web")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(pair: str | bytes, scheme: str = "Basic") -> dict[str, str]:
    """HTTP Basic; the pair as `user:password`."""
    content = pair if isinstance(pair, bytes) else pair.encode()
    return {"Authorization": f"{scheme} {base64.b64encode(content).decode()}"}


def digest_of(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


# -- Who calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        pytest.param(bearer(KEY), "web", id="bearer"),
        pytest.param({"Authorization": f"bearer  {KEY} "}, "web", id="bearer in small letters, spaces around the key"),
        pytest.param(bearer(UNICODE_KEY), "unicode", id="bearer that is no ASCII"),
        pytest.param({"X-API-Key": KEY}, "web", id="X-API-Key"),
        pytest.param({"X-API-Key": f" {OTHER_KEY}"}, "default", id="a key without a name"),
        pytest.param({"X-API-Key": OLD_KEY}, "web", id="another key of the same name"),
        pytest.param({"Authorization": "Basic abc", "X-API-Key": KEY}, "web", id="another scheme, and X-API-Key"),
        pytest.param({"Authorization": "Bearer ", "X-API-Key": KEY}, "web", id="an empty bearer, and X-API-Key"),
        pytest.param({**bearer("of-a-proxy-no-key"), "X-API-Key": KEY}, "web", id="a wrong bearer, and X-API-Key"),
        pytest.param({**bearer(KEY), "X-API-Key": "no-key-of-this-endpoint"}, "web", id="a bearer, and a wrong other"),
        pytest.param({**basic(f"u:{OTHER_KEY}"), "X-API-Key": KEY}, "web", id="X-API-Key goes before Basic"),
    ],
)
def test_a_key_names_its_caller(headers: dict[str, str], caller: str) -> None:
    keys = f"web={KEY}, {OTHER_KEY}, web={OLD_KEY}, unicode={UNICODE_KEY}"
    assert authenticate(parse({"access_keys": keys}), headers) == Caller(caller)


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        pytest.param(basic(f"someone:{KEY}"), "web", id="any user"),
        pytest.param(basic(f":{KEY}"), "web", id="no user"),
        pytest.param(basic(f"default:{KEY}"), "web", id="another caller's name for a user"),
        pytest.param(basic(f"someone:{OTHER_KEY}"), "default", id="a key without a name"),
        pytest.param(basic(f"someone:{OLD_KEY}"), "web", id="another key of the same name"),
        pytest.param(basic(f"someone:{COLON_KEY}"), "colon", id="a password with colons"),
        pytest.param(basic(f"someone:{UNICODE_KEY}"), "unicode", id="a password that is no ASCII"),
        pytest.param(basic(f"jemänd:{KEY}"), "web", id="a user that is no ASCII"),
        pytest.param(basic(b"\xff\xfe:" + KEY.encode()), "web", id="a user that is no UTF-8"),
        pytest.param(basic(f"someone:{KEY}", "basic "), "web", id="small letters, two spaces"),
        pytest.param({**basic(f"u:{KEY}"), "X-API-Key": "no-key-of-this-endpoint"}, "web", id="and a wrong X-API-Key"),
    ],
)
def test_the_password_of_http_basic_is_a_key_that_a_browser_may_send_by_itself(
    headers: dict[str, str], caller: str
) -> None:
    keys = f"web={KEY}, {OTHER_KEY}, web={OLD_KEY}, colon={COLON_KEY}, unicode={UNICODE_KEY}"
    assert authenticate(parse({"access_keys": keys}), headers) == Caller(caller, is_ambient=True)


@pytest.mark.parametrize(
    ("raw", "headers", "caller"),
    [
        pytest.param({"access_keys": f"web={digest_of(KEY)}"}, bearer(KEY), Caller("web"), id="a key as its digest"),
        pytest.param({"callers": f"web={digest_of(KEY)}"}, bearer(KEY), Caller("web"), id="a digest among callers"),
        pytest.param({"access_keys": f"a=short,web={KEY}"}, bearer(KEY), Caller("web"), id="beside a faulty key"),
        pytest.param({"access": "open"}, {}, Caller("anonymous", is_ambient=True), id="open, without a key"),
        pytest.param(
            {"access": "open"}, {"Cookie": KEY}, Caller("anonymous", is_ambient=True), id="open, with a cookie"
        ),
        pytest.param(
            {"access": "open", "access_keys": f"web={KEY}"}, bearer(KEY), Caller("web"), id="open, with a key"
        ),
        pytest.param(
            {"access": "open", "access_keys": f"web={KEY}"},
            basic(f"u:{KEY}"),
            Caller("web", is_ambient=True),
            id="open, with a key in HTTP Basic",
        ),
    ],
)
def test_under_these_settings_the_caller_is(raw: dict[str, Any], headers: dict[str, str], caller: Caller) -> None:
    assert authenticate(parse(raw), headers) == caller


WRONG: Final = {
    "none": {},
    "too long": bearer(f"{KEY}x"),
    "too short": bearer(KEY[:-1]),
    "in capitals": bearer(KEY.upper()),
    "another scheme": {"Authorization": f"Digest {KEY}"},
    "without a scheme": {"Authorization": KEY},
    "with its name": bearer(f"web={KEY}"),
    "two in one": bearer(f"{KEY},{KEY}"),
    "empty": {"X-API-Key": ""},
    "no ASCII": {"X-API-Key": "é\udcff" * 20},
    "the digest": {"X-API-Key": hashlib.sha256(KEY.encode()).hexdigest()},
    "the digest as in the settings": {"X-API-Key": digest_of(KEY)},
    "in a cookie": {"Cookie": f"key={KEY}"},
    "Basic: no base64": {"Authorization": f"Basic {KEY}"},
    "Basic: nothing": {"Authorization": "Basic"},
    "Basic: no colon": basic(KEY),
    "Basic: the key for a user": basic(f"{KEY}:"),
    "Basic: an empty password": basic("web:"),
    "Basic: cut": {"Authorization": basic(f"u:{KEY}")["Authorization"][:-3]},
    "Basic: without its padding": {"Authorization": basic(f"user:{KEY}x")["Authorization"].rstrip("=")},
    "Basic: a character that base64 has not": {"Authorization": f"{basic(f'u:{KEY}')['Authorization']}é!"},
    "Basic: in two pieces": {"Authorization": " ".join(re.findall(".{12}|.+", basic(f"u:{KEY}")["Authorization"]))},
    "Basic: a space after the key": basic(f"u:{KEY} "),
    "Basic: a zero after the key": basic(f"u:{KEY}\0"),
    "Basic: no UTF-8": basic(b"u:" + b"\xff" * 20),
    "Basic: the key and more": basic(f"u:{KEY}:{KEY}"),
    "Basic: a token": basic(f"u:{TOKEN}"),
}
"""What says nothing, or something wrong, of who calls."""


@pytest.mark.parametrize("headers", WRONG.values(), ids=list(WRONG))
def test_without_a_valid_key_it_is_the_same_401(headers: dict[str, str]) -> None:
    refusal = refused(given_settings(), headers)
    assert (refusal.code, refusal.status) == ("unauthorized", 401)
    assert refusal.headers == {"WWW-Authenticate": 'Bearer realm="duck"'}
    assert "X-API-Key" in refusal.remedy
    assert KEY not in repr((refusal.message, refusal.remedy, refusal.cause))


@pytest.mark.parametrize(
    ("sent", "key"),
    [("é" * 16, "e\u0301" * 16), ("\u212bngström-as-a-sign", "\u00c5ngström-as-a-sign")],
    ids=["composed and not", "two signs that look alike"],
)
def test_a_key_is_compared_byte_by_byte_however_it_looks(sent: str, key: str) -> None:
    settings = parse({"access_keys": key})
    assert {refused(settings, how).status for how in (bearer(sent), basic(f"u:{sent}"))} == {401}
    assert authenticate(settings, bearer(key)) == Caller("default")


@given(key=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=40))
def test_no_other_text_is_a_key(key: str) -> None:
    for headers in ({"X-API-Key": key}, bearer(key), basic(f"u:{key}"), {"Authorization": f"Basic {key}"}):
        assert refused(given_settings(), headers).code == "unauthorized"


@pytest.mark.parametrize("sent", [KEY, OLD_KEY, OTHER_KEY, "no-key-of-this-endpoint"])
def test_every_key_is_compared_whichever_is_the_right_one(sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr("gateway.access.hmac", SimpleNamespace(compare_digest=compare))
    settings = parse({"access_keys": f"web={KEY}, web={OLD_KEY}, {OTHER_KEY}"})
    access._caller_with_key(access._Credential(sent.encode(), is_ambient=False), settings)
    assert compared == [key.digest for key in settings.access_keys]


def test_a_key_that_was_taken_out_is_none_and_the_callers_other_key_stays_one() -> None:
    before = parse({"access_keys": f"web={OLD_KEY}, web={KEY}"})
    after = parse({"access_keys": f"web={KEY}"})
    assert {authenticate(before, bearer(key)) for key in (OLD_KEY, KEY)} == {Caller("web")}
    assert authenticate(after, bearer(KEY)) == Caller("web")
    assert refused(after, bearer(OLD_KEY)).status == 401


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({}, id="nothing is set"),
        pytest.param({"access_keys": " , "}, id="only separators"),
        pytest.param({"apps": f"a={ID}", "callers": "web(a)"}, id="a scope, and no key"),
        pytest.param({"apps": f"a={ID}", "callers": "anonymous(a)"}, id="a scope of whoever has no key"),
    ],
)
@pytest.mark.parametrize("headers", [{}, bearer(KEY), basic(f"u:{KEY}")], ids=["without a key", "with", "with Basic"])
def test_without_access_keys_nobody_gets_in_and_the_operator_is_told(
    raw: dict[str, Any], headers: dict[str, str]
) -> None:
    refusal = refused(parse(raw), headers)
    assert (refusal.code, refusal.status) == ("unauthorized", 401)
    assert "operator sets access_keys" in refusal.remedy


def test_when_every_key_is_faulty_it_is_a_500_that_names_the_entry() -> None:
    refusal = refused(parse({"access_keys": "web=short"}), bearer("short"))
    assert (refusal.code, refusal.status) == ("misconfigured", 500)
    assert "access_keys, entry 1" in refusal.message
    assert "short" not in refusal.message.replace("under 16 characters", "")


@pytest.mark.parametrize("keys", [f"web={KEY}", ""], ids=["with keys", "without keys"])
@pytest.mark.parametrize(
    "headers",
    [
        bearer("a-wrong-key-of-some-length"),
        {"X-API-Key": "wrong"},
        basic("u:a-wrong-key-of-some-length"),
        bearer("duck-token-of-nobody"),
    ],
    ids=["bearer", "X-API-Key", "Basic", "token"],
)
def test_under_open_access_a_wrong_key_is_still_a_401(keys: str, headers: dict[str, str]) -> None:
    assert refused(parse({"access": "open", "access_keys": keys}), headers).status == 401


# -- The challenge -------------------------------------------------------------------------------------------------

NAVIGATION: Final = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
ASKS_USER: Final = 'Basic realm="duck", charset="UTF-8"'
ASKS_PROGRAM: Final = 'Bearer realm="duck"'


@pytest.mark.parametrize(
    ("method", "path", "headers", "challenge"),
    [
        pytest.param("GET", "/duck/a", NAVIGATION, ASKS_USER, id="an address that is opened"),
        pytest.param("GET", "/duck/unknown", NAVIGATION, ASKS_USER, id="of an app that there is not"),
        pytest.param("GET", "/duck/a", {"Accept": "text/html,*/*"}, ASKS_USER, id="over plain HTTP"),
        pytest.param("GET", "/duck/a", {**NAVIGATION, **bearer("a-wrong-key")}, ASKS_USER, id="with a wrong key"),
        pytest.param("GET", "/duck/a", {"Sec-Fetch-Mode": "cors"}, ASKS_PROGRAM, id="a script"),
        pytest.param(
            "GET", "/duck/a", {"Sec-Fetch-Mode": "no-cors", "Accept": "text/html"}, ASKS_PROGRAM, id="an image"
        ),
        pytest.param("GET", "/duck/a", {}, ASKS_PROGRAM, id="a program"),
        pytest.param("POST", "/chat/a", NAVIGATION, ASKS_PROGRAM, id="a form of the native API"),
        pytest.param("POST", "/tokens", NAVIGATION, ASKS_PROGRAM, id="a form for tokens"),
    ],
)
@pytest.mark.parametrize("keys", [KEY, ""], ids=["with keys", "without keys"])
def test_only_a_browser_that_opens_the_live_page_is_asked_for_name_and_password(
    method: str, path: str, headers: dict[str, str], challenge: str, keys: str
) -> None:
    environ = EnvironBuilder(method=method, path=path, headers=Headers(headers)).get_environ()
    raw = {"apps": f"a={ID}", "access_keys": keys}
    response = serve.handle(FakeDify({}).session(), Request(environ), raw, None)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, challenge)


# -- Tokens --------------------------------------------------------------------------------------------------------


def test_a_token_names_caller_app_and_user_in_either_header() -> None:
    assert {authenticate(given_settings(), how) for how in (bearer(TOKEN), {"X-API-Key": TOKEN})} == {HOLDER}
    assert HOLDER.has_token
    assert not CALLER.has_token


@pytest.mark.parametrize(
    "headers",
    [bearer(KEY), {"X-API-Key": KEY}, basic(f"u:{KEY}"), basic(f"u:{TOKEN}"), {}],
    ids=["a key", "X-API-Key", "Basic", "a token in Basic", "nothing"],
)
def test_nobody_looks_for_a_token_where_none_can_be(headers: dict[str, str]) -> None:
    looked_at: list[str] = []
    with contextlib.suppress(DuckError):
        authenticate(given_settings(), headers, looked_at.append)
    assert looked_at == []


def test_a_token_that_cant_be_read_just_now_is_told_so_and_lets_nobody_in() -> None:
    def unavailable(_: str) -> Caller | None:
        raise DuckError("storage_unavailable", "x")

    for raw in ({}, {"access": "open"}):
        with pytest.raises(DuckError, match="storage_unavailable"):
            authenticate(given_settings(**raw), bearer(TOKEN), unavailable)


# -- Pages of other sites ------------------------------------------------------------------------------------------

CREDENTIALS: Final = {
    "Basic": basic(f"u:{KEY}"),
    "open": {},
    "Bearer": bearer(KEY),
    "X-API-Key": {"X-API-Key": KEY},
    "token": bearer(TOKEN),
}
ORIGINS: Final = {
    "none": None,
    "listed": "https://app.example",
    "wildcard-listed": "https://deep.sub.example.com",
    "unlisted": "https://evil.example",
    "null": "null",
}
SITES: Final = (None, "none", "same-origin", "same-site", "cross-site")
LISTS: Final = {"empty": "", "list": "https://app.example, https://*.example.com", "*": "*"}

OWN_PAGE_ONLY: Final = "--+--"
"""A page that is not listed: only Duck's own, which a browser calls same-origin."""

ANYONE: Final = "+++++"
NO_PAGE: Final = "-----"
NO_ORIGIN: Final = "+++--"
"""An address that was typed, or a program: only Sec-Fetch-Site can tell of a page."""

AMBIENT: Final = {
    # cors_origins: what Basic and open access serve to each origin, by Sec-Fetch-Site in the order of SITES
    ("Basic", "empty"): (NO_ORIGIN, OWN_PAGE_ONLY, OWN_PAGE_ONLY, OWN_PAGE_ONLY, NO_PAGE),
    ("Basic", "list"): (NO_ORIGIN, ANYONE, ANYONE, OWN_PAGE_ONLY, NO_PAGE),
    ("Basic", "*"): (NO_ORIGIN, OWN_PAGE_ONLY, OWN_PAGE_ONLY, OWN_PAGE_ONLY, NO_PAGE),  # * never with credentials
    ("open", "empty"): (NO_ORIGIN, OWN_PAGE_ONLY, OWN_PAGE_ONLY, OWN_PAGE_ONLY, NO_PAGE),
    ("open", "list"): (NO_ORIGIN, ANYONE, ANYONE, OWN_PAGE_ONLY, NO_PAGE),
    ("open", "*"): (ANYONE, ANYONE, ANYONE, ANYONE, NO_PAGE),
}
"""Whom a browser's own credentials serve (issue "Access", "Browser origins"); in the order of ORIGINS."""


@pytest.mark.parametrize("cors_origins", LISTS)
@pytest.mark.parametrize("site", SITES, ids=lambda site: f"site {site}" if site else "no site")
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_page_that_is_not_listed_gets_nowhere_with_what_a_browser_sends_by_itself(
    credential: str, origin: str, site: str | None, cors_origins: str
) -> None:
    """With a key or a token in a header every request is served: a page's browser has asked before."""
    settings = given_settings(cors_origins=LISTS[cors_origins], access="open" if credential == "open" else "key")
    sent = {"Origin": ORIGINS[origin], "Sec-Fetch-Site": site}
    headers = {**CREDENTIALS[credential], **{name: value for name, value in sent.items() if value is not None}}
    row = AMBIENT.get((credential, cors_origins), (ANYONE,) * len(ORIGINS))
    if row[list(ORIGINS).index(origin)][SITES.index(site)] == "+":
        assert authenticate(settings, headers).name == ("anonymous" if credential == "open" else "web")
    else:
        refusal = refused(settings, headers)
        assert (refusal.code, refusal.status) == ("origin_not_allowed", 403)


@pytest.mark.parametrize(
    "headers", [bearer("a-wrong-key"), basic("u:a-wrong-key"), {}], ids=["bearer", "Basic", "none"]
)
def test_a_foreign_page_without_a_valid_key_learns_no_more_than_others(headers: dict[str, str]) -> None:
    page = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert refused(given_settings(), {**headers, **page}).status == 401


@pytest.mark.parametrize("credential", ["Basic", "open"])
def test_a_foreign_page_is_refused_before_dify_is_asked(credential: str) -> None:
    dify = FakeDify({})
    headers = {**CREDENTIALS[credential], "Origin": "https://evil.example", "Content-Type": "text/plain"}
    environ = EnvironBuilder(
        method="POST", path="/chat/a", headers=Headers(headers), data=b'{"query": "hi"}'
    ).get_environ()
    raw = {"apps": f"a={ID}", "access_keys": KEY, "access": "open" if credential == "open" else "key"}
    response = serve.handle(dify.session(), Request(environ), raw, None)
    assert (response.status_code, dify.asked, dify.calls, dify.storage.calls) == (403, [], [], [])
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


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
        pytest.param({"apps": f"a={ID},b={OTHER_ID}"}, "in the path", id="two apps and no default"),
        pytest.param({"exposure": "workspace"}, "in the path", id="every app of the workspace"),
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


# -- Scopes --------------------------------------------------------------------------------------------------------

SCOPED: Final[dict[str, Any]] = {
    "app": {"app_id": ID},
    "aliases": "a",
    "apps": f"b={OTHER_ID}, c={THIRD_ID}, bad=no-id",
    "callers": "web(b), two(b, c), all(a, b, c), mistyped(nowhere), broken(b",
    "access_keys": f"web={KEY}, two={KEY}2, all={KEY}3, free={KEY}4, mistyped={KEY}5, broken={KEY}6",
}
"""Three sound apps, `a` the default one, and callers that are held to some."""


@pytest.mark.parametrize(
    ("caller", "name", "expected"),
    [
        pytest.param(Caller("web"), "b", OTHER_ID, id="an app in the scope"),
        pytest.param(Caller("web"), OTHER_ID.upper(), OTHER_ID, id="by its id"),
        pytest.param(Caller("web"), None, OTHER_ID, id="the only one in the scope goes before the default one"),
        pytest.param(Caller("all"), None, ID, id="the default one is in the scope"),
        pytest.param(Caller("free"), None, ID, id="no scope: the default one"),
        pytest.param(Caller("free"), "c", THIRD_ID, id="no scope: any"),
        pytest.param(Caller("anonymous"), "c", THIRD_ID, id="nobody: any that is listed"),
        pytest.param(Caller("free", OTHER_ID, "b", "u"), "b", OTHER_ID, id="a token's app"),
        pytest.param(
            Caller("free", OTHER_ID, "b", "u"), None, OTHER_ID, id="a token's app goes before the default one"
        ),
        pytest.param(Caller("web", OTHER_ID, "b", "u"), None, OTHER_ID, id="a token's app in the caller's scope"),
    ],
)
def test_within_a_scope_the_app_is(caller: Caller, name: str | None, expected: str) -> None:
    assert choose_app(parse(SCOPED), caller, name).app_id == expected


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        pytest.param(Caller("web"), "a", id="the default one, by its alias"),
        pytest.param(Caller("web"), ID, id="the default one, by its id"),
        pytest.param(Caller("web"), "c", id="another one"),
        pytest.param(Caller("web"), "bad", id="a faulty one"),
        pytest.param(Caller("web"), "nowhere", id="none at all"),
        pytest.param(Caller("mistyped"), "a", id="every app, where no name in the scope is an app's"),
        pytest.param(Caller("web", OTHER_ID, "b", "u"), "c", id="a token: another one"),
        pytest.param(Caller("all", OTHER_ID, "u"), "c", id="a token: another one of the caller's scope"),
        pytest.param(Caller("free", OTHER_ID, "b", "u"), "bad", id="a token: a faulty one"),
        pytest.param(Caller("web", ID, "a", "u"), "a", id="a token: an app that the scope has lost"),
        pytest.param(Caller("web", ID, "a", "u"), None, id="a token: no name, and the scope has lost its app"),
    ],
)
def test_out_of_a_scope_it_is_the_same_404_as_for_no_app_at_all(caller: Caller, name: str | None) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(parse(SCOPED), caller, name)
    nowhere = access.app_not_found()
    assert vars(refusal.value) == vars(nowhere)


@pytest.mark.parametrize("caller", ["two", "mistyped"], ids=["two apps", "no app"])
def test_without_a_name_a_default_app_out_of_the_scope_is_none(caller: str) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(parse(SCOPED), Caller(caller), None)
    assert (refusal.value.code, refusal.value.status) == ("app_not_found", 404)


@pytest.mark.parametrize("name", [None, "a", "b", ID, "nowhere"])
@pytest.mark.parametrize("caller", [Caller("broken"), Caller("broken", OTHER_ID, "u")], ids=["a key", "a token"])
def test_a_scope_that_cant_be_read_closes_its_caller_out_and_says_where(caller: Caller, name: str | None) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_app(parse(SCOPED), caller, name)
    assert (refusal.value.code, refusal.value.status) == ("misconfigured", 500)
    assert "callers, entry 5" in refusal.value.message


@pytest.mark.parametrize("name", [THIRD_ID, OTHER_ID])
def test_under_workspace_a_scope_still_holds_its_caller(name: str) -> None:
    settings = given_settings(exposure="workspace", callers=f"web({THIRD_ID.upper()})")
    if name == THIRD_ID:
        assert choose_app(settings, CALLER, name).app_id == name
    else:
        with pytest.raises(DuckError, match="app_not_found"):
            choose_app(settings, CALLER, name)


def test_a_token_outlives_no_apps_place_in_the_list() -> None:
    with pytest.raises(DuckError, match="app_not_found"):
        choose_app(given_settings(apps=f"b={OTHER_ID}"), HOLDER, None)


# -- Models --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        pytest.param(Caller("free"), ["a", "b", "c", "bad"], id="no scope: all, in the order of the settings"),
        pytest.param(Caller("anonymous"), ["a", "b", "c", "bad"], id="nobody"),
        pytest.param(Caller("all"), ["a", "b", "c"], id="a scope"),
        pytest.param(Caller("two"), ["b", "c"], id="a scope without the default one"),
        pytest.param(Caller("web"), ["b"], id="one"),
        pytest.param(Caller("free", OTHER_ID, "b", "u"), ["b"], id="a token's app"),
        pytest.param(Caller("web", THIRD_ID, "c", "u"), [], id="a token's app that the scope has lost"),
        pytest.param(Caller("mistyped"), [], id="a scope of no app"),
        pytest.param(Caller("broken"), [], id="a scope that can't be read"),
    ],
)
def test_the_exposed_apps_are(caller: Caller, expected: list[str]) -> None:
    assert [app.alias for app in exposed_apps(parse(SCOPED), caller)] == expected


@pytest.mark.parametrize(
    ("caller", "model", "expected"),
    [
        pytest.param(Caller("free"), "c", "c", id="an alias"),
        pytest.param(Caller("free"), THIRD_ID.upper(), "c", id="an id, however it is written"),
        pytest.param(Caller("two"), "b", "b", id="within a scope"),
        pytest.param(Caller("web"), "b", "b", id="the only one, by its alias"),
        pytest.param(Caller("web"), "gpt-4o", "b", id="the only one, by any name"),
        pytest.param(Caller("web"), "a", "b", id="the only one, by the name of one out of the scope"),
        pytest.param(Caller("web"), "<app_id>", "b", id="the only one, by a placeholder"),
        pytest.param(Caller("free", THIRD_ID, "c", "u"), "gpt-4o", "c", id="a token's, by any name"),
    ],
)
def test_a_model_means(caller: Caller, model: str, expected: str) -> None:
    assert choose_model(parse(SCOPED), caller, model).alias == expected


@pytest.mark.parametrize(
    ("caller", "model"),
    [
        pytest.param(Caller("free"), "gpt-4o", id="several are exposed"),
        pytest.param(Caller("two"), "a", id="out of the scope"),
        pytest.param(Caller("mistyped"), "gpt-4o", id="none is exposed"),
        pytest.param(Caller("mistyped"), "a", id="none is exposed, by the name of one"),
        pytest.param(Caller("web", THIRD_ID, "c", "u"), "gpt-4o", id="a token's app that the scope has lost"),
    ],
)
def test_an_unknown_model_is_the_same_404_as_any_unknown_name(caller: Caller, model: str) -> None:
    with pytest.raises(DuckError) as refusal:
        choose_model(parse(SCOPED), caller, model)
    assert vars(refusal.value) == vars(access.app_not_found())


def test_a_model_of_a_caller_whose_scope_cant_be_read_is_told_where() -> None:
    with pytest.raises(DuckError, match="misconfigured"):
        choose_model(parse(SCOPED), Caller("broken"), "b")


def test_under_workspace_a_model_is_an_id_or_a_listed_alias_and_nothing_else() -> None:
    settings = given_settings(exposure="workspace", apps=f"b={OTHER_ID}")
    assert choose_model(settings, CALLER, ID).app_id == ID
    assert choose_model(settings, CALLER, "b").app_id == OTHER_ID
    with pytest.raises(DuckError, match="app_not_found"):
        choose_model(settings, CALLER, "gpt-4o")


def test_under_workspace_a_tokens_app_is_its_only_one_whatever_the_model_is_called() -> None:
    settings = given_settings(exposure="workspace", apps=f"b={OTHER_ID}")
    for app_id, alias in ((ID, ID), (OTHER_ID, "b")):
        assert choose_model(settings, Caller("web", app_id, alias, "u"), "gpt-4o").app_id == app_id


def test_the_only_app_is_told_to_be_faulty_by_any_name() -> None:
    with pytest.raises(DuckError, match="misconfigured"):
        choose_model(given_settings(app={"type": "app-selector"}), CALLER, "gpt-4o")
