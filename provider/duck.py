"""The tool's provider."""

from typing import Any

import dify_plugin

from gateway.tool.credentials import problems
from gateway.tool.errors import invalid_credentials


class Duck(dify_plugin.ToolProvider):
    """Checks the credentials when they are saved."""

    def _validate_credentials(self, credentials: dict[str, Any]) -> None:
        found = problems(credentials)
        if found:
            raise invalid_credentials(found)
