"""A workbench in a thread of the test's own process, so that a test may watch its apps; the plugin is the probe."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench import laws
from workbench.app import App, Broken, DifyEvent, Invocation, Refused, Unreachable
from workbench.hooks import Hook, stable_id
from workbench.host import Host, Options
from workbench.service_api import entries
from workbench.terminal import Terminal

PROBE = Path(__file__).resolve().parent / "probe"
WAIT_SECONDS = 60
"""For what takes a moment, on a machine with much else to do."""


@dataclass
class Script:
    """An app that does what it is made of: dicts and texts are yielded, numbers waited for, exceptions raised.

    `calls` are the runs it was asked for; `started` and `closed` are set when a run has begun and ended, however.
    """

    steps: tuple[Any, ...] = ()
    mode: str = "chat"
    calls: list[Invocation] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    async def run(self, call: Invocation) -> AsyncIterator[DifyEvent]:
        self.calls.append(call)
        self.started.set()
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.closed.set()

    def parameters(self) -> dict[str, Any]:
        return {"user_input_form": []}


def _apps() -> dict[str, Script]:
    return {
        "words": Script(({"event": "message", "answer": "a"}, {"event": "message_end"})),
        "pinged": Script(("ping", {"event": "message", "answer": "a"}, "ping", {"event": "message_end"})),
        "lazy": Script(),
        "refused": Script((Refused(400, "invalid_param", "missing query"),)),
        "crashed": Script((Refused(500, "unknown", "Internal Server Error"),)),
        "unreachable": Script((Unreachable('Post "http://api:5001/inner/api/invoke/app": EOF'),)),
        "broken": Script(({"event": "message", "answer": "a"}, Broken("request failed: boom"))),
        "faulty": Script((KeyError("an app's bug"),)),
        "endless": Script(({"event": "message", "answer": "a"}, 600)),
        "silent": Script((600,)),
        "ticking": Script(({"event": "message", "message_id": "m", "task_id": "t", "answer": "a"}, 600)),
        "completing": Script(({"event": "message", "answer": "a"},), mode="completion"),
        "flowing": Script(({"event": "message", "answer": "a"}, 0.1) * 6000),
        "late": Script((1.2, {"event": "message", "answer": "a"}, {"event": "message_end"})),
    }


class Bench:
    """A host with the probe behind the hooks `duck` and `neighbour` of one workspace, and `stranger` of another."""

    def __init__(
        self,
        *,
        remote: bool = False,
        serverless: bool = False,
        start: bool = True,
        reload: bool = False,
        replicas: int = 1,
        plugin: Path = PROBE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.remote = remote
        self._log = StringIO()
        self.apps = _apps()
        self.terminal = Terminal(self._log)
        hooks = [
            Hook("duck", "a", {"color": "green"}),
            Hook("neighbour", "a", {"url": "at {service_api}!"}),
            Hook("stranger", "b", {}),
        ]
        options = Options(
            plugin,
            sys.executable,
            {**os.environ, **(environment or {})},
            port=0,
            remote=remote,
            serverless=serverless,
            start=start,
            reload=reload,
            replicas=replicas,
            control=True,
        )
        ids = {name: self.app_id(name) for name in self.apps}
        by_id: dict[str, App] = {ids[name]: app for name, app in self.apps.items()}
        self._entries = entries(by_id, ids)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(options, hooks, by_id))
        self._thread.start()
        assert self._started.wait(WAIT_SECONDS)
        while not self._host.port:
            assert self._thread.is_alive()
            time.sleep(0.01)
        self._stopped = False
        self.http = self._client()

    def app_id(self, name: str) -> str:
        return stable_id("test app", name)

    @property
    def url(self) -> str:
        return self._host.url("duck")

    @property
    def port(self) -> int:
        return int(httpx.URL(self.url).port or 0)

    def lines(self) -> list[str]:
        """All that the workbench and the plugin have said so far."""
        return self._log.getvalue().split("\n")

    def wait_for(self, text: str, times: int = 1) -> str:
        """Waits until so many lines of the log hold the text; the last of them."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(found := [line for line in self.lines() if text in line]) < times:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {text!r} in:\n" + self._log.getvalue())
            time.sleep(0.02)
        return found[-1]

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines())

    def events(self, app: str, **arguments: Any) -> list[dict[str, Any]]:
        """What the plugin gets from an app: its events, and a last `{"raised": …}` for an exception."""
        body = {"app_id": self.app_id(app), "query": "q", **arguments}
        lines = self.http.post("app", json=body).text.split("\n")
        return [httpx.Response(200, text=line).json() for line in lines if line]

    def raised(self, app: str, **arguments: Any) -> str:
        """The text of the exception that the plugin gets instead of an app's first event."""
        (last,) = self.events(app, **arguments)
        return str(last["raised"])

    def workspace_storage(self, workspace: str = "a") -> httpx.URL:
        """Where the workbench's own storage control is."""
        return httpx.URL(self.url).join(f"/workbench/storage?workspace={workspace}")

    @property
    def service_control(self) -> httpx.URL:
        """Where the workbench's own control of its Service API is."""
        return httpx.URL(self.url).join("/workbench/service-api")

    def plugin_pid(self) -> int:
        return int(self.wait_for("plugin process ").split()[3])

    def kill_plugin(self) -> None:
        os.kill(self.plugin_pid(), signal.SIGKILL)
        # A whole reply may still lack the message that ends it; now it will, and what follows on its connection waits.
        self.http = self._client()

    def environment(self) -> dict[str, str]:
        """What a plugin needs to connect to a remote bench."""
        assert self._host.listener is not None
        return self._host.listener.environment()

    @contextmanager
    def start_plugin(self, environment: Mapping[str, str]) -> Iterator[None]:
        """The probe, started by hand."""
        process = subprocess.Popen(
            [sys.executable, "-m", "main"],
            cwd=PROBE,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        yield
        process.kill()
        process.wait()

    def sleep_past_the_short_reply_gap(self) -> None:
        time.sleep(2 * laws.SHORT_REPLY_GAP)

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=WAIT_SECONDS, trust_env=False)

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self.http.close()
        self._loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    def _work(self, options: Options, hooks: list[Hook], apps: Mapping[str, App]) -> None:
        async def work() -> None:
            self._loop = asyncio.get_running_loop()
            by_name = {hook.name: hook for hook in hooks}
            self._host = Host(options, by_name, apps, self.terminal, entries=self._entries)
            self._running = asyncio.create_task(self._host.run())
            self._started.set()
            await asyncio.wait({self._running})

        asyncio.run(work())


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Makes benches of a test's own."""
    with ExitStack() as made:

        def make(**options: Any) -> Bench:
            bench = Bench(**options)
            made.callback(bench.stop)
            return bench

        yield make


def shared(**options: Any) -> Iterator[Bench]:
    """For a fixture: a bench that is up, and ends with it."""
    bench = Bench(**options)
    try:
        bench.wait_for("listening on")
        yield bench
    finally:
        bench.stop()


@pytest.fixture(scope="session")
def stdio_bench() -> Iterator[Bench]:
    yield from shared()


@pytest.fixture(scope="session")
def remote_bench() -> Iterator[Bench]:
    yield from shared(remote=True)


@pytest.fixture(scope="session")
def hasty_bench() -> Iterator[Bench]:
    """One whose operator has shortened the clocks of law 13."""
    clocks = {"DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT": "700", "PLUGIN_MAX_EXECUTION_TIMEOUT": "2"}
    yield from shared(environment=clocks)


@pytest.fixture(params=["stdio", "remote"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Both ways of running the plugin, one after the other."""
    found: Bench = request.getfixturevalue(f"{request.param}_bench")
    return found
