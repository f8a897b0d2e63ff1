import sys

import pytest

from benchmarks import driver
from benchmarks.app_run import app_run
from benchmarks.contenders import ROOT, Plugin
from benchmarks.driver import Driver, PluginFailed
from benchmarks.plugin_process import PluginProcess

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
