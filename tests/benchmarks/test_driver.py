import sys

import pytest

from benchmarks import driver
from benchmarks.app_run import app_run
from benchmarks.contenders import ROOT, Plugin
from benchmarks.driver import Driver, PluginFailed
from benchmarks.plugin_process import PluginProcess

STORING = """
import json, sys

def ask(session, **arguments):
    call = {"type": "storage", "backwards_request_id": "b", "request": arguments}
    print(json.dumps({"event": "session", "session_id": session, "data": {"type": "invoke", "data": call}}), flush=True)
    data = [json.loads(sys.stdin.readline())["data"]["data"] for _ in range(2)]
    return data[0]["data"]

session = json.loads(sys.stdin.readline())["session_id"]
calls = [{"opt": "exist"}, {"opt": "set", "value": "0a"}, {"opt": "exist"}, {"opt": "get"}]
said = json.dumps([ask(session, key="k", **call) for call in calls])
for kind, data in (("stream", {"status": 200, "result": said.encode().hex()}), ("end", {})):
    print(json.dumps({"event": "session", "session_id": session, "data": {"type": kind, "data": data}}), flush=True)
"""
"""A plugin that asks the storage in its only session, and answers with what it was told."""

HEARTBEAT = """print('{"event":"heartbeat","session_id":null,"data":{}}', flush=True)"""


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param(
            f"import time\nwhile True:\n    {HEARTBEAT}\n    time.sleep(0.05)",
            "1 streams have said nothing",
            id="silent but alive",
        ),
        pytest.param(f"{HEARTBEAT}\ninput()", "the plugin has ended", id="dead"),
    ],
)
def test_a_plugin_that_does_not_answer_is_a_failure(
    program: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "PATIENCE", 0.5)
    with PluginProcess(Plugin((sys.executable, "-c", program), ROOT, {})) as process:
        asked = Driver(process, {})
        asked.wait_until_ready()
        with pytest.raises(PluginFailed, match=message):
            asked.run(b"GET / HTTP/1.1\r\n\r\n", [app_run(1, 2)])


def test_a_storage_gives_back_what_was_put_into_it() -> None:
    with PluginProcess(Plugin((sys.executable, "-c", f"{HEARTBEAT}{STORING}"), ROOT, {})) as process:
        asked = Driver(process, {})
        asked.wait_until_ready()
        [stream] = asked.run(b"GET / HTTP/1.1\r\n\r\n", [app_run(1, 2)]).streams
    assert stream.body == b'[false, "ok", true, "0a"]'
