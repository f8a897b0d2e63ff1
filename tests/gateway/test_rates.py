import itertools
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.storage import MemoryStorage
from werkzeug import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from gateway import rates, serve
from gateway.errors import DuckError
from gateway.rates import count_call
from gateway.settings import Rate
from tests.gateway.fake_dify import FakeDify

KEY: Final = "a-long-enough-key"
OTHER_KEY: Final = "another-long-enough-key"
ID: Final = "11111111-1111-4111-8111-111111111111"

NOW: Final = 1_800_000_000.0
"""A whole second, so that the waits are whole too."""

STORAGE: Final = cast(MemoryStorage, rates._limiter.storage)

_endpoints: Final = map("rates-endpoint-{}".format, itertools.count())


class Clock:
    """The wall's clock for Duck and for the library that counts; it stands still."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("gateway.rates", "limits.storage.memory"):
        monkeypatch.setattr(f"{module}.time", clock)
    return clock


@pytest.fixture
def endpoint() -> str:
    return next(_endpoints)


def refused(*limits: Rate, endpoint: str, caller: str = "web", user: str = "") -> DuckError:
    with pytest.raises(DuckError) as refusal:
        count_call(limits, endpoint, caller, user)
    assert (refusal.value.code, refusal.value.status) == ("rate_limited", 429)
    return refusal.value


# -- How often -----------------------------------------------------------------------------------------------------


def test_without_a_rate_nothing_is_counted_or_told(endpoint: str) -> None:
    before = dict(STORAGE.storage)
    assert [count_call((), endpoint, "web", "") for _ in range(1000)] == [{}] * 1000
    assert dict(STORAGE.storage) == before


def test_a_reply_tells_what_is_left(clock: Clock, endpoint: str) -> None:
    rate = Rate(2, 60)
    policy = {"RateLimit-Policy": '"2-in-60s";q=2;w=60'}
    assert count_call([rate], endpoint, "web", "") == {**policy, "RateLimit": '"2-in-60s";r=1;t=60'}
    clock.now += 20
    assert count_call([rate], endpoint, "web", "") == {**policy, "RateLimit": '"2-in-60s";r=0;t=40'}
    refusal = refused(rate, endpoint=endpoint)
    assert refusal.headers == {**policy, "RateLimit": '"2-in-60s";r=0;t=40', "Retry-After": "40"}
    assert refusal.message == "This caller may call 2 times in 60 s, and has."
    assert refusal.remedy.startswith("Try again in 40 s")


@pytest.mark.parametrize(
    ("begun", "waited", "retry_after"),
    [(NOW, 0, 60), (NOW, 0.001, 60), (NOW, 1, 59), (NOW, 59, 1), (NOW, 59.999, 1), (NOW + 0.75, 12.5, 48)],
    ids=["at once", "a moment later", "a second later", "a second before", "a moment before", "between two seconds"],
)
def test_retry_after_is_the_time_to_the_next_call_in_whole_seconds(
    clock: Clock, endpoint: str, begun: float, waited: float, retry_after: int
) -> None:
    """Not a second less, or the caller is refused again; not one more, or it waits for nothing."""
    rate = Rate(1, 60)
    clock.now = begun
    count_call([rate], endpoint, "web", "")
    clock.now = begun + waited
    assert refused(rate, endpoint=endpoint).headers["Retry-After"] == str(retry_after)
    clock.now = begun + waited + retry_after
    assert count_call([rate], endpoint, "web", "")["RateLimit"] == '"1-in-60s";r=0;t=60'


def test_a_call_that_is_refused_moves_no_window(clock: Clock, endpoint: str) -> None:
    rate = Rate(1, 60)
    count_call([rate], endpoint, "web", "")
    for _ in range(59):
        clock.now += 1
        refused(rate, endpoint=endpoint)
    clock.now += 1
    count_call([rate], endpoint, "web", "")


def test_a_window_begins_with_the_first_call_and_not_with_the_minute(clock: Clock, endpoint: str) -> None:
    rate = Rate(1, 60)
    clock.now = NOW + 59
    count_call([rate], endpoint, "web", "")
    clock.now = NOW + 61
    refused(rate, endpoint=endpoint)


# -- Several rates -------------------------------------------------------------------------------------------------


def test_several_rates_hold_together_and_are_all_told(clock: Clock, endpoint: str) -> None:
    both = (Rate(2, 1), Rate(3, 60))
    policy = {"RateLimit-Policy": '"2-in-1s";q=2;w=1, "3-in-60s";q=3;w=60'}
    assert count_call(both, endpoint, "web", "") == {
        **policy,
        "RateLimit": '"2-in-1s";r=1;t=1, "3-in-60s";r=2;t=60',
    }
    count_call(both, endpoint, "web", "")
    clock.now += 1
    assert count_call(both, endpoint, "web", "") == {
        **policy,
        "RateLimit": '"2-in-1s";r=1;t=1, "3-in-60s";r=0;t=59',
    }
    refusal = refused(*both, endpoint=endpoint)
    assert refusal.headers["Retry-After"] == "59"
    assert refusal.message == "This caller may call 3 times in 60 s, and has."


def test_where_two_rates_refuse_the_wait_is_the_longer_one(clock: Clock, endpoint: str) -> None:
    both = (Rate(1, 1), Rate(1, 60))
    count_call(both, endpoint, "web", "")
    assert refused(*both, endpoint=endpoint).headers["Retry-After"] == "60"


def test_whoever_waits_as_told_is_served_though_there_are_several_rates(clock: Clock, endpoint: str) -> None:
    both = (Rate(2, 1), Rate(3, 60))
    count_call(both, endpoint, "web", "")
    count_call(both, endpoint, "web", "")
    refusal = refused(*both, endpoint=endpoint)
    clock.now += int(refusal.headers["Retry-After"])
    assert count_call(both, endpoint, "web", "")["RateLimit"].endswith('"3-in-60s";r=0;t=59')


@given(
    limits=st.lists(st.builds(Rate, st.integers(1, 4), st.sampled_from([1, 60, 3600])), min_size=1, max_size=3),
    pauses=st.lists(st.sampled_from([0.0, 0.3, 1.0, 30.0, 70.0]), min_size=1, max_size=12),
)
def test_no_window_ever_serves_more_than_its_rate(limits: list[Rate], pauses: list[float]) -> None:
    clock, endpoint, served = Clock(), next(_endpoints), []
    with pytest.MonkeyPatch.context() as patched:
        for module in ("gateway.rates", "limits.storage.memory"):
            patched.setattr(f"{module}.time", clock)
        for pause in pauses:
            clock.now += pause
            try:
                headers = count_call(limits, endpoint, "web", "")
                served.append(clock.now)
            except DuckError as refusal:
                headers = dict(refusal.headers)
                assert int(headers["Retry-After"]) in range(1, 3601)
            left = dict(re.findall(r'"(\S+)";r=(\d+)', headers["RateLimit"]))
            assert left.keys() == {f"{rate.amount}-in-{rate.seconds}s" for rate in limits}
    for rate in limits:
        # Two windows that touch may serve twice the rate in one rate's time, and never more.
        most = max((sum(start <= at < start + rate.seconds for at in served) for start in served), default=0)
        assert most <= 2 * rate.amount


# -- Who is counted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "is_apart"),
    [
        ({}, False),
        ({"endpoint": "another"}, True),
        ({"caller": "mobile"}, True),
        ({"user": "eve"}, True),
        ({"user": ""}, True),
        ({"caller": "mobile", "user": "ann"}, True),
    ],
    ids=["the same", "endpoint", "caller", "user", "the key itself", "another caller's user of this name"],
)
def test_each_endpoint_caller_and_user_of_a_token_is_counted_apart(
    other: dict[str, str], is_apart: bool, clock: Clock, endpoint: str
) -> None:
    rate = Rate(1, 60)
    ann = {"endpoint": endpoint, "caller": "web", "user": "ann"}
    who = {**ann, **other}
    if "endpoint" in other:
        who["endpoint"] = f"{endpoint}-another"
    count_call([rate], ann["endpoint"], ann["caller"], ann["user"])
    if is_apart:
        count_call([rate], who["endpoint"], who["caller"], who["user"])
    refused(rate, **who)


@pytest.mark.parametrize(
    "user",
    ["/", "ann/1/60/second", "1/60/second", "\0", "ann\n", "ANN", " ann", "", "\u0430nn", "*", "x" * 256],
    ids=ascii,
)
def test_no_users_name_counts_for_another(user: str, clock: Clock, endpoint: str) -> None:
    rate = Rate(1, 60)
    for name in ("ann", user):
        count_call([rate], endpoint, "web", name)
        refused(rate, endpoint=endpoint, user=name)


# -- What is kept --------------------------------------------------------------------------------------------------


def kept() -> set[str]:
    """What the library holds once its own clean-up, which each call begins, has ended."""
    STORAGE.timer.join(5)
    assert not STORAGE.timer.is_alive()
    return {*STORAGE.storage, *STORAGE.expirations, *STORAGE.locks}


def test_nothing_is_kept_of_a_caller_after_the_window(clock: Clock, endpoint: str) -> None:
    count_call([Rate(5, 60), Rate(9, 3600)], endpoint, "web", "ann")
    assert len([key for key in kept() if endpoint in key]) == 2
    clock.now += 60
    count_call([Rate(5, 60)], next(_endpoints), "mobile", "")
    assert len([key for key in kept() if endpoint in key]) == 1
    clock.now += 3540
    count_call([Rate(5, 60)], next(_endpoints), "mobile", "")
    assert [key for key in kept() if endpoint in key] == []


# -- In replies ----------------------------------------------------------------------------------------------------

Ask = Callable[..., Response]


@pytest.fixture
def ask(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Sends `HEAD /duck/a`, which is counted and runs nothing, to one endpoint."""
    dify = FakeDify({})

    def send(
        key: str = KEY,
        settings: Mapping[str, Any] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        method: str = "HEAD",
        path: str = "/duck/a?query=hi",
        data: bytes | None = None,
    ) -> Response:
        sent = {**({"Authorization": f"Bearer {key}"} if key else {}), "Content-Type": "application/json", **headers}
        path, _, query = path.partition("?")
        builder = EnvironBuilder(method=method, path=path, query_string=query, headers=Headers(sent), data=data)
        raw = {"apps": f"a={ID}", "access_keys": f"web={KEY}, mobile={OTHER_KEY}", "rate_limit": "2/min", **settings}
        return serve.handle(dify.session(), Request(builder.get_environ()), raw, None)

    return send


