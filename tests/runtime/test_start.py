import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from dify_plugin.config.config import InstallMethod

from runtime import patches
from tests.conftest import ROOT
from tests.runtime.conftest import Daemon

SAY_WHICH = """
import atexit, json, sys, threading
from dify_plugin.core.server.stdio.request_reader import StdioRequestReader as Reader
from dify_plugin.core.plugin_executor import PluginExecutor as Executor
original = Reader._read_stream, Executor.invoke_endpoint, sys.stdout
def say():
    now = Reader._read_stream, Executor.invoke_endpoint, sys.stdout
    print(json.dumps({"event": "replaced", "data": [a is not b for a, b in zip(original, now)]}))
threading.Timer(0.1, say).start()
"""
"""Says, when the plugin has begun, which of three parts of the SDK's are no more what they were."""

IMPORT = "import dify_plugin, runtime.start, dify_plugin.core.runtime as sdk\n"
OTHER_VERSION = f"{IMPORT}runtime.start.TESTED = frozenset({{'9.9.9'}}); sys.modules['runtime.patches'] = None\n"
"""Another SDK's version is told before anything is imported that may not fit it."""

LOST = f"{IMPORT}del sdk.BackwardsInvocation._full_duplex_backwards_invoke\n"
CHANGED = f"{IMPORT}import dify_plugin.core.server.__base.filter_reader as changed; changed.FilterReader = None\n"
"""No class can be made of it any more."""

NEW_WAY = f"""{IMPORT}
from runtime import patches
patches._patches = lambda way, refuse: None
"""
"""A way of running that has no patches, as `match` leaves it."""


@pytest.mark.parametrize(
    ("before", "environment", "said"),
    [
        pytest.param(
            OTHER_VERSION,
            {},
            r"running on the SDK's own path: its version \S+ is none of those tested \(9\.9\.9\)",
            id="another version",
        ),
        pytest.param(
            LOST,
            {},
            r"running on the SDK's own path: the faster wire does not fit it \(AttributeError: .*_full_duplex.*\)",
            id="a lost attribute",
        ),
        pytest.param(
            CHANGED,
            {},
            r"running on the SDK's own path: the faster wire does not fit it \(TypeError: .*\)",
            id="a changed class",
        ),
        pytest.param(
            NEW_WAY,
            {},
            r"running on the SDK's own path: the faster wire does not fit it \(TypeError: .*\)",
            id="another way of running",
        ),
        pytest.param(
            "",
            {"DUCK_RUNTIME": "sdk"},
            r"running on the SDK's own path: DUCK_RUNTIME says so",
            id="the operator's word",
        ),
    ],
)
def test_where_it_does_not_fit_the_sdk_is_left_as_it_is_and_one_line_says_so(
    start: Callable[..., Daemon], before: str, environment: dict[str, str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    daemon = start("import dify_plugin\n" + SAY_WHICH + before, **environment)
    assert daemon.wait_for(lambda message: message.get("event") == "replaced")["data"] == [False] * 3
    daemon.request("s", "GET /joined")
    assert daemon.body_of("s") == b"one;two;three;"
    [line] = [line for line in capfd.readouterr().err.split("\n") if "SDK's own path" in line]
    assert re.fullmatch(said, line)


def test_where_it_fits_it_is_used_and_nothing_is_said(
    start: Callable[..., Daemon], capfd: pytest.CaptureFixture[str]
) -> None:
    daemon = start("import dify_plugin\n" + SAY_WHICH)
    assert daemon.wait_for(lambda message: message.get("event") == "replaced")["data"] == [True] * 3
    assert "SDK's own path" not in capfd.readouterr().err


TABLE = {
    "local": {
        "StdioRequestReader._read_stream",
        "StdioResponseWriter.put",
        "BackwardsInvocation._full_duplex_backwards_invoke",
        "PluginExecutor.invoke_endpoint",
        "sys.stdout",
        "plugin_logger_handler.stream",
    },
    "remote": {
        "dify_plugin.core.server.tcp.request_reader.TypeAdapter",
        "TCPReaderWriter.put",
        "BackwardsInvocation._full_duplex_backwards_invoke",
        "PluginExecutor.invoke_endpoint",
    },
    "serverless": {
        "BackwardsInvocation._http_backwards_invoke",
        "ServerlessResponseWriter.put",
        "PluginExecutor.invoke_endpoint",
    },
}
"""What the table of `runtime.patches` says, by way of running."""

SAY_ALL = """
import inspect, json, sys
from dify_plugin import DifyPluginEnv
from runtime.start import install
from dify_plugin.config.logger_format import plugin_logger_handler

modules = {name: module for name, module in sys.modules.items() if name.startswith("dify_plugin")}

def all_of_the_sdk():
    found = {"sys.stdout": sys.stdout, "plugin_logger_handler.stream": plugin_logger_handler.stream}
    for name, module in modules.items():
        for key, value in vars(module).items():
            found[f"{name}.{key}"] = value
            if inspect.isclass(value) and value.__module__ == name:
                found.update({f"{value.__name__}.{part}": held for part, held in vars(value).items()})
    return found

before = all_of_the_sdk()
assert install(DifyPluginEnv(), None)
after = all_of_the_sdk()
said = [name for name in after if name not in before or after[name] is not before[name]]
print(json.dumps(said), file=sys.stderr)
"""


@pytest.mark.parametrize("way", InstallMethod, ids=lambda way: way.value)
def test_what_the_table_says_is_replaced_and_nothing_else(way: InstallMethod) -> None:
    environment = {**os.environ, "INSTALL_METHOD": way.value}
    asked = [sys.executable, "-c", SAY_ALL]
    heard = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert set(json.loads(heard.stderr.strip().split("\n")[-1])) == TABLE[way.value]


def test_the_table_names_all_that_is_replaced() -> None:
    for name in set().union(*TABLE.values()) - {"plugin_logger_handler.stream"}:
        owner, _, attribute = name.rpartition(".")
        assert re.search(rf"`({owner}\.)?{attribute}`", str(patches.__doc__)), name
