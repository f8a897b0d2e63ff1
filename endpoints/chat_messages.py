"""`POST /v1/chat-messages`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class ChatMessages(dify_plugin.Endpoint):
    """Answers as Dify does: a chat, an agent or a chatflow."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.CHAT_MESSAGES, None))
