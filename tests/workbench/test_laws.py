"""Every law that the daemon imposes, through the real SDK: over stdio and, where it matters, under remote debugging.

`LAWS` maps each constant of `workbench/laws.py` to the tests that hold it.
"""

import asyncio
import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import create_autospec
from urllib.parse import urlencode

import httpx
import pytest

from workbench import laws
from workbench.app import END_USER_ID
from workbench.channel import Channel, Sender
from workbench.laws import Clocks, read_clocks
from workbench.lines import read_turns
from workbench.reply import Reply
from workbench.reverse import ReverseCalls
from workbench.runs import Runs
from workbench.runtime import Runtime
from workbench.stdio import StdioGreeting
from workbench.storage import Storage
from workbench.terminal import Terminal

if TYPE_CHECKING:
    from tests.workbench.conftest import Bench

WAIT_SECONDS: Final = 60

LAWS: Final = {
    "METHODS": "test_patch_is_never_routed",
    "REQUEST_BODY_LIMIT": "test_a_request_body_is_cut_at_10_mib_without_a_word",
    "REMOVED_HEADERS": "test_forwarding_headers_are_removed",
    "HEADER_LIMIT": "test_a_header_of_100_kb_passes",
    "PLUGIN_WAIT": "test_a_request_waits_for_a_plugin_that_is_not_up_then_gets_a_502",
    "RESPONSE_QUEUE_CHUNKS": "test_chunks_are_dropped_without_a_word_while_128_wait_for_the_client",
    "READ_TURN": "test_between_two_turns_of_64_kib_the_writers_run",
    "SOCKET_SEND_BUFFER": "test_a_client_that_does_not_read_loses_chunks_and_sees_a_clean_end",
    "SHORT_REPLY_GAP": "test_a_reply_that_ends_too_soon_loses_all_but_its_first_chunk",
    "STDOUT_LINE_LIMIT": "test_a_line_over_5_mib_kills_the_plugin_and_open_requests_hang",
    "REVERSE_CALL_VARIABLE": "test_clocks_are_read_as_the_daemon_reads_them",
    "REVERSE_CALL_MILLISECONDS": "test_clocks_are_read_as_the_daemon_reads_them",
    "RESPONSE_VARIABLE": "test_clocks_are_read_as_the_daemon_reads_them",
    "RESPONSE_SECONDS": "test_clocks_are_read_as_the_daemon_reads_them",
    "HEARTBEAT_LIMIT": "test_a_plugin_without_a_heartbeat_is_given_up",
    "REMOTE_HEARTBEAT_LIMIT": "test_a_plugin_without_a_heartbeat_is_given_up",
    "HANDSHAKE_LIMIT": "test_a_plugin_without_a_heartbeat_is_given_up",
    "SERVERLESS_REQUEST_LIMIT": "test_a_request_over_5_mib_is_a_500_that_no_copy_sees",
    "TRANSACTION_LIMIT": "test_a_call_over_6_mib_is_refused",
    "TRANSACTION_HEARTBEAT": "test_empty_lines_keep_the_answer_to_a_call_alive",
    "STORAGE_KEY_LIMIT": "test_a_storage_key_is_checked",
    "STORAGE_LIMIT": "test_a_value_over_the_quota_is_an_error_but_kept",
}


def test_every_law_has_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert {name for name in vars(laws) if name.isupper()} == set(LAWS)
    assert {name for name in LAWS.values() if f"def {name}(" not in tests} == set()


# -- Law 1: only a generator streams -------------------------------------------------------------------------------


def test_a_body_that_is_no_generator_is_joined_into_one_chunk(bench: "Bench") -> None:
    assert bench.http.get("joined").text == "one;two;three;"  # as three chunks its tail would be lost (law 9)


# -- Law 2: status and headers leave with the first chunk ----------------------------------------------------------


def test_status_and_headers_leave_with_the_first_chunk_not_before(bench: "Bench") -> None:
    start = time.monotonic()
    with bench.http.stream("GET", "chunks", params={"n": 1, "first": 0.5, "last": 5, "status": 599}) as response:
        assert 0.5 <= time.monotonic() - start < 5
        assert response.status_code == 599
        assert response.headers["x-probe"] == "yes"


