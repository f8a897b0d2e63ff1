"""The body of a blocking run, from the events of the same run.

Owns its shapes (facts: wire section 3; recorded as `*.blocking.json`). A chat that fails and a chatflow that fails are
refused; a workflow that fails is a result that says so.
"""

from collections.abc import Sequence
from typing import Any, Final

from workbench.app import Broken, DifyEvent, Refused
from workbench.apps.refusals import internal_server_error, invalid_param

_PAUSE: Final = ("paused_nodes", "reasons", "status", "elapsed_time", "total_tokens", "total_steps")
_RUN: Final = "id workflow_id status outputs error elapsed_time total_tokens total_steps created_at finished_at".split()
_TIMES: Final = {"time_to_first_token": None, "time_to_generate": None}


def blocking_body(mode: str, events: Sequence[DifyEvent]) -> dict[str, Any]:
    """Raises Refused, and Broken for a run without an end."""
    for event in events:
        if event["event"] == "error":
            raise Refused(event["status"], event["code"], event["message"])
    if mode == "workflow":
        return _workflow(events)
    return _message(mode, events)


def _workflow(events: Sequence[DifyEvent]) -> dict[str, Any]:
    last = events[-1]
    data = last["data"]
    if last["event"] == "workflow_paused":
        started = next(event["data"] for event in events if event["event"] == "workflow_started")
        outcome = {**started, **data, "error": None, "finished_at": None}
        body = {name: outcome[name] for name in _RUN} | {name: data[name] for name in ("paused_nodes", "reasons")}
    elif last["event"] == "workflow_finished":
        if not data["total_steps"]:
            raise invalid_param(data["error"])
        body = {name: data[name] for name in _RUN}
    else:
        raise Broken("the run has no end")
    return {"task_id": last["task_id"], "workflow_run_id": last["workflow_run_id"], "data": body}


def _message(mode: str, events: Sequence[DifyEvent]) -> dict[str, Any]:
    last = events[-1]
    for event in events:
        if event["event"] == "workflow_finished" and event["data"]["status"] == "failed":
            raise invalid_param(
                f"Run failed: {event['data']['error']}" if "message_id" in event else event["data"]["error"]
            )
    ends = [event for event in events if event["event"] == "message_end"]
    answer = answer_text(events)
    if last["event"] == "workflow_paused":
        return _paused(mode, last, answer)
    if not ends and last["event"] != "workflow_finished":
        raise internal_server_error()
    metadata = ends[0]["metadata"] if ends else {}
    usage = {**metadata.get("usage", {}), **_TIMES} if mode != "advanced-chat" else metadata.get("usage")
    return {
        "event": "message",
        "task_id": last["task_id"],
        **_identity(mode, last),
        "mode": mode,
        "answer": answer,
        "metadata": {
            "annotation_reply": metadata.get("annotation_reply"),
            "retriever_resources": metadata.get("retriever_resources", []),
            "usage": usage,
            "reasoning": metadata.get("reasoning", {}),
        },
        "created_at": last["created_at"],
    }


def _paused(mode: str, event: DifyEvent, answer: str) -> dict[str, Any]:
    identity = _identity(mode, event)
    said = {
        "answer": answer,
        "metadata": {"annotation_reply": None, "retriever_resources": [], "usage": None, "reasoning": {}},
        "created_at": event["created_at"],
    }
    data = {"id": identity["id"], "mode": mode, **identity, "workflow_run_id": event["workflow_run_id"], **said}
    data |= {name: event["data"][name] for name in _PAUSE}
    return {
        "event": "workflow_paused",
        "task_id": event["task_id"],
        **identity,
        "mode": mode,
        **said,
        "workflow_run_id": event["workflow_run_id"],
        "data": data,
    }


def _identity(mode: str, event: DifyEvent) -> dict[str, Any]:
    ids = {"id": event["message_id"], "message_id": event["message_id"]}
    return ids if mode == "completion" else {**ids, "conversation_id": event["conversation_id"]}


def answer_text(events: Sequence[DifyEvent]) -> str:
    """All that was said, from the last replacement on."""
    text = ""
    for event in events:
        if event["event"] == "message_replace":
            text = event["answer"]
        elif event["event"] in ("message", "agent_message"):
            text += event["answer"]
    return text
