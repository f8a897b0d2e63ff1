"""Several processes of one plugin behind one workbench."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from tests.workbench.conftest import Bench

PROBE = Path(__file__).resolve().parent / "probe"


def test_requests_are_dealt_in_turn_and_share_the_storage(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench(replicas=2)
    bench.wait_for("listening on")
    assert bench.count("plugin process ") == 2
    one, other, *rest = _pids(bench, 6)
    assert one != other
    assert rest == [one, other] * 2
    assert bench.http.post("storage?op=set&key=k", content=b"v").json() == {"result": None}  # by one
    assert bench.http.get("storage?op=get&key=k").json() == {"result": "v"}  # by the other


def test_one_that_dies_is_passed_over_until_it_is_up_again(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench(replicas=2)
    bench.wait_for("listening on")
    dying, living = _pids(bench, 2)
    os.kill(dying, signal.SIGKILL)
    bench.wait_for("the plugin has ended, killed by signal 9; it is started again")
    assert _pids(bench, 3) == [living] * 3
    bench.wait_for("is up again")
    assert {living} < set(_pids(bench, 2))


def test_a_changed_file_restarts_all_of_them(make_bench: Callable[..., "Bench"], tmp_path: Path) -> None:
    plugin = Path(shutil.copytree(PROBE, tmp_path / "plugin", ignore=shutil.ignore_patterns("__pycache__")))
    bench = make_bench(plugin=plugin, reload=True, replicas=2)
    bench.wait_for("listening on")
    before = _pids(bench, 2)
    endpoint = plugin / "endpoints" / "probe.py"
    endpoint.write_text(endpoint.read_text().replace('b"one;"', 'b"uno;"'))
    bench.wait_for("is up again", 2)
    assert bench.count("changed; the plugin is started again") == 1
    assert not set(before) & set(_pids(bench, 2))
    assert [bench.http.get("joined").text for _ in range(2)] == ["uno;two;three;"] * 2


def test_all_of_them_end_with_the_host(make_bench: Callable[..., "Bench"]) -> None:
    bench = make_bench(replicas=2)
    bench.wait_for("listening on")
    pids = _pids(bench, 2)
    bench.stop()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def _pids(bench: "Bench", requests: int) -> list[int]:
    return [int(bench.http.get("process").text) for _ in range(requests)]
