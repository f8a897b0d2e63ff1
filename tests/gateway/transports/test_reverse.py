from collections.abc import Iterator
from typing import Any, Final

import pytest
from dify_plugin.config.config import InstallMethod
from dify_plugin.core.server.__base.writer_entities import Event as WireEvent
from dify_plugin.core.server.__base.writer_entities import StreamOutputMessage

from gateway.call import AppCall
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.settings import App
from gateway.transports.reverse import MAX_LINE, ReverseTransport
from gateway.wire import json_bytes
from tests.gateway.fake_dify import RUN_OF, FakeApp, FakeDify

ID: Final = "11111111-1111-4111-8111-111111111111"


def call(query: str = "hi", conversation_id: str = "", **inputs: Any) -> AppCall:
    return AppCall(App("app", ID), query, inputs, conversation_id)


def workspace(kind: Kind = Kind.CHAT, *dicts: Any) -> FakeDify:
    return FakeDify({ID: FakeApp(kind, (), dicts)})


def started(dify: FakeDify, asked: AppCall, kind: Kind | None = None) -> Iterator[Raw]:
    return ReverseTransport(dify.session()).start(asked, kind)


@pytest.mark.parametrize(
    ("kind", "interface", "sent"),
    [
        (None, "chat", {"query": "hi", "conversation_id": None}),
        (Kind.CHAT, "chat", {"query": "hi", "conversation_id": None}),
        (Kind.AGENT, "chat", {"query": "hi", "conversation_id": None}),
        (Kind.CHATFLOW, "chat", {"query": "hi", "conversation_id": None}),
        (Kind.WORKFLOW, "workflow", {}),
        (Kind.COMPLETION, "completion", {}),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_each_kind_is_called_by_its_interface_and_always_streamed(
    kind: Kind | None, interface: str, sent: dict[str, Any]
) -> None:
    dify = workspace(kind or Kind.CHAT)
    next(started(dify, call(city="Oslo"), kind), None) if kind is not Kind.COMPLETION else None
    if kind is Kind.COMPLETION:
        with pytest.raises(DuckError, match="dify_error"):
            next(started(dify, call(city="Oslo"), kind))
    common = {"app_id": ID, "inputs": {"city": "Oslo"}, "response_mode": "streaming"}
    assert dify.calls == [(interface, {**common, **sent})]


def test_a_conversation_goes_on() -> None:
    dify = FakeDify({ID: FakeApp(Kind.CHAT, conversations=frozenset({"c"}))})
    assert {raw["conversation_id"] for raw in started(dify, call(conversation_id="c"))} == {"c"}


def test_the_dicts_come_as_dify_sends_them() -> None:
    assert list(started(workspace(), call())) == list(RUN_OF[Kind.CHAT])


def test_nothing_is_sent_before_the_first_event_is_asked_for() -> None:
    dify = workspace()
    events = started(dify, call())
    assert dify.calls == []
    next(events)
    assert len(dify.calls) == 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Exception("invocation exited without response after 250 seconds"), "silence_timeout"),
        (Exception("the moon is full"), "dify_error"),
        (DuckError("provider_error", "It broke."), "provider_error"),
        (KeyError("x"), "dify_error"),
    ],
    ids=["known", "unknown", "already told", "not of the SDK's kind"],
)
def test_what_the_sdk_raises_is_told_as_a_duck_error(failure: Exception, code: str) -> None:
    events = started(workspace(Kind.CHAT, RUN_OF[Kind.CHAT][0], failure), call())
    assert next(events) == RUN_OF[Kind.CHAT][0]
    with pytest.raises(DuckError) as told:
        next(events)
    assert told.value.code == code


@pytest.mark.parametrize(
    "inputs",
    [{"a": "x" * MAX_LINE}, {"a": "\x01" * (MAX_LINE // 6 + 1)}, {"a": {"b": ["\\" * (MAX_LINE // 2)]}}],
    ids=["plain", "control characters take six bytes each", "backslashes take two"],
)
def test_a_call_whose_line_would_kill_the_plugin_is_a_413_before_it_is_sent(inputs: dict[str, Any]) -> None:
    dify = workspace()
    with pytest.raises(DuckError) as refusal:
        started(dify, call(**inputs))
    assert (refusal.value.code, refusal.value.status) == ("payload_too_large", 413)
    assert dify.calls == []


def test_a_call_of_3_mb_passes() -> None:
    dify = workspace()
    next(started(dify, call("x" * 3_000_000)))
    assert len(dify.calls) == 1


@pytest.mark.parametrize("filler", ["x", "👍", "\x01", "\\", "\u2028", "é"], ids=ascii)
def test_the_line_of_a_call_that_passes_stays_below_the_daemons_5_mib(filler: str) -> None:
    size = MAX_LINE // len(json_bytes(filler)[1:-1]) - 30
    dify = workspace()
    next(started(dify, call(filler * size)))
    ((_, request),) = dify.calls
    data = {"type": "invoke", "data": {"type": "app", "backwards_request_id": "0" * 32, "request": request}}
    line = StreamOutputMessage(event=WireEvent.SESSION, session_id="0" * 36, data=data).model_dump_json()
    assert MAX_LINE - 1000 < len(line.encode()) < 5 * 1024 * 1024


def test_the_input_form_is_fetched() -> None:
    dify = workspace()
    assert ReverseTransport(dify.session()).parameters(ID) == {"user_input_form": []}


def test_an_input_form_that_can_not_be_fetched_is_a_duck_error() -> None:
    with pytest.raises(DuckError, match="dify_error"):
        ReverseTransport(FakeDify({}).session()).parameters(ID)


@pytest.mark.parametrize(
    ("method", "is_local"),
    [(InstallMethod.Local, True), (InstallMethod.Remote, False), (InstallMethod.Serverless, False)],
    ids=["local", "remote", "serverless"],
)
def test_only_a_local_plugin_shares_the_daemons_environment(method: InstallMethod, is_local: bool) -> None:
    transport = ReverseTransport(FakeDify({}, install_method=method).session())
    assert (transport.is_local, transport.max_silence) == (is_local, 250.0)
