"""The plugin behind HTTP, as a serverless runtime runs it: what differs from the other ways, and what does not."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.workbench.conftest import WAIT_SECONDS, shared

if TYPE_CHECKING:
    from tests.workbench.conftest import Bench

CANCELED = "context canceled"


@pytest.fixture(scope="module")
def copies() -> Iterator["Bench"]:
    yield from shared(serverless=True, replicas=2)


@pytest.mark.parametrize("app", ["words", "pinged", "refused", "crashed", "unreachable", "broken", "nowhere"])
def test_an_app_says_what_it_says_to_a_local_plugin(copies: "Bench", stdio_bench: "Bench", app: str) -> None:
    assert copies.events(app) == stdio_bench.events(app)


@pytest.mark.parametrize("path", ["joined", "cookies", "chunks?n=3&last=0.1", "refuse", "parameters?app=none", "seen"])
def test_a_reply_is_what_a_local_plugins_is(copies: "Bench", stdio_bench: "Bench", path: str) -> None:
    replies = [bench.http.get(path, headers={"Host": "probe"}) for bench in (copies, stdio_bench)]
    assert replies[0].status_code == replies[1].status_code
    assert _without_time(replies[0]) == _without_time(replies[1])


def _without_time(reply: httpx.Response) -> tuple[dict[str, str], str]:
    return {name: value for name, value in reply.headers.items() if name != "date"}, reply.text


def test_requests_are_dealt_in_turn_and_share_the_storage(copies: "Bench") -> None:
    one, other, *rest = [copies.http.get("process").text for _ in range(4)]
    assert one != other
    assert rest == [one, other]
    assert copies.http.post("storage?op=set&key=k", content=b"v").json() == {"result": None}  # by one
    assert copies.http.get("storage?op=get&key=k").json() == {"result": "v"}  # by the other


def test_a_request_over_5_mib_is_a_500_that_no_copy_sees(copies: "Bench") -> None:
    reply = copies.http.post("seen", content=b"x" * 2_700_000)  # twice as long in hex
    assert (reply.status_code, reply.json()["code"]) == (500, -500)
    assert "ServerlessPayloadTooLarge: action=invoke_endpoint payload_bytes=54" in reply.text
    assert copies.http.post("seen", content=b"x" * 2_500_000).json()["length"] == 2_500_000


def test_a_line_over_5_mib_ends_its_own_reply_alone(copies: "Bench") -> None:
    started = copies.count("plugin process ")
    reply = copies.http.get("chunks?n=1&size=2700000")
    assert (reply.status_code, "token too long" in reply.text) == (500, True)
    assert copies.http.get("joined").text == "one;two;three;"
    assert copies.count("plugin process ") == started


@pytest.mark.parametrize("action", ["app", "whole"], ids=["after the first chunk", "before it"])
def test_a_waiting_call_hears_of_its_client_and_its_run_is_closed(copies: "Bench", action: str) -> None:
    script, heard = copies.apps["silent"], copies.count(CANCELED)
    script.started.clear()
    script.closed.clear()
    body = {"app_id": copies.app_id("silent"), "query": "q"}
    with pytest.raises(httpx.ReadTimeout):
        copies.http.post(action, json=body, timeout=2)
    assert script.started.wait(WAIT_SECONDS)
    assert script.closed.wait(WAIT_SECONDS)
    copies.wait_for(CANCELED, heard + 1)


def test_a_call_of_a_session_whose_client_has_left_is_refused_as_unknown(copies: "Bench") -> None:
    with copies.http.stream("GET", "outlive", params={"seconds": 3, "after": 1, "name": "http"}) as leaving:
        assert next(leaving.iter_raw()) == b"begun"
    copies.wait_for("KeyError: 'session_id'")  # all that the SDK makes of the refusal


def test_a_copy_that_dies_ends_its_reply_with_an_error_and_is_started_again(copies: "Bench") -> None:
    pid = int(copies.http.get("process").text)
    copies.http.get("process")  # the other; the next request is for the first again
    with copies.http.stream("GET", "chunks?n=1&last=60") as reply:
        received = reply.iter_raw()
        assert next(received) == b"0;"
        copies.sleep_past_the_short_reply_gap()
        os.kill(pid, signal.SIGKILL)
        assert b"PluginDaemonInnerError" in b"".join(received)
    copies.wait_for("the plugin has ended, killed by signal 9; it is started again")
    copies.wait_for("is up again")


def test_all_copies_end_with_the_host(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench(serverless=True)
    bench.wait_for("listening on")
    pid = bench.plugin_pid()
    bench.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
