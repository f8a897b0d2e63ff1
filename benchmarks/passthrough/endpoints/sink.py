"""`POST /sink/<app_id>`: takes all events of the app in, and only then sends their text, as one body."""

from collections.abc import Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response


class Sink(dify_plugin.Endpoint):
    """Swallows an app's events as they come."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:  # noqa: ARG002 - the SDK's signature
        events = self.session.app.chat.invoke(
            app_id=values["app_id"], query=r.get_json()["query"], inputs={}, response_mode="streaming"
        )
        return Response("".join(event["answer"] for event in events if event["event"] == "message"))
