"""`POST /v1/completion-messages`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class CompletionMessages(dify_plugin.Endpoint):
    """Answers as Dify does: a text generator."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.COMPLETION_MESSAGES, None))
