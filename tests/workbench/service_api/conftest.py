"""A Service API in a thread of the test's own process, with the demo apps and the recordings; no plugin."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from workbench.apps import DEMO_APPS, TEST_APPS, demo_apps
from workbench.hooks import stable_id
from workbench.runs import Runs
from workbench.service_api import ServiceApi, entries, recorded_services
from workbench.service_api.catalogue import KEY_PREFIX
from workbench.service_control import PATH, ServiceControl

RECORDINGS = Path(__file__).parents[3] / "recordings"
WAIT_SECONDS = 60


class Service:
    """A recorded app is called `recorded-<case>`, so that it does not hide a demo app."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS)
        self.http = httpx.Client(timeout=WAIT_SECONDS, trust_env=False)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        recorded = {f"recorded-{case}": app for case, app in recorded_services(RECORDINGS, speed=0).items()}
        ids = {alias: stable_id("app", alias) for alias in recorded}
        apps = {**demo_apps(pace=0), **{ids[alias]: app for alias, app in recorded.items()}}
        self.api = ServiceApi(entries(apps, {**DEMO_APPS, **TEST_APPS, **ids}), Runs())
        await self.api.open("127.0.0.1", 0)
        application = web.Application()
        application.router.add_routes(ServiceControl(self.api).routes())
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.control_url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
        self._ready.set()
        await self._over.wait()
        await runner.cleanup()
        await self.api.close()

    def close(self) -> None:
        self.http.close()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    def key(self, alias: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY_PREFIX}{alias}"}

    def request(self, method: str, alias: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.key(alias), **options.pop("headers", {})}
        return self.http.request(method, self.api.url + path, headers=headers, **options)

    def post(self, alias: str, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", alias, path, **options)

    def get(self, alias: str, path: str, **params: Any) -> httpx.Response:
        return self.request("GET", alias, path, params=params)

    def run(self, alias: str, **body: Any) -> httpx.Response:
        """On the route of the app's kind; streaming, for `ann`, unless the body says otherwise."""
        mode = next(entry.app.mode for entry in self.api.entries.values() if entry.alias == alias)
        path, query = {"workflow": ("/workflows/run", {}), "completion": ("/completion-messages", {})}.get(
            mode, ("/chat-messages", {"query": "hi"})
        )
        return self.post(alias, path, json={"inputs": {}, "user": "ann", "response_mode": "streaming", **query, **body})

    def begin(self, alias: str, **body: Any) -> "Begun":
        """A run whose stream is left open."""
        return Begun(self, alias, body)

    def control(self, method: str = "GET", alias: str | None = None, **fault: Any) -> dict[str, Any]:
        """GET shows, POST sets a fault, DELETE heals and forgets."""
        params = {"app": alias} if alias else {}
        body = fault if method == "POST" else None
        shown: dict[str, Any] = self.http.request(method, self.control_url, params=params, json=body).json()
        return shown

    def forget(self) -> None:
        """Heals it, and forgets all runs, also those that were left and don't know it yet."""
        self.wait_until(lambda shown: shown["busy"] == 0)
        self.control("DELETE")

    def wait_until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What the control shows, once it holds."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not holds(shown := self.control()):
            assert time.monotonic() < deadline, shown
            time.sleep(0.01)
        return shown


class Begun:
    """With a connection of its own, closed at the end."""

    def __init__(self, service: Service, alias: str, body: dict[str, Any]) -> None:
        self._client = httpx.Client(timeout=WAIT_SECONDS, trust_env=False)
        mode = next(entry.app.mode for entry in service.api.entries.values() if entry.alias == alias)
        path = {"workflow": "/workflows/run", "completion": "/completion-messages"}.get(mode, "/chat-messages")
        sent = {"inputs": {}, "query": "hi", "user": "ann", "response_mode": "streaming", **body}
        request = self._client.build_request("POST", service.api.url + path, headers=service.key(alias), json=sent)
        self.response = self._client.send(request, stream=True)
        self._lines = self.response.iter_lines()

    def next_event(self) -> dict[str, Any]:
        line = next(line for line in self._lines if line.startswith("data: "))
        event: dict[str, Any] = json.loads(line.removeprefix("data: "))
        return event

    def rest(self) -> list[dict[str, Any]]:
        return [json.loads(line.removeprefix("data: ")) for line in self._lines if line.startswith("data: ")]

    def leave(self) -> None:
        self.response.close()
        self._client.close()


def events(response: httpx.Response) -> list[dict[str, Any]]:
    pieces = response.content.decode().split("\n\n")
    return [json.loads(piece.removeprefix("data: ")) for piece in pieces if piece.startswith("data: ")]


@pytest.fixture(name="events")
def events_fixture() -> Callable[[httpx.Response], list[dict[str, Any]]]:
    return events


@pytest.fixture(scope="session")
def one_service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


@pytest.fixture
def service(one_service: Service) -> Iterator[Service]:
    """Well, and with nothing remembered of earlier requests; conversations stay, so a test takes users of its own."""
    one_service.forget()
    yield one_service
    one_service.forget()


@pytest.fixture
def recording() -> Callable[[str], bytes]:
    """The bytes of a file below `recordings/service`."""
    return lambda name: (RECORDINGS / "service" / name).read_bytes()
