"""The routes that run an app, and those that stop a run.

Owns Dify's checks before a run and the two forms of its answer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from workbench.app import Broken, DifyEvent, Invocation, Refused, Unreachable
from workbench.apps.refusals import internal_server_error, invalid_param
from workbench.dify_json import run_json
from workbench.service_api.blocking import blocking_body
from workbench.service_api.calls import HEADERS, Call, answer, whole
from workbench.service_api.frames import Frame, carried, scripted_frames
from workbench.service_api.payloads import ChatRequestPayload, CompletionRequestPayload, WorkflowRunPayload, read
from workbench.service_api.recorded import RecordedService, Reply, replayed

EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
RUN_RESULT: Final = "application/json; charset=utf-8"


async def chat_messages(call: Call) -> web.StreamResponse:
    payload = read(ChatRequestPayload, call.sent)
    if isinstance(call.entry.app, RecordedService):
        return await _replay(call, call.entry.app, payload.response_mode, payload.query)
    if not payload.query:
        raise invalid_param("query is required")
    if payload.conversation_id:
        call.own.conversation(payload.conversation_id, "chat-messages")
    if call.mode == "agent-chat" and payload.response_mode != "streaming":
        raise invalid_param("Agent Chat App does not support blocking mode")
    run = _invocation(call, payload.inputs, payload.files, payload.query, payload.conversation_id or "")
    return await _run(call, run, payload.response_mode)


async def completion_messages(call: Call) -> web.StreamResponse:
    payload = read(CompletionRequestPayload, call.sent)
    if isinstance(call.entry.app, RecordedService):
        return await _replay(call, call.entry.app, payload.response_mode, payload.query)
    return await _run(call, _invocation(call, payload.inputs, payload.files, payload.query), payload.response_mode)


async def workflows_run(call: Call) -> web.StreamResponse:
    payload = read(WorkflowRunPayload, call.sent)
    if isinstance(call.entry.app, RecordedService):
        return await _replay(call, call.entry.app, payload.response_mode)
    return await _run(call, _invocation(call, payload.inputs, payload.files), payload.response_mode)


async def stop(call: Call) -> web.StreamResponse:
    call.runs.stop(call.entry.app_id, call.user, call.path_id())
    return answer({"result": "success"})


def _invocation(
    call: Call,
    inputs: dict[str, Any],
    files: list[dict[str, Any]] | None,
    query: str = "",
    conversation_id: str = "",
) -> Invocation:
    uploads = call.own.uploads
    return Invocation(call.entry.app_id, query, inputs, conversation_id, call.user, tuple(files or ()), uploads)


async def _replay(
    call: Call, recorded: RecordedService, response_mode: str | None, query: str = ""
) -> web.StreamResponse:
    reply = recorded.streaming if response_mode == "streaming" else recorded.blocking
    run = _invocation(call, call.sent["inputs"], None, query)
    if reply is None:
        return await _run(call, run, response_mode)
    if reply.is_stream:
        return await _stream(call, run, replayed(reply, recorded.scale))
    return await _repeated(reply, recorded.scale)


async def _repeated(reply: Reply, scale: float) -> web.Response:
    await asyncio.sleep(reply.seconds * scale)
    return whole(reply.body, reply.content_type, reply.status)


async def _run(call: Call, run: Invocation, response_mode: str | None) -> web.StreamResponse:
    if response_mode == "streaming":
        return await _stream(call, run, scripted_frames(call.entry.app, run))
    events: list[DifyEvent] = []
    carrier = call.runs.begin(run.app_id, run.user, "service")
    plain = _unframed(call, run)
    try:
        async with contextlib.aclosing(carried(plain, carrier)) as frames:
            async for frame in frames:
                if frame.event is not None:
                    events.append(frame.event)  # noqa: PERF401 - kept, however the run ends
        body = blocking_body(call.mode, events)
    except (Broken, Unreachable):
        raise internal_server_error() from None
    finally:
        call.records.keep_run(run, call.mode, events)
    return whole(run_json(body), RUN_RESULT)


async def _unframed(call: Call, run: Invocation) -> AsyncIterator[Frame]:
    """As it is: a blocking run is refused where a streaming one fails."""
    async for event in call.entry.app.run(run):
        yield Frame(b"", event)


async def _stream(call: Call, run: Invocation, frames: AsyncIterator[Frame]) -> web.StreamResponse:
    """The status waits for the first frame, for a run may be refused until then."""
    carrier = call.runs.begin(run.app_id, run.user, "service")
    async with contextlib.aclosing(carried(frames, carrier)) as passed:
        try:
            first = await anext(passed, None)
        except Unreachable:
            raise internal_server_error() from None
        stream = Stream(call)
        await stream.begin()
        try:
            if first is not None:
                await stream.send(first)
            async for frame in passed:
                await stream.send(frame)
        except (Refused, Broken):
            # Dify's response breaks off, too.
            stream.break_off()
        finally:
            call.records.keep_run(run, call.mode, stream.events)
        return await stream.end()


@dataclass(slots=True)
class Stream:
    """One answer in frames, with the fault that it has been given. `events` are those that have been sent."""

    call: Call
    events: list[DifyEvent] = field(default_factory=list)
    response: web.StreamResponse = field(default_factory=web.StreamResponse)
    sent: int = 0
    ended: bool = False

    async def begin(self) -> None:
        mislabelled = self.call.fault.kind == "mislabelled"
        content_type = "application/octet-stream" if mislabelled else EVENT_STREAM
        self.response.headers.update({**HEADERS, "Content-Type": content_type})
        await self.response.prepare(self.call.request)

    async def send(self, frame: Frame) -> None:
        if self.ended:
            return
        fault = self.call.fault
        if self.sent == fault.after:
            await self._fail(frame)
            if self.ended:
                return
        await asyncio.sleep(fault.gap)
        await self.response.write(frame.data)
        self.sent += 1
        if frame.event is not None:
            self.events.append(frame.event)

    async def _fail(self, frame: Frame) -> None:
        match self.call.fault.kind:
            case "cut":
                self.break_off()
            case "half":
                await self.response.write(frame.data[: len(frame.data) // 2])
                self.break_off()
            case "ending":
                await self.response.write_eof()
                self.ended = True
            case "hanging":
                # Until the client leaves.
                await asyncio.Event().wait()

    def break_off(self) -> None:
        """Closes the connection, so that the body has no end."""
        self.ended = True
        if self.call.request.transport is not None:
            self.call.request.transport.close()

    async def end(self) -> web.StreamResponse:
        if not self.ended:
            await self.response.write_eof()
        return self.response
