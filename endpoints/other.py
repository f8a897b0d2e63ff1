"""Everything that no visible rule takes."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response

from gateway import serve


class Other(dify_plugin.Endpoint):
    """Answers what no visible rule takes: paths without an app, other methods, unknown paths."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return serve.handle(self.session, r, settings, None)
