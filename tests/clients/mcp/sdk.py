"""The scenarios of Python's `mcp`, for one era of the protocol.

Usage: python -m tests.clients.mcp.sdk URL KEY auto|legacy
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.clients.openai.scenarios import by_name, run

URL, KEY, MODE = sys.argv[1:4]


@asynccontextmanager
async def connected(url: str = URL, key: str = KEY, mode: str = MODE) -> AsyncIterator[Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


async def connect() -> Any:
    async with connected() as client:
        return {
            "version": client.protocol_version,
            "server": client.server_info.name,
            "capabilities": client.server_capabilities.model_dump(exclude_none=True),
        }


async def tools() -> Any:
    async with connected() as client:
        return [tool.name for tool in (await client.list_tools()).tools]


async def schema() -> Any:
    async with connected() as client:
        return {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}["workflow"]


async def bound() -> Any:
    async with connected(URL.replace("/mcp", "/apps/echo/mcp")) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


async def progress() -> Any:
    told: list[tuple[float, str | None]] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        told.append((done, message))

    async with connected() as client:
        result = await client.call_tool("workflow", {"text": "Hello"}, progress_callback=note)
    return {"text": result.content[0].text, "progress": told, "outputs": result.structured_content["outputs"]}


async def conversation() -> Any:
    async with connected() as client:
        first = await client.call_tool("echo", {"query": "one"})
        handle = first.structured_content["conversation_id"]
        second = await client.call_tool("echo", {"query": "two", "conversation_id": handle})
    return [first.content[0].text, second.content[0].text]


async def files() -> Any:
    arguments = {
        "name": "Duck",
        "about": "Pictures",
        "age": 3,
        "color": "red",
        "agree": True,
        "document": "https://files.example/doc.txt",
        "pictures": ["https://files.example/cat.png"],
        "config": {"a": 1},
    }
    async with connected() as client:
        result = await client.call_tool("form", arguments)
    links = [block for block in result.content if block.type == "resource_link"]
    return [[str(link.uri), link.name, link.mime_type] for link in links]


async def slow() -> Any:
    """No progress is asked for, so the reply begins as one body and becomes a stream."""
    async with connected() as client:
        return (await client.call_tool("slow", {"query": "Hello"})).content[0].text


async def failing() -> Any:
    async with connected() as client:
        result = await client.call_tool("failing", {})
    return {"is_error": result.is_error, "text": result.content[0].text, "told": result.structured_content}


async def paused() -> Any:
    async with connected() as client:
        result = await client.call_tool("paused", {})
    return {"is_error": result.is_error, "text": result.content[0].text}


async def bad_arguments() -> Any:
    async with connected() as client:
        result = await client.call_tool("workflow", {"txt": "Hello"})
    return {"is_error": result.is_error, "text": result.content[0].text}


async def foreign_conversation() -> Any:
    async with connected() as client:
        result = await client.call_tool("echo", {"query": "Hello", "conversation_id": "not-a-handle"})
    return {"is_error": result.is_error, "code": result.structured_content["error"]["code"]}


async def unknown_tool() -> Any:
    async with connected() as client:
        try:
            return await client.call_tool("no-such-tool", {})
        except MCPError as error:
            return error.code


async def wrong_key() -> Any:
    try:
        async with connected(key="not-the-key-of-anyone") as client:
            return client.protocol_version
    except ExceptionGroup as group:
        return [type(error).__name__ for error in _leaves(group)]


def _leaves(error: BaseException) -> list[BaseException]:
    """What a group of a group of … holds."""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [leaf for item in inner for leaf in _leaves(item)] or [error]


if __name__ == "__main__":
    run(
        by_name(
            connect,
            tools,
            schema,
            bound,
            progress,
            conversation,
            files,
            slow,
            failing,
            paused,
            bad_arguments,
            foreign_conversation,
            unknown_tool,
            wrong_key,
        )
    )
