from pathlib import Path

import pytest

from fuzz.__main__ import main
from fuzz.requests import MODELS
from gateway.routes import TABLE, Route


def test_every_route_that_takes_a_body_is_fuzzed_with_one() -> None:
    assert {listed.route for listed in TABLE if "POST" in listed.methods} == set(MODELS)


def test_a_fault_is_found_and_kept_and_tried_first_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(request: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("fuzz.requests.TABLE", [listed for listed in TABLE if listed.route is Route.TOKENS])
    monkeypatch.setattr("gateway.serve.read_token_request", fail)
    assert main(["--seconds", "1", "--seeds", str(tmp_path)]) == 1
    [found] = tmp_path.iterdir()
    assert found.read_bytes().startswith(b"POST /tokens")
    assert f"{found.name}: the status is 500\n" in capsys.readouterr().out
    assert main(["--seconds", "0", "--seeds", str(tmp_path)]) == 1
    assert f"{found.name}: the status is 500\n" in capsys.readouterr().out
    monkeypatch.undo()
    assert main(["--seconds", "0", "--seeds", str(tmp_path)]) == 0
    assert "2 replies (" in capsys.readouterr().out
