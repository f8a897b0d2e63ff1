"""Dify's events, built with the envelopes and members that a real Dify 1.16.0 sends (facts: wire section 2).

Owns the shapes only: which event follows which is the scripts' business. Every event is a fresh dict. `ChatEvents`
makes those of a message (chat, agent, chatflow), `GraphEvents` those of a graph of nodes (chatflow, workflow); a
chatflow uses both.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from workbench.app import END_USER_ID, DifyEvent

_USER_ROWS: Final = UUID("8b2e6a90-1d35-4f7c-a6c4-3e9d5b8f2071")

_OUTSIDE_ANY_LOOP: Final[Mapping[str, None]] = {"iteration_id": None, "loop_id": None}


def new_id() -> str:
    return str(uuid4())


def user_row_id(user: str) -> str:
    """The id of a user's row, which `workflow_finished` and an upload name as the creator."""
    return str(uuid5(_USER_ROWS, user))


def unix_time() -> int:
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Thought:
    """One state of an agent's step. Dify re-sends it, with the same id, as it fills."""

    id: str
    position: int
    thought: str = ""
    tool: str = ""
    tool_input: str = ""
    observation: str = ""
    tool_labels: Mapping[str, Any] | None = None


class ChatEvents:
    """The events of one message. Its ids are drawn when it is made; `conversation_id` None is a completion's."""

    def __init__(self, conversation_id: str | None) -> None:
        self.message_id = new_id()
        conversation = {} if conversation_id is None else {"conversation_id": conversation_id}
        self._message = {
            **conversation,
            "message_id": self.message_id,
            "created_at": unix_time(),
        }
        self.envelope: Mapping[str, Any] = {**self._message, "task_id": new_id()}

    def message(self, text: str, selector: Sequence[str] = ()) -> DifyEvent:
        """A piece of the answer. `selector` names the node's output it comes from; a basic chat has none."""
        return {
            "event": "message",
            **self.envelope,
            "id": self.message_id,
            "answer": text,
            "from_variable_selector": list(selector),
        }

    def agent_message(self, text: str) -> DifyEvent:
        return {"event": "agent_message", **self.envelope, "id": self.message_id, "answer": text}

    def agent_thought(self, thought: Thought) -> DifyEvent:
        return {
            "event": "agent_thought",
            **self.envelope,
            "id": thought.id,
            "position": thought.position,
            "thought": thought.thought,
            "observation": thought.observation,
            "tool": thought.tool,
            "tool_labels": dict(thought.tool_labels or {}),
            "tool_input": thought.tool_input,
            "message_files": [],
        }

    def reasoning_chunk(self, node_id: str, text: str, *, is_final: bool = False) -> DifyEvent:
        data = {"is_final": is_final, "message_id": self.message_id, "node_id": node_id, "reasoning": text}
        return {"event": "reasoning_chunk", **self.envelope, "data": data}

    def message_replace(self, text: str, reason: str) -> DifyEvent:
        return {"event": "message_replace", **self.envelope, "answer": text, "reason": reason}

    def message_end(self, metadata: Mapping[str, Any]) -> DifyEvent:
        return {
            "event": "message_end",
            **self.envelope,
            "id": self.message_id,
            "metadata": dict(metadata),
            "files": [],
        }

    def error(self, message: str) -> DifyEvent:
        """Whatever goes wrong with a model arrives under this code (facts: wire 14.6)."""
        return {"event": "error", **self._message, "code": "invalid_param", "status": 400, "message": message}


