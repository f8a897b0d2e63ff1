"""`POST /v1/chat/completions`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class ChatCompletions(dify_plugin.Endpoint):
    """Answers as OpenAI does: Chat Completions."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.CHAT_COMPLETIONS, None))
