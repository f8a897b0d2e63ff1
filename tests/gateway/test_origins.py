import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from gateway import routes, serve
from gateway.events import Kind
from gateway.origins import EXPOSED, MAX_AGE, Origins, cors_headers, is_foreign, origin_problem, preflight_headers
from tests.gateway.fake_dify import FakeApp, FakeDify, refusal

KEY: Final = "a-long-enough-key"
ID: Final = "11111111-1111-4111-8111-111111111111"
REFUSED_ID: Final = "22222222-2222-4222-8222-222222222222"

LISTED: Final = (
    "https://app.example",
    "https://app.example:8443",
    "http://localhost:3000",
    "http://[::1]:5173",
    "http://192.0.2.7",
    "https://xn--mnchen-3ya.example",
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "app://obsidian.md",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "https://*.example.com",
    "http://*.dev.example.net:8080",
    "https://*.localhost",
)
ORIGINS: Final = Origins.of(LISTED)
ANY: Final = Origins.of(["*"])
NONE: Final = Origins()


def from_page(origin: str, **more: str) -> Headers:
    """Headers as they come in: a test server's would refuse what a caller can send."""
    headers = Headers()
    headers._list = [("Origin", origin), *((name.replace("_", "-"), value) for name, value in more.items())]
    return headers


# -- Which origin is listed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        *(item for item in LISTED if "*" not in item),
        "https://a.example.com",
        "https://deep.down.example.com",
        "https://with_underscore.example.com",
        "https://xn--mnchen-3ya.example.com",
        "http://a.dev.example.net:8080",
        "https://a.localhost",
    ],
)
def test_an_origin_that_is_listed_is_named(origin: str) -> None:
    assert ORIGINS.names(origin)
    assert cors_headers(from_page(origin), ORIGINS) == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": (
            "X-Conversation-Id, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, x-should-retry"
        ),
    }


TRICKS: Final = {
    "nothing": "",
    "null": "null",
    "NULL": "NULL",
    "any": "*",
    "the pattern itself": "https://*.example.com",
    "the domain above a pattern": "https://example.com",
    "no label before a pattern's dot": "https://.example.com",
    "two dots": "https://a..example.com",
    "a lookalike before": "https://evilapp.example",
    "a lookalike before a pattern": "https://evil-example.com",
    "a lookalike before a pattern, with a label": "https://a.evilexample.com",
    "a lookalike behind": "https://app.example.evil.test",
    "a lookalike behind, joined": "https://app.examplexevil.test",
    "a lookalike behind a pattern": "https://a.example.com.evil.test",
    "any character for a pattern's dot": "https://a.exampleXcom",
    "a listed origin as a label": "https://app.example.evil.example",
    "a listed host in the path": "https://evil.test/app.example",
    "a pattern's host in the path": "https://evil.test/.example.com",
    "a pattern's host in the query": "https://evil.test?.example.com",
    "a pattern's host in the fragment": "https://evil.test#.example.com",
    "a pattern's host after a backslash": "https://evil.test\\.example.com",
    "a pattern's host after a space": "https://evil.test .example.com",
    "a listed host as the user": "https://app.example@evil.test",
    "a user": "https://user@app.example",
    "user and password before a pattern": "https://user:password@a.example.com",
    "a pattern's host as a port": "https://evil.test:.example.com",
    "a path": "https://app.example/",
    "a path under a pattern": "https://a.example.com/",
    "another port": "https://app.example:8444",
    "another port under a pattern": "https://a.example.com:8443",
    "no port, where one is listed": "http://localhost",
    "no port under a pattern with one": "http://a.dev.example.net",
    "the port that the scheme implies": "https://app.example:443",
    "a port with a zero before it": "http://localhost:03000",
    "a port of other digits": "http://localhost:\u0663\u0660\u0660\u0660",
    "an empty port": "https://app.example:",
    "another scheme": "http://app.example",
    "another scheme under a pattern": "http://a.example.com",
    "a scheme that begins alike": "httpsx://app.example",
    "no scheme": "app.example",
    "an empty scheme": "://app.example",
    "one slash": "https:/app.example",
    "three slashes": "https:///app.example",
    "another app's host": "capacitor://evil",
    "another app's scheme": "evil://localhost",
    "capitals": "HTTPS://APP.EXAMPLE",
    "a capital under a pattern": "https://A.example.com",
    "a trailing dot": "https://app.example.",
    "a trailing dot under a pattern": "https://a.example.com.",
    "a newline behind": "https://app.example\n",
    "a newline behind a pattern": "https://a.example.com\n",
    "a newline before": "\nhttps://app.example",
    "a header behind": "https://a.example.com\r\nSet-Cookie: a=b",
    "a listed line among others": "https://evil.test\nhttps://app.example",
    "a zero behind": "https://app.example\0",
    "a space behind": "https://app.example ",
    "a tab before": "\thttps://app.example",
    "two origins": "https://app.example https://evil.test",
    "two origins and a comma": "https://app.example, https://evil.test",
    "unicode for the listed punycode": "https://m\u00fcnchen.example",
    "a letter that only looks like one": "https://\u0430pp.example",
    "a sign that becomes a letter": "http://loca\u2113host:3000",
    "a dot that is none": "https://a\u3002example.com",
    "a full-width letter under a pattern": "https://\uff41.example.com",
    "a lone surrogate": "https://\ud800.example.com",
    "IPv6, written otherwise": "http://[0:0:0:0:0:0:0:1]:5173",
    "IPv6, another port": "http://[::1]",
    "IPv6 with a zone": "http://[::1%25lo]:5173",
    "IPv6 that holds IPv4": "http://[::ffff:192.0.2.7]",
    "IPv4 as one number": "http://3221225991",
    "a percent sign": "https://app%2eexample",
    "very long": f"https://{'a.' * 5000}example.com.evil.test",
    "very long, of hyphens": f"https://{'-' * 10_000}",
}
"""Origins that are not listed, however much they look it."""


