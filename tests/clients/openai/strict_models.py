"""Holds every chunk, event, body and error of every app to the official client's own models, strictly: all members that
they require, each of its type, each literal of its set. (The client itself takes anything.)

Prints one line of JSON for each request: `{"request", "app", "types", "faults"}`; types tells what was held to a model.
Usage: python -m tests.clients.openai.strict_models BASE_URL KEY MODEL...
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any, Final, get_args

import httpx2
from openai.types import ErrorObject
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, ValidationError

BASE_URL, KEY, *MODELS = sys.argv[1:]
AT_ONCE: Final = 4
"""Requests: most of a reply's time is waiting."""

PICTURE: Final = {"type": "image", "transfer_method": "remote_url", "url": "https://files.example/cat.png"}
INPUTS: Final = {"document": PICTURE, "pictures": [PICTURE]}
"""What the form needs; other apps don't declare them, and Dify ignores what is not declared."""

CHAT: Final = {"messages": [{"role": "user", "content": "Hello"}], "inputs": INPUTS}
RESPONSES: Final = {"input": "Hello", "inputs": INPUTS}
REQUESTS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "chat": ("chat/completions", CHAT),
    "chat stream": ("chat/completions", {**CHAT, "stream": True}),
    "chat stream with usage": (
        "chat/completions",
        {**CHAT, "stream": True, "stream_options": {"include_usage": True}},
    ),
    "response": ("responses", RESPONSES),
    "response stream": ("responses", {**RESPONSES, "stream": True}),
}

OBJECTS: Final[Mapping[str, type[BaseModel]]] = {
    "chat.completion": ChatCompletion,
    "chat.completion.chunk": ChatCompletionChunk,
    "response": Response,
}
EVENTS: Final[Mapping[str, type[BaseModel]]] = {
    name: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
    for name in get_args(event.model_fields["type"].annotation)
}


def contents(reply: httpx2.Response) -> Iterator[dict[str, Any]]:
    """Each object of a reply: its body, or the data of its stream's events."""
    if reply.headers["content-type"] == "application/json":
        yield reply.json()
        return
    for line in reply.text.split("\n"):
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def named(content: dict[str, Any]) -> tuple[str, type[BaseModel], dict[str, Any]]:
    """What an object says that it is, the model of that, and what of it the model is of."""
    if list(content) == ["error"]:
        return "error", ErrorObject, content["error"]
    if "object" in content:
        return content["object"], OBJECTS[content["object"]], content
    return content["type"], EVENTS[content["type"]], content


def faults(name: str, model: type[BaseModel], content: dict[str, Any]) -> Iterator[str]:
    try:
        model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            yield f"{name}: {'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"


def held(request: str, app: str) -> dict[str, Any]:
    path, body = REQUESTS[request]
    reply = client.post(f"{BASE_URL}/{path}", json={**body, "model": app})
    types: Counter[str] = Counter()
    found: set[str] = set()
    for name, model, content in map(named, contents(reply)):
        types[name] += 1
        found.update(faults(name, model, content))
    return {"request": request, "app": app, "types": types, "faults": sorted(found)}


with (
    httpx2.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client,
    ThreadPoolExecutor(AT_ONCE) as pool,
):
    for line in pool.map(lambda asked: held(*asked), product(REQUESTS, MODELS)):
        print(json.dumps(line), flush=True)
