"""Calls of the plugin over HTTP, as under serverless, beside the SDK's own."""

import json
from collections.abc import Callable, Iterator
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dify_plugin.core.entities.invocation import InvokeType
from dify_plugin.core.runtime import BackwardsInvocation
from dify_plugin.core.server.serverless.response_writer import ServerlessResponseWriter
from werkzeug.serving import make_server

from runtime import http_calls

type Environ = dict[str, Any]
type Call = Callable[..., Iterator[dict[str, Any]]]

CALLS = pytest.mark.parametrize(
    "call", [http_calls.invoke, BackwardsInvocation._http_backwards_invoke], ids=["faster", "sdk"]
)


def message(event: str, data: dict[str, int] | None) -> bytes:
    said = {"backwards_request_id": "id", "event": event, "message": "", "data": data}
    return json.dumps({"session_id": "s", "event": "backwards_response", "data": said}).encode()


class Daemon:
    """Answers each call with the same body, and tells its own address in a cookie, as balancers do."""

    def __init__(self) -> None:
        self.body = b""
        self.heard: list[Environ] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def answers(self, call: Call) -> list[dict[str, Any]]:
        writer = ServerlessResponseWriter(cast("Any", None))
        url = f"http://127.0.0.1:{self._server.server_port}"
        session = SimpleNamespace(session_id="s", dify_plugin_daemon_url=url, max_invocation_timeout=60, writer=writer)
        made = BackwardsInvocation[dict[str, Any]](cast("Any", session))
        return list(call(made, "id", InvokeType.App, dict, {}))

    def stop(self) -> None:
        self._server.shutdown()

    def _answer(self, environ: Environ, start_response: Callable[..., object]) -> list[bytes]:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        self.heard.append(environ)
        start_response("200 OK", [("Set-Cookie", "AWSALB=the-first; Path=/")])
        return [self.body]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.stop()


@CALLS
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\n\r\n"], ids=repr)
def test_what_is_answered_is_heard_however_its_lines_end(daemon: Daemon, call: Call, end: bytes) -> None:
    daemon.body = end.join((message("response", {"a": 1}), message("response", {"a": 2}), message("end", None)))
    assert daemon.answers(call) == [{"a": 1}, {"a": 2}]


@CALLS
def test_a_cookie_of_one_call_does_not_go_with_the_next(daemon: Daemon, call: Call) -> None:
    daemon.body = message("end", None)
    for _ in range(2):
        daemon.answers(call)
    assert [environ.get("HTTP_COOKIE") for environ in daemon.heard] == [None, None]
