import gc
import logging
import re
from collections.abc import Generator, Mapping
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug import Request, Response
from werkzeug.test import EnvironBuilder

from gateway import journal, serve
from gateway.events import Kind
from gateway.journal import Record, recorded
from gateway.wire import json_bytes
from tests.gateway.fake_dify import FakeApp, FakeDify
from tests.gateway.recorded import RECORDINGS

APP: Final = "11111111-1111-4111-8111-111111111111"
FLOW: Final = "22222222-2222-4222-8222-222222222222"
FAILING: Final = "33333333-3333-4333-8333-333333333333"
ANSWERING: Final = "44444444-4444-4444-8444-444444444444"
PLANTED: Final = "PLANTED"
KEY: Final = "a-long-enough-key"
SETTINGS: Final[Mapping[str, Any]] = {
    "apps": f"support={APP}, flow={FLOW}, failing={FAILING}",
    "access_keys": f"web={KEY}",
}

LINE: Final = re.compile(
    r"request=[A-Za-z0-9._-]{1,64}(?: route=[a-z]+)?(?: caller=[a-z][a-z0-9_-]*)?(?: app=[A-Za-z0-9_-]+)?"
    r" status=[1-5]\d\d events=\d+ bytes=\d+ first_ms=\d+ ms=\d+(?: error=[a-z_]+)?"
)
"""The one form of the line: nothing in it needs quotes, so nothing in it can forge a field."""


def _with_answer(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {**raw, "answer": PLANTED} if "answer" in raw else dict(raw)


def dify() -> FakeDify:
    apps = {
        APP: FakeApp(Kind.CHAT),
        FLOW: FakeApp(Kind.WORKFLOW, dicts=RECORDINGS["workflow-two-strings"].dicts),
        FAILING: FakeApp(Kind.CHATFLOW, dicts=RECORDINGS["chatflow-errmid"].dicts),
        ANSWERING: FakeApp(Kind.CHAT, dicts=tuple(_with_answer(raw) for raw in RECORDINGS["chat-echo-turn1"].dicts)),
    }
    return FakeDify(apps)


def environ(method: str, path: str, data: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """As the SDK's parser makes it, which lets through what werkzeug's client would refuse to send."""
    made = EnvironBuilder(method=method, path="/", data=data if method != "GET" else None).get_environ()
    path, _, made["QUERY_STRING"] = path.partition("?")
    made["PATH_INFO"] = path.encode("utf-8", "surrogatepass").decode("latin-1")
    for name, value in headers.items():
        cgi = name.upper().replace("-", "_")
        made[cgi if cgi == "CONTENT_TYPE" else f"HTTP_{cgi}"] = value
    return made


def respond(
    path: str = "/chat/support",
    method: str = "POST",
    data: bytes = b'{"query": "hi"}',
    headers: Mapping[str, str] | None = None,
    *,
    key: str = KEY,
    raw: Mapping[str, Any] = SETTINGS,
) -> Response:
    sent = {
        "Content-Type": "application/json",
        **({"Authorization": f"Bearer {key}"} if key else {}),
        **(headers or {}),
    }
    return serve.handle(dify().session(), Request(environ(method, path, data, sent)), raw, None)


def read(response: Response) -> bytes:
    chunks: Any = response.response
    return b"".join(chunk if isinstance(chunk, bytes) else chunk.encode() for chunk in chunks)


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    """The journal's lines so far, the oldest first."""
    return [record.getMessage() for record in log.records if record.getMessage().startswith("request=")]


def said(line: str) -> dict[str, str]:
    """The fields of a line, without the times."""
    fields = dict(part.split("=", 1) for part in line.split(" "))
    return {name: value for name, value in fields.items() if name not in ("first_ms", "ms")}


# -- The line ------------------------------------------------------------------------------------------------------


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock's next readings; the first is for the begin, which the caller sets."""
    readings: list[float] = []
    monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: readings.pop(0)))
    return readings


