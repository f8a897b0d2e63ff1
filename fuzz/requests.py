"""Strategies for whole requests, as the bytes that the daemon would pass on: wrong in a few places, so they get far.

Every route of the gateway is tried; what its body is made from stands in `MODELS`, a line for each. Kept requests come
back with a few bytes changed.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from hypothesis import strategies as st
from mcp_types.jsonrpc import JSONRPCRequest
from pydantic import BaseModel

from fuzz import json_text
from fuzz.json_text import Text
from fuzz.plugin import ALIASES, CALLER, CONVERSATION, IDS, KEY, METHODS, ORIGIN, hook_signature
from gateway.protocols.dify.request import ChatRequestPayload, CompletionRequestPayload, Payload, WorkflowRunPayload
from gateway.protocols.native.request import NativeRequest
from gateway.protocols.openai.chat.request import ChatRequest
from gateway.protocols.openai.responses.request import ResponsesRequest
from gateway.routes import TABLE, Route
from gateway.tokens import TokenRequest

MODELS: Final[Mapping[Route, type[BaseModel]]] = {
    Route.DUCK: NativeRequest,
    Route.CHAT: NativeRequest,
    Route.WORKFLOW: NativeRequest,
    Route.COMPLETION: NativeRequest,
    Route.TOKENS: TokenRequest,
    Route.CHAT_MESSAGES: ChatRequestPayload,
    Route.COMPLETION_MESSAGES: CompletionRequestPayload,
    Route.WORKFLOWS_RUN: WorkflowRunPayload,
    Route.DIFY: Payload,
    Route.CHAT_COMPLETIONS: ChatRequest,
    Route.RESPONSES: ResponsesRequest,
    Route.MCP: JSONRPCRequest,
    Route.HOOKS: NativeRequest,
}
"""What a route reads from a body. A new protocol's routes are a line each, and so are its samples below."""

type Bytes = st.SearchStrategy[bytes]
type Header = tuple[bytes, bytes]
type Body = tuple[bytes, bytes]
"""A content type, `b""` for none, and the content."""


def requests(token: str, handle: str, kept: Sequence[bytes]) -> Bytes:
    """Requests of any kind. token, handle: valid ones of the closed endpoint. kept: requests to be changed."""
    samples: dict[str, Text] = {
        "query": st.just('"Hello"'),
        "inputs": st.sampled_from(('{"city":"Oslo"}', '{"amount":1e400}', '{"document":{"type":"image"}}', "null")),
        "conversation_id": st.sampled_from([json.dumps(handle), json.dumps(handle[:-1]), json.dumps(CONVERSATION)]),
        "user": st.just('"somebody"'),
        "app": st.sampled_from([json.dumps(name) for name in (*ALIASES, *IDS.values(), "nowhere")]),
        "model": st.sampled_from([json.dumps(name) for name in (*ALIASES, "gpt-4o")]),
        "messages": _messages("text", "image_url"),
        "input": st.one_of(st.just('"Hello"'), _messages("input_text", "input_image")),
        "previous_response_id": st.sampled_from(('"resp_"', json.dumps(f"resp_{handle}.m"), '"resp_a.b.c"')),
        "stream": st.sampled_from(("true", "false")),
        "n": st.just("1"),
        "tool_choice": st.sampled_from(('"auto"', '{"type": "function"}')),
        "background": st.just("false"),
        "expires_in": st.sampled_from(("1", "3600", "3601", "true", "1.0")),
        "jsonrpc": st.just('"2.0"'),
        "method": st.sampled_from([json.dumps(method) for method in _METHODS_OF_MCP]),
        "params": _params_of_mcp(handle),
    }
    made = [
        _request(path, listed.methods, MODELS.get(listed.route), token, samples)
        for listed in TABLE
        for path in (listed.path, *listed.also)
    ]
    hook = _request("/hooks/<app_id>", ("POST",), NativeRequest, token, samples, _signed)
    other = _request("/nothing", METHODS, NativeRequest, token, samples)
    return st.one_of(*made, hook, other, *([_changed(kept)] if kept else []))