@pytest.mark.parametrize("origin", TRICKS.values(), ids=list(TRICKS))
def test_an_origin_that_only_looks_listed_is_not(origin: str) -> None:
    assert not ORIGINS.names(origin)
    assert cors_headers(from_page(origin), ORIGINS) == {}
    assert preflight_headers(from_page(origin, Access_Control_Request_Method="POST"), ORIGINS, ["POST"]) == {}


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "capacitor://localhost", "https://a.example\r\nX: y"])
def test_any_is_answered_with_itself_and_names_nobody(origin: str) -> None:
    """Credentials are never allowed together with it, and no text of the request is sent back."""
    assert cors_headers(from_page(origin), ANY) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": EXPOSED,
    }
    assert not ANY.names(origin)


def test_beside_any_an_origin_that_is_listed_is_named() -> None:
    both = Origins.of(["*", "https://app.example"])
    assert cors_headers(from_page("https://app.example"), both)["Access-Control-Allow-Origin"] == "https://app.example"
    assert cors_headers(from_page("https://other.example"), both)["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("origins", [NONE, ORIGINS, ANY], ids=["none", "listed", "any"])
def test_a_request_of_no_page_gets_no_cors_headers(origins: Origins) -> None:
    assert cors_headers(Headers(), origins) == {}
    assert preflight_headers(Headers(), origins, ["POST"]) == {}


# -- Entries of the setting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ("https://a.example/", "https://a.example"),
        ("HTTPS://A.Example", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("https://a.example:443/", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://a.example:80", "https://a.example:80"),
        ("https://[2001:DB8::443]", "https://[2001:db8::443]"),
        ("https://[::1]:443", "https://[::1]"),
        ("Capacitor://localhost", "capacitor://localhost"),
        ("HTTPS://*.Example.com:443/", "https://a.example.com"),
        ("https://*.example.com:8443", "https://a.example.com:8443"),
    ],
)
def test_an_entry_means_the_origin_as_a_browser_writes_it(entry: str, origin: str) -> None:
    assert origin_problem(entry) == ""
    assert Origins.of([entry]).names(origin)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "null",
        "NULL",
        "**",
        "*.example.com",
        "app.example",
        "https://",
        "https://*",
        "https://*.com",
        "https://*.",
        "https://*.*.example.com",
        "https://a.*.example.com",
        "https://a*.example.com",
        "https://*a.example.com",
        "https://a.example.*",
        "https://a.example:*",
        "*://a.example",
        "capacitor://*.example.com",
        "https://user@a.example",
        "https://a.example/path",
        "https://a.example?query",
        "https://a.example#fragment",
        "https://a.example:port",
        "https://a.example:123456",
        "https://a.example b.example",
        "https://a.example\nhttps://b.example",
        "https://m\u00fcnchen.example",
        "https://[::1",
        "https://[::g]",
        "file://",
        "data:text/html,x",
        "javascript:alert(1)",
        "https:a.example",
        "^https://.*$",
    ],
)
def test_what_is_no_origin_is_a_problem_and_lists_nothing(entry: str) -> None:
    assert origin_problem(entry)
    assert Origins.of([entry]) == NONE


