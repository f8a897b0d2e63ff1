"""What a test may do to the storage of a workbench that runs, and what the plugin sees of it."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.workbench.conftest import Bench

_REFUSED = "dial tcp 127.0.0.1:9000: connect: connection refused"


@pytest.fixture
def storage(bench: "Bench") -> Iterator[httpx.URL]:
    """Empty and well, before and after."""
    url = bench.workspace_storage()
    httpx.put(url, json={})
    yield url
    httpx.post(url, json={})
    httpx.put(url, json={})


def test_what_the_plugin_has_written_is_seen(bench: "Bench", storage: httpx.URL) -> None:
    bench.http.post("storage?op=set&key=k/l", content=b"\x00v")
    assert httpx.get(storage).json()["values"] == {"k/l": "0076"}
    assert "k/l" not in httpx.get(bench.workspace_storage("b")).json()["values"]


def test_what_is_put_there_is_all_that_the_plugin_finds(bench: "Bench", storage: httpx.URL) -> None:
    bench.http.post("storage?op=set&key=lost", content=b"v")
    shown = httpx.put(storage, json={"k": "76"})
    assert shown.json()["values"] == {"k": "76"}
    assert _use(bench, "get", "k") == {"result": "v"}
    assert _use(bench, "exist", "lost") == {"result": False}


def test_calls_are_counted_by_operation(bench: "Bench", storage: httpx.URL) -> None:
    def calls() -> dict[str, int]:
        counted: dict[str, int] = httpx.get(storage).json()["calls"]
        return {operation: counted.get(operation, 0) for operation in ("get", "set", "del", "exist")}

    before = calls()
    bench.http.post("storage?op=set&key=k", content=b"v")
    for operation in ("exist", "exist", "get", "delete", "get"):  # the last one fails
        _use(bench, operation)
    assert {operation: number - before[operation] for operation, number in calls().items()} == {
        "get": 2,
        "set": 1,
        "del": 1,
        "exist": 2,
    }


def test_a_failing_storage_answers_each_call_with_the_daemons_text(bench: "Bench", storage: httpx.URL) -> None:
    httpx.put(storage, json={"k": "76"})
    httpx.post(storage, json={"fault": "failing"})
    missing = "load data failed, please check if the key is correct or you have not set it"
    assert _use(bench, "get") == {"raised": missing}
    assert _use(bench, "exist") == {"raised": f"exist data failed: {_REFUSED}"}
    assert _use(bench, "delete") == {"raised": f"delete data failed: {_REFUSED}"}
    assert _use(bench, "set") == {"raised": f"save data failed: {_REFUSED}"}
    httpx.post(storage, json={"fault": None})
    assert _use(bench, "get") == {"result": "v"}


def test_a_full_storage_refuses_a_value_and_keeps_it(bench: "Bench", storage: httpx.URL) -> None:
    httpx.post(storage, json={"fault": "full"})
    raised = bench.http.post("storage?op=set&key=k", content=b"v").json()
    assert raised == {"raised": "save data failed: allocated size is greater than max storage size"}
    assert _use(bench, "get") == {"result": "v"}


def test_a_slow_storage_does_at_once_what_it_answers_late(bench: "Bench", storage: httpx.URL) -> None:
    httpx.put(storage, json={"k": "76"})
    httpx.post(storage, json={"delay": 0.5})
    start = time.monotonic()
    assert _use(bench, "delete") == {"result": None}
    assert _use(bench, "get")["raised"].startswith("load data failed")
    assert time.monotonic() - start >= 1
    name = f"late over {'tcp' if bench.remote else 'stdio'}"
    httpx.post(storage, json={"delay": 60})
    with bench.http.stream("GET", "outlive", params={"seconds": 3, "name": name}):
        bench.wait_for(f"storage silent to {name}")  # though the client is there


@pytest.mark.parametrize(
    ("method", "workspace", "body", "status", "said"),
    [
        ("GET", "nowhere", "", 404, "no hook is in a workspace 'nowhere', but in a, b"),
        ("PUT", "a", '{"k": "xyz"}', 400, "hex"),
        ("PUT", "a", '{"k": 1}', 400, "valid"),
        ("POST", "a", "{", 400, "JSON"),
        ("POST", "a", '{"delay": -1}', 400, "delay"),
        ("POST", "a", '{"fault": "other"}', 400, "fault"),
        ("POST", "a", '{"dealy": 1}', 400, "dealy"),
        ("DELETE", "a", "", 404, "route not found"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(
    stdio_bench: "Bench", method: str, workspace: str, body: str, status: int, said: str
) -> None:
    before = httpx.get(stdio_bench.workspace_storage()).json()
    response = httpx.request(method, stdio_bench.workspace_storage(workspace), content=body)
    assert (response.status_code, said in response.text) == (status, True)
    assert httpx.get(stdio_bench.workspace_storage()).json() == before


def _use(bench: "Bench", operation: str, key: str = "k") -> dict[str, Any]:
    result: dict[str, Any] = bench.http.get("storage", params={"op": operation, "key": key}).json()
    return result
