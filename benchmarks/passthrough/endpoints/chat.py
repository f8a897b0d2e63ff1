"""`POST /chat/<app_id>`: every event of the app as one chunk, and nothing else."""

import json
from collections.abc import Generator, Mapping
from typing import Any

import dify_plugin
from werkzeug import Request, Response


class Chat(dify_plugin.Endpoint):
    """Passes an app's events on as they come."""

    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:  # noqa: ARG002 - the SDK's signature
        def generate() -> Generator[str]:
            events = self.session.app.chat.invoke(
                app_id=values["app_id"], query=r.get_json()["query"], inputs={}, response_mode="streaming"
            )
            for event in events:
                yield f"data: {json.dumps(event)}\n\n"

        return Response(generate(), content_type="text/event-stream")
