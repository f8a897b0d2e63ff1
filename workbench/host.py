"""The workbench put together: a plugin kept running, its reverse calls answered, its hooks served over HTTP.

Owns the start and the end of all that.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.app import App
from workbench.channel import Way
from workbench.control import Control
from workbench.hooks import Hook, stable_id, with_service_api
from workbench.laws import read_clocks
from workbench.plugin_process import Launch
from workbench.remote import Remote, RemoteListener
from workbench.replicas import Replicas
from workbench.reverse import ReverseCalls
from workbench.runs import Runs
from workbench.runtime import Runtime
from workbench.serverless import Serverless
from workbench.service_api import Entry, ServiceApi
from workbench.service_control import ServiceControl
from workbench.stdio import Stdio
from workbench.storage import Storage
from workbench.terminal import Terminal
from workbench.tools import Tools
from workbench.web import Web


@dataclass(frozen=True, slots=True)
class Options:
    """`port`, `remote_port` and `service_port` 0 take any free one. `start` False, for `remote` only: the plugin is
    started by hand.

    `replicas` is the number of the plugin's processes, 1 if `remote`. `control`: serve what `control.py` does too.
    `environment` is the plugin's, and what the two clocks of law 13 are read from.
    """

    plugin: Path
    python: str
    environment: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = 8787
    remote: bool = False
    serverless: bool = False
    remote_port: int = 0
    start: bool = True
    reload: bool = False
    replicas: int = 1
    control: bool = False
    service_port: int = 0


class Host:
    """`apps` are by id; `entries` are those of the Service API. `port` is 0 until it serves. `greet` is called once,
    with the URL of the first hook, when all of the plugin's processes have first come up.

    Raises ValueError for a clock in the environment that can't be read.
    """

    def __init__(
        self,
        options: Options,
        hooks: Mapping[str, Hook],
        apps: Mapping[str, App],
        terminal: Terminal,
        greet: Callable[[str], None] = lambda _: None,
        entries: Iterable[Entry] = (),
    ) -> None:
        self._options = options
        # Filled in place when the Service API's port is known, before anything is served.
        self._hooks = dict(hooks)
        self._terminal = terminal
        self._greet = greet
        self._greeted = False
        self.port = 0
        clocks = read_clocks(options.environment)
        launch = Launch(options.plugin, options.python, options.environment)
        key = stable_id("remote debugging key", str(options.plugin))
        self.listener = RemoteListener(key) if options.remote else None
        ways = [_way(launch, self.listener, options, terminal) for _ in range(options.replicas)]
        storage, runs = Storage(), Runs()
        self.service_api = ServiceApi(entries, runs)
        self._replicas = Replicas(ways, ReverseCalls(apps, storage, runs, clocks, terminal), terminal, self._announce)
        controls = [*Control(storage, hooks.values()).routes(), *ServiceControl(self.service_api).routes()]
        routes = [*Tools(self._replicas, clocks).routes(), *(controls if options.control else ())]
        self._web = Web(self._hooks, self._replicas, clocks, terminal, routes)

    async def run(self) -> None:
        """Runs until it is cancelled. Raises OSError when a port is taken."""
        try:
            await self.service_api.open(self._options.host, self._options.service_port)
            for name, hook in self._hooks.items():
                self._hooks[name] = with_service_api(hook, self.service_api.url)
            self.port = await self._web.open(self._options.host, self._options.port)
            if self.listener is not None:
                await self.listener.open(self._options.remote_port)
                if not self._options.start:
                    self._ask_for_plugin(self.listener)
            await self._replicas.run(self._options.plugin if self._options.reload else None)
        finally:
            if self.listener is not None:
                self.listener.close()
            await self._web.close()
            await self.service_api.close()

    def url(self, hook: str) -> str:
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"http://{host}:{self.port}/e/{hook}/"

    def _ask_for_plugin(self, listener: RemoteListener) -> None:
        self._terminal.say("waiting for a plugin with these lines in its .env (`python -m main` in its directory):")
        self._terminal.show("\n".join(f"{name}={shlex.quote(value)}" for name, value in listener.environment().items()))

    def _announce(self, runtime: Runtime) -> None:
        plugin = f"{runtime.declaration.name} {runtime.declaration.version}"
        if self._greeted:
            self._terminal.say(f"{plugin} is up again")
            return
        if not self._replicas.all_up:
            return
        self._greeted = True
        first, *others = (self.url(hook) for hook in self._hooks)
        self._terminal.say(f"{plugin} is up")
        self._terminal.say(f"Service API at {self.service_api.url}")
        for url in others:
            self._terminal.say(f"also at {url}")
        self._terminal.say(f"listening on {first}")
        self._greet(first)


def _way(launch: Launch, listener: RemoteListener | None, options: Options, terminal: Terminal) -> Way:
    if options.serverless:
        return Serverless(launch, terminal)
    if listener is None:
        return Stdio(launch, terminal)
    return Remote(launch if options.start else None, listener, terminal)
