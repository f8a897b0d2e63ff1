"""The run that all examples of replies show, written by the protocols' own writers."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import pydantic_core

from gateway.answer import Answer
from gateway.decoder import decode
from gateway.detail import Detail
from gateway.events import Raw, Writer
from gateway.view import View

APP: Final = "app"
"""What the first app of an endpoint is called, where its operator gave it no other name."""

QUERY: Final = "Say hello."
CONVERSATION: Final = "HuBWEbERRRi6CVYXyqvt9Q.3R2m7Yc1pJcM0xgGVUq7x0pJY0b6l3cY8l1mQ2nUuQE"
MESSAGE: Final = "5ad4cb98-f0c7-4085-b384-88c403be6290"
TASK: Final = "900bbd43-dc0b-4383-a372-aa6e6c414227"
RUN: Final = "fb47b2e6-5e43-4f90-be01-d5c5a088d156"
NOW: Final = 1_790_000_000
"""Unix seconds."""

VIEW: Final = View(Detail.ANSWER, "https://dify.example.com", "", model=APP, now=NOW)

_OF_CHAT: Final[Raw] = {"task_id": TASK, "message_id": MESSAGE, "conversation_id": CONVERSATION, "created_at": NOW}
_USAGE: Final[Raw] = {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14, "latency": 0.5}

CHAT: Final[tuple[Raw, ...]] = (
    {**_OF_CHAT, "event": "message", "id": MESSAGE, "answer": "Hello"},
    {**_OF_CHAT, "event": "message", "id": MESSAGE, "answer": "!"},
    {**_OF_CHAT, "event": "message_end", "id": MESSAGE, "metadata": {"usage": _USAGE}, "files": []},
)
"""A chat, as Dify streams it."""

_OF_RUN: Final[Raw] = {"task_id": TASK, "workflow_run_id": RUN}
_RUN_DATA: Final[Raw] = {"id": RUN, "workflow_id": "f4b324c4-068b-416f-9b9e-4300e6a74335", "created_at": NOW}

WORKFLOW: Final[tuple[Raw, ...]] = (
    {**_OF_RUN, "event": "workflow_started", "data": {**_RUN_DATA, "inputs": {}, "reason": "initial"}},
    {**_OF_RUN, "event": "text_chunk", "data": {"text": "Hello!", "from_variable_selector": ["llm", "text"]}},
    {
        **_OF_RUN,
        "event": "workflow_finished",
        "data": {
            **_RUN_DATA,
            "status": "succeeded",
            "outputs": {"text": "Hello!"},
            "error": None,
            "elapsed_time": 0.5,
            "total_tokens": 14,
            "total_steps": 3,
            "finished_at": NOW,
            "exceptions_count": 0,
            "files": [],
        },
    },
)
"""A workflow."""


def stream(write: Writer, run: Iterable[Raw] = CHAT) -> str:
    """The bytes that a writer makes of a run, as text."""
    return b"".join(write(decode(run))).decode()


def body(write: Callable[[Answer], bytes], run: Iterable[Raw] = CHAT, answer: Answer | None = None) -> Any:
    """The JSON of a one-body reply. answer: what the run is gathered in, where the protocol has one of its own."""
    gathered = answer or VIEW.new_answer()
    for event in decode(run):
        gathered.add(event)
    return pydantic_core.from_json(write(gathered))
