"""`GET, POST /duck/<app_id>`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class Duck(dify_plugin.Endpoint):
    """Streams a Dify app's events as a live page."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.DUCK, values["app_id"]))
