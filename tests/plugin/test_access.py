"""Who gets in, with what, and as whom; the running plugin as its callers meet it."""

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import Blocked, Endpoints, Page, Serve, caller, listed
from workbench.apps import DEMO_APPS

ANN: Final = "ann-key-0123456789abcdef"
BOB: Final = "bob:key=0123456789/abcdef"
CAT: Final = "cat-key-0123456789abcdef"
PAGE: Final = "https://app.example.com"
QUERY: Final = {"query": "x"}

KEYS: Final = {
    "access_keys": f"ann={ANN}, bob={BOB}",
    "callers": f"cat=sha256:{hashlib.sha256(CAT.encode()).hexdigest()}, cat(echo, slow)",
    "apps": listed("echo", "agent", "slow"),
    "cors_origins": PAGE,
}
NO_KEYS: Final = {"apps": listed("echo"), "cors_origins": PAGE}

APP_ROUTES: Final = ("/chat/{}", "/workflow/{}", "/completion/{}", "/duck/{}")


@pytest.fixture(scope="module")
def ends(serve: Serve) -> Endpoints:
    hooks = {
        "keys": KEYS,
        "open": {"access": "open", **KEYS},
        "thrice": {"rate_limit": "3/min", **KEYS},
        "often": {"rate_limit": "2/s, 100/min", **KEYS},
    }
    started = serve({"one": hooks, "closed": {"closed": NO_KEYS}}, "--control")
    with ThreadPoolExecutor() as pool:  # each endpoint needs a second to learn the secret of its handles
        list(pool.map(lambda hook: started.caller(hook, CAT).post("/chat/echo", json=QUERY), ("keys", "open")))
    return started


