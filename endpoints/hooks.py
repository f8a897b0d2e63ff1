"""`POST /hooks/<app_id>`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class Hooks(dify_plugin.Endpoint):
    """Runs an app for a signed webhook."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.HOOKS, values["app_id"]))
