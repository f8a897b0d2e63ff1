"""What somebody tries who means harm: in handles, headers, paths, origins, bodies and texts that come back."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from tests.plugin.conftest import Endpoints, Serve, listed, sent
from workbench.apps import DEMO_APPS

KEY: Final = "ann-key-0123456789abcdef"
AUTH: Final = f"X-API-Key: {KEY}".encode()
QUERY: Final = {"query": "x"}
LISTED: Final = "https://app.example.com"

SETTINGS: Final = {
    "access_keys": f"ann={KEY}",
    "apps": listed("echo", "agent", "workflow", "failing", "broken"),
    "cors_origins": f"{LISTED}, https://*.wild.example.com",
}
FULL: Final = {**SETTINGS, "detail": "full", "conversation_ids": "plain"}


@pytest.fixture(scope="module")
def ends(serve: Serve) -> Endpoints:
    return serve({"one": {"main": SETTINGS, "full": FULL, "crowded": SETTINGS}})


@pytest.fixture
def client(ends: Endpoints) -> Iterator[httpx.Client]:
    with ends.caller("main", KEY) as client:
        yield client


def reply_to(ends: Endpoints, request_line: str, *headers: bytes, body: bytes = b'{"query": "x"}') -> bytes:
    """All that came back, byte for byte."""
    with sent(ends.url("main"), request_line, *headers, body=body) as connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


# -- Handles -------------------------------------------------------------------------------------------------------

_URL_SAFE: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _slack(text: str) -> str:
    """The same bytes in another spelling: the last character of this base64 has bits that mean nothing."""
    return text[:-1] + _URL_SAFE[_URL_SAFE.index(text[-1]) ^ 1]


FORGERIES: Final[dict[str, Callable[[str, str, str, str], Any]]] = {
    "one character cut": lambda id_, mac, _, __: f"{id_}.{mac}"[:-1],
    "half the signature": lambda id_, mac, _, __: f"{id_}.{mac[:20]}",
    "no signature": lambda id_, _, __, ___: f"{id_}.",
    "no signature and no dot": lambda id_, _, __, ___: id_,
    "no id": lambda _, mac, __, ___: f".{mac}",
    "one character more": lambda id_, mac, _, __: f"{id_}.{mac}A",
    "padded": lambda id_, mac, _, __: f"{id_}==.{mac}=",
    "the id spelled otherwise": lambda id_, mac, _, __: f"{_slack(id_)}.{mac}",
    "the signature spelled otherwise": lambda id_, mac, _, __: f"{id_}.{_slack(mac)}",
    "in base64 once more": lambda id_, mac, _, __: base64.urlsafe_b64encode(f"{id_}.{mac}".encode()).decode(),
    "the id in hex": lambda id_, mac, _, __: f"{base64.urlsafe_b64decode(id_ + '==').hex()}.{mac}",
    "in capitals": lambda id_, mac, _, __: f"{id_}.{mac}".upper(),
    "with a space": lambda id_, mac, _, __: f" {id_}.{mac}",
    "with a newline": lambda id_, mac, _, __: f"{id_}.{mac}\n",
    "with a NUL": lambda id_, mac, _, __: f"{id_}.{mac}\x00",
    "percent-encoded": lambda id_, mac, _, __: f"{id_}%2E{mac}",
    "with a full-width dot": lambda id_, mac, _, __: f"{id_}\uff0e{mac}",
    "another's id": lambda _, mac, other, __: f"{other}.{mac}",
    "another's signature": lambda id_, _, __, other_mac: f"{id_}.{other_mac}",
    "two signatures": lambda id_, mac, _, other_mac: f"{id_}.{mac}.{other_mac}",
    "twice": lambda id_, mac, _, __: f"{id_}.{mac}{id_}.{mac}",
    "after itself": lambda id_, mac, _, __: f"{id_}.{id_}.{mac}",
    "a megabyte": lambda id_, mac, _, __: f"{id_}.{mac}" + "A" * 1_000_000,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_handle_that_was_changed_in_any_way_is_a_404(client: httpx.Client, name: str) -> None:
    handle, other = (client.post("/chat/echo", json=QUERY).json()["conversation_id"] for _ in range(2))
    id_, mac = handle.split(".")
    other_id, other_mac = other.split(".")
    forged = FORGERIES[name](id_, mac, other_id, other_mac)
    refused = client.post("/chat/echo", json={"query": "x", "conversation_id": forged})
    assert (refused.status_code, refused.json()["code"]) == (404, "conversation_not_found")
    for good in (handle, other):
        reply = client.post("/chat/echo", json={"query": "x", "conversation_id": good})
        assert reply.json()["answer"] == "You said: x (turn 2)"


@pytest.mark.parametrize("forged", [[], {}, 1, True, ["HANDLE"], {"id": "HANDLE"}], ids=repr)
def test_a_handle_of_another_type_is_a_400(client: httpx.Client, forged: object) -> None:
    refused = client.post("/chat/echo", json={"query": "x", "conversation_id": forged})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def test_strangers_who_hang_up_do_not_hold_up_a_caller(ends: Endpoints) -> None:
    for _ in range(3):  # each asks for a look into the storage, and leaves before its answer
        with sent(ends.url("crowded"), "POST /chat/echo", b"X-API-Key: duck-token-e30.e30"):
            time.sleep(0.05)
    began = time.monotonic()
    with ends.caller("crowded", KEY) as client:
        assert client.post("/chat/echo", json=QUERY).status_code == 200
    assert time.monotonic() - began < 5


# -- Headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"X-Request-Id: a%0d%0aX-Evil: 1", id="escaped"),
        pytest.param(b"X-Request-Id: a\\r\\nX-Evil: 1", id="escaped in another way"),
        pytest.param("X-Request-Id: a\u0085X-Evil: 1".encode(), id="U+0085"),
        pytest.param("X-Request-Id: a\u2028X-Evil: 1".encode(), id="U+2028"),
        pytest.param(b"X-Request-Id: a\tX-Evil: 1", id="a tab"),
        pytest.param(b"X-Request-Id: " + b"a" * 10_000, id="10 kB"),
        pytest.param(b"X-Request-Id: a=b caller=root error=", id="fields of the log"),
        pytest.param(b"X-Request-Id: <script>", id="a tag"),
        pytest.param(b"traceparent: 00-" + b"X-Evil: 1" + b"a" * 23 + b"-" + b"b" * 16 + b"-01", id="a trace"),
    ],
)
def test_an_odd_request_id_is_not_repeated(ends: Endpoints, line: bytes) -> None:
    head, _, body = reply_to(ends, "POST /chat/nowhere", AUTH, line).partition(b"\r\n\r\n")
    given = dict(part.split(b": ", 1) for part in head.split(b"\r\n")[1:])
    assert len(given[b"X-Request-Id"]) == 32
    assert given[b"X-Request-Id"].isalnum()
    assert json.loads(body)["request_id"].encode() == given[b"X-Request-Id"]
    assert b"Evil" not in head + body


LINE_ENDS: Final = {
    "CR": b"\r",
    "LF": b"\n",
    "a folded line": b"\r\n ",
    "NUL": b"\x00",
    "a tab": b"\t",
    "U+0085": "\u0085".encode(),
    "U+2028": "\u2028".encode(),
    "percent-encoded": b"%0d%0a",
    "escaped": b"\\r\\n",
}
"""The first four no host lets through; the others arrive."""


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize(
    "header",
    [
        b"X-Request-Id: a",
        b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
        b"Origin: " + LISTED.encode(),
        b"Access-Control-Request-Headers: authorization",
        b"Dify-Hook-Url: https://dify.example.com",
        b"X-Original-Host: dify.example.com",
        b"Accept: text/plain",
    ],
    ids=lambda header: header.partition(b":")[0].decode(),
)
def test_no_line_end_in_a_header_makes_a_header_of_the_reply(ends: Endpoints, header: bytes, end: str) -> None:
    origin = b"Origin: " + LISTED.encode()
    asking = [line for line in (b"Access-Control-Request-Method: POST", origin) if not header.startswith(b"Origin")]
    reply = reply_to(ends, "OPTIONS /chat/echo", *asking, header + LINE_ENDS[end] + b"X-Evil: 1", body=b"")
    head = reply.partition(b"\r\n\r\n")[0].decode()
    assert status_of(reply) == (400 if end in ("CR", "LF", "a folded line", "NUL") else 204)
    assert not [line for line in head.splitlines() if line.lower().startswith("x-evil")]
    assert reply.count(b"HTTP/1.") == 1


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"Transfer-Encoding: chunked"], id="two framings"),
        pytest.param([b"Transfer-Encoding : chunked"], id="a space before the colon"),
        pytest.param([b"Transfer-Encoding: xchunked"], id="an unknown coding"),
        pytest.param([b"Content-Length: 0"], id="two lengths"),
        pytest.param([b"Content-Length: +13"], id="a length with a sign"),
    ],
)
def test_a_request_hidden_in_anothers_body_is_never_answered(ends: Endpoints, lines: list[bytes]) -> None:
    hidden = b"0\r\n\r\nGET /e/main/healthz HTTP/1.1\r\nHost: h\r\nX-Request-Id: smuggled\r\n\r\n"
    reply = reply_to(ends, "POST /chat/echo", AUTH, *lines, body=hidden)
    assert status_of(reply) == 400
    assert b"smuggled" not in reply
    assert reply.count(b"HTTP/1.") == 1


@pytest.mark.parametrize(
    "host",
    [b"evil.example/<script>", b'evil.example"onload="x', b"javascript:alert(1)//", b"evil.example\\@x"],
    ids=repr,
)
def test_a_forged_host_or_hook_url_gets_no_markup_and_no_redirect(ends: Endpoints, host: bytes) -> None:
    for line in (b"Dify-Hook-Url: https://" + host, b"Dify-Hook-Url: " + host, b"X-Original-Host: " + host):
        for path in ("GET /", "GET /duck/echo?query=x", "GET /nothing"):
            head, _, body = reply_to(ends, path, AUTH, line).partition(b"\r\n\r\n")
            assert b"location:" not in head.lower()
            assert host not in head + body


# -- Paths ---------------------------------------------------------------------------------------------------------

ECHO: Final = DEMO_APPS["echo"]


@pytest.mark.parametrize(
    "path",
    [
        "/chat/%2e%2e/echo",
        "/chat/..%2fecho",
        "/chat/%252e%252e%252fecho",
        "/../full/chat/echo",
        "/%2e%2e/full/chat/echo",
        "/chat/echo/..",
        "/chat/./echo",
        "/chat/..;/echo",
        "/chat/echo%20",
        "/chat/%20echo",
        "/chat/echo%09",
        "/chat/echo;x=1",
        "/chat/echo%3Fquery=x",
        "/chat/echo%23",
        "/chat/echo%5C",
        "/chat/%5C..%5Cecho",
        "/chat/ECHO",
        "/CHAT/echo",
        "/chat/e%CC%81cho",
        "/chat/%EF%BD%85cho",
        "/chat/echo%E2%80%8B",
        "/chat/%E2%80%AEohce",
        "/chat/%D0%B5cho",
        "/chat/*",
        "/chat/__class__",
        "/chat/" + "%F0%9F%A6%86" * 500,
        "/chat/" + "a" * 100_000,
        f"/chat/%7B{ECHO}%7D",
        f"/chat/urn:uuid:{ECHO}",
        f"/chat/{ECHO}%20",
        "/chat/echo/v1/chat/completions",
        "//%2Fevil.example/chat/echo",
    ],
)  # fmt: skip
def test_no_trick_in_a_path_reaches_an_app_or_shows_what_is_inside(ends: Endpoints, path: str) -> None:
    for known in ((AUTH,), ()):
        reply = reply_to(ends, f"POST {path}", *known)
        head, _, body = reply.partition(b"\r\n\r\n")
        assert status_of(reply) in ((404,) if known else (401, 404))
        assert json.loads(body)["code"] in ("not_found", "app_not_found", "unauthorized")
        assert b"location:" not in head.lower()


@pytest.mark.parametrize(
    "path",
    [
        "//chat//echo",
        "/chat/echo/",
        "/chat/ech%6F",
        "/%63hat/echo",
        "/%2Fchat%2Fecho",
        f"/chat/{ECHO.upper()}",
        f"/chat/{ECHO.replace('-', '')}",
    ],
)
def test_another_spelling_of_a_path_asks_for_a_key_as_the_usual_one_does(ends: Endpoints, path: str) -> None:
    assert status_of(reply_to(ends, f"POST {path}")) == 401
    assert status_of(reply_to(ends, f"POST {path}", AUTH)) == 200


# -- Origins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.example.com",
        "https://app.example.com:444",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
        "https://evil.example/https://app.example.com",
        "https://app.example.com@evil.example",
        "https://app.example.com/",
        "https://app.example.com.",
        "https://app.example.com%00.evil.example",
        "https://app.example.com,https://evil.example",
        "https://app.example.com https://evil.example",
        "HTTPS://APP.EXAMPLE.COM",
        "//app.example.com",
        "app.example.com",
        "https://\u0430pp.example.com",
        "https://wild.example.com",
        "https://evilwild.example.com",
        "https://.wild.example.com",
        "https://a.wild.example.com.evil.example",
        "https://evil.example/.wild.example.com",
        "https://evil.example?.wild.example.com",
        "https://evil.example#.wild.example.com",
        "https://a@b.wild.example.com",
        "https://evil.example\\.wild.example.com",
        "https://*.wild.example.com",
        "https://" + "a." * 5000 + "wild.example.com!",
        "null",
        "*",
    ],
    ids=lambda origin: origin[:50],
)
def test_an_origin_that_only_looks_like_a_listed_one_gets_nothing(ends: Endpoints, origin: str) -> None:
    line = b"Origin: " + origin.encode()
    asked = b"Access-Control-Request-Method: POST"
    preflight = reply_to(ends, "OPTIONS /chat/echo", line, asked, body=b"")
    with_key = reply_to(ends, "POST /chat/nowhere", line, AUTH)
    basic = b"Authorization: Basic " + base64.b64encode(f"me:{KEY}".encode())
    with_password = reply_to(ends, "POST /chat/echo", line, basic)
    assert [status_of(reply) for reply in (preflight, with_key, with_password)] == [204, 404, 403]
    for reply in (preflight, with_key, with_password):
        assert b"access-control" not in reply.partition(b"\r\n\r\n")[0].lower()


# -- Bodies --------------------------------------------------------------------------------------------------------


def _deep(levels: int) -> bytes:
    return b'{"query": "x", "inputs": {"a": ' + b"[" * levels + b"]" * levels + b"}}"


BOMBS: Final = [
    pytest.param(_deep(98), 200, id="as deep as may be"),
    pytest.param(_deep(99), 400, id="one level deeper"),
    pytest.param(_deep(100_001), 413, id="100,001 levels"),
    pytest.param(b'{"a":' * 100_000, 400, id="100,000 levels that never end"),
    pytest.param(b'{"query": "x", "inputs": {"a": ' + b"9" * 1_000_000 + b"}}", 400, id="a number of a million digits"),
    pytest.param(b'{"query": "x", "inputs": {"a": -1e999999999}}', 400, id="a number without end"),
    pytest.param(b'{"query": "x", "inputs": {"a": Infinity}}', 400, id="infinity"),
    pytest.param(b'{"query": "x", "query": "y"}', 400, id="a name twice"),
    pytest.param(b'{"query": "x", "inputs": {"a": 1, "\\u0061": 2}}', 400, id="a name twice in two spellings"),
    pytest.param(b'{"query": "x", "inputs": {"a": {"b": 1, "b": 2}}}', 400, id="a name twice deep inside"),
    pytest.param(b'{"query": "\\ud800"}', 400, id="half a character"),
    pytest.param(b'{"query": "x"}{"query": "y"}', 400, id="two objects"),
    pytest.param(b'{"query": "x", "__proto__": {"access": "open"}}', 400, id="a prototype"),
    pytest.param(
        b'{"query": "x", "inputs": {%s}}' % b",".join(b'"%d":1' % n for n in range(501)), 400, id="501 inputs"
    ),
    pytest.param(b'{"query": "x", "inputs": {"a": [%s]}}' % b",".join([b"{}"] * 300_000), 413, id="300,000 objects"),
    pytest.param(b'{"query": "%s"}' % (b"\\u0000" * 1_000_000), 413, id="a line that would end the plugin"),
]


@pytest.mark.parametrize(("body", "status"), BOMBS)
def test_a_body_that_means_harm_is_refused_and_the_next_request_served(
    ends: Endpoints, client: httpx.Client, body: bytes, status: int
) -> None:
    process = ends.workbench.plugin_pid()
    for body_type in ("application/json", "application/x-www-form-urlencoded"):  # as curl -d says
        reply = client.post("/chat/echo", content=body, headers={"Content-Type": body_type})
        assert reply.status_code == status, reply.text[:300]
    began = time.monotonic()
    assert client.get("/healthz").status_code == 200
    assert time.monotonic() - began < 5
    assert ends.workbench.plugin_pid() == process


@pytest.mark.parametrize(
    "field",
    [b'{"a": 1, "a": 2}', b"[" * 100_000, b"NaN", b'{"a": 1e999}', b'{"a": "\\ud800"}'],
    ids=lambda f: repr(f[:20]),
)
def test_json_inside_a_form_is_read_as_strictly(client: httpx.Client, field: bytes) -> None:
    for request in (
        {"data": {"query": "x", "inputs": field}},
        {"files": {"query": (None, "x"), "inputs": (None, field)}},
    ):
        reply = client.post("/chat/echo", **request)
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request")


# -- Markup --------------------------------------------------------------------------------------------------------

MARKUP: Final = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&lt;b&gt;<!--]]>"


@pytest.mark.parametrize("hook", ["main", "full"])
@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        pytest.param("GET", "/duck/echo", {"params": {"query": MARKUP}}, id="an answer, by the address"),
        pytest.param("POST", "/duck/echo", {"json": {"query": MARKUP}}, id="an answer"),
        pytest.param("POST", "/duck/agent", {"json": {"query": MARKUP}}, id="an agent's answer"),
        pytest.param("POST", "/duck/workflow", {"json": {"inputs": {"text": MARKUP}}}, id="an output"),
        pytest.param("POST", "/duck/failing", {"json": {"inputs": {"text": MARKUP}}}, id="an app that fails"),
        pytest.param("POST", "/duck/echo", {"json": {MARKUP: 1}}, id="an unknown member"),
        pytest.param("POST", "/duck/echo", {"data": [(MARKUP, "1"), (MARKUP, "2")]}, id="a field"),
        pytest.param("POST", "/duck/echo", {"content": b"x", "headers": {"Content-Type": MARKUP}}, id="a type"),
        pytest.param("POST", "/duck/echo", {"json": {"query": "x", "conversation_id": MARKUP}}, id="a conversation"),
        pytest.param("POST", "/duck/echo", {"content": b'{"query": ' + MARKUP.encode()}, id="no JSON"),
        pytest.param("GET", "/duck/%3Cscript%3Ealert(1)%3C%2Fscript%3E", {}, id="an app's name"),
        pytest.param("GET", "/%3Cscript%3Ealert(1)%3C%2Fscript%3E", {}, id="a path"),
    ],
)  # fmt: skip
def test_no_character_of_a_text_becomes_markup(
    ends: Endpoints, hook: str, method: str, path: str, given: dict[str, Any]
) -> None:
    with ends.caller(hook, KEY) as client:
        if "data" in given:
            given = {
                "content": str(httpx.QueryParams(given["data"])),
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            }
        reply = client.request(method, path, **given)
    assert reply.headers["x-content-type-options"] == "nosniff"
    if reply.headers["content-type"].startswith("text/html"):
        assert reply.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert "<" not in reply.text.replace(" <br>", "")
        assert ">" not in reply.text.replace(" <br>", "")
    else:
        assert reply.headers["content-type"] in ("application/json", "application/problem+json")


def test_the_answer_itself_arrives_as_it_was(ends: Endpoints) -> None:
    with ends.caller("main", KEY) as client:
        page = client.post("/duck/echo", json={"query": MARKUP}).text
    events = [json.loads(part) for part in page.split(" <br>") if part.strip()]
    assert MARKUP in "".join(event.get("answer", "") for event in events)
