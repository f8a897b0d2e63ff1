"""What a test may do to the Service API, and what a client then sees."""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpcore
import httpx
import pytest

from workbench.service_api import frames, server

if TYPE_CHECKING:
    from tests.workbench.service_api.conftest import Service

WHOLE = [
    ("failing", 500, "application/json", b'{"message":"Internal Server Error","code":"unknown","status":500}\n'),
    (
        "unauthorized",
        401,
        "application/json",
        b'{"code":"unauthorized","message":"Access token is invalid","status":401}\n',
    ),
    ("html", 502, "text/html; charset=utf-8", b"<title>502 Bad Gateway</title>"),
    ("page", 200, "text/html; charset=utf-8", b"<title>Sign in</title>"),
]


@pytest.mark.parametrize(("kind", "status", "content_type", "part"), WHOLE, ids=[row[0] for row in WHOLE])
def test_an_answer_is_replaced_on_every_route(
    service: "Service", kind: str, status: int, content_type: str, part: bytes
) -> None:
    service.control("POST", kind=kind)
    for answer in (service.run("echo"), service.get("echo", "/info")):
        assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
        assert part in answer.content


def test_a_redirect_leads_to_a_path_where_a_follower_is_seen(service: "Service") -> None:
    service.control("POST", "echo", kind="redirect")
    answer = service.run("echo")
    assert (answer.status_code, answer.headers["location"]) == (307, server.REDIRECTED_TO)
    service.http.get(answer.url.join(answer.headers["location"]))
    assert [request["path"] for request in service.control()["requests"]] == ["/chat-messages", server.REDIRECTED_TO]


def test_a_connection_is_closed_without_an_answer(service: "Service") -> None:
    service.control("POST", kind="closing")
    with pytest.raises(httpx.RemoteProtocolError):
        service.run("echo")
    assert len(service.control()["requests"]) == 1


def test_a_dify_that_is_down_refuses_connections_closes_those_it_has_and_comes_back(service: "Service") -> None:
    run = service.begin("endless")
    run.next_event()
    service.control("POST", kind="down")
    with pytest.raises(httpx.TransportError):
        run.rest()
    run.leave()
    with pytest.raises(httpx.ConnectError):
        service.get("echo", "/info")
    service.wait_until(lambda shown: shown["connections"] == 0)
    service.control("POST")
    assert service.get("echo", "/info").status_code == 200


def test_nobody_else_gets_the_port_of_a_dify_that_is_down(service: "Service") -> None:
    service.control("POST", kind="down")
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", service.api.port))


