"""What tests may do to a workbench's Service API: see what reached it, make it misbehave.

Owns `/workbench/service-api`. It is served by the host's own port, so that it answers while the Service API is down.

- GET: `{"url", "keys": {alias: key}, "connections": open ones, "busy": requests being answered, "faults": {alias or *:
  fault}, "requests": [{"method", "path", "query", "app", "user", "headers", "body"}], "runs": [{"app", "user", "way",
  "task_id", "state"}]}`, the oldest first
- POST, with `?app=ALIAS` for that app only: this is its fault from now on (see `service_api/faults.py`); `{}` is none
- DELETE: no faults, and neither requests nor ended runs are remembered
"""

from typing import Final

from aiohttp import web
from pydantic import ValidationError

from workbench.service_api import ServiceApi
from workbench.service_api.faults import Fault

PATH: Final = "/workbench/service-api"


class ServiceControl:
    def __init__(self, service_api: ServiceApi) -> None:
        self._service_api = service_api
        self._aliases = {entry.app_id: entry.alias for entry in service_api.entries.values()}

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._show), web.post(PATH, self._disturb), web.delete(PATH, self._forget)]

    async def _show(self, _: web.Request) -> web.Response:
        return self._shown()

    async def _disturb(self, request: web.Request) -> web.Response:
        alias = request.query.get("app")
        if alias is not None and alias not in self._aliases.values():
            raise web.HTTPNotFound(text=f"the Service API has no app {alias!r}")
        try:
            fault = Fault.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        if alias is not None and fault.kind == "down":
            raise web.HTTPBadRequest(text="all apps share the port, so one of them can't be down; see closing")
        self._service_api.faults.put(alias, fault)
        await self._service_api.obey()
        return self._shown()

    async def _forget(self, _: web.Request) -> web.Response:
        self._service_api.faults.heal()
        await self._service_api.obey()
        self._service_api.watch.requests.clear()
        self._service_api.runs.forget_ended()
        return self._shown()

    def _shown(self) -> web.Response:
        api = self._service_api
        runs = [
            {
                "app": self._aliases.get(run.app_id, run.app_id),
                "user": run.user,
                "way": run.way,
                "task_id": run.task_id,
                "state": run.state,
            }
            for run in api.runs.known
        ]
        return web.json_response(
            {
                "url": api.url,
                "keys": {entry.alias: entry.key for entry in api.entries.values()},
                "connections": api.connections,
                "busy": api.watch.busy,
                "faults": api.faults.shown(),
                "requests": list(api.watch.requests),
                "runs": runs,
            }
        )