def test_a_reply_without_a_body_sends_its_status_and_headers_at_its_end(bench: "Bench") -> None:
    response = bench.http.get("chunks", params={"n": 0, "first": 0.2, "status": 201})
    assert (response.status_code, response.headers["x-probe"], response.content) == (201, "yes", b"")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_has_no_body_sends_none(stdio_bench: "Bench", status: int) -> None:
    response = stdio_bench.http.get("chunks", params={"n": 1, "status": status})
    assert (response.status_code, response.content) == (status, b"")
    assert stdio_bench.http.get("joined").status_code == 200


def test_head_is_answered_by_get_without_a_body(stdio_bench: "Bench") -> None:
    response = stdio_bench.http.head("chunks", params={"n": 1})
    assert (response.status_code, response.headers["x-probe"], response.content) == (200, "yes", b"")


# -- Laws 3 and 4: exceptions --------------------------------------------------------------------------------------


def test_an_exception_before_the_first_chunk_is_a_500_that_holds_its_traceback(bench: "Bench") -> None:
    response = bench.http.get("chunks", params={"n": 0, "then": "boom <&>"})
    assert response.status_code == 500
    outer = response.json()
    assert (outer["code"], outer["data"]) == (-500, None)
    middle = json.loads(outer["message"])
    assert (middle["error_type"], middle["args"]) == ("PluginDaemonInternalServerError", None)
    inner = json.loads(middle["message"])
    assert (inner["error_type"], inner["message"]) == ("RuntimeError", "boom <&>")
    assert "Traceback" in inner["args"]["traceback"]
    assert "<" not in response.text


def test_an_exception_after_the_first_chunk_is_appended_to_the_body(bench: "Bench") -> None:
    response = bench.http.get("chunks", params={"n": 1, "last": 0.1, "then": "boom"})
    assert response.status_code == 200
    assert response.text.startswith('0;{"args":{"traceback":"Traceback')
    assert response.text.endswith('"error_type":"RuntimeError","message":"boom"}')


@pytest.mark.parametrize(
    ("kind", "status", "text"), [("value", 404, "refused"), ("other", 500, "Internal Server Error: refused")]
)
def test_an_exception_that_escapes_the_endpoint_is_the_sdks_text(
    bench: "Bench", kind: str, status: int, text: str
) -> None:
    response = bench.http.get("refuse", params={"kind": kind})
    assert (response.status_code, response.text) == (status, text)


# -- Laws 5 and 6: reverse calls -----------------------------------------------------------------------------------


def test_a_reverse_call_is_not_made_before_its_first_event_is_asked_for(stdio_bench: "Bench") -> None:
    assert stdio_bench.http.get("lazy").text == "made"
    assert stdio_bench.apps["lazy"].calls == []


def test_pings_of_dify_never_arrive(bench: "Bench") -> None:
    assert bench.events("pinged") == bench.events("words") != []


# -- Law 7: long lines ---------------------------------------------------------------------------------------------


def test_a_line_over_5_mib_kills_the_plugin_and_open_requests_hang(stdio_bench: "Bench") -> None:
    assert len(stdio_bench.http.get("chunks", params={"n": 1, "size": 2_400_000}).content) == 2_400_000
    up_before = stdio_bench.count("is up again")
    with stdio_bench.http.stream("GET", "chunks", params={"n": 1, "last": 30}, timeout=2) as neighbour:
        received = neighbour.iter_raw()
        assert next(received) == b"0;"
        with pytest.raises(httpx.ReadTimeout):
            stdio_bench.http.get("chunks", params={"n": 1, "size": 2_700_000}, timeout=2)
        with pytest.raises(httpx.ReadTimeout):
            next(received)
    assert "killed, with all that it was doing (law 7)" in stdio_bench.wait_for("5242880 bytes")
    stdio_bench.wait_for("is up again", up_before + 1)
    assert stdio_bench.http.get("joined").status_code == 200


def test_a_line_over_5_mib_passes_under_remote_debugging(remote_bench: "Bench") -> None:
    assert len(remote_bench.http.get("chunks", params={"n": 1, "size": 2_700_000}).content) == 2_700_000


# -- Law 8: the queue ----------------------------------------------------------------------------------------------


def test_chunks_are_dropped_without_a_word_while_128_wait_for_the_client() -> None:
    async def fill() -> tuple[Reply, list[bytes]]:
        reply = Reply()
        for number in range(200):
            reply.stream({"result": bytes([number]).hex()})
        waiting = reply.next_chunks(1 << 20)
        reply.stream({"result": "ff"})  # what is being written still has its place
        reply.sent(1)
        reply.stream({"result": "fe"})
        return reply, [*waiting[1:], *reply.take_all()[-1:]]

    reply, chunks = asyncio.run(fill())
    assert chunks == [*(bytes([number]) for number in range(1, 128)), b"\xfe"]
    assert reply.dropped == 73
    assert reply.error is None


