"""`POST /chat/<app_id>`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class Chat(dify_plugin.Endpoint):
    """Talks to a chat, agent or chatflow app."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.CHAT, values["app_id"]))