def problem(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def without_id(reply: httpx.Response) -> tuple[int, dict[str, str], str]:
    """All of a reply but what is its own: the request's id, and the time."""
    headers = {name: value for name, value in reply.headers.items() if name not in ("x-request-id", "date")}
    return reply.status_code, headers, reply.text.replace(reply.headers["x-request-id"], "")


# -- Keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [ANN, BOB, CAT], ids=["ann", "bob, whose key has a colon", "cat, listed by its digest"])
def test_a_key_opens_in_each_of_its_three_forms(ends: Endpoints, key: str) -> None:
    with ends.caller("keys") as client:
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            assert client.post("/chat/echo", json=QUERY, headers=headers).status_code == 200
        for user in ("", "anybody"):
            assert client.post("/chat/echo", json=QUERY, auth=(user, key)).status_code == 200


def test_both_ways_of_running_the_plugin_take_a_key_as_a_password(duck: RunningWorkbench) -> None:
    with caller(duck.url, key=None) as client:
        assert client.post("/chat/echo", json=QUERY, auth=("me", duck.key)).status_code == 200
        assert problem(client.post("/chat/echo", json=QUERY, auth=("me", "x" * 20))) == (401, "unauthorized")


@pytest.mark.parametrize(
    "request_of_a_stranger",
    [
        pytest.param({"headers": {"Authorization": ANN}}, id="without a scheme"),
        pytest.param({"headers": {"Authorization": f"Token {ANN}"}}, id="another scheme"),
        pytest.param({"headers": {"X-API-Key": f"ann={ANN}"}}, id="with its caller's name"),
        pytest.param({"headers": {"X-API-Key": hashlib.sha256(CAT.encode()).hexdigest()}}, id="the digest"),
        pytest.param({"headers": {"X-API-Key": f"sha256:{hashlib.sha256(CAT.encode()).hexdigest()}"}}, id="as listed"),
        pytest.param({"auth": (ANN, "")}, id="as the user of HTTP Basic"),
        pytest.param({"auth": (ANN, "x")}, id="as the user, with another password"),
        pytest.param({"params": {"access_token": ANN, "api_key": ANN, "key": ANN}}, id="in the query string"),
        pytest.param({"params": {"Authorization": f"Bearer {ANN}", "X-API-Key": ANN}}, id="as headers in the query"),
        pytest.param({"headers": {"Cookie": f"access_token={ANN}; token={ANN}"}}, id="in a cookie"),
        pytest.param({"headers": {"Proxy-Authorization": f"Bearer {ANN}"}}, id="for a proxy"),
        pytest.param({"json": {"query": "x", "access_token": ANN, "api_key": ANN}}, id="in the body"),
        pytest.param({"data": {"query": "x", "access_token": ANN}}, id="in a form"),
    ],
)
def test_a_key_in_any_other_place_or_form_is_no_key(ends: Endpoints, request_of_a_stranger: dict[str, Any]) -> None:
    with ends.caller("keys") as client:
        assert problem(client.post("/chat/echo", **request_of_a_stranger)) == (401, "unauthorized")


@pytest.mark.parametrize("route", APP_ROUTES)
@pytest.mark.parametrize("key", [None, "a-wrong-key-of-some-length"], ids=["no key", "a wrong key"])
def test_a_401_is_the_same_to_the_byte_for_whatever_app(ends: Endpoints, route: str, key: str | None) -> None:
    names = ("echo", DEMO_APPS["echo"], DEMO_APPS["form"], "nowhere", "%3Capp_id%3E", "x" * 300, "%E2%80%AE", "-")
    with ends.caller("keys", key) as client:
        replies = [client.post(route.format(name), json=QUERY) for name in names]
    assert replies[0].status_code == 401
    assert [without_id(reply) for reply in replies] == [without_id(replies[0])] * len(names)


def test_a_401_comes_before_any_look_at_what_was_sent(ends: Endpoints) -> None:
    with ends.caller("keys") as client:
        expected = without_id(client.post("/chat/echo", json=QUERY))
        for content, headers in (
            (b"{", {"Content-Type": "application/json"}),
            (b"x" * 11_000_000, {"Content-Type": "application/json"}),
            (b"x", {"Content-Type": "image/png", "Accept": "image/png"}),
        ):
            assert without_id(client.post("/chat/echo", content=content, headers=headers)) == expected


NAVIGATION: Final = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", "Accept": "text/html,*/*;q=0.8"}
BEARER: Final = 'Bearer realm="duck"'
BASIC: Final = 'Basic realm="duck", charset="UTF-8"'


@pytest.mark.parametrize(
    ("method", "path", "headers", "challenge"),
    [
        pytest.param("GET", "/duck/echo", NAVIGATION, BASIC, id="a browser opens /duck"),
        pytest.param("GET", "/duck", NAVIGATION, BASIC, id="a browser opens /duck without an app"),
        pytest.param("GET", "/duck/echo", {"Accept": "text/html"}, BASIC, id="a browser that says what it accepts"),
        pytest.param("GET", "/duck/echo", {}, BEARER, id="a client that is no browser"),
        pytest.param("GET", "/duck/echo", {**NAVIGATION, "Sec-Fetch-Mode": "cors"}, BEARER, id="a page's script"),
        pytest.param("GET", "/duck/echo", {**NAVIGATION, "Sec-Fetch-Mode": "no-cors"}, BEARER, id="a page's image"),
        pytest.param("POST", "/chat/echo", NAVIGATION, BEARER, id="a form on /chat"),
        pytest.param("POST", "/tokens", NAVIGATION, BEARER, id="a form on /tokens"),
    ],
)
def test_only_a_browser_that_opens_the_page_is_made_to_ask_its_user(
    ends: Endpoints, method: str, path: str, headers: dict[str, str], challenge: str
) -> None:
    with ends.caller("keys") as client:
        reply = client.request(method, path, headers=headers)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, challenge)


# -- Scopes --------------------------------------------------------------------------------------------------------


def test_a_caller_held_to_some_apps_meets_the_others_as_if_they_did_not_exist(ends: Endpoints) -> None:
    with ends.caller("keys", CAT) as client:
        assert client.post("/chat/echo", json=QUERY).status_code == 200
        names = ("agent", DEMO_APPS["agent"], "nowhere", DEMO_APPS["nowhere"], "x" * 300)
        replies = [client.post(f"/chat/{name}", json=QUERY) for name in names]
    assert problem(replies[0]) == (404, "app_not_found")
    assert [without_id(reply) for reply in replies] == [without_id(replies[0])] * len(names)
    with ends.caller("keys", ANN) as client:
        assert client.post("/chat/agent", json=QUERY).status_code == 200


# -- Fail closed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(None, id="no key"),
        pytest.param(ANN, id="another endpoint's key"),
        pytest.param("duck-token-e30.e30", id="what looks like a token"),
    ],
)
def test_without_keys_in_the_settings_all_that_touches_dify_is_a_401(ends: Endpoints, key: str | None) -> None:
    with ends.caller("closed") as client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        for path in (*(route.format("echo") for route in APP_ROUTES), "/tokens"):
            reply = client.post(path, json=QUERY, headers=headers)
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, BEARER)
            assert "access_keys" in reply.text
        assert client.get("/duck/echo?query=x", headers=headers).status_code == 401
        assert client.get("/healthz", headers=headers).status_code == 200
    assert ends.storage("closed")["calls"] == {}  # nor is Dify's storage touched


def test_open_lets_in_whoever_has_no_key_and_names_whoever_has_one(ends: Endpoints) -> None:
    for key, named in ((None, "anonymous"), (BOB, "bob")):
        with ends.caller("open", key) as client:
            reply = client.post("/chat/echo", json=QUERY)
        assert reply.status_code == 200
        ends.workbench.wait_for(f"request={reply.headers['x-request-id']} route=chat caller={named} ")
    with ends.caller("open", "a-wrong-key-of-some-length") as client:
        assert problem(client.post("/chat/echo", json=QUERY)) == (401, "unauthorized")


# -- Tokens --------------------------------------------------------------------------------------------------------


def token_of(ends: Endpoints, key: str = ANN, hook: str = "keys", **asked: Any) -> str:
    with ends.caller(hook, key) as client:
        reply = client.post("/tokens", json={"app": "echo", "user": "visitor-1", **asked})
    assert reply.status_code == 200, reply.text
    token: str = reply.json()["token"]
    return token


def test_a_token_says_what_it_is_for(ends: Endpoints) -> None:
    with ends.caller("keys", ANN) as client:
        reply = client.post("/tokens", json={"app": "echo", "user": "visitor-1", "expires_in": 60})
    said = reply.json()
    token, expires_at = said.pop("token"), said.pop("expires_at")
    assert said == {"token_type": "Bearer", "app": "echo", "user": "visitor-1", "expires_in": 60}
    assert 50 < expires_at - time.time() <= 60
    assert token.isascii()
    assert "no-store" in reply.headers["cache-control"]


def test_a_page_talks_to_its_app_with_a_token_and_to_no_other(ends: Endpoints) -> None:
    page = Page(ends.url("keys"), PAGE)
    token = f"Bearer {token_of(ends)}"
    first = page.fetch("/chat/echo", QUERY, Authorization=token, Accept="application/json")
    assert first.json()["answer"] == "You said: x (turn 1)"
    again = {"query": "y", "conversation_id": first.headers["x-conversation-id"]}
    second = page.fetch("/chat", again, Authorization=token, Accept="application/json")  # the token's app, unnamed
    assert second.json()["answer"] == "You said: y (turn 2)"
    refused = page.fetch("/chat/agent", QUERY, Authorization=token)
    assert problem(refused) == (404, "app_not_found")
    assert problem(page.fetch("/chat/echo", QUERY, Authorization=token + "x")) == (401, "unauthorized")
    with pytest.raises(Blocked, match="preflight"):
        Page(ends.url("keys"), "https://evil.example").fetch("/chat/echo", QUERY, Authorization=token)


def test_a_token_opens_as_a_bearer_and_as_an_api_key_but_not_as_a_password(ends: Endpoints) -> None:
    token = token_of(ends)
    with ends.caller("keys") as client:
        assert client.post("/chat/echo", json=QUERY, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert client.post("/chat/echo", json=QUERY, headers={"X-API-Key": token}).status_code == 200
        assert client.post("/chat/echo", json=QUERY, auth=("visitor-1", token)).status_code == 401


def test_a_token_makes_no_token_and_neither_does_whoever_has_no_key(ends: Endpoints) -> None:
    with ends.caller("keys", token_of(ends)) as client:
        assert problem(client.post("/tokens", json={"app": "echo", "user": "other"})) == (403, "forbidden")
    with ends.caller("open") as client:
        assert problem(client.post("/tokens", json={"app": "echo", "user": "other"})) == (403, "forbidden")


def test_a_token_ends_when_it_was_said_to(ends: Endpoints) -> None:
    token = token_of(ends, expires_in=1)
    deadline = time.monotonic() + 5
    with ends.caller("keys", token) as client:
        while client.post("/chat/echo", json=QUERY).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert problem(client.post("/chat/echo", json=QUERY)) == (401, "unauthorized")


def test_a_token_of_another_endpoint_or_one_that_was_changed_is_none(ends: Endpoints) -> None:
    token = token_of(ends)
    said, _, signature = token.rpartition(".")
    other = token_of(ends, user="visitor-2").rpartition(".")[0]
    changed = [token[:-1], token + "x", token.swapcase(), said, f"{said}x.{signature}", f"{other}.{signature}"]
    for forged in (
        *changed,
        token_of(ends, hook="open"),
        token.removeprefix("duck-token-"),
        "duck-token-",
        "duck-token-..",
    ):
        with ends.caller("keys", forged) as client:
            assert problem(client.post("/chat/echo", json=QUERY)) == (401, "unauthorized"), forged


@pytest.mark.parametrize(
    ("key", "body", "expected"),
    [
        pytest.param(ANN, {"user": "u", "app": "echo", "expires_in": 3601}, (400, "invalid_request"), id="too long"),
        pytest.param(ANN, {"user": "u", "app": "echo", "expires_in": 0}, (400, "invalid_request"), id="no time"),
        pytest.param(ANN, {"user": "", "app": "echo"}, (400, "invalid_request"), id="no user"),
        pytest.param(ANN, {"user": "u" * 257, "app": "echo"}, (400, "invalid_request"), id="a long user"),
        pytest.param(ANN, {"user": "u", "app": "echo", "caller": "bob"}, (400, "invalid_request"), id="another caller"),
        pytest.param(ANN, {"user": "u", "app": "nowhere"}, (404, "app_not_found"), id="an app that is not exposed"),
        pytest.param(CAT, {"user": "u", "app": "agent"}, (404, "app_not_found"), id="an app out of scope"),
        pytest.param(ANN, {"user": "u"}, (404, "app_not_found"), id="no app where there is no default one"),
    ],
)
def test_no_token_is_made_for_what_the_key_itself_may_not_have(
    ends: Endpoints, key: str, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    with ends.caller("keys", key) as client:
        assert problem(client.post("/tokens", json=body)) == expected


# -- Limits --------------------------------------------------------------------------------------------------------


def test_one_call_too_many_is_a_429_that_says_how_long_to_wait(ends: Endpoints) -> None:
    with ends.caller("thrice", ANN) as client:
        replies = [client.post("/chat/echo", json=QUERY) for _ in range(5)]
        assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
        assert [reply.headers["ratelimit-policy"] for reply in replies] == ['"3-in-60s";q=3;w=60'] * 5
        left = [reply.headers["ratelimit"].split(";") for reply in replies]
        assert [remaining for _, remaining, _ in left] == ["r=2", "r=1", "r=0", "r=0", "r=0"]
        assert all(0 < int(reset.removeprefix("t=")) <= 60 for *_, reset in left)
        refused = replies[3]
        assert problem(refused) == (429, "rate_limited")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["retry-after"] in refused.json()["detail"]
        assert client.get("/healthz").status_code == 200
    token = token_of(ends, key=BOB, hook="thrice")
    for key in (BOB, token, CAT):  # others, and a token's user beside its caller, are counted apart
        with ends.caller("thrice", key) as client:
            assert client.post("/chat/echo", json=QUERY).status_code == 200


def test_whoever_waits_as_long_as_told_is_let_in_again(ends: Endpoints) -> None:
    with ends.caller("often", ANN) as client:
        refused = client.post("/chat/nowhere", json=QUERY)  # a call all the same
        while refused.status_code == 404:
            refused = client.post("/chat/nowhere", json=QUERY)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        time.sleep(1)
        assert client.post("/chat/nowhere", json=QUERY).status_code == 404


def test_an_open_endpoint_has_a_limit_unless_told_otherwise(ends: Endpoints) -> None:
    with ends.caller("open") as client:
        assert client.post("/chat/echo", json=QUERY).headers["ratelimit-policy"] == '"60-in-60s";q=60;w=60'
    with ends.caller("keys", ANN) as client:
        assert "ratelimit" not in client.post("/chat/echo", json=QUERY).headers


def test_a_refusal_of_a_page_that_calls_too_often_can_be_read_by_it(ends: Endpoints) -> None:
    page = Page(ends.url("thrice"), PAGE)
    headers = {"Authorization": f"Bearer {token_of(ends, key=CAT, hook='thrice', user='eager')}"}
    replies = [page.fetch("/chat/echo", QUERY, **headers) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert {"retry-after", "ratelimit", "ratelimit-policy", "x-request-id"} <= set(replies[3].headers)
    assert json.loads(replies[3].content)["code"] == "rate_limited"
