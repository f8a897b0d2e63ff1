"""What a page of another site may do, as browsers ask and as they enforce it."""

import base64
from typing import Final

import httpx
import pytest

from tests.plugin.conftest import Blocked, Endpoints, Page, Serve, listed

KEY: Final = "ann-key-0123456789abcdef"
BEARER: Final = {"Authorization": f"Bearer {KEY}"}
PASSWORD: Final = {"Authorization": f"Basic {base64.b64encode(f'me:{KEY}'.encode()).decode()}"}
QUERY: Final = {"query": "x"}

LISTED: Final = "https://app.example.com"
LISTED_ORIGINS: Final = (LISTED, "https://a.wild.example.com:8443", "capacitor://localhost", "tauri://localhost")
UNLISTED: Final = "https://evil.example"

SETTINGS: Final = {
    "access_keys": KEY,
    "apps": listed("echo", "failing", "broken"),
    "conversation_ids": "plain",  # no endpoint then needs a second to learn the secret of its handles
    "cors_origins": "https://app.example.com, https://*.wild.example.com:8443 capacitor://localhost, tauri://localhost",
}


@pytest.fixture(scope="module")
def ends(serve: Serve) -> Endpoints:
    hooks = {
        "key": SETTINGS,
        "any": {**SETTINGS, "cors_origins": "*"},
        "none": {**SETTINGS, "cors_origins": ""},
        "open": {**SETTINGS, "access": "open"},
        "open-any": {**SETTINGS, "access": "open", "cors_origins": "*"},
    }
    return serve({"one": hooks})


def cors(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.startswith("access-control-")}


def granted(origin: str) -> dict[str, str]:
    """The headers of every reply to a page that may read it."""
    exposed = "X-Conversation-Id, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, x-should-retry"
    return {"access-control-allow-origin": origin, "access-control-expose-headers": exposed}


def asking(origin: str, headers: str = "authorization,content-type") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": headers,
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "cross-site",
    }


# -- The preflight -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", LISTED_ORIGINS)
def test_a_preflight_is_answered_without_a_key(ends: Endpoints, origin: str) -> None:
    with ends.caller("key") as client:
        answer = client.request("OPTIONS", "/chat/echo", headers=asking(origin, "authorization, x-stainless-os"))
    assert (answer.status_code, answer.content, answer.headers["vary"]) == (204, b"", "Origin")
    assert cors(answer) == granted(origin) | {
        "access-control-allow-methods": "OPTIONS, POST",
        "access-control-allow-headers": "authorization, x-stainless-os",
        "access-control-max-age": "7200",
    }


@pytest.mark.parametrize("path", ["/chat/echo", "/chat/nowhere", "/duck/echo", "/tokens", "/healthz", "/", "/nothing"])
def test_a_preflight_tells_nobody_what_there_is(ends: Endpoints, path: str) -> None:
    with ends.caller("key") as client:
        answer = client.request("OPTIONS", path, headers=asking(LISTED))
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, LISTED)
        refused = client.request("OPTIONS", path, headers=asking(UNLISTED))
        assert (refused.status_code, refused.headers["vary"], cors(refused)) == (204, "Origin", {})


def test_a_preflight_of_any_origin_is_granted_to_all_and_never_with_credentials(ends: Endpoints) -> None:
    with ends.caller("any") as client:
        answer = client.request("OPTIONS", "/chat/echo", headers=asking(UNLISTED))
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


# -- Every reply ---------------------------------------------------------------------------------------------------

REPLIES: Final = [
    pytest.param("POST", "/chat/echo", {**BEARER}, 200, id="a stream"),
    pytest.param("POST", "/chat/broken", {**BEARER}, 200, id="a stream that fails"),
    pytest.param("POST", "/chat/echo", {**BEARER, "Accept": "application/x-ndjson"}, 200, id="an NDJSON stream"),
    pytest.param("POST", "/chat/echo", {**BEARER, "Accept": "text/plain"}, 200, id="a stream of text"),
    pytest.param("POST", "/chat/echo", {**BEARER, "Accept": "application/json"}, 200, id="one body"),
    pytest.param("POST", "/duck/echo", {**BEARER}, 200, id="the live page"),
    pytest.param("GET", "/", {}, 200, id="what this is"),
    pytest.param("GET", "/healthz", {}, 200, id="whether it runs"),
    pytest.param("POST", "/tokens", {**BEARER}, 400, id="a wrong request for a token"),
    pytest.param("POST", "/chat/echo", {}, 401, id="no key"),
    pytest.param("POST", "/duck/echo", {}, 401, id="no key on the live page"),
    pytest.param("POST", "/chat/nowhere", {**BEARER}, 404, id="an unknown app"),
    pytest.param("POST", "/nothing", {**BEARER}, 404, id="an unknown path"),
    pytest.param("PUT", "/chat/echo", {**BEARER}, 405, id="a wrong method"),
    pytest.param("POST", "/chat/echo", {**BEARER, "Accept": "image/png"}, 406, id="a type that is not spoken"),
    pytest.param(
        "POST", "/chat/echo", {**BEARER, "Content-Type": "text/plain; charset=latin-1"}, 415, id="a wrong charset"
    ),
    pytest.param("POST", "/workflow/failing", {**BEARER, "Accept": "application/json"}, 502, id="an app that fails"),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), REPLIES)