def test_a_line_names_everything_in_its_order(duck_log: pytest.LogCaptureFixture, times: list[float]) -> None:
    run = SimpleNamespace(seen=7, failure="app_failed")
    record = Record("an-id", "chat", "web", "support", 200, "", 0, run, _began=100.0)  # type: ignore[arg-type]
    times.extend([100.0104, 102.5])
    record.sent(20)
    record.sent(22)
    record.finish()
    (line,) = lines(duck_log)
    assert line == (
        "request=an-id route=chat caller=web app=support status=200 events=7 bytes=42 first_ms=10 ms=2500"
        " error=app_failed"
    )
    assert [record.levelno for record in duck_log.records] == [logging.INFO]


def test_what_did_not_come_so_far_is_left_out(duck_log: pytest.LogCaptureFixture, times: list[float]) -> None:
    times.append(100.25)
    Record("an-id", status=404, error="not_found", _began=100.0).finish()
    assert lines(duck_log) == ["request=an-id status=404 events=0 bytes=0 first_ms=250 ms=250 error=not_found"]


def test_the_error_of_the_reply_outranks_that_of_the_run(duck_log: pytest.LogCaptureFixture) -> None:
    run = SimpleNamespace(seen=1, failure="app_failed")
    Record("an-id", status=500, error="internal_error", run=run).finish()  # type: ignore[arg-type]
    assert said(lines(duck_log)[0])["error"] == "internal_error"


# -- Written once --------------------------------------------------------------------------------------------------


def body() -> Generator[bytes]:
    yield b"one"
    yield b"three"


def broken() -> Generator[bytes]:
    yield b"one"
    raise RuntimeError


def _read_whole(chunks: Generator[bytes]) -> None:
    assert list(chunks) == [b"one", b"three"]


def _close_early(chunks: Generator[bytes]) -> None:
    next(chunks)
    chunks.close()
    chunks.close()


def _close_before_it_began(chunks: Generator[bytes]) -> None:
    chunks.close()


def _forget(chunks: Generator[bytes]) -> None:
    next(chunks)


def _break(chunks: Generator[bytes]) -> None:
    next(chunks)
    with pytest.raises(RuntimeError):
        next(chunks)


@pytest.mark.parametrize(
    ("make", "use", "size"),
    [
        pytest.param(body, _read_whole, 8, id="read whole"),
        pytest.param(body, _close_early, 3, id="closed early"),
        pytest.param(body, _close_before_it_began, 0, id="closed before it began"),
        pytest.param(body, _forget, 3, id="forgotten half way"),
        pytest.param(body, lambda _: None, 0, id="never begun and forgotten"),
        pytest.param(broken, _break, 3, id="broken"),
    ],
)
def test_a_body_has_one_line_however_it_ends(
    make: Any, use: Any, size: int, duck_log: pytest.LogCaptureFixture
) -> None:
    record = Record("an-id", status=200)
    chunks = recorded(make(), record)
    assert lines(duck_log) == []
    use(chunks)
    del chunks
    gc.collect()
    record.finish()
    assert [said(line) for line in lines(duck_log)] == [
        {"request": "an-id", "status": "200", "events": "0", "bytes": str(size)}
    ]


def test_a_chunk_counts_as_it_leaves(duck_log: pytest.LogCaptureFixture) -> None:
    record = Record("an-id")
    chunks = recorded(body(), record)
    assert record.size == 0
    assert [(next(chunks), record.size) for _ in range(2)] == [(b"one", 3), (b"three", 8)]
    chunks.close()
    assert len(lines(duck_log)) == 1


# -- Of every request ----------------------------------------------------------------------------------------------

