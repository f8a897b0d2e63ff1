"""The one tool: says what it sees of a call, and does what the parameters say."""

from collections.abc import Generator
from typing import Any

import gevent
from dify_plugin import Tool
from dify_plugin.entities.tool import ToolInvokeMessage


class Say(Tool):
    def _invoke(self, tool_parameters: dict[str, Any]) -> Generator[ToolInvokeMessage, None, None]:
        """`texts` are said, `key` is put into the storage; then it waits for `wait` seconds, then raises `raise`."""
        session = self.session
        told = {name: getattr(session, name) for name in ("endpoint_id", "app_id", "conversation_id", "message_id")}
        yield self.create_json_message(
            {**told, "user_id": self.runtime.user_id, "credentials": self.runtime.credentials, "given": tool_parameters}
        )
        for text in tool_parameters.get("texts", ()):
            yield self.create_text_message(text)
        if "key" in tool_parameters:
            session.storage.set(tool_parameters["key"], b"v")
        gevent.sleep(tool_parameters.get("wait", 0))
        if "raise" in tool_parameters:
            raise ValueError(tool_parameters["raise"])