def test_a_client_that_does_not_read_loses_chunks_and_sees_a_clean_end(bench: "Bench") -> None:
    said = f"emitted all over {'tcp' if bench.remote else 'stdio'}"
    with _reader_with_a_small_buffer(bench) as client:
        query = urlencode({"n": 3000, "size": 1000, "last": 0.2, "say": said})
        client.sendall(f"GET /e/duck/chunks?{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        bench.wait_for(said)
        received = _read_to_end(client)
    numbers = [int(number) for number in re.findall(rb"\.(\d+);", received)]
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert numbers[:50] == list(range(50))
    assert numbers == sorted(numbers)
    assert 128 <= len(numbers) < 1000
    bench.wait_for("to a full queue (law 8)")


def test_a_client_that_keeps_up_loses_nothing(bench: "Bench") -> None:
    text = bench.http.get("chunks", params={"n": 300, "gap": 0.001, "last": 0.1}).text
    assert text == "".join(f"{number};" for number in range(300))


def test_between_two_turns_of_64_kib_the_writers_run() -> None:
    async def read() -> tuple[list[int], int]:
        reader = asyncio.StreamReader()
        reader.feed_data(b"x" * 99 + b"\n" * 1)
        reader.feed_data((b"x" * 99 + b"\n") * 9_999)
        reader.feed_eof()
        sizes, writes = [], 0
        woken = asyncio.Event()

        async def write() -> None:
            nonlocal writes
            while True:
                await woken.wait()
                woken.clear()
                writes += 1

        writer = asyncio.create_task(write())
        await asyncio.sleep(0)
        async for lines in read_turns(reader):
            sizes.append(sum(len(line) + 1 for line in lines))
            woken.set()
        writer.cancel()
        return sizes, writes

    sizes, writes = asyncio.run(read())
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= laws.READ_TURN + 100  # and what was left of the line before
    assert writes == len(sizes)


# -- Law 9: short replies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{"n": 2}, {"n": 100}, {"n": 2, "last": 0.005}, {"n": 1, "then": "boom"}])
def test_a_reply_that_ends_too_soon_loses_all_but_its_first_chunk(bench: "Bench", query: dict[str, Any]) -> None:
    response = bench.http.get("chunks", params=query)
    assert (response.status_code, response.text) == (200, "0;")


@pytest.mark.parametrize("query", [{"n": 2, "last": 0.15}, {"n": 2, "gap": 0.15}, {"n": 2, "first": 0.2, "last": 0.15}])
def test_a_reply_that_ends_150_ms_after_its_first_chunk_arrives_whole(bench: "Bench", query: dict[str, Any]) -> None:
    for _ in range(5):
        assert bench.http.get("chunks", params=query).text == "0;1;"


def test_a_reply_of_one_chunk_arrives_whole(bench: "Bench") -> None:
    for _ in range(20):
        assert bench.http.get("chunks", params={"n": 1}).text == "0;"


def test_a_reply_that_lost_its_tail_breaks_the_content_length_it_claimed(stdio_bench: "Bench") -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        stdio_bench.http.get("chunks", params={"n": 2, "length": "4"})
    assert stdio_bench.http.get("chunks", params={"n": 2, "last": 0.15, "length": "4"}).text == "0;1;"


# -- Laws 10, 11, 12, 16 and 19: the request -----------------------------------------------------------------------


@pytest.mark.parametrize("length", [10 * 1024 * 1024, 10 * 1024 * 1024 + 1, 10 * 1024 * 1024 + 300_000])
def test_a_request_body_is_cut_at_10_mib_without_a_word(bench: "Bench", length: int) -> None:
    seen = bench.http.post("seen", content=b"x" * length).json()
    assert seen["length"] == 10 * 1024 * 1024
    assert seen["headers"]["Content-Length"] == str(10 * 1024 * 1024)


def test_patch_is_never_routed(stdio_bench: "Bench") -> None:
    for method in ("PATCH", "TRACE", "PROPFIND"):
        response = stdio_bench.http.request(method, "seen")
        assert (response.status_code, response.json()) == (404, {"code": "not_found", "message": "route not found"})
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        assert stdio_bench.http.request(method, "seen").json()["method"] == method


def test_forwarding_headers_are_removed(stdio_bench: "Bench") -> None:
    removed = dict.fromkeys(laws.REMOVED_HEADERS - {"X-Original-Host"}, "1.2.3.4")
    kept = {"X-Forwarded-Proto": "http", "Authorization": "Bearer k", "Cookie": "a=1"}
    headers = stdio_bench.http.get("seen", headers={**removed, **kept}).json()["headers"]
    assert not headers.keys() & removed
    assert headers.items() >= kept.items()


def test_of_repeated_headers_the_last_is_left_in_both_directions(stdio_bench: "Bench") -> None:
    response = stdio_bench.http.get("seen", headers=[("X-A", "1"), ("x-a", "2")])
    assert response.json()["headers"]["X-A"] == "2"
    assert stdio_bench.http.get("cookies").headers.get_list("set-cookie") == ["b=2; Path=/"]


def test_the_query_is_sorted_and_malformed_pairs_are_dropped(stdio_bench: "Bench") -> None:
    assert stdio_bench.http.get("seen?b=2&a=x%20y&a=0&c&d=%zz&e=1;f=2").json()["query"] == "a=x+y&a=0&b=2&c="


@pytest.mark.parametrize("header", [("X_Under", "1"), ("Host", "[::1")], ids=["underscore", "malformed host"])
def test_what_the_sdk_refuses_is_a_500_with_its_traceback(bench: "Bench", header: tuple[str, str]) -> None:
    response = bench.http.get("seen", headers=[header])
    assert response.status_code == 500
    assert "Traceback" in response.text


def test_what_is_no_http_is_a_400_that_is_not_logged(stdio_bench: "Bench", caplog: pytest.LogCaptureFixture) -> None:
    for sent in (b"GET /e/duck/seen HTTP/1.1\r\n\r\n", b"GET /e/duck/%zz HTTP/1.1\r\nHost: h\r\n\r\n"):
        with _reader_with_a_small_buffer(stdio_bench) as client:
            client.sendall(sent)
            assert b" 400 Bad Request" in client.recv(100)
    assert [record.message for record in caplog.records if record.name.startswith("aiohttp")] == []


def test_a_header_of_100_kb_passes(stdio_bench: "Bench") -> None:
    seen = stdio_bench.http.get("seen", headers={"X-Long": "x" * 100_000}).json()
    assert len(seen["headers"]["X-Long"]) == 100_000


def test_files_and_user_do_not_survive_the_reverse_path(stdio_bench: "Bench") -> None:
    app = stdio_bench.apps["words"]
    file = {"type": "image", "transfer_method": "remote_url", "url": "http://h/a.png"}
    stdio_bench.events("words", user="someone", inputs={"picture": file}, conversation_id="c")
    call = app.calls[-1]
    assert (call.query, call.inputs, call.conversation_id) == ("q", {"picture": file}, "c")
    assert (call.user, call.files, call.uploads) == (END_USER_ID, (), {})


def test_the_hooks_headers_can_be_forged(stdio_bench: "Bench") -> None:
    def headers(**given: str) -> dict[str, str]:
        sent = {name.replace("_", "-"): value for name, value in given.items()}
        seen: dict[str, str] = stdio_bench.http.get("seen", headers=sent).json()["headers"]
        return {name: seen[name] for name in ("Host", "Dify-Hook-Url")}

    assert headers() == {"Host": f"127.0.0.1:{stdio_bench.port}", "Dify-Hook-Url": f"{stdio_bench.url}seen"}
    assert headers(Dify_Hook_Url="http://evil/")["Dify-Hook-Url"] == "http://evil/"
    assert headers(X_Original_Host="evil") == {"Host": "evil", "Dify-Hook-Url": "http://evil/e/duck/seen"}
    assert headers(Host="h", X_Forwarded_Proto="https") == {"Host": "h", "Dify-Hook-Url": "https://h/e/duck/seen"}


# -- Law 13: clocks ------------------------------------------------------------------------------------------------

_CUT = "use of closed network connection\nfailed to read system header"


@pytest.mark.parametrize(
    ("environment", "clocks"),
    [
        ({}, Clocks(240, 600)),
        ({laws.REVERSE_CALL_VARIABLE: "1500", laws.RESPONSE_VARIABLE: "3"}, Clocks(1.5, 3)),
        ({laws.REVERSE_CALL_VARIABLE: "0", laws.RESPONSE_VARIABLE: ""}, Clocks(240, 600)),
    ],
    ids=["unset", "set", "zero and empty are unset"],
)
def test_clocks_are_read_as_the_daemon_reads_them(environment: dict[str, str], clocks: Clocks) -> None:
    assert read_clocks(environment) == clocks


def test_a_clock_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PLUGIN_MAX_EXECUTION_TIMEOUT must be a whole number, not '1\.5'"):
        read_clocks({laws.RESPONSE_VARIABLE: "1.5"})


@pytest.mark.parametrize("app", ["endless", "flowing"])
def test_a_reverse_call_is_cut_at_its_limit_with_data_flowing_or_not(hasty_bench: "Bench", app: str) -> None:
    start = time.monotonic()
    *events, last = hasty_bench.events(app)
    assert time.monotonic() - start >= 0.7
    assert events
    assert last["raised"].startswith("read app failed: read tcp ")
    assert last["raised"].endswith(_CUT)
    assert hasty_bench.apps[app].closed.is_set()


def test_the_clock_of_a_reverse_call_starts_at_its_first_event(hasty_bench: "Bench") -> None:
    """The app is silent for longer than the clock, and the response has not begun."""
    assert hasty_bench.http.post("whole", json={"app_id": hasty_bench.app_id("late"), "query": "q"}).json() == [
        "message",
        "message_end",
    ]


def test_a_response_is_killed_at_its_limit_and_says_so_in_its_body(hasty_bench: "Bench") -> None:
    start = time.monotonic()
    text = hasty_bench.http.get("chunks", params={"n": 300, "gap": 0.1}).text
    assert 2 <= time.monotonic() - start < 10
    body, killed = text.split("{", 1)
    assert body.startswith("0;1;2;")
    error = json.loads("{" + killed)
    assert error["code"] == -500
    assert json.loads(error["message"])["message"] == "killed by timeout"


def test_the_clock_of_a_response_starts_at_its_first_chunk(hasty_bench: "Bench") -> None:
    assert hasty_bench.http.get("chunks", params={"n": 2, "first": 2.2, "gap": 0.2}).text == "0;1;"


@pytest.mark.parametrize(
    ("greeted", "limits"),
    [(True, {"greeting_limit": 60, "heartbeat_limit": 0.05}), (False, {"greeting_limit": 0.05, "heartbeat_limit": 60})],
    ids=["after some", "from the start"],
)
def test_a_plugin_without_a_heartbeat_is_given_up(*, greeted: bool, limits: dict[str, float]) -> None:
    async def serve() -> str:
        reader = asyncio.StreamReader()
        if greeted:
            reader.feed_data(
                b'{"author":"a","name":"n","version":"1","resource":{}}\n\n{"event":"heartbeat","data":{}}\n'
            )
        channel = Channel(
            reader, create_autospec(Sender), StdioGreeting(), **limits, longest_line=None, knows_sessions=True
        )
        terminal = Terminal(StringIO())
        reverse = ReverseCalls({}, Storage(), Runs(), Clocks(1, 1), terminal)
        return await Runtime(channel, reverse, terminal, lambda _: None).serve()

    assert asyncio.run(serve()) == "has sent no heartbeat for too long and is killed"


# -- Law 14: when the client leaves --------------------------------------------------------------------------------

_CANCELED = 'invoke app failed: Post "http://api:5001/inner/api/invoke/app": context canceled'


@pytest.mark.parametrize("app", ["endless", "flowing"])
def test_the_run_is_closed_when_the_client_leaves(bench: "Bench", app: str) -> None:
    script = bench.apps[app]
    script.closed.clear()
    with bench.http.stream("POST", "app", json={"app_id": bench.app_id(app), "query": "q"}) as response:
        received = response.iter_lines()
        assert '"answer"' in next(line for line in received if line)
        assert not script.closed.is_set()
    assert script.closed.wait(WAIT_SECONDS)


def test_a_client_that_leaves_while_it_is_written_to_is_not_logged(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    said = f"went on over {'tcp' if bench.remote else 'stdio'}"
    with _reader_with_a_small_buffer(bench) as client:
        query = urlencode({"n": 1000, "size": 1000, "gap": 0.0005, "say": said})
        client.sendall(f"GET /e/duck/chunks?{query} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert client.recv(1000)
    bench.wait_for(said)
    assert [record.message for record in caplog.records if record.name.startswith("aiohttp")] == []


def test_a_session_whose_client_has_left_is_never_answered(bench: "Bench") -> None:
    name = "tcp" if bench.remote else "stdio"
    seconds = {"seconds": 3, "after": 1}
    with bench.http.stream("GET", "outlive", params={**seconds, "name": f"{name} with client"}) as staying:
        with bench.http.stream("GET", "outlive", params={**seconds, "name": f"{name} without"}) as leaving:
            assert next(leaving.iter_raw()) == b"begun"
        bench.wait_for(f"storage answered {name} with client")
        bench.wait_for(f"storage silent to {name} without")
        assert staying.status_code == 200


@pytest.mark.parametrize("begun", [True, False], ids=["after the first chunk", "before it"])
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_a_client_leaves_by_an_end_or_a_reset_before_or_after_the_first_chunk(
    bench: "Bench", *, reset: bool, begun: bool
) -> None:
    name = f"{'tcp' if bench.remote else 'stdio'} {reset=} {begun=}"
    query = urlencode({"seconds": 3, "first": 0 if begun else 3, "after": 1, "name": name})
    with _leaving_client(bench, f"GET /e/duck/outlive?{query} HTTP/1.1\r\nHost: h\r\n\r\n", reset=reset) as client:
        bench.wait_for(f"serving {name}")
        if begun:
            _read_until(client, b"begun\r\n")
    bench.wait_for(f"storage silent to {name}")


@pytest.mark.parametrize("action", ["app", "whole"], ids=["after the first chunk", "before it"])
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_a_silent_run_ends_with_its_client_and_only_a_remote_plugin_hears_of_it(
    bench: "Bench", action: str, *, reset: bool
) -> None:
    script, heard = bench.apps["silent"], bench.count(_CANCELED)
    script.started.clear()
    script.closed.clear()
    body = json.dumps({"app_id": bench.app_id("silent"), "query": "q"})
    head = f"POST /e/duck/{action} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
    with _leaving_client(bench, head + body, reset=reset) as client:
        if action == "app":
            _read_until(client, b"\n\r\n")
        assert script.started.wait(WAIT_SECONDS)
    assert script.closed.wait(WAIT_SECONDS)
    if bench.remote:
        bench.wait_for(_CANCELED, heard + 1)
    else:
        assert bench.http.get("joined").status_code == 200  # asked later, so by now it would have heard
        assert bench.count(_CANCELED) == 0


def test_a_session_whose_response_has_ended_is_never_answered(bench: "Bench") -> None:
    name = "tcp" if bench.remote else "stdio"
    bench.http.get("outlive", params={"seconds": 0.1, "after": 0.5, "name": f"{name} after the end"})
    bench.wait_for(f"storage silent to {name} after the end")


def test_a_waiting_call_hears_of_its_client_only_under_remote_debugging(
    stdio_bench: "Bench", remote_bench: "Bench"
) -> None:
    for bench in (stdio_bench, remote_bench):
        for app in ("endless", "silent"):
            bench.apps[app].started.clear()
            with bench.http.stream("POST", "app", json={"app_id": bench.app_id(app), "query": "q"}) as response:
                received = response.iter_raw()
                assert next(received) == b"\n"
                assert bench.apps[app].started.wait(WAIT_SECONDS)
                if app == "endless":
                    assert next(received)
    remote_bench.wait_for("raised: read app failed: context canceled")
    remote_bench.wait_for(f"raised: {_CANCELED}")
    assert not stdio_bench.count("context canceled")


@contextmanager
def _leaving_client(bench: "Bench", request: str, *, reset: bool) -> Iterator[socket.socket]:
    """Leaves when the block ends: by an end (FIN) of its connection, if it has read all that came, or a reset (RST)."""
    with socket.create_connection(("127.0.0.1", bench.port), timeout=WAIT_SECONDS) as client:
        client.sendall(request.encode())
        yield client
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read_until(client: socket.socket, end: bytes) -> None:
    received = b""
    while not received.endswith(end):
        received += client.recv(1000)


@contextmanager
def _reader_with_a_small_buffer(bench: "Bench") -> Iterator[socket.socket]:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.settimeout(60)
        client.connect(("127.0.0.1", bench.port))
        yield client


def _read_to_end(client: socket.socket) -> bytes:
    received = bytearray()
    while data := client.recv(65536):
        received += data
    return bytes(received)