def limits_in(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers if name in ("RateLimit", "RateLimit-Policy", "Retry-After")}


def test_one_call_too_many_is_a_429_that_says_when(ask: Ask) -> None:
    policy = {"RateLimit-Policy": '"2-in-60s";q=2;w=60'}
    seen = [ask() for _ in range(3)]
    assert [response.status_code for response in seen] == [200, 200, 429]
    assert [limits_in(response) for response in seen] == [
        {**policy, "RateLimit": '"2-in-60s";r=1;t=60'},
        {**policy, "RateLimit": '"2-in-60s";r=0;t=60'},
        {**policy, "RateLimit": '"2-in-60s";r=0;t=60', "Retry-After": "60"},
    ]
    assert ask(OTHER_KEY).status_code == 200


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"method": "POST", "path": "/chat/nowhere"}, 404),
        ({"method": "POST", "path": "/chat/a", "data": b"{"}, 400),
        ({"method": "POST", "path": "/tokens", "data": b"{}"}, 400),
        ({"method": "POST", "path": "/tokens", "data": b'{"user": "ann"}'}, 200),
    ],
    ids=["no app", "no JSON", "no token", "a token"],
)
def test_a_call_that_comes_to_nothing_counts_too(more: dict[str, Any], status: int, ask: Ask) -> None:
    seen = [ask(**more) for _ in range(3)]
    assert [response.status_code for response in seen] == [status, status, 429]
    assert [name for response in seen for name in limits_in(response)].count("RateLimit") == 3


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"key": ""}, 401),
        ({"key": "no-key-of-this-endpoint"}, 401),
        ({"path": "/healthz"}, 200),
        ({"path": "/", "key": ""}, 200),
        ({"path": "/openapi.json"}, 200),
        ({"path": "/nowhere"}, 404),
        ({"method": "OPTIONS"}, 204),
        ({"settings": {"detail": "nonsense"}}, 500),
    ],
    ids=["no key", "a wrong key", "health", "about", "description", "no path", "options", "faulty settings"],
)
def test_what_needs_no_caller_or_finds_none_costs_nobody_a_call(more: dict[str, Any], status: int, ask: Ask) -> None:
    seen = [ask(**more) for _ in range(3)]
    assert [(response.status_code, limits_in(response)) for response in seen] == [(status, {})] * 3
    assert limits_in(ask())["RateLimit"] == '"2-in-60s";r=1;t=60'


