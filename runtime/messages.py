"""The plugin's messages to the daemon, as lines: made without the SDK's models, to the same bytes."""

from typing import Any, Final

from dify_plugin.core.server.__base.response_writer import ResponseWriter
from dify_plugin.core.server.__base.writer_entities import Event
from pydantic import BaseModel
from pydantic_core import to_json

END: Final = "\n\n"
"""What the SDK ends each message with."""


def put(
    self: ResponseWriter, event: Event, session_id: str | None = None, data: dict[str, Any] | BaseModel | None = None
) -> None:
    """What `ResponseWriter.put` does, in one write, and without its check that `data` is an object."""
    if isinstance(data, BaseModel):
        data = data.model_dump()
    message = {"event": event.value, "session_id": session_id, "data": data}
    self.write(to_json(message, inf_nan_mode="null").decode() + END)


class Chunks:
    """The messages that carry a reply's body, one for each chunk: only the chunk itself differs."""

    def __init__(self, writer: ResponseWriter, session_id: str) -> None:
        self._write = writer.write
        head = to_json({"event": Event.SESSION.value, "session_id": session_id}).decode()
        self._head = head[:-1] + ',"data":{"type":"stream","data":{"result":"'
        self._tail = '"}}}' + END

    def send(self, chunk: bytes) -> None:
        self._write(self._head + chunk.hex() + self._tail)