def _request(
    path: str,
    methods: Sequence[str],
    model: type[BaseModel] | None,
    token: str,
    samples: Mapping[str, Text],
    joined: "_Joined | None" = None,
) -> Bytes:
    return st.builds(
        joined or _joined,
        st.one_of(st.sampled_from(methods), st.sampled_from(methods), st.sampled_from(METHODS)),
        _target(path, model),
        _headers(token),
        _body(model, samples) if model else st.just((b"", b"")),
    )


def _joined(method: str, target: str, headers: list[Header], body: Body) -> bytes:
    content_type, content = body
    typed = [(b"Content-Type", content_type)] if content_type else []
    head = [method.encode() + b" " + target.encode("utf-8", "replace") + b" HTTP/1.1", b"Host: localhost"]
    return b"\r\n".join([*head, *(name + b": " + value for name, value in [*headers, *typed]), b"", content])


def _signed(method: str, target: str, headers: list[Header], body: Body) -> bytes:
    """A webhook's delivery, whose sender has signed whatever it sends."""
    return _joined(method, target, [*headers, (b"X-Hub-Signature-256", hook_signature(body[1]).encode())], body)


type _Joined = Callable[[str, str, list[Header], Body], bytes]


def _messages(text_type: str, file_type: str) -> Text:
    """A list of messages as OpenAI's clients send them, some of them odd."""
    contents: Sequence[object] = (
        "Hello",
        None,
        [],
        [{"type": text_type, "text": "Hello"}],
        [{"type": file_type, file_type: "https://files.example/a.png"}],
        [{"type": file_type, file_type: {"url": "data:image/png;base64,AA=="}}],
        [{"type": []}, "Hello", 1],
    )
    message = st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(("system", "developer", "user", "user", "assistant", "tool", "")),
        st.sampled_from(contents),
    )
    return st.lists(message, min_size=1, max_size=5).map(json.dumps)


# -- The Model Context Protocol --------------------------------------------------------------------------------------

_METHODS_OF_MCP: Final = (
    "tools/call",
    "tools/call",
    "tools/list",
    "server/discover",
    "initialize",
    "ping",
    "notifications/cancelled",
    "prompts/list",
)


def _params_of_mcp(handle: str) -> Text:
    """Parameters of any of its methods, of both eras."""
    arguments: tuple[object, ...] = (
        {"query": "Hello"},
        {"query": "Hello", "conversation_id": handle},
        {"query": "Hello", "conversation_id": CONVERSATION},
        {"city": "Oslo", "amount": 3, "document": "https://a.example/b.png", "more": {"a": [None]}},
        {"city": 3, "amount": "x", "document": "file:///etc/passwd", "more": [], "unknown": {}},
        {"query": None, "x" * 5_000: 1},
        [],
    )
    modern = {_VERSION: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    metas: tuple[object, ...] = ({}, modern, {**modern, _VERSION: "v9"}, {_VERSION: 3}, 3, {"progressToken": True})
    tokens: tuple[dict[str, object], ...] = ({}, {"progressToken": "p"}, {"progressToken": 0})

    def made(name: object, given: object, meta: object, token: dict[str, object]) -> str:
        held = {**meta, **token} if isinstance(meta, dict) else meta
        return json.dumps({"name": name, "arguments": given, "_meta": held, "protocolVersion": "2025-06-18"})

    names = st.sampled_from((*ALIASES, *ALIASES, *IDS.values(), "nowhere", "", 3, None))
    return st.builds(made, names, st.sampled_from(arguments), st.sampled_from(metas), st.sampled_from(tokens))


_VERSION: Final = "io.modelcontextprotocol/protocolVersion"


# -- Path and query string -------------------------------------------------------------------------------------------

_TRICKS: Final = (
    "//",
    "/./",
    "/../",
    "/%2e%2e/",
    "%2F",
    "%00",
    "%0d%0aX-Planted:1",
    "%ff",
    "\u00e9",
    "\u202e",
    ";a=b",
    "/",
)


def _target(path: str, model: type[BaseModel] | None) -> Text:
    names = st.one_of(
        st.sampled_from(ALIASES),
        st.sampled_from((*ALIASES, *IDS.values(), "nowhere", "<app_id>")),
        st.text(max_size=20).map(lambda text: quote(text, safe="", errors="replace")),
    )
    plain = names.map(lambda name: path.replace("<app_id>", name).replace("<model>", name))
    bare = st.just(path.removesuffix("/<app_id>"))
    tricked = st.builds(_inserted, plain, _PLACES, st.sampled_from(_TRICKS))
    return st.builds(lambda text, query: text + query, st.one_of(plain, plain, bare, tricked), _query_string(model))


def _query_string(model: type[BaseModel] | None) -> Text:
    made = _pairs(model).map(lambda pairs: "?" + urlencode(pairs, errors="replace")) if model else st.nothing()
    junk = st.sampled_from(
        ("", "?", "?query=%ff%fe", "?query=%ud800", "?=&&=", "?query=a&query=b", "?inputs=%7B", "?a=b;c")
    )
    return st.one_of(st.just(""), junk, made)


# -- Headers ---------------------------------------------------------------------------------------------------------

_VALUES: Final[Bytes] = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40).map(lambda text: text.strip().encode()),
    st.sampled_from((b"", b",,;;==", b'"', b"\\", b";q=nan", b"\xc3\xa9", b"\xff")),
    st.just(4000).map(lambda length: b"a" * length),
)


