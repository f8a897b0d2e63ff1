"""The results of the methods that are served, as JSON objects.

They differ between the eras in little: `complete` adds what modern clients want of every result.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from mcp_types import SERVER_INFO_META_KEY
from mcp_types.jsonrpc import RequestId

from gateway.about import VERSION
from gateway.answer import Answer
from gateway.detail import own_outputs
from gateway.errors import DuckError
from gateway.events import File, Kind, Started
from gateway.protocols.mcp.revisions import SERVED_MODERN, agreed, has_resource_links, is_modern
from gateway.protocols.mcp.schema import ToolInput
from gateway.protocols.native import members
from gateway.settings import App
from gateway.view import View

type Result = dict[str, Any]

SERVER: Final[Mapping[str, str]] = {"name": "duck", "title": "Duck", "version": VERSION}
CAPABILITIES: Final[Mapping[str, Any]] = {"tools": {}}

INSTRUCTIONS: Final = (
    "Each tool is an app. The result of a chat has a conversation_id; sent with the next call of the same tool, it "
    "goes on with that conversation."
)

FRESH_FOR: Final = 60_000
"""Milliseconds that a client may keep what it was told of the tools (own choice; settings change seldom)."""

PAUSED: Final = "The app waits for a human, so it has given no answer yet. Someone has to answer it in Dify."


def response(request_id: RequestId | None, result: Mapping[str, Any]) -> Result:
    """The JSON-RPC message."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def complete(result: Result, revision: str) -> Result:
    """The result as clients of this revision want it."""
    return (
        {"resultType": "complete", **result, "_meta": {SERVER_INFO_META_KEY: SERVER}} if is_modern(revision) else result
    )


def initialized(wanted: object) -> Result:
    """Of `initialize`, with the revision that both are to go by. wanted: what the client named."""
    return {
        "protocolVersion": agreed(wanted),
        "capabilities": CAPABILITIES,
        "serverInfo": SERVER,
        "instructions": INSTRUCTIONS,
    }


def discovered() -> Result:
    """Of `server/discover`."""
    return {
        "supportedVersions": list(SERVED_MODERN),
        "capabilities": CAPABILITIES,
        "instructions": INSTRUCTIONS,
        "ttlMs": FRESH_FOR,
        "cacheScope": "private",
    }


def tool_list(tools: Iterable[Result], revision: str) -> Result:
    """Of `tools/list`, all on one page; private, for it depends on the caller."""
    kept = {"ttlMs": FRESH_FOR, "cacheScope": "private"} if is_modern(revision) else {}
    return {"tools": list(tools), **kept}


def tool(app: App, kind: Kind | None, takes: ToolInput) -> Result:
    """One app as a tool, under its title where it is known."""
    does = "Runs" if kind in (Kind.WORKFLOW, Kind.COMPLETION) else "Asks"
    return {
        "name": app.alias,
        **({"title": app.title} if app.title else {}),
        "description": app.about or f"{does} the app {app.title or app.alias}.",
        "inputSchema": takes.schema,
    }


def answer_of_tool(answer: Answer, view: View, revision: str) -> Result:
    """Of `tools/call`, for a run that has ended, or waits for a human."""
    is_paused = answer.status == "paused"
    texts = [PAUSED] if is_paused else []
    if answer.text or not (texts or answer.files):
        texts.append(answer.text)
    told = {
        "answer": answer.text,
        "conversation_id": _conversation(answer.started),
        "outputs": own_outputs(answer.outputs),
        "files": [members.file(file) for file in answer.files],
        "sources": [members.source(source, view) for source in answer.sources],
        "status": "" if answer.status == "succeeded" else answer.status,
    }
    content = [_text(text) for text in texts] + [_link(file, revision) for file in answer.files if file.url]
    return {
        "content": content + _conversation_note(answer.started),
        "structuredContent": {name: value for name, value in told.items() if name == "answer" or value},
        "isError": is_paused,
    }


def failure_of_tool(error: DuckError, started: Started | None, *, with_cause: bool) -> Result:
    """Of `tools/call`, for a run that has failed or could not begin: a model can mend what it is told of."""
    sentence = error.sentence(with_cause=with_cause)
    conversation = _conversation(started)
    told = {"error": {"code": error.code, "message": sentence}}
    return {
        "content": [_text(sentence), *_conversation_note(started)],
        "structuredContent": {**told, "conversation_id": conversation} if conversation else told,
        "isError": True,
    }


def _conversation(started: Started | None) -> str:
    return started.conversation_id if started else ""


def _conversation_note(started: Started | None) -> list[Result]:
    """The conversation where a model reads it also when its host hands on the content only; not for its user."""
    conversation = _conversation(started)
    note = {**_text(f"conversation_id: {conversation}"), "annotations": {"audience": ["assistant"]}}
    return [note] if conversation else []


def _text(text: str) -> Result:
    return {"type": "text", "text": text}


def _link(file: File, revision: str) -> Result:
    name = file.filename or file.type or "file"
    if not has_resource_links(revision):
        return _text(f"{name}: {file.url}")
    link = {"type": "resource_link", "uri": file.url, "name": name}
    known = {"mimeType": file.mime_type or None, "size": file.size}
    return {**link, **{member: value for member, value in known.items() if value is not None}}
