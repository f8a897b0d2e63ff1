"""A call of the plugin to the daemon under serverless, where each is an HTTP request and its answers the response.

Owns the one client of all calls: to make one takes 30 ms, for it reads the system's certificates. It takes no
cookies: those of one call would go with the calls of other sessions, too.
"""

import functools
from collections.abc import Generator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx
from dify_plugin.core.entities.invocation import InvokeType
from dify_plugin.core.runtime import BackwardsInvocation
from pydantic_core import from_json

from runtime.calls import content_of, is_last
from runtime.lines import Lines

TRANSACTION: Final = "/backwards-invocation/transaction"


@functools.cache
def _client() -> httpx.Client:
    """Without a limit of its own to how many calls there are at once: the pool of workers has one."""
    return httpx.Client(
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def invoke[T](
    self: BackwardsInvocation[Any],
    backwards_request_id: str,
    type: InvokeType,  # noqa: A002 - the SDK's name
    data_type: "type[T]",
    data: dict[str, Any],
) -> Generator[T, None, None]:
    """What `BackwardsInvocation` does under serverless. Raises `Exception` with the daemon's texts."""
    session = self.session
    if not session or not session.dify_plugin_daemon_url:
        raise Exception("current tool runtime does not support backwards invoke")  # noqa: TRY002 - the SDK's
    asked = {"type": type.value, "backwards_request_id": backwards_request_id, "request": data}
    with _client().stream(
        "POST",
        session.dify_plugin_daemon_url.rstrip("/") + TRANSACTION,
        headers={"Dify-Plugin-Session-ID": session.session_id},
        content=session.writer.session_message_text(session.session_id, {"type": "invoke", "data": asked}),
        timeout=session.max_invocation_timeout,
    ) as response:
        for message in _messages(response):
            # A session that is over is answered without the message around the answer.
            answer = message["data"] if "session_id" in message else message
            if is_last(answer):
                return
            yield content_of(answer, data_type)


def _messages(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """One in each line; the last has no end where the daemon says no more than that."""
    lines = Lines()
    for data in response.iter_bytes():
        yield from (from_json(line) for line in lines.feed(data) if line.strip())
    yield from (from_json(line) for line in lines.feed(b"\n") if line.strip())