def _basic(password: str) -> bytes:
    return b"Basic " + base64.b64encode(password.encode("utf-8", "surrogatepass"))


def _headers(token: str) -> st.SearchStrategy[list[Header]]:
    authorizations = (
        f"Bearer {KEY}".encode(),
        f"bearer  {KEY} ".encode(),
        _basic(f"{CALLER}:{KEY}"),
        _basic(f":{KEY}:"),
        f"Bearer {token}".encode(),
        f"Bearer {token[:-1]}".encode(),
        f"Bearer {token.replace('.', '..')}".encode(),
        f"Bearer {CALLER}={KEY}".encode(),
        f"Basic {KEY}".encode(),
        b"Basic =",
        b"Bearer",
        b"Bearer duck-token-",
        b'Digest username="a"',
    )
    optional = {
        b"Authorization": _VALUES,
        b"X-API-Key": st.one_of(st.just(KEY.encode()), _VALUES),
        **{name: st.one_of(st.sampled_from(samples), _VALUES) for name, samples in _SAMPLES.items()},
    }
    known = st.sampled_from(authorizations).map(lambda value: {b"Authorization": value})
    identified: st.SearchStrategy[dict[bytes, bytes]] = st.one_of(
        st.just({b"Authorization": authorizations[0]}), known, st.just({})
    )
    return st.builds(
        lambda given, more: list({**more, **given}.items()), identified, st.fixed_dictionaries({}, optional=optional)
    )


