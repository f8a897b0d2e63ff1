"""A run that comes by an app's own key goes on in Dify until somebody stops it: so Duck does when its caller leaves.

Nobody tells Duck of it (law 14). It finds out by asking, and somebody who stayed proves that whoever does not answer is
gone.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import FAST, hooks_file
from tests.plugin.dify.conftest import HOOKS, ServiceApi, caller, stops_of

FOUND_OUT_WITHIN: Final = 45.0
"""Seconds; a caller is asked for every 15 s, and twice."""

RUNS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "chat-messages": ("endless", {"query": "Hello", "inputs": {}}),
    "workflows/run": ("endless-workflow", {"inputs": {}}),
    "completion-messages": ("endless-completion", {"inputs": {"query": "Hello"}}),
}


@pytest.fixture(scope="module")
def url(start_workbench: Callable[..., RunningWorkbench], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workbench of its own: nobody else is asked."""
    hooks = hooks_file(tmp_path_factory.mktemp("hooks"), keyed=HOOKS["keyed"])
    return start_workbench(*FAST, "--control", "--hooks", hooks).url


def _begun(url: str, path: str, user: str) -> ExitStack:
    """A run whose first event was read; closing this is leaving it."""
    app, body = RUNS[path]
    with ExitStack() as held:
        someone = held.enter_context(caller(f"{url}/apps/{app}/v1"))
        asked = {**body, "user": user, "response_mode": "streaming"}
        reply = held.enter_context(someone.stream("POST", f"/{path}", json=asked))
        chunks = reply.iter_raw()
        held.callback(lambda: chunks)  # an iterator that nobody holds takes the connection with it
        next(chunks)
        return held.pop_all()


def test_a_run_is_stopped_in_dify_when_its_caller_leaves_whatever_goes_on_coming_from_it(url: str) -> None:
    service_api = ServiceApi(url.partition("/e/")[0])
    with _begun(url, "chat-messages", "who stays"):
        for path in RUNS:
            _begun(url, path, path).close()
        begun = {run["user"]: run["task_id"] for run in service_api.seen()["runs"]}
        left = {user: [task_id] for user, task_id in begun.items() if user != "alice:who stays"}
        assert left.keys() == {f"alice:{path}" for path in RUNS}

        def stopped(state: dict[str, Any]) -> dict[str, list[str]]:
            return {user: stops_of(state, user) for user in left}

        state = service_api.until(lambda state: all(stopped(state).values()), FOUND_OUT_WITHIN)
        assert stopped(state) == left
        assert [run["user"] for run in state["runs"] if run["state"] == "running"] == ["alice:who stays"]
