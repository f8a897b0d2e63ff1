"""`POST /v1/workflows/run`."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import routes, serve


class WorkflowsRun(dify_plugin.Endpoint):
    """Answers as Dify does: a workflow."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, routes.Match(routes.Route.WORKFLOWS_RUN, None))