_WEB: Final = {"route": "chat", "caller": "web", "app": "support"}
_ID: Final = {"X-Request-Id": "an-id"}


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson", "text/plain", "application/json"])
def test_a_reply_of_any_form_has_one_line_when_it_has_ended(accept: str, duck_log: pytest.LogCaptureFixture) -> None:
    response = respond(headers={**_ID, "Accept": accept})
    is_streamed = accept != "application/json"
    assert len(lines(duck_log)) == (0 if is_streamed else 1)
    size = len(read(response))
    (line,) = lines(duck_log)
    assert LINE.fullmatch(line)
    fields = said(line)
    assert int(fields.pop("events")) > 1
    assert fields == {"request": "an-id", **_WEB, "status": "200", "bytes": str(size)}


_FAILED: Final = b'{"query": "hi", "response_mode": "blocking"}'


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            {"path": "/", "method": "GET", "key": ""}, {"route": "about", "status": "200"}, id="what needs no key"
        ),
        pytest.param(
            {"path": "/", "method": "GET"}, {"route": "about", "caller": "web", "status": "200"}, id="a caller's apps"
        ),
        pytest.param({"path": "/healthz", "method": "GET"}, {"route": "healthz", "status": "200"}, id="health"),
        pytest.param({"method": "OPTIONS"}, {"status": "204"}, id="options"),
        pytest.param({"path": "/none"}, {"status": "404", "error": "not_found"}, id="no route"),
        pytest.param(
            {"method": "DELETE"}, {"status": "405", "error": "method_not_allowed"}, id="a method that is not for it"
        ),
        pytest.param({"key": ""}, {"route": "chat", "status": "401", "error": "unauthorized"}, id="nobody's request"),
        pytest.param(
            {"path": "/chat/none"},
            {"route": "chat", "caller": "web", "status": "404", "error": "app_not_found"},
            id="an unknown app",
        ),
        pytest.param({"data": b"{"}, {**_WEB, "status": "400", "error": "invalid_request"}, id="a body that is none"),
        pytest.param(
            {"path": "/tokens", "data": b'{"app": "support", "user": "ann"}'},
            {**_WEB, "route": "tokens", "status": "200"},
            id="a token",
        ),
        pytest.param(
            {"raw": {**SETTINGS, "detail": "nonsense"}},
            {"route": "chat", "caller": "web", "status": "500", "error": "misconfigured"},
            id="settings that govern every call",
        ),
        pytest.param(
            {"path": "/chat/failing", "data": _FAILED},
            {**_WEB, "app": "failing", "status": "502", "error": "provider_error"},
            id="a run that fails, as one body",
        ),
        pytest.param(
            {"path": "/chat/failing"},
            {**_WEB, "app": "failing", "status": "200", "error": "provider_error"},
            id="a run that fails in a stream",
        ),
        pytest.param({"path": "/duck/flow"}, {**_WEB, "route": "duck", "app": "flow", "status": "200"}, id="duck"),
    ],
)
def test_a_request_has_one_line_with_what_is_known_of_it(
    request_: dict[str, Any], expected: dict[str, str], duck_log: pytest.LogCaptureFixture
) -> None:
    response = respond(headers=_ID, **request_)
    size = len(read(response))
    (line,) = lines(duck_log)
    assert LINE.fullmatch(line)
    fields = said(line)
    fields.pop("events")
    assert fields == {"request": "an-id", **expected, "bytes": str(size)}


def test_a_stream_that_is_never_begun_has_its_line_when_it_is_forgotten(duck_log: pytest.LogCaptureFixture) -> None:
    response = respond(headers=_ID)
    assert lines(duck_log) == []
    del response
    gc.collect()
    (line,) = lines(duck_log)
    assert (said(line)["request"], said(line)["status"], said(line)["bytes"]) == ("an-id", "200", "0")


def test_a_stream_that_is_closed_early_has_its_line_at_once(duck_log: pytest.LogCaptureFixture) -> None:
    response = respond(headers=_ID)
    chunks: Any = response.response
    size = len(next(chunks))
    response.close()
    chunks.close()
    (line,) = lines(duck_log)
    assert (said(line)["status"], said(line)["bytes"]) == ("200", str(size))


# -- Nothing of the request ----------------------------------------------------------------------------------------