def test_a_page_that_is_not_listed_costs_the_visitor_no_call(ask: Ask) -> None:
    page = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for _ in range(3):
        assert ask("", {"access": "open"}, page).status_code == 403
    assert ask("", {"access": "open"}).status_code == 200


def test_open_access_implies_60_calls_a_minute_for_all_who_have_no_key(ask: Ask) -> None:
    settings = {"access": "open", "rate_limit": ""}
    seen = [ask("", settings) for _ in range(61)]
    assert [response.status_code for response in seen] == [200] * 60 + [429]
    assert limits_in(seen[-1]) == {
        "RateLimit-Policy": '"60-in-60s";q=60;w=60',
        "RateLimit": '"60-in-60s";r=0;t=60',
        "Retry-After": "60",
    }
    assert ask(KEY, settings).status_code == 200


def test_without_rate_limit_and_open_access_nothing_is_counted(ask: Ask) -> None:
    seen = [ask(settings={"rate_limit": ""}) for _ in range(100)]
    assert {response.status_code for response in seen} == {200}
    assert [limits_in(response) for response in seen] == [{}] * 100


def test_every_user_of_a_token_has_calls_of_their_own(ask: Ask) -> None:
    def token(user: str) -> str:
        body = b'{"app": "a", "user": "%s"}' % user.encode()
        response = ask(method="POST", path="/tokens", data=body, settings={"rate_limit": ""})
        return str(json.loads(response.get_data())["token"])

    ann, eve = token("ann"), token("eve")
    assert [ask(ann).status_code for _ in range(3)] == [200, 200, 429]
    assert [ask(token("ann")).status_code, ask(eve).status_code, ask().status_code] == [429, 200, 200]


