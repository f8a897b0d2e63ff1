"""Run listed app."""

from collections.abc import Generator
from typing import Any

import dify_plugin
from dify_plugin.entities.tool import ToolInvokeMessage

from gateway.tool import running


class RunListedApp(dify_plugin.Tool):
    """Runs an app of the provider's credentials by its alias, and says its answer as it comes."""

    def _invoke(self, tool_parameters: dict[str, Any]) -> Generator[ToolInvokeMessage, None, None]:
        runtime = self.runtime
        yield from running.run_listed_app(self.session, runtime.credentials, runtime.user_id or "", tool_parameters)