# -- For whatever text ---------------------------------------------------------------------------------------------

_hosts: Final = st.sampled_from(["app.example", "evil.test", "localhost", "[::1]", "192.0.2.7", "a.example.com"])
_origins: Final = st.builds(
    lambda scheme, host, port: f"{scheme}://{host}{port}",
    st.sampled_from(["https", "http", "capacitor", "tauri"]),
    _hosts,
    st.sampled_from(["", ":3000", ":8443"]),
)
_tricky: Final = st.text("aA.-_@:/\\?#%*[] \t\n\r\0\u0430\u3002\uff0e\u00fc" + "exmplco", max_size=12)


@given(listed=st.lists(_origins, max_size=4), origin=_origins | _tricky, before=_tricky, after=_tricky)
@example(listed=["https://app.example"], origin="https://app.example", before="", after="\n")
def test_no_origin_outside_the_listed_ones_is_ever_granted(
    listed: list[str], origin: str, before: str, after: str
) -> None:
    for text in (origin, before + origin, origin + after):
        granted = cors_headers(from_page(text), Origins.of(listed))
        assert granted.get("Access-Control-Allow-Origin") == (text if text in listed else None)


@given(label=_tricky, after=_tricky, before=st.sampled_from(["https://", "http://", "https://a.", ""]))
@example(label="a", after="", before="https://")
def test_a_pattern_names_nothing_but_subdomains_over_the_same_scheme_and_port(
    label: str, after: str, before: str
) -> None:
    """As another reader of addresses sees it."""
    origin = f"{before}{label}.example.com{after}"
    if Origins.of(["https://*.example.com"]).names(origin):
        parts = urlsplit(origin)
        assert (parts.scheme, parts.port, parts.username, parts.path + parts.query) == ("https", None, None, "")
        assert str(parts.hostname).endswith(".example.com")
        assert re.fullmatch(r"[a-z0-9._-]+", str(parts.hostname))


@given(entry=st.text(max_size=30) | _tricky.map(lambda text: f"https://{text}"))
def test_any_entry_either_has_a_problem_or_lists_something(entry: str) -> None:
    assert bool(origin_problem(entry)) is (Origins.of([entry]) == NONE)


@given(
    origin=_tricky | _origins,
    asked=st.text(max_size=30) | _tricky,
    listed=st.sampled_from([NONE, ORIGINS, ANY]),
    method=_tricky,
)
def test_no_line_break_of_a_request_is_ever_sent_back(origin: str, asked: str, listed: Origins, method: str) -> None:
    headers = from_page(origin, Access_Control_Request_Method=method, Access_Control_Request_Headers=asked)
    said = preflight_headers(headers, listed, ["POST"])
    assert "Access-Control-Allow-Credentials" not in said
    assert all(re.fullmatch(r"[\x20-\x7e]*", value) for value in said.values())


# -- Preflight -----------------------------------------------------------------------------------------------------


