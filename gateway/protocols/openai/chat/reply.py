"""The reply of Chat Completions: chunks, or one body (protocols section 3, "Streaming bytes")."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from werkzeug import Request

from gateway.answer import Answer
from gateway.call import Asked
from gateway.events import Event, Failed, Finished, Paused, Reasoning, Silence, Started, Text, TextReplaced
from gateway.protocols.openai.chat.request import ChatRequest, read_chat
from gateway.protocols.openai.errors import failure
from gateway.protocols.openai.text import rest_of, whole_text
from gateway.protocols.openai.usage import chat_usage
from gateway.protocols.protocol import Reply, Streamed, Whole
from gateway.view import View
from gateway.wire import json_bytes

DONE: Final = b"data: [DONE]\n\n"
PING: Final = b": ping\n\n"

REPLACED: Final = "\n\n[The app replaced the text above:]\n"
"""What a stream, which can't take back its text, says before the text that stands instead."""


def read(request: Request) -> tuple[Asked, Callable[[View], Reply]]:
    """What was asked, and the reply. Raises `DuckError` as `read_chat` does."""
    chat = read_chat(request)
    return chat.asked(), lambda view: _reply(chat, view)


def _reply(chat: ChatRequest, view: View) -> Reply:
    if not chat.stream:
        return Whole("application/json", lambda answer: json_bytes(whole(answer, view)))
    with_usage = bool(chat.stream_options and chat.stream_options.include_usage)
    return Streamed("text/event-stream", lambda events: write(events, view, with_usage=with_usage), {})


def whole(answer: Answer, view: View) -> dict[str, Any]:
    """The one body."""
    message: dict[str, Any] = {"role": "assistant", "content": whole_text(answer), "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    reason = _CONTENT_FILTER if answer.is_replaced else _STOP
    usage = chat_usage(answer.usage, view)
    return {
        **_head(answer.started, view, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        **({"usage": usage} if usage else {}),
    }


_STOP: Final = "stop"
_CONTENT_FILTER: Final = "content_filter"


def _head(started: Started | None, view: View, kind: str) -> dict[str, Any]:
    """The members that all chunks of a reply share."""
    known = started.message_id or started.run_id if started else ""
    conversation = {"conversation_id": started.conversation_id} if started and started.conversation_id else {}
    return {
        "id": f"chatcmpl-{known.replace('-', '') or view.now}",
        "object": kind,
        "created": (started.created_at if started else 0) or view.now,
        "model": view.model,
        **conversation,
    }


def write(events: Iterator[Event], view: View, *, with_usage: bool) -> Iterator[bytes]:
    """One frame per event; the ending's holds all that a stream ends with."""
    chunks = _Chunks(view, with_usage=with_usage)
    answer = view.new_answer()
    for event in events:
        answer.add(event)
        match event:
            case Text(text=text):
                yield chunks.text(text)
            case Reasoning(text=text):
                yield chunks.reasoning(text)
            case Silence():
                yield PING
            case Started():
                yield chunks.begin(event)
            case TextReplaced(text=text):
                yield chunks.text((REPLACED if chunks.has_text else "") + text)
            case Failed(error=error):
                told = failure(error, with_cause=view.with_progress)
                yield b"data: %b\n\n" % json_bytes({"error": told}) + DONE
            case Finished() | Paused():
                yield chunks.end(answer)
            case _:
                yield b""


class _Chunks:
    """Makes the chunks of one stream. What stands before and after a delta is the same for all, and made once."""

    def __init__(self, view: View, *, with_usage: bool) -> None:
        self._view = view
        self._with_usage = with_usage
        self._name(None)
        self._tail = b'},"finish_reason":null}]' + (b',"usage":null' if with_usage else b"") + b"}\n\n"
        self._has_begun = False
        self._has_reasoning = False
        self.has_text = False

    def _name(self, started: Started | None) -> None:
        members = json_bytes(_head(started, self._view, "chat.completion.chunk"))
        self._head = b"data: " + members[:-1]
        self._delta_head = self._head + b',"choices":[{"index":0,"delta":{'
        self._text_head = self._delta_head + b'"content":'

    def begin(self, started: Started | None) -> bytes:
        """The chunk with the role, once; what comes before Dify has named the run has a head of its own."""
        if self._has_begun:
            return b""
        self._has_begun = True
        self._name(started)
        return self._chunk(b'"role":"assistant","content":""')

    def text(self, text: str) -> bytes:
        self.has_text = self.has_text or bool(text)
        begun = b"" if self._has_begun else self.begin(None)
        return b"%b%b%b%b" % (begun, self._text_head, json_bytes(text), self._tail)

    def reasoning(self, text: str) -> bytes:
        self._has_reasoning = True
        return self.begin(None) + self._chunk(b'"reasoning_content":' + json_bytes(text))

    def _chunk(self, members: bytes) -> bytes:
        return self._delta_head + members + self._tail

    def end(self, answer: Answer) -> bytes:
        """What is still missing of the text, the one chunk with a reason, the usage where asked for, and the mark."""
        rest = rest_of(answer)
        reason = _CONTENT_FILTER if answer.is_replaced else _STOP
        frames = [self.reasoning(answer.reasoning)] if answer.reasoning and not self._has_reasoning else []
        frames.append(self.text(rest) if rest else self.begin(None))
        null_usage: Mapping[str, Any] = {"usage": None} if self._with_usage else {}
        frames.append(self._whole({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **null_usage}))
        usage = chat_usage(answer.usage, self._view) if self._with_usage else None
        if usage:
            frames.append(self._whole({"choices": [], "usage": usage}))
        return b"".join([*frames, DONE])

    def _whole(self, members: Mapping[str, Any]) -> bytes:
        return self._head + b"," + json_bytes(members)[1:] + b"\n\n"