def test_every_reply_can_be_read_by_a_listed_page_and_by_no_other(
    ends: Endpoints, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    content = b"" if method == "GET" or path == "/tokens" else b'{"query": "x"}'

    def reply_to(hook: str, origin: str | None) -> httpx.Response:
        page = {} if origin is None else {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        with ends.caller(hook) as client:
            del client.headers["Accept"]
            return client.request(method, path, headers={**headers, **page}, content=content)

    expected = {
        ("key", LISTED): granted(LISTED),
        ("key", UNLISTED): {},
        ("key", None): {},
        ("none", LISTED): {},
        ("any", UNLISTED): granted("*"),
    }
    replies = {where: reply_to(*where) for where in expected}
    assert {where: cors(reply) for where, reply in replies.items()} == expected
    assert {reply.status_code for reply in replies.values()} == {status}
    assert {reply.headers["vary"] for reply in replies.values()} == {"Origin"}


def test_a_page_reads_of_a_stream_what_it_needs_to_go_on(ends: Endpoints) -> None:
    reply = Page(ends.url("key"), LISTED).fetch("/chat/echo", QUERY, **BEARER)
    assert reply.headers["content-type"] == "text/event-stream"
    assert {"x-conversation-id", "x-request-id"} <= set(reply.headers)
    assert reply.text.rpartition("event: ")[2].startswith("end\n")


def test_a_page_that_is_not_listed_fails_at_the_preflight(ends: Endpoints) -> None:
    for hook, origin in (("key", UNLISTED), ("key", "null"), ("none", LISTED), ("open", UNLISTED)):
        with pytest.raises(Blocked, match="the preflight: 204"):
            Page(ends.url(hook), origin).fetch("/chat/echo", QUERY, **BEARER)


# -- Refused before Dify is asked ----------------------------------------------------------------------------------

FOREIGN: Final = [
    pytest.param({"Origin": UNLISTED, "Sec-Fetch-Site": "cross-site"}, id="a page of another site"),
    pytest.param({"Origin": UNLISTED}, id="a page of another site in an old browser"),
    pytest.param({"Origin": UNLISTED, "Sec-Fetch-Site": "same-site"}, id="a page of a neighbour"),
    pytest.param({"Origin": "null"}, id="a sandboxed page"),
    pytest.param({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, id="a sandboxed page of the same origin"),
    pytest.param({"Sec-Fetch-Site": "cross-site"}, id="an image or a link on another site"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, id="an image or a link of a neighbour"),
    pytest.param({"Origin": "http://127.0.0.1", "Host": "127.0.0.1"}, id="a page that calls itself like the host"),
]


@pytest.mark.parametrize("page", FOREIGN)
def test_a_foreign_page_gets_nowhere_with_what_a_browser_adds_by_itself(ends: Endpoints, page: dict[str, str]) -> None:
    for hook, key in (("key", PASSWORD), ("open", {}), ("open", PASSWORD)):
        with ends.caller(hook) as client:
            replies = [
                client.post("/chat/echo", json=QUERY, headers={**page, **key}),
                client.get("/duck/echo?query=x", headers={**page, **key}),
                client.post("/chat/nowhere", json=QUERY, headers={**page, **key}),
            ]
            assert [reply.status_code for reply in replies] == [403, 403, 403]
            assert replies[0].json()["code"] == replies[2].json()["code"] == "origin_not_allowed"
            assert [cors(reply) for reply in replies] == [{}, {}, {}]


OWN: Final = [
    pytest.param({}, id="no browser"),
    pytest.param({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, id="a user who types the address"),
    pytest.param({"Sec-Fetch-Site": "same-origin"}, id="a page of ours"),
    pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "https://dify.example.com"}, id="a form of ours"),
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": LISTED}, id="a listed page"),
]


@pytest.mark.parametrize("page", OWN)
def test_our_own_pages_and_listed_ones_are_let_in(ends: Endpoints, page: dict[str, str]) -> None:
    for hook, key in (("key", PASSWORD), ("open", {})):
        with ends.caller(hook) as client:
            assert client.post("/chat/echo", json=QUERY, headers={**page, **key}).status_code == 200


@pytest.mark.parametrize("page", FOREIGN)
def test_a_client_with_a_key_in_a_header_is_served_whatever_origin_it_names(
    ends: Endpoints, page: dict[str, str]
) -> None:
    for headers in (BEARER, {"X-API-Key": KEY}):
        with ends.caller("key") as client:
            reply = client.post("/chat/echo", json=QUERY, headers={**page, **headers})
        assert (reply.status_code, cors(reply)) == (200, {})


def test_any_origin_means_any_page_where_no_key_is_asked_for_and_none_with_a_password(ends: Endpoints) -> None:
    page = {"Origin": UNLISTED, "Sec-Fetch-Site": "cross-site"}
    with ends.caller("open-any") as client:
        assert client.post("/chat/echo", json=QUERY, headers=page).status_code == 200
        assert client.post("/chat/echo", json=QUERY, headers={**page, "Origin": "null"}).status_code == 403
        assert client.post("/chat/echo", json=QUERY, headers={**page, **PASSWORD}).status_code == 403
    with ends.caller("any") as client:
        assert client.post("/chat/echo", json=QUERY, headers={**page, **PASSWORD}).status_code == 403
