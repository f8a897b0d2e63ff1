import re
from collections.abc import Callable
from pathlib import Path

import pytest
from dify_plugin.config.config import InstallMethod
from werkzeug import Response

from runtime import patches
from runtime.patches import _nothing, _patches
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

IMPORT = "import dify_plugin, runtime.patches, dify_plugin.core.runtime as sdk\n"
OTHER_VERSION = f"{IMPORT}runtime.patches.TESTED = frozenset({{'9.9.9'}})\n"
LACKING = f"{IMPORT}del sdk.BackwardsInvocation._full_duplex_backwards_invoke\n"


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
            LACKING,
            {},
            r"running on the SDK's own path: it lacks something \(.*_full_duplex.*\)",
            id="a lost attribute",
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


@pytest.mark.parametrize("way", InstallMethod, ids=lambda way: way.value)
def test_every_patch_is_in_the_table_and_its_original_exists(way: InstallMethod) -> None:
    for patch in _patches(way, lambda *_: Response(), _nothing):
        assert hasattr(patch.owner, patch.name)
        owner = patch.owner.__name__.removeprefix("dify_plugin.core.server.")
        assert f"`{patch.name}`" in str(patches.__doc__) or f"`{owner}.{patch.name}`" in str(patches.__doc__)


def test_nothing_else_replaces_anything_of_the_sdk() -> None:
    folder = Path(patches.__file__).parent
    replacing = re.compile(r"\bsetattr\(|sys\.stdout =|setStream\(")
    assert {path.name for path in folder.glob("*.py") if replacing.search(path.read_text("utf-8"))} == {"patches.py"}
