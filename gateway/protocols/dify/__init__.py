"""Dify's own protocol: the paths of its Service API that run an app (wire sections 2 to 5, 14.9; protocols section 5).

`paths` is the table of all its paths; `app_info` has the bodies that tell of an app.
"""

from typing import Any, Final

from gateway.events import TALKING, Kind
from gateway.protocols.dify.blocking import new_answer
from gateway.protocols.dify.errors import shape_naming
from gateway.protocols.dify.reply import reader
from gateway.protocols.dify.request import ChatRequestPayload, CompletionRequestPayload, WorkflowRunPayload
from gateway.protocols.protocol import WireProtocol

_SHARED: Final[dict[str, Any]] = {"may_split_thinking": False, "shows_difys_ids": True, "new_answer": new_answer}

CHAT_MESSAGES: Final = WireProtocol(reader(ChatRequestPayload), shape_naming("not_chat_app"), kinds=TALKING, **_SHARED)
COMPLETION_MESSAGES: Final = WireProtocol(
    reader(CompletionRequestPayload), shape_naming("app_unavailable"), kinds=frozenset({Kind.COMPLETION}), **_SHARED
)
WORKFLOWS_RUN: Final = WireProtocol(
    reader(WorkflowRunPayload),
    shape_naming("not_workflow_app", "wrong_app_kind"),
    kinds=frozenset({Kind.WORKFLOW}),
    **_SHARED,
)

__all__ = ["CHAT_MESSAGES", "COMPLETION_MESSAGES", "WORKFLOWS_RUN"]
