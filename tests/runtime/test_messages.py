"""Messages to the byte as the SDK makes them."""

from typing import Any

import hypothesis.strategies as st
import pytest
from dify_plugin.core.entities.message import SessionMessage
from dify_plugin.core.server.__base.response_writer import ResponseWriter
from dify_plugin.core.server.__base.writer_entities import Event
from dify_plugin.entities.tool import ToolInvokeMessage
from hypothesis import given
from pydantic import BaseModel

from runtime.messages import Chunks, put

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Writer(ResponseWriter):
    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, data: str) -> None:
        self.writes.append(data)

    def done(self) -> None:
        pass


def by_sdk(event: Event, session_id: str | None, data: dict[str, Any] | BaseModel | None) -> str:
    writer = Writer()
    ResponseWriter.put(writer, event, session_id, data)
    return "".join(writer.writes)


def ours(event: Event, session_id: str | None, data: dict[str, Any] | BaseModel | None) -> str:
    writer = Writer()
    put(writer, event, session_id, data)
    [line] = writer.writes
    return line


@given(st.sampled_from(Event), st.none() | st.text(), st.none() | st.dictionaries(st.text(), JSON, max_size=3))
def test_any_message_is_one_write_of_the_sdks_bytes(
    event: Event, session_id: str | None, data: dict[str, Any] | None
) -> None:
    assert ours(event, session_id, data) == by_sdk(event, session_id, data)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            ToolInvokeMessage.BlobChunkMessage(id="b", sequence=0, total_length=3, blob=b"\x00\xff\x80", end=False),
            id="a chunk of a file",
        ),
        pytest.param(ToolInvokeMessage.TextMessage(text="Grüße\n\u2028"), id="a text"),
        pytest.param(
            ToolInvokeMessage.LogMessage(
                label="l", status=ToolInvokeMessage.LogMessage.LogStatus.START, data={"a": [1.5, None]}
            ),
            id="a log entry",
        ),
    ],
)
def test_the_sdks_models_are_the_sdks_bytes(message: BaseModel) -> None:
    kind = ToolInvokeMessage.MessageType.TEXT
    if isinstance(message, ToolInvokeMessage.BlobChunkMessage):
        kind = ToolInvokeMessage.MessageType.BLOB_CHUNK
    if isinstance(message, ToolInvokeMessage.LogMessage):
        kind = ToolInvokeMessage.MessageType.LOG
    data = Writer().stream_object(ToolInvokeMessage(type=kind, message=message))  # type: ignore[arg-type]
    assert ours(Event.SESSION, "s", data) == by_sdk(Event.SESSION, "s", data)


@given(st.text(), st.binary())
def test_a_chunk_is_the_sdks_bytes(session_id: str, chunk: bytes) -> None:
    writer = Writer()
    Chunks(writer, session_id).send(chunk)
    data = SessionMessage(type=SessionMessage.Type.STREAM, data={"result": chunk.hex()})
    assert writer.writes == [by_sdk(Event.SESSION, session_id, data)]