BROKEN_OFF: list[tuple[str, int, Callable[[bytes, list[bytes]], bool], bool]] = [
    ("cut", 0, lambda got, _: got == b"", True),
    ("cut", 2, lambda got, frames: got == b"".join(frames[:2]), True),
    ("half", 2, lambda got, frames: got == b"".join(frames[:2]) + frames[2][: len(frames[2]) // 2], True),
    ("ending", 2, lambda got, frames: got == b"".join(frames[:2]), False),
]


@pytest.mark.parametrize(
    ("kind", "after", "is_right", "breaks"), BROKEN_OFF, ids=[f"{row[0]} after {row[1]}" for row in BROKEN_OFF]
)
def test_a_stream_goes_wrong_after_so_many_frames(
    service: "Service", kind: str, after: int, is_right: Callable[[bytes, list[bytes]], bool], *, breaks: bool
) -> None:
    # A recording: two runs of it are the same.
    alias = "recorded-chat"
    frames = [frame + b"\n\n" for frame in service.run(alias).content.split(b"\n\n")[:-1]]
    service.control("POST", alias, kind=kind, after=after)
    got, broke = b"", False
    body = {"query": "hi", "inputs": {}, "user": "ann", "response_mode": "streaming"}
    url = service.api.url + "/chat-messages"
    with service.http.stream("POST", url, headers=service.key(alias), json=body) as response:
        assert response.status_code == 200
        try:
            for chunk in response.iter_raw():
                got += chunk
        except httpx.RemoteProtocolError:
            broke = True
    assert is_right(got, frames)
    assert broke is breaks


def test_a_stream_hangs_without_a_ping_until_its_client_leaves(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "PING_SECONDS", 0.05)
    before = service.control()["connections"]
    service.control("POST", "endless", kind="hanging", after=1)
    run = service.begin("endless")
    # Kept, for a dropped iterator closes the response.
    pieces = run.response.iter_raw()
    assert next(pieces).endswith(b"\n\n")
    with pytest.raises(httpcore.ReadTimeout):
        run.response.extensions["network_stream"].read(1, timeout=0.5)
    run.leave()
    service.wait_until(lambda shown: shown["busy"] == 0 and shown["connections"] == before)


def test_a_mislabelled_stream_is_otherwise_right(service: "Service") -> None:
    right = service.run("recorded-chat").content
    service.control("POST", kind="mislabelled")
    answer = service.run("recorded-chat")
    assert (answer.headers["content-type"], answer.content) == ("application/octet-stream", right)


@pytest.mark.parametrize(
    ("fault", "alias", "least"),
    [
        ({"delay": 0.3}, "echo", 0.3),
        ({"gap": 0.1}, "recorded-chat-err0", 0.1),
        ({"gap": 0.1}, "recorded-workflow-missing", 0.3),
    ],
    ids=["before the answer", "before the only frame", "before each of three frames"],
)
def test_an_answer_is_slow(service: "Service", fault: dict[str, Any], alias: str, least: float) -> None:
    service.control("POST", None, **fault)
    assert service.run(alias).elapsed.total_seconds() >= least


def test_an_apps_own_fault_comes_before_that_of_all(service: "Service") -> None:
    service.control("POST", kind="failing")
    service.control("POST", "echo", kind="html")
    service.control("POST", "agent")
    assert [service.get(alias, "/info").status_code for alias in ("echo", "agent", "workflow")] == [502, 200, 500]


def test_a_fault_may_be_for_some_paths_only(service: "Service") -> None:
    service.control("POST", kind="failing", path="/chat")
    assert [service.get("echo", "/info").status_code, service.run("echo").status_code] == [200, 500]


def test_healing_ends_all_faults_and_forgets_requests_and_runs(service: "Service") -> None:
    service.run("echo")
    service.control("POST", "echo", kind="failing")
    service.control("POST", kind="down")
    shown = service.control("DELETE")
    assert (shown["faults"], shown["requests"], shown["runs"]) == ({}, [], [])
    assert service.get("echo", "/info").status_code == 200


def test_requests_are_shown_as_they_came_without_a_key(service: "Service") -> None:
    body = {"query": "hi", "inputs": {"a": 1}, "user": "ann", "response_mode": "streaming"}
    service.post("echo", "/chat-messages?x=1", json=body, headers={"User-Agent": "ua", "Cookie": "c=1"})
    service.post("mirror", "/files/upload", files={"file": ("a.png", b"xyz", "image/png")}, data={"user": "bob"})
    service.get("nobody", "/info", user="eve")
    shown = service.control()
    chat, upload, info = shown["requests"]
    assert chat == {
        "method": "POST",
        "path": "/chat-messages",
        "query": {"x": "1"},
        "app": "echo",
        "user": "ann",
        "headers": {
            "content-type": "application/json",
            "accept": "*/*",
            "user-agent": "ua",
            "connection": "keep-alive",
            "cookie": "c=1",
        },
        "body": body,
    }
    assert upload["body"] == {"user": "bob", "file": {"filename": "a.png", "content_type": "image/png", "size": 3}}
    assert (upload["app"], upload["user"]) == ("mirror", "bob")
    assert (info["app"], info["user"], info["body"]) == (None, "eve", None)
    assert "app-demo-key" not in str(shown["requests"])


def test_runs_and_connections_are_counted(service: "Service") -> None:
    before = service.control()["connections"]
    runs = [service.begin("endless", user=f"u{number}") for number in range(3)]
    task_ids = [run.next_event()["task_id"] for run in runs]
    shown = service.control()
    assert (shown["connections"], shown["busy"]) == (before + 3, 3)
    assert shown["runs"] == [
        {"app": "endless", "user": f"u{number}", "way": "service", "task_id": task_ids[number], "state": "running"}
        for number in range(3)
    ]
    for run in runs:
        run.leave()
    shown = service.wait_until(lambda shown: shown["connections"] == before and shown["busy"] == 0)
    assert [run["state"] for run in shown["runs"]] == ["abandoned"] * 3
    service.run("echo")
    service.run("broken")
    assert [run["state"] for run in service.control()["runs"][3:]] == ["ended", "ended"]


@pytest.mark.parametrize(
    ("alias", "fault", "status"),
    [
        (None, {"kind": "nonsense"}, 400),
        (None, {"delay": -1}, 400),
        (None, {"wrong": 1}, 400),
        ("echo", {"kind": "down"}, 400),
        ("nobody", {}, 404),
    ],
    ids=["an unknown kind", "a negative delay", "an unknown member", "one app down", "an unknown app"],
)
def test_a_fault_that_can_not_be_is_refused(
    service: "Service", alias: str | None, fault: dict[str, Any], status: int
) -> None:
    params = {"app": alias} if alias else {}
    assert service.http.post(service.control_url, params=params, json=fault).status_code == status
    assert service.control()["faults"] == {}
