"""The running plugin, under the workbench, and those who call it."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import RunningWorkbench
from workbench.apps import DEMO_APPS

FAST = ("--env", "WORKBENCH_PACE=0")
"""Demo apps without pauses between tokens."""

type StartWorkbench = Callable[..., RunningWorkbench]

type Workspaces = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Workspaces, their hooks, and the hooks' settings."""


@pytest.fixture(scope="session")
def duck(start_workbench: StartWorkbench) -> RunningWorkbench:
    """The plugin as the daemon runs it, over stdio, on the faster wire; test_ways.py holds all else to it."""
    return start_workbench(*FAST)


@pytest.fixture
def client(duck: RunningWorkbench) -> Iterator[httpx.Client]:
    """A caller with the demo key."""
    with caller(duck.url) as found:
        yield found


def caller(url: str, key: str | None = RunningWorkbench.key, timeout: float = 60) -> httpx.Client:
    """An httpx client for an endpoint; without a default `Accept`."""
    client = httpx.Client(base_url=url, timeout=timeout, verify=False)  # loading certificates takes 20 ms
    del client.headers["Accept"]
    if key:
        client.headers["Authorization"] = f"Bearer {key}"
    return client


def sent(url: str, request_line: str, *headers: bytes, body: bytes = b"") -> socket.socket:
    """A connection on which a request was sent byte for byte; its reply is all that comes until the end.

    request_line: method and path, `POST /chat/echo`; the path goes behind that of the endpoint.
    """
    host, _, prefix = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    method, _, path = request_line.partition(" ")
    line = f"{method} /{prefix}{path} HTTP/1.1".encode()
    framing = (b"Host: " + host.encode(), b"Connection: close", b"Content-Length: %d" % len(body))
    connection = socket.create_connection((name, int(port)), timeout=60)
    connection.sendall(b"\r\n".join((line, *framing, *headers, b"", body)))
    return connection


def hooks_file(folder: Path, **hooks: Mapping[str, Any]) -> str:
    """A hooks file with these endpoints' settings, all in one workspace; its path."""
    return workspaces_file(folder, {"one": hooks})


def workspaces_file(folder: Path, workspaces: Workspaces) -> str:
    """A hooks file with the endpoints of several workspaces; its path."""
    content = {
        name: {"workspace": workspace, "settings": dict(settings)}
        for workspace, hooks in workspaces.items()
        for name, settings in hooks.items()
    }
    path = folder / "hooks.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return str(path)


def listed(*aliases: str) -> str:
    """These demo apps, as the setting `apps` has them."""
    return ", ".join(f"{alias}={DEMO_APPS[alias]}" for alias in aliases)


class Endpoints:
    """A running workbench with several endpoints; it needs `--control` for what concerns the storage."""

    def __init__(self, workbench: RunningWorkbench) -> None:
        self.workbench = workbench
        self._base = workbench.url.rpartition("/")[0]

    def url(self, hook: str) -> str:
        return f"{self._base}/{hook}"

    def caller(self, hook: str, key: str | None = None) -> httpx.Client:
        """A client that wants one JSON body."""
        client = caller(self.url(hook), key)
        client.headers["Accept"] = "application/json"
        return client

    def storage(self, workspace: str) -> dict[str, Any]:
        """What a workspace's storage holds, and which calls it has had."""
        state: dict[str, Any] = httpx.get(self.workbench.storage_url(workspace)).json()
        return state

    def disturb(self, workspace: str, **behaviour: Any) -> None:
        """Makes a workspace's storage behave so from now on; well again without arguments."""
        httpx.post(self.workbench.storage_url(workspace), json=behaviour).raise_for_status()

    def put(self, workspace: str, values: Mapping[str, str]) -> None:
        """These are the storage's values from now on, in hex."""
        httpx.put(self.workbench.storage_url(workspace), json=values).raise_for_status()

    def restart_plugin(self) -> None:
        """Kills the plugin's process, and returns when the next one is up."""
        before = self.workbench.log().count("is up again")
        os.kill(self.workbench.plugin_pid(), signal.SIGKILL)
        self.workbench.wait_for(rf"(?s)(is up again.*){{{before + 1}}}")


type Serve = Callable[..., Endpoints]


@pytest.fixture(scope="module")
def serve(start_workbench: StartWorkbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`serve(workspaces, "--control", …)` starts a workbench with these endpoints, which ends with the module."""
    started: list[RunningWorkbench] = []

    def start(workspaces: Workspaces, *arguments: str) -> Endpoints:
        path = workspaces_file(tmp_path_factory.mktemp("hooks"), workspaces)
        started.append(start_workbench(*FAST, "--quiet", "--hooks", path, *arguments))
        return Endpoints(started[-1])

    yield start
    for workbench in started:
        workbench.stop()


class Blocked(Exception):
    """A browser does not let the page do it."""


SAFE_HEADERS = frozenset({"cache-control", "content-language", "content-type", "expires", "last-modified", "pragma"})
"""What any page may read of a reply that it may read at all (WHATWG Fetch 3.3.2; Content-Length apart)."""


class Page:
    """A page in a browser: asks before it calls, and sees of the reply what it may (WHATWG Fetch 4.8 to 4.10)."""

    def __init__(self, url: str, origin: str) -> None:
        self._client = caller(url, key=None)
        self._browser = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}

    def fetch(self, path: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        """The reply to a POST of JSON, with those of its headers that a script can read. Raises Blocked."""
        names = sorted(name.lower() for name in ("Content-Type", *headers))
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ",".join(names)}
        answer = self._client.request("OPTIONS", path, headers={**self._browser, **asked})
        granted = answer.headers.get("access-control-allow-headers", "").lower().replace(" ", "").split(",")
        if not answer.is_success or not self._may_read(answer) or not set(names) <= set(granted):
            raise Blocked(f"the preflight: {answer.status_code}")
        reply = self._client.post(path, json=body, headers={**self._browser, **headers})
        if not self._may_read(reply):
            raise Blocked(f"the reply: {reply.status_code}")
        exposed = reply.headers.get("access-control-expose-headers", "").lower().replace(" ", "").split(",")
        seen = {name: value for name, value in reply.headers.items() if name in SAFE_HEADERS or name in exposed}
        return httpx.Response(reply.status_code, headers=seen, content=reply.content)

    def _may_read(self, reply: httpx.Response) -> bool:
        return reply.headers.get("access-control-allow-origin") in ("*", self._browser["Origin"])
