"""List apps."""

from collections.abc import Generator
from typing import Any

import dify_plugin
from dify_plugin.entities.tool import ToolInvokeMessage

from gateway.tool import listing


class ListApps(dify_plugin.Tool):
    """Says which apps can be run by their aliases, and what each takes."""

    def _invoke(self, tool_parameters: dict[str, Any]) -> Generator[ToolInvokeMessage, None, None]:  # noqa: ARG002
        yield from listing.list_apps(self.session, self.runtime.credentials, self.runtime.user_id or "")
