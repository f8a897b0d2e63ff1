import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contenders import CONTENDERS, ROOT
from benchmarks.requirements import MISSED

pytestmark = pytest.mark.alone


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.stream", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_quick_run_measures_every_route_and_every_stream_arrives_whole(tmp_path: Path) -> None:
    numbers, plot = tmp_path / "numbers.json", tmp_path / "plot.svg"
    plain = ROOT / "benchmarks" / "passthrough"
    other = ("--plugin", str(plain), "--path", "/sink/app", "--settings", "{}")
    done = _run("--quick", "--sdk", "--json", str(numbers), "--plot", str(plot), *other)
    assert "No result" not in done.stderr
    found = json.loads(numbers.read_text("utf-8"))
    names = [*(one.name for one in CONTENDERS), "native SSE, sdk", "Chat, sdk", "passthrough"]
    for load in found["loads"]:
        [measured] = load["rounds"]
        assert list(measured) == names
        assert all(one["rate"] > 0 and one["cpu"] > 0 for one in measured.values())
    lines = done.stdout.splitlines()
    missed = [one["what"] for one in found["requirements"] if one["falls_short"]]
    assert [line.split("  ")[1].split(":")[0] for line in lines if line.startswith(f"{MISSED}  ")] == missed
    assert done.returncode == int(bool(missed))
    assert f"of {len(found['requirements'])} requirements" in lines[-1] or lines[-1].startswith("All ")
    assert plot.read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(["--plugin", "tests"], "there is no plugin in 'tests'", id="a directory without a plugin"),
        pytest.param(["--settings", "{"], "it is no JSON", id="settings that are no JSON"),
        pytest.param(["--settings", "[]"], "it is no JSON object", id="settings that are a list"),
    ],
)
def test_arguments_that_make_no_run_are_refused(arguments: list[str], problem: str) -> None:
    done = _run(*arguments)
    assert done.returncode == 2
    assert problem in done.stderr


def test_a_route_that_refuses_gives_no_result_and_says_what_it_answered() -> None:
    done = _run("--quick", "--plugin", str(ROOT), "--path", "/nowhere")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "No result: no app was asked for, but the reply is" in done.stderr
