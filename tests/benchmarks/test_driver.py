import json
import sys

import pytest

from benchmarks import driver
from benchmarks.app_run import app_run
from benchmarks.contenders import NULL, ROOT
from benchmarks.driver import Driver, PluginFailed
from benchmarks.flow import Flood, Paced, in_turn
from benchmarks.load import calls_of
from benchmarks.plugin_process import Plugin, PluginProcess
from benchmarks.reply import check, replies

REQUEST = b"GET / HTTP/1.1\r\n\r\n"

STORING = """
import json, sys

def ask(session, **arguments):
    call = {"type": "storage", "backwards_request_id": "b", "request": arguments}
    say(session, "invoke", call)
    data = [json.loads(sys.stdin.readline())["data"]["data"] for _ in range(2)]
    return data[0]["data"]

def say(session, kind, data):
    message = {"event": "session", "session_id": session, "data": {"type": kind, "data": data}}
    print(json.dumps(message, separators=(",", ":")), flush=True)

session = json.loads(sys.stdin.readline())["session_id"]
calls = [{"opt": "exist"}, {"opt": "set", "value": "0a"}, {"opt": "exist"}, {"opt": "get"}]
said = json.dumps([ask(session, key="k", **call) for call in calls])
say(session, "stream", {"status": 200, "result": said.encode().hex()})
say(session, "end", {})
"""
"""A plugin that asks the storage in its only session, and answers with what it was told."""

HEARTBEAT = """print('{"event":"heartbeat","session_id":null,"data":{}}', flush=True)"""


def _plugin(program: str) -> Plugin:
    return Plugin(ROOT, command=(sys.executable, "-c", f"{HEARTBEAT}\n{program}"))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param(
            f"import time\nwhile True:\n    {HEARTBEAT}\n    time.sleep(0.05)",
            "1 streams have said nothing",
            id="silent but alive",
        ),
        pytest.param("input()", "the plugin has ended", id="dead"),
        pytest.param(
            "input(); "
            """print('{"event":"error","session_id":null,"data":{"error":"bad line"}}', flush=True); input()""",
            "bad line",
            id="an error of its own",
        ),
        pytest.param(
            "input(); "
            """print('{"event":"session","session_id":"s0000000","data":{"type":"error","data":{"message":"no"}}}')\n"""
            "import sys; sys.stdout.flush(); input()",
            "'message': 'no'",
            id="an error of a session",
        ),
    ],
)
def test_a_plugin_that_fails_or_does_not_answer_gives_no_number(
    program: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "PATIENCE", 0.5)
    with PluginProcess(_plugin(program)) as process:
        asked = Driver(process, {})
        asked.wait_until_ready()
        with pytest.raises(PluginFailed, match=message):
            asked.open(REQUEST, [app_run(1, 2)])


def test_a_storage_gives_back_what_was_put_into_it() -> None:
    with PluginProcess(_plugin(STORING)) as process:
        asked = Driver(process, {})
        asked.wait_until_ready()
        [stream] = asked.open(REQUEST, [app_run(1, 2)])
        assert not asked.is_open(stream)
        assert replies(asked.heard)[stream.session_id].body == b'[false, "ok", true, "0a"]'


@pytest.mark.parametrize("streams", [1, 3, 50])
def test_every_event_of_every_stream_is_sent_and_every_chunk_counted(streams: int) -> None:
    runs = [app_run(number, 40) for number in range(streams)]
    with PluginProcess(NULL.plugin) as process:
        asked = Driver(process, {})
        asked.wait_until_ready()
        opened = asked.open(NULL.request, runs)
        asked.finish(Flood(in_turn(calls_of(asked, opened))))
        found = replies(asked.heard)
    events = len(runs[0].opening) + runs[0].rest_events
    assert [len(found[one.session_id].chunks) for one in opened] == [events] * streams
    for one in opened:
        check("null", found[one.session_id], b"", events, NULL.is_whole)


def test_all_lines_are_whole_json_and_streams_take_turns() -> None:
    runs = [app_run(number, 3) for number in range(2)]
    with PluginProcess(NULL.plugin) as process:
        asked = Driver(process, {})
        asked.wait_until_ready()
        opened = asked.open(NULL.request, runs)
        lines = list(in_turn(calls_of(asked, opened)))
    messages = [json.loads(line) for line in lines]
    assert [message["session_id"] for message in messages] == [one.session_id for one in opened] * (len(lines) // 2)
    answers = [message["data"]["data"]["answer"] for message in messages[:4]]
    assert answers == ["t0.1 ", "t1.1 ", "t0.2 ", "t1.2 "]
    assert [message["data"]["event"] for message in messages[-4:]] == ["response", "response", "end", "end"]


def test_paced_lines_go_when_they_are_due_and_not_before() -> None:
    paced = Paced(iter([b"a", b"b", b"c"]), start=10.0, step=1.0)
    assert [paced.due(now) for now in (9.5, 10.0, 10.5)] == [b"", b"a", b""]
    assert paced.wait(10.5) == 0.5
    assert [paced.due(now) for now in (12.0, 13.0)] == [b"bc", None]