def test_a_preflight_is_told_methods_headers_and_how_long_that_holds() -> None:
    headers = from_page(
        "https://app.example",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,content-type,x-stainless-lang",
    )
    assert preflight_headers(headers, ORIGINS, ["GET", "POST"]) == {
        "Access-Control-Allow-Origin": "https://app.example",
        "Access-Control-Expose-Headers": EXPOSED,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "authorization,content-type,x-stainless-lang",
        "Access-Control-Max-Age": str(MAX_AGE),
    }


@pytest.mark.parametrize(
    "asked",
    ["", "a: b", "a\r\nX: y", "a;b", "\u00e4", "a" * 2001, "(a)", '"a"', "a\0"],
    ids=lambda text: ascii(text[:9]),
)
def test_headers_that_can_be_no_names_are_not_granted(asked: str) -> None:
    headers = from_page(
        "https://app.example", Access_Control_Request_Method="POST", Access_Control_Request_Headers=asked
    )
    said = preflight_headers(headers, ORIGINS, ["POST"])
    assert "Access-Control-Allow-Headers" not in said
    assert said["Access-Control-Allow-Origin"] == "https://app.example"


def test_options_of_a_page_that_asks_for_nothing_are_no_preflight() -> None:
    assert preflight_headers(from_page("https://app.example"), ORIGINS, ["POST"]) == {
        "Access-Control-Allow-Origin": "https://app.example",
        "Access-Control-Expose-Headers": EXPOSED,
    }


# -- Whose request it is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [origin for origin in TRICKS.values() if origin])
@pytest.mark.parametrize("site", ["", "none", "same-site", "cross-site", "Same-Origin", "same-origin,cross-site"])
def test_a_page_that_only_looks_listed_is_foreign(origin: str, site: str) -> None:
    assert is_foreign(from_page(origin, Sec_Fetch_Site=site), ORIGINS, any_may=True)
    assert is_foreign(from_page(origin, Sec_Fetch_Site=site), ANY, any_may=False)


@pytest.mark.parametrize("forged", ["Host", "Dify-Hook-Url", "X-Forwarded-Host", "Referer", "Forwarded"])
def test_no_header_that_a_caller_can_forge_makes_a_page_ducks_own(forged: str) -> None:
    headers = from_page("https://evil.test", **{forged.replace("-", "_"): "https://evil.test"})
    assert is_foreign(headers, ORIGINS, any_may=True)


# -- On every reply ------------------------------------------------------------------------------------------------

SETTINGS: Final[Mapping[str, Any]] = {
    "apps": f"chat={ID}, refused={REFUSED_ID}, bad=no-id",
    "access_keys": KEY,
    "cors_origins": "https://app.example, https://*.example.com",
}


def answer(
    method: str,
    path: str,
    headers: Mapping[str, str],
    *,
    data: bytes = b'{"query": "hi"}',
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """The response to a request with a key, unless its headers hold another one."""
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers}
    builder = EnvironBuilder(method=method, path=path, headers=Headers(sent), data=data)
    dify = FakeDify({ID: FakeApp(Kind.CHAT), REFUSED_ID: FakeApp(Kind.CHAT, dicts=(refusal("unexpected app type"),))})
    raw = {**SETTINGS, **settings}
    return serve.handle(dify.session(), Request(builder.get_environ()), raw, None)


