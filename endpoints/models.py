"""`GET /v1/models`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class Models(dify_plugin.Endpoint):
    """Lists the apps as OpenAI lists models."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.MODELS, None))
