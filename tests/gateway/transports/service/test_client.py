import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.errors import DuckError
from gateway.transports.service import client
from gateway.transports.service.client import Question, replied
from tests.gateway.transports.loopback import Do, Loopback, Received, Step, json_reply, reply

KEY: Final = "app-secretkey42"
ASK: Final = Question("GET", "/info")


def serving(*steps: Step, tls: ssl.SSLContext | None = None) -> Loopback:
    return Loopback(lambda _: iter(steps), tls)


def status_of(url: str, question: Question = ASK) -> int:
    with replied(url, KEY, question) as response:
        response.read()
        return response.status_code


def code_of(url: str) -> str:
    with pytest.raises(DuckError) as told:
        status_of(url)
    return told.value.code


def test_a_redirect_is_not_followed() -> None:
    elsewhere = serving(json_reply(200, {}))
    server = serving(reply(307, "text/html", b"", f"Location: {elsewhere.url}"))
    assert status_of(server.url, Question("POST", "/chat-messages", content=b"{}")) == 307
    assert elsewhere.connections == 0


def test_no_cookie_is_kept_for_whoever_calls_next() -> None:
    server = serving(reply(200, "application/json", b"{}", "Set-Cookie: session=of-another; Path=/"))
    for _ in range(2):
        status_of(server.url)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


def test_each_address_has_one_client() -> None:
    servers = [serving(json_reply(200, {})), serving(json_reply(200, {}))]
    for server in [*servers, *servers]:
        status_of(server.url)
    assert [len(server.requests) for server in servers] == [2, 2]
    assert client._pooled(servers[0].url) is client._pooled(servers[0].url)
    assert client._pooled(servers[0].url) is not client._pooled(servers[1].url)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_proxy_of_the_environment_is_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serving(json_reply(200, {}))
    monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert status_of("http://dify.invalid/v1") == 200
    assert [request.target for request in proxy.requests] == ["http://dify.invalid/v1/info"]


def test_a_host_that_needs_no_proxy_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serving(json_reply(500, {})), serving(json_reply(200, {}))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert status_of(server.url) == 200
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/no/such/file.pem"),
        ("SSL_CERT_FILE", __file__),
        ("HTTPS_PROXY", "ftp://127.0.0.1:1"),
        ("HTTP_PROXY", "http://127.0.0.1:port"),
    ],
    ids=["no file of certificates", "a file without one", "a proxy of no known kind", "a proxy without a port"],
)
def test_an_environment_that_can_not_be_used_is_told(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(json_reply(200, {}))
    monkeypatch.setenv(name, value)
    assert code_of(server.url) == "misconfigured"
    assert server.connections == 0


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    assert code_of("http://dify.invalid/v1") == "dify_unreachable"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of an authority that nobody knows, for 127.0.0.1, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=private", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "-", "-out", "-"]
    done = subprocess.run(["openssl", "req", *made, *subject], check=True, capture_output=True)
    path.write_bytes(done.stdout)
    return path


def tls_server(certificate: Path) -> Loopback:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return serving(json_reply(200, {}), tls=context)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    server = tls_server(certificate)
    with pytest.raises(DuckError) as told:
        status_of(server.url)
    assert told.value.code == "dify_unreachable"
    assert "SSL_CERT_FILE" in told.value.remedy
    assert server.requests == []


def test_a_private_authority_is_trusted_by_the_environment(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert status_of(tls_server(certificate).url) == 200


def test_a_certificate_of_another_host_is_refused(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = tls_server(certificate)
    assert code_of(f"https://localhost:{server.port}/v1") == "dify_unreachable"
    assert server.requests == []


def test_a_call_that_finds_no_free_connection_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "POOL_SIZE", 1)
    monkeypatch.setattr(client, "POOL_WAIT", 0.05)
    server = serving(json_reply(200, {}))
    with replied(server.url, KEY, ASK):
        assert code_of(server.url) == "dify_busy"
    assert len(server.requests) == 1
    assert status_of(server.url) == 200


def test_an_idle_connection_that_was_closed_in_the_meantime_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "IDLE_CONNECTIONS", 10)
    monkeypatch.setattr(client, "IDLE", 600.0)

    def answer(_: Received) -> Iterator[Step]:
        yield json_reply(200, {})
        yield Do.CLOSE

    server = Loopback(answer)
    for number in range(1, 4):
        assert status_of(server.url) == 200
        server.wait_until_open(0)
        assert (len(server.requests), server.connections) == (number, number)
