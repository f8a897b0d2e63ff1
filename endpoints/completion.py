"""`POST /completion/<app_id>`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class Completion(dify_plugin.Endpoint):
    """Runs a text generator."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.COMPLETION, values["app_id"]))
