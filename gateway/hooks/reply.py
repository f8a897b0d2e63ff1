"""What a sender is answered: what the app says, one output of it, or what the operator has put in its place."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.answer import Answer
from gateway.detail import own_outputs
from gateway.hooks.entry import Form, Outcome, Reply, Said
from gateway.log import logger
from gateway.protocols.native.reply import Form as NativeForm
from gateway.protocols.native.reply import whole
from gateway.protocols.protocol import Whole
from gateway.thinking import without_thinking
from gateway.view import View
from gateway.wire import json_bytes, json_text, with_texts

_NATIVE: Final[Mapping[Form, NativeForm]] = {Form.JSON: NativeForm.JSON, Form.TEXT: NativeForm.TEXT}
"""The whole answer is told as the native protocol tells it, a pause and a stop included."""

_OUTCOMES: Final[Mapping[str, Outcome]] = MappingProxyType({"paused": Outcome.PAUSED, "stopped": Outcome.STOPPED})
"""By `Answer.status`; a run that ended otherwise has succeeded, partly at least."""

_OK: Final = Said(200)


def content_type_of(reply: Reply) -> str:
    return _NATIVE[reply.form].value


def reply_in(reply: Reply, view: View) -> Whole:
    """The reply to a delivery whose run did not fail. It never begins before its end, for its status tells the sender
    whether to come again.
    """
    return Whole(
        content_type_of(reply),
        lambda answer: _body(reply, answer, view),
        is_json=False,
        status=lambda answer: _said(reply, answer).status,
    )


def _said(reply: Reply, answer: Answer) -> Said:
    return reply.said.get(_outcome(answer), _OK)


def _outcome(answer: Answer) -> Outcome:
    return _OUTCOMES.get(answer.status, Outcome.SUCCEEDED)


def _body(reply: Reply, answer: Answer, view: View) -> bytes:
    fixed = _said(reply, answer).body
    if fixed is not None:
        return fixed.encode("utf-8", "replace")
    if reply.output and _outcome(answer) is Outcome.SUCCEEDED:
        return _output(reply, answer, view)
    return whole(_NATIVE[reply.form], answer, view)


def _output(reply: Reply, answer: Answer, view: View) -> bytes:
    """The one output: as JSON, or its text; nothing where this run has none, as one of several branches may. It has
    done its work, and an error would have it run again.
    """
    outputs = own_outputs(answer.outputs) or {}
    if reply.output not in outputs:
        logger.warning("a run of %s has no such output as its hook names", view.model)
        return b"null" if reply.form is Form.JSON else b""
    value = outputs[reply.output]
    if answer.splits_thinking:
        value = with_texts(value, without_thinking)
    if reply.form is Form.JSON:
        return json_bytes(value)
    return (value if isinstance(value, str) else json_text(value)).encode("utf-8", "replace")