_HOSTILE: Final = st.sampled_from(
    [
        f"{PLANTED}\r\nrequest=forged status=200",
        f"{PLANTED} caller=admin error=none",
        f"\n{PLANTED}",
        f"{PLANTED}=",
        f"%s{PLANTED}%d{{0}}",
        f"\x1b[2K{PLANTED}\x00",
        f"é{PLANTED}\u2028",
        f"Bearer {PLANTED} {KEY}",
        f"Basic {PLANTED}:{KEY}",
        f"</script>{PLANTED}",
        f"00-{PLANTED}-0000000000000001-01",
        f"https://{PLANTED}.example",
        f"text/{PLANTED}; charset={PLANTED}",
        f"duck-token-{PLANTED}.{PLANTED}",
        f"{PLANTED}!" * 40,
    ]
)
_NAMES: Final = (
    "Authorization", "X-API-Key", "X-Request-Id", "traceparent", "Origin", "Accept", "Content-Type", "Cookie",
    "User-Agent", "Dify-Hook-Id", "Dify-Hook-Url", "Host", "X-Conversation-Id", "X-Duck-App", "Sec-Fetch-Site",
    "Access-Control-Request-Method", "Access-Control-Request-Headers", "X-Forwarded-For",
)  # fmt: skip
_BODIES: Final = st.dictionaries(
    st.sampled_from(["query", "user", "conversation_id", "response_mode", "inputs", "files", "other", PLANTED]),
    _HOSTILE | st.dictionaries(_HOSTILE, _HOSTILE, max_size=2) | st.lists(_HOSTILE, max_size=2),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["POST", "GET", "OPTIONS", "HEAD", "DELETE", f"{PLANTED}"]),
    path=st.sampled_from(["/chat/support", "/duck/support", "/workflow/flow", "/tokens", "/chat/failing", "/"])
    | _HOSTILE.map(lambda text: f"/chat/{text}")
    | _HOSTILE.map(lambda text: f"/{text}")
    | _HOSTILE.map(lambda text: f"/duck/support?query={text}&inputs.{text}={text}&{text}"),
    headers=st.dictionaries(st.sampled_from(_NAMES), _HOSTILE, max_size=4),
    members=_BODIES,
    key=st.sampled_from([KEY, KEY, ""]),
)
@example(method="POST", path="/chat/support", headers={}, members={"query": f"{PLANTED}\n"}, key=KEY)
@example(method="POST", path="/chat/support", headers={"X-Request-Id": f"{PLANTED}\n"}, members={"query": "x"}, key=KEY)
def test_nothing_of_a_request_gets_into_the_log(
    method: str,
    path: str,
    headers: dict[str, str],
    members: dict[str, Any],
    key: str,
    duck_log: pytest.LogCaptureFixture,
) -> None:
    duck_log.clear()
    data = json_bytes(members)
    read(respond(path, method, data, headers, key=key))
    (line,) = lines(duck_log)
    assert LINE.fullmatch(line)
    logged = [f"{record.getMessage()} {record.exc_text} {record.args!r}" for record in duck_log.records]
    assert [text for text in logged if PLANTED in text or KEY in text or "forged" in text] == []


@pytest.mark.parametrize("given_", ["PLANTED-1", "a.b_c-D9", "0" * 64])
def test_a_request_id_of_a_sane_form_is_the_one_thing_that_does(
    given_: str, duck_log: pytest.LogCaptureFixture
) -> None:
    read(respond(headers={"X-Request-Id": given_}))
    assert said(lines(duck_log)[0])["request"] == given_


def test_an_answer_and_its_handle_are_not_in_the_log(duck_log: pytest.LogCaptureFixture) -> None:
    response = respond("/chat/answering", raw={**SETTINGS, "apps": f"answering={ANSWERING}"})
    assert PLANTED in read(response).decode()
    handle = response.headers["X-Conversation-Id"]
    logged = "\n".join(record.getMessage() for record in duck_log.records)
    assert [text for text in (PLANTED, handle, handle[:22], handle[23:]) if text in logged] == []
