"""What tests may do to a workbench that runs: see the plugin's storage, put values there, make it slow or faulty.

Owns `/workbench/storage?workspace=NAME`, which no daemon has. Served on demand only: whoever reaches it reads what the
plugin keeps secret.

- GET: `{"values": {key: hex}, "calls": {operation: number}, "delay": seconds, "fault": null}`
- PUT `{key: hex}`: these are the values from now on, as if another replica had written them
- POST `{"delay": seconds, "fault": "failing" | "full" | null}`: how it behaves from now on; nothing said is 0 or null
"""

from collections.abc import Iterable
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from workbench.hooks import Hook
from workbench.storage import Drawer, Fault, Storage

PATH: Final = "/workbench/storage"

_VALUES: Final = TypeAdapter(dict[str, bytes], config=ConfigDict(val_json_bytes="hex"))


class Behaviour(BaseModel):
    """See `Drawer`."""

    model_config = ConfigDict(extra="forbid")

    delay: float = Field(default=0, ge=0, allow_inf_nan=False)
    fault: Fault | None = None


class Control:
    def __init__(self, storage: Storage, hooks: Iterable[Hook]) -> None:
        self._storage = storage
        self._tenants = {hook.workspace: hook.tenant_id for hook in hooks}

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._show), web.put(PATH, self._put), web.post(PATH, self._behave)]

    async def _show(self, request: web.Request) -> web.Response:
        return _shown(self._drawer(request))

    async def _put(self, request: web.Request) -> web.Response:
        drawer = self._drawer(request)
        try:
            drawer.put(_VALUES.validate_json(await request.read()))
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return _shown(drawer)

    async def _behave(self, request: web.Request) -> web.Response:
        drawer = self._drawer(request)
        try:
            behaviour = Behaviour.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        drawer.delay, drawer.fault = behaviour.delay, behaviour.fault
        return _shown(drawer)

    def _drawer(self, request: web.Request) -> Drawer:
        workspace = request.query.get("workspace", "")
        if workspace not in self._tenants:
            raise web.HTTPNotFound(text=f"no hook is in a workspace {workspace!r}, but in {', '.join(self._tenants)}")
        return self._storage.drawer(self._tenants[workspace])


def _shown(drawer: Drawer) -> web.Response:
    return web.json_response(
        {
            "values": {key: value.hex() for key, value in drawer.values.items()},
            "calls": drawer.calls,
            "delay": drawer.delay,
            "fault": drawer.fault,
        }
    )