class GraphEvents:
    """The events of one run of a graph. Counts its steps and times it from when it is made."""

    def __init__(self, workflow_id: str, envelope: Mapping[str, Any], user: str = END_USER_ID) -> None:
        self.run_id = new_id()
        self._workflow_id = workflow_id
        self._user = user
        run = {"workflow_run_id": self.run_id}
        # A workflow's own envelope begins with the run, a chatflow's ends with it.
        self._envelope = {**envelope, **run} if "message_id" in envelope else {**run, **envelope}
        self._created_at = unix_time()
        self._start = time.monotonic()
        self._steps = 0

    def started(
        self,
        app_id: str,
        inputs: Mapping[str, Any],
        *,
        files: Sequence[Mapping[str, Any]] = (),
        turn: Mapping[str, Any] | None = None,
    ) -> DifyEvent:
        """`files` are the message's. `turn` is what a chatflow's system variables have more of."""
        system = {
            "sys.files": list(files),
            "sys.user_id": self._user,
            **(turn or {}),
            "sys.app_id": app_id,
            "sys.workflow_id": self._workflow_id,
            "sys.workflow_run_id": self.run_id,
        }
        return self.event(
            "workflow_started",
            id=self.run_id,
            workflow_id=self._workflow_id,
            inputs={**inputs, **system},
            created_at=self._created_at,
            reason="initial",
        )

    def node(self, node_id: str, node_type: str) -> "NodeEvents":
        """The events of a node that starts now."""
        self._steps += 1
        return NodeEvents(self, node_id, node_type)

    def text_chunk(self, text: str, selector: Sequence[str]) -> DifyEvent:
        return self.event("text_chunk", text=text, from_variable_selector=list(selector))

    def finished(
        self,
        outputs: Mapping[str, Any],
        *,
        tokens: int = 0,
        files: Sequence[Mapping[str, Any]] = (),
        error: str | None = None,
    ) -> DifyEvent:
        """The end of the run; with an `error`, a failure."""
        return self.event(
            "workflow_finished",
            id=self.run_id,
            workflow_id=self._workflow_id,
            status="failed" if error else "succeeded",
            outputs=dict(outputs),
            error=error,
            elapsed_time=self._elapsed(),
            total_tokens=tokens,
            total_steps=self._steps,
            created_by={"id": user_row_id(self._user), "user": self._user},
            created_at=self._created_at,
            finished_at=unix_time(),
            exceptions_count=1 if error else 0,
            files=list(files),
        )

    def paused(self, node_id: str, reasons: Sequence[Mapping[str, Any]]) -> DifyEvent:
        return self.event(
            "workflow_paused",
            workflow_run_id=self.run_id,
            paused_nodes=[node_id],
            outputs={},
            reasons=list(reasons),
            status="paused",
            created_at=self._created_at,
            elapsed_time=self._elapsed(),
            total_tokens=0,
            total_steps=self._steps,
        )

    def event(self, name: str, **data: Any) -> DifyEvent:
        """Any event of the graph, from its name and the members of its `data`."""
        return {"event": name, **self._envelope, "data": data}

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._start, 6)


class NodeEvents:
    """The events of one execution of a node. Its title is its id, as in the recorded apps."""

    def __init__(self, graph: GraphEvents, node_id: str, node_type: str) -> None:
        self.node_id = node_id
        self._graph = graph
        self._created_at = unix_time()
        self._start = time.monotonic()
        self._identity: Mapping[str, Any] = {
            "id": new_id(),
            "node_id": node_id,
            "node_type": node_type,
            "title": node_id,
            "index": 1,
            "predecessor_node_id": None,
        }

    def started(self) -> DifyEvent:
        return self._graph.event(
            "node_started",
            **self._identity,
            inputs=None,
            inputs_truncated=False,
            created_at=self._created_at,
            extras={},
            **_OUTSIDE_ANY_LOOP,
            agent_strategy=None,
        )

    def finished(
        self,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        process_data: Mapping[str, Any] | None = None,
        execution_metadata: Mapping[str, Any] | None = None,
        files: Sequence[Mapping[str, Any]] = (),
        error: str | None = None,
    ) -> DifyEvent:
        """The end of the node; with an `error`, a failure."""
        return self._graph.event(
            "node_finished",
            **self._identity,
            inputs=dict(inputs or {}),
            inputs_truncated=False,
            process_data=dict(process_data or {}),
            process_data_truncated=False,
            outputs=dict(outputs or {}),
            outputs_truncated=False,
            status="failed" if error else "succeeded",
            error=error,
            elapsed_time=round(time.monotonic() - self._start, 6),
            execution_metadata=execution_metadata,
            created_at=self._created_at,
            finished_at=unix_time(),
            files=list(files),
            **_OUTSIDE_ANY_LOOP,
        )