_SAMPLES: Final[Mapping[bytes, tuple[bytes, ...]]] = {
    b"Accept": (
        b"*/*",
        b"application/json",
        b"application/x-ndjson",
        b"text/plain",
        b"text/event-stream;q=0.1, application/json;q=.2",
        b"text/html,application/xhtml+xml,*/*;q=0.8",
        b"image/png",
        b"application/json;q=1e999",
        b"text/plain;q=-1, */*;q=0",
    ),
    b"MCP-Protocol-Version": (b"2026-07-28", b"2025-11-25", b"2025-03-26", b"v9"),
    b"Mcp-Method": (b"tools/call", b"tools/list", b"server/discover"),
    b"Mcp-Name": (b"chat", b"workflow", b"=?base64?Y2hhdA==?=", b"=?base64?/w==?=", b"=?base64?!?="),
    b"Origin": (
        ORIGIN.encode(),
        b"https://a.example.org",
        b"https://a.example.org.evil.example",
        b"https://evil.example?.example.org",
        b"null",
        b"capacitor://localhost",
        ORIGIN.upper().encode(),
    ),
    b"Access-Control-Request-Method": (b"POST", b"PATCH"),
    b"Access-Control-Request-Headers": (b"authorization, x-stainless-os", b"a,,b", b"a: b"),
    b"Sec-Fetch-Site": (b"same-origin", b"cross-site", b"same-site", b"none"),
    b"Sec-Fetch-Mode": (b"navigate", b"cors"),
    b"X-Request-Id": (b"a-sane-id", b"id with spaces", b"id-of-65-characters-" + b"x" * 45),
    b"traceparent": (b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01"),
    b"Dify-Hook-Url": (b"http://localhost/e/x", b"javascript:alert(1)", b"https://[::1"),
    b"Transfer-Encoding": (b"chunked",),
    b"Content-Encoding": (b"gzip",),
    b"Expect": (b"100-continue",),
    b"Cookie": (b"session=abc",),
}
"""Headers that Duck reads, and some that it must not stumble over."""


# -- Bodies ----------------------------------------------------------------------------------------------------------

_TYPES: Final[Bytes] = st.sampled_from(
    (
        b"application/json",
        b"application/json; charset=utf-8",
        b"application/json; charset=utf-16",
        b"application/problem+json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"multipart/form-data",
        b"multipart/form-data; boundary=\xc3\xa9",
        b"text/plain",
        b"text/plain; charset=latin-1",
        b"image/png",
        b";;;",
        b"",
    )
)

_PARTS: Final = (
    "--x\r\n",
    "--x--\r\n",
    "\r\n",
    'Content-Disposition: form-data; name="query"\r\n\r\nHello\r\n',
    'Content-Disposition: form-data; name="inputs"\r\n\r\n{"city": "Oslo"}\r\n',
    'Content-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x00\r\n',
    "Content-Disposition: form-data; name*=utf-8''qu%65ry\r\n\r\n\r\n",
    "Content-Disposition: form-data\r\n\r\nno name\r\n",
    "Content-Type: text/plain; charset=utf-7\r\nContent-Disposition: form-data; name=user\r\n\r\n+AGE-\r\n",
    "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
    "\x00\xff",
)


def _body(model: type[BaseModel], samples: Mapping[str, Text]) -> st.SearchStrategy[Body]:
    text = json_text.body_of(model, samples).map(lambda text: text.encode("utf-8", "surrogatepass"))
    form = _pairs(model).map(lambda pairs: urlencode(pairs, errors="replace").encode())
    parts = st.lists(st.sampled_from(_PARTS), max_size=8).map(lambda parts: "".join(parts).encode("latin-1"))
    content = st.one_of(
        text,
        text.map(lambda body: b"\xef\xbb\xbf" + body),
        text.map(lambda body: body.decode("utf-8", "replace").encode("utf-16")),
        json_text.ANY.map(lambda body: body.encode("utf-8", "surrogatepass")),
        form,
        parts,
        st.sampled_from((b"", b" ", b"0\r\n\r\n", b"query=%ff&inputs=%00")),
        st.just(10_001).map(lambda number: b"&" * number),
        st.binary(max_size=60),
    )
    return st.one_of(
        st.tuples(st.just(b"application/json"), text),
        st.tuples(st.just(b"application/x-www-form-urlencoded"), form),
        st.tuples(st.just(b"multipart/form-data; boundary=x"), parts),
        st.tuples(_TYPES, content),
    )


def _pairs(model: type[BaseModel] | None) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Fields of a form, or of a query string."""
    known = list(model.model_fields) if model else []
    names = st.one_of(st.sampled_from([*known, "inputs.city", "inputs.", "key", ""]), st.text(max_size=8))
    values = st.one_of(st.sampled_from(("Hello", "", "streaming", "blocking")), json_text.ANY, st.text(max_size=20))
    return st.lists(st.tuples(names, values), max_size=4)


# -- Kept requests, changed ------------------------------------------------------------------------------------------

_PLACES: Final = st.floats(0, 1)
"""Of a text, from its beginning to its end."""


def _inserted[T: (str, bytes)](text: T, place: float, piece: T) -> T:
    at = round(place * len(text))
    return text[:at] + piece + text[at:]


def _changed(kept: Sequence[bytes]) -> Bytes:
    pieces = st.one_of(
        st.binary(min_size=1, max_size=4), st.sampled_from((b"\r\n", b"%", b'"', b"\\u", b"\xef\xbb\xbf", b"/", b","))
    )
    edits = st.lists(st.tuples(_PLACES, st.integers(0, 4), pieces), min_size=1, max_size=4)
    return st.builds(_edited, st.sampled_from(kept), edits)


def _edited(raw: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """edits: where, how many bytes go, and what comes in their place."""
    for place, size, piece in edits:
        at = round(place * len(raw))
        raw = raw[:at] + piece + raw[at + size :]
    return raw
