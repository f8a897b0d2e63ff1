import json

import pytest

from benchmarks.app_run import AppRun, app_run
from benchmarks.contenders import CONTENDERS, NULL, Contender
from benchmarks.driver import Heard
from benchmarks.null_plugin import FRAME
from benchmarks.reply import Chunk, Mangled, Reply, check, replies

TOKENS = 4
RUN, OTHER = app_run(7, TOKENS), app_run(8, TOKENS)
EVENTS = len(RUN.opening) + RUN.rest_events
STREAMED = [one for one in CONTENDERS if one.name not in {"sink", "MCP tools/call"}]


def _texts(run: AppRun) -> list[str]:
    return [f"{text} " for text in run.answer.decode().split()]


def _chunks(contender: Contender, run: AppRun) -> list[bytes]:
    """What a contender sends for a run."""
    texts = _texts(run)
    whole = run.answer.decode()
    match contender.name:
        case "pass-through" | "Dify-shaped":
            events = [*({"event": "message", "answer": text} for text in texts), {"event": "workflow_finished"}]
            return [b"data: %b\n\n" % json.dumps(event).encode() for event in events]
        case "native SSE":
            frames = [b"event: text\ndata: %b\n\n" % json.dumps({"text": text}).encode() for text in texts]
            return [*frames, b"event: end\ndata: %b\n\n" % json.dumps({"answer": whole}).encode()]
        case "native NDJSON":
            lines = [*({"event": "text", "text": text} for text in texts), {"event": "end"}]
            return [json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines]
        case "Chat":
            return [*(b"data: %b\n\n" % json.dumps({"content": text}).encode() for text in texts), b"data: [DONE]\n\n"]
        case "Responses":
            frames = [b"event: response.output_text.delta\ndata: %b\n\n" % text.encode() for text in texts]
            return [*frames, b"event: response.completed\ndata: %b\n\n" % run.answer]
        case "driver alone":
            return [FRAME] * EVENTS
        case _:
            return [b'{"result": "%b"}' % run.answer]


def _reply(chunks: list[bytes], status: int = 200, *, has_ended: bool = True) -> Reply:
    return Reply(status, [Chunk(0.0, chunk) for chunk in chunks], has_ended)


def _check(contender: Contender, reply: Reply) -> None:
    check(contender.name, reply, RUN.answer, EVENTS, contender.is_whole)


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda one: one.name)
def test_a_reply_that_arrived_whole_passes(contender: Contender) -> None:
    _check(contender, _reply(_chunks(contender, RUN)))


@pytest.mark.parametrize("contender", STREAMED, ids=lambda one: one.name)
def test_a_reply_that_lost_or_repeated_a_chunk_is_an_error(contender: Contender) -> None:
    chunks = _chunks(contender, RUN)
    lost = [chunks[:place] + chunks[place + 1 :] for place in range(len(chunks))]
    repeated = [chunks[: place + 1] + chunks[place:] for place in range(TOKENS)]
    for broken in (*lost, *repeated):
        with pytest.raises(Mangled):
            _check(contender, _reply(broken))


@pytest.mark.parametrize("contender", [one for one in STREAMED if one is not NULL], ids=lambda one: one.name)
def test_a_reply_whose_chunks_are_in_another_order_is_an_error(contender: Contender) -> None:
    chunks = _chunks(contender, RUN)
    for place in range(len(chunks) - 1):
        with pytest.raises(Mangled):
            _check(contender, _reply([*chunks[:place], chunks[place + 1], chunks[place], *chunks[place + 2 :]]))


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda one: one.name)
def test_another_streams_answer_a_cut_body_an_error_status_and_no_end_are_errors(contender: Contender) -> None:
    chunks = _chunks(contender, RUN)
    others = _chunks(contender, OTHER) if contender is not NULL else chunks[1:]
    cut = [*chunks[:-1], chunks[-1][: len(chunks[-1]) // 2]]
    broken = [_reply(others), _reply(cut), _reply(chunks, status=502), _reply(chunks, has_ended=False), _reply([])]
    for reply in broken:
        with pytest.raises(Mangled):
            _check(contender, reply)


def test_what_was_heard_is_sorted_into_replies_with_the_time_of_each_chunk() -> None:
    def line(session: str, kind: str, data: object) -> bytes:
        message = {"event": "session", "session_id": session, "data": {"type": kind, "data": data}}
        return json.dumps(message).encode() + b"\n\n"

    heard = [
        Heard(1.0, line("a", "stream", {"status": 200, "headers": {}}) + line("b", "stream", {"status": 404})),
        Heard(2.0, b'{"event":"log","data":{}}\n' + line("a", "stream", {"result": "6869"}) + line("b", "end", {})),
        Heard(3.0, line("a", "invoke", {"type": "app"}) + line("a", "stream", {"result": "21"})),
    ]
    assert replies(heard) == {
        "a": Reply(200, [Chunk(2.0, b"hi"), Chunk(3.0, b"!")]),
        "b": Reply(404, [], has_ended=True),
    }