def test_a_browser_may_read_what_is_left(ask: Ask) -> None:
    page = {"Origin": "https://app.example"}
    seen = [ask(settings={"cors_origins": "https://app.example"}, headers=page) for _ in range(3)]
    assert [response.status_code for response in seen] == [200, 200, 429]
    for response in seen:
        exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
        assert limits_in(response).keys() <= set(exposed)


# -- The header fields' form ---------------------------------------------------------------------------------------

_ITEM: Final = r'"[0-9a-z-]+"'
POLICY: Final = re.compile(rf"{_ITEM};q=\d{{1,15}};w=\d{{1,15}}(, {_ITEM};q=\d{{1,15}};w=\d{{1,15}})*")
LEFT: Final = re.compile(rf"{_ITEM};r=\d{{1,15}};t=\d{{1,15}}(, {_ITEM};r=\d{{1,15}};t=\d{{1,15}})*")
"""Lists of strings, parameters whole numbers (RFC 9651, 3.1; draft-ietf-httpapi-ratelimit-headers-10, 3 f.)."""


@given(
    limits=st.lists(
        st.builds(Rate, st.integers(1, 99999), st.sampled_from([1, 60, 3600, 86400])), min_size=1, max_size=4
    )
)
def test_the_header_fields_are_lists_in_which_each_limit_has_a_policy_of_its_name(limits: list[Rate]) -> None:
    headers = count_call(limits, next(_endpoints), "web", "")
    assert POLICY.fullmatch(headers["RateLimit-Policy"])
    assert LEFT.fullmatch(headers["RateLimit"])
    names = [re.findall(r'"(.+?)"', headers[name]) for name in ("RateLimit-Policy", "RateLimit")]
    assert names[0] == names[1]
    assert len(set(names[0])) == len(names[0])
