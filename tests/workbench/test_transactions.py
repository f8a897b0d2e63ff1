"""The server that a serverless plugin sends its reverse calls to."""

import asyncio
import json

import aiohttp
import pytest

from workbench import laws
from workbench.transactions import PATH, Transactions


def _call(padding: str = "") -> bytes:
    asked = {"backwards_request_id": "call", "request": padding}
    return json.dumps({"session_id": "session", "data": {"data": asked}}).encode()


async def _answered(line: bytes, delivered: list[bytes], last: float) -> tuple[int, bytes]:
    """The status and the body of one call, whose last answer comes after that many seconds."""
    transactions = Transactions(lambda _: True, delivered.append)
    address = await transactions.open()
    try:
        async with aiohttp.ClientSession() as client, client.post(address + PATH, data=line) as response:
            asyncio.get_running_loop().call_later(last, lambda: transactions.answer("call", b"{}", is_last=True))
            return response.status, await response.read()
    finally:
        await transactions.close()


def test_empty_lines_keep_the_answer_to_a_call_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "TRANSACTION_HEARTBEAT", 0.01)
    delivered: list[bytes] = []
    status, body = asyncio.run(_answered(_call(), delivered, last=1))
    beats, _, answer = body.rpartition(b"\n\n{}")
    assert (status, delivered, answer) == (200, [_call()], b"\n\n")
    assert len(beats) > 2
    assert not beats.strip(b"\n")


def test_a_call_over_6_mib_is_refused() -> None:
    delivered: list[bytes] = []
    status, _ = asyncio.run(_answered(_call("x" * laws.TRANSACTION_LIMIT), delivered, last=0))
    assert (status, delivered) == (413, [])
    fitting = _call("x" * (laws.TRANSACTION_LIMIT - len(_call())))
    status, _ = asyncio.run(_answered(fitting, delivered, last=0.1))
    assert (status, len(delivered)) == (200, 1)
