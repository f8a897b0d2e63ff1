"""The tool's provider: takes all credentials but those that say why not."""

from typing import Any

from dify_plugin import ToolProvider
from dify_plugin.errors.tool import ToolProviderCredentialValidationError


class ProbeProvider(ToolProvider):
    def _validate_credentials(self, credentials: dict[str, Any]) -> None:
        if "fault" in credentials:
            raise ToolProviderCredentialValidationError(credentials["fault"])