REPLIES: Final[dict[str, tuple[str, str, dict[str, Any], int]]] = {
    "a stream": ("POST", "/chat/chat", {}, 200),
    "one body": ("POST", "/chat/chat", {"headers": {"Accept": "application/json"}}, 200),
    "the live page": ("GET", "/duck/chat?query=hi", {}, 200),
    "about": ("GET", "/", {}, 200),
    "the description": ("GET", "/openapi.json", {}, 200),
    "health": ("GET", "/healthz", {}, 200),
    "a token": ("POST", "/tokens", {"data": b'{"app": "chat", "user": "u"}'}, 200),
    "no JSON": ("POST", "/chat/chat", {"data": b"{"}, 400),
    "no key": ("POST", "/chat/chat", {"headers": {"Authorization": ""}}, 401),
    "a token for nobody": ("POST", "/tokens", {"headers": {"Authorization": ""}, "settings": {"access": "open"}}, 403),
    "no app": ("POST", "/chat/unknown", {}, 404),
    "no path": ("GET", "/nowhere", {}, 404),
    "no such method": ("PUT", "/chat/chat", {}, 405),
    "too large": ("POST", "/chat/chat", {"data": b"x" * 10 * 1024 * 1024}, 413),
    "no type that is read": ("POST", "/chat/chat", {"headers": {"Content-Type": "image/png"}, "data": b"x"}, 415),
    "a faulty app": ("POST", "/chat/bad", {}, 500),
    "faulty settings": ("POST", "/chat/chat", {"settings": {"detail": "nonsense"}}, 500),
    "an app that fails": ("POST", "/chat/refused", {}, 502),
    "options": ("OPTIONS", "/chat/chat", {}, 204),
}


@pytest.mark.parametrize(("method", "path", "more", "status"), REPLIES.values(), ids=list(REPLIES))
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example", "https://app.example"),
        ("https://a.example.com", "https://a.example.com"),
        ("https://evil.test", None),
        ("null", None),
        (None, None),
    ],
    ids=["listed", "a subdomain", "not listed", "null", "no page"],
)
def test_every_reply_carries_the_headers_for_a_listed_origin_and_none_for_another(
    method: str, path: str, more: dict[str, Any], status: int, origin: str | None, allowed: str | None
) -> None:
    """With a key in a header the request of a page that is not listed is served all the same."""
    headers = {**more.get("headers", {}), **({"Origin": origin} if origin else {})}
    response = answer(method, path, headers, **{name: value for name, value in more.items() if name != "headers"})
    response.close()
    assert response.status_code == status
    assert response.headers["Vary"] == "Origin"
    granted = {name: value for name, value in response.headers if name.startswith("Access-Control")}
    expected = {"Access-Control-Allow-Origin": allowed, "Access-Control-Expose-Headers": EXPOSED}
    assert granted == (expected if allowed else {})


PREFLIGHT: Final = {
    "Authorization": "",
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
}


@pytest.mark.parametrize("path", ["/chat/chat", "/chat/unknown", "/duck/chat", "/tokens", "/nowhere"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"access_keys": ""}, {"detail": "nonsense"}, {"access": "open"}],
    ids=["with keys", "without keys", "faulty", "open"],
)
def test_a_preflight_is_answered_before_the_key_and_alike_for_every_app(path: str, settings: dict[str, str]) -> None:
    response = answer("OPTIONS", path, PREFLIGHT, settings=settings, data=b"")
    methods = ", ".join(routes.allowed_methods(path) or ("GET", "POST"))
    assert (response.status_code, response.get_data(), response.headers["Vary"]) == (204, b"", "Origin")
    assert {name: value for name, value in response.headers if name.startswith("Access-Control")} == {
        "Access-Control-Allow-Origin": "https://app.example",
        "Access-Control-Expose-Headers": EXPOSED,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "authorization",
        "Access-Control-Max-Age": "7200",
    }


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "https://app.example.evil.test"])
@pytest.mark.parametrize("cors_origins", ["", "https://app.example"], ids=["none", "another"])
def test_a_preflight_of_a_page_that_is_not_listed_grants_nothing(origin: str, cors_origins: str) -> None:
    headers = {**PREFLIGHT, "Origin": origin}
    response = answer("OPTIONS", "/chat/chat", headers, settings={"cors_origins": cors_origins}, data=b"")
    assert (response.status_code, response.headers["Vary"]) == (204, "Origin")
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_credentials_are_never_allowed() -> None:
    for cors_origins in ("*", "https://app.example"):
        for method in ("OPTIONS", "POST"):
            response = answer(method, "/chat/chat", PREFLIGHT, settings={"cors_origins": cors_origins}, data=b"")
            assert "Access-Control-Allow-Origin" in response.headers
            assert "Access-Control-Allow-Credentials" not in response.headers
