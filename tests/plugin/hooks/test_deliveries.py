"""Signed webhooks at the running plugin: each sender's, to a chat and to a workflow, once each."""

import json
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, Final

import httpx
import pytest

from tests.gateway.hooks.senders import GENERIC_ENTRY, SENDERS, Sender
from tests.plugin.conftest import Endpoints, Serve, sent
from workbench.apps import DEMO_APPS, TEST_APPS

SLOW_SECONDS: Final = 3
"""The silence of the app `slow`: time enough for what has to happen while it runs."""

WAIT: Final = 30.0
"""Seconds until what must come soon has come, on a machine with much else to do."""

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
GITHUB: Final = SENDERS["github"]


def _apps() -> str:
    reply = "reply: {form: text, succeeded: 201, failed: {status: 200, body: sorry}}"
    hooks = {
        "echo": f"{{signature: {GENERIC_ENTRY}}}",
        "workflow": f"{{signature: {GENERIC_ENTRY}}}",
        "fixed": "{reply: {output: text}}",
        "steps": f"{{{reply}}}",
        "failing": f"{{{reply}}}",
        "form": "{inputs: {name: user.name}, headers: {about: X-About}, body: config}",
    }
    apps = {**DEMO_APPS, **TEST_APPS}
    return ", ".join(f"{alias}: {{app_id: {app_id}, hook: {hooks.get(alias, '{}')}}}" for alias, app_id in apps.items())


SETTINGS: Final[Mapping[str, Any]] = {
    "access_keys": "ann-key-0123456789abcdef",
    "apps": f"{{{_apps()}}}",
    "webhook_secrets": ", ".join(
        [f"{alias}={sender.setting}" for alias in ("echo", "workflow") for sender in SENDERS.values()]
        + [
            f"{alias}=github:{GITHUB.secret}"
            for alias in ("fixed", "steps", "failing", "broken", "paused", "slow", "form", "mirror", "nowhere")
        ]
        + [f"slow={SENDERS['slack'].setting}"]
    ),
}
WORKSPACES: Final = {
    "one": {
        "hooks": SETTINGS,
        "keyed": {**SETTINGS, "dify_api_url": "{service_api}", "dify_api_keys": "mirror=app-demo-key-mirror"},
        "hurried": {**SETTINGS, "run_timeout": "1s"},
        "without": {**SETTINGS, "webhook_secrets": ""},
    }
}


class Receiver:
    """The endpoints, as senders reach them, and what Dify is asked meanwhile."""

    def __init__(self, ends: Endpoints) -> None:
        self._ends = ends
        self._state = ends.workbench.url.partition("/e/")[0] + "/workbench/service-api"

    def url(self, hook: str = "hooks") -> str:
        return self._ends.url(hook)

    def deliver(
        self,
        alias: str,
        body: str | bytes,
        sender: Sender = GITHUB,
        *,
        hook: str = "hooks",
        headers: Mapping[str, str] = NOTHING,
        at: float = 0,
        **more: Any,
    ) -> httpx.Response:
        """The response to a delivery, signed as many seconds from now."""
        text = body if isinstance(body, str) else body.decode()
        signed = {"Content-Type": "application/json", **sender.headers(text, time.time() + at, **more), **headers}
        return httpx.post(f"{self.url(hook)}/hooks/{alias}", content=body, headers=signed, timeout=60, verify=False)

    def runs(self, alias: str = "") -> list[dict[str, Any]]:
        """What Dify has been asked to run, of this app or of all."""
        runs: list[dict[str, Any]] = httpx.get(self._state, timeout=60).json()["runs"]
        return [run for run in runs if not alias or run["app"] == alias]

    def asked(self) -> tuple[int, int]:
        """How often Dify, and the storage, were asked for anything."""
        return len(self.runs()), sum(self._ends.storage("one")["calls"].values())

    def until_runs(self, alias: str, count: int, state: str = "running") -> None:
        deadline = time.monotonic() + WAIT
        while [run["state"] for run in self.runs(alias)].count(state) < count:
            assert time.monotonic() < deadline, self.runs(alias)
            time.sleep(0.02)

    def restart(self) -> None:
        self._ends.restart_plugin()


@pytest.fixture(scope="module")
def receiver(serve: Serve) -> Receiver:
    return Receiver(serve(WORKSPACES, "--control", "--env", f"WORKBENCH_SLOW_SECONDS={SLOW_SECONDS}"))


def told(response: httpx.Response) -> tuple[int, Any]:
    return response.status_code, response.json()


DUPLICATE: Final = (200, {"status": "duplicate"})
RUNNING: Final = (202, {"status": "running"})

each_sender = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)


@each_sender
def test_a_chat_and_a_workflow_run_once_for_each_delivery_and_not_at_all_for_anything_else(
    receiver: Receiver, sender: Sender
) -> None:
    name = {"stripe": "id", "slack": "event_id"}.get(sender.scheme, "name")
    body, id_ = json.dumps({name: f"evt_{sender.scheme}", "text": "Grüße"}), f"msg_{sender.scheme}"
    for alias, answer in (("echo", f"You said: {body} (turn 1)"), ("workflow", "You wrote: Grüße")):
        status, reply = told(receiver.deliver(alias, body, sender, at=-9, id_=id_))
        assert (status, reply["answer"], reply["status"]) == (200, answer, "succeeded")
        before = receiver.runs(alias)
        again = receiver.deliver(alias, body, sender, id_=id_)
        assert told(again) == DUPLICATE
        assert receiver.runs(alias) == before
    before_all = receiver.asked()
    refused = [
        receiver.deliver("echo", body + " ", sender, headers=sender.headers(body, time.time())),
        receiver.deliver("echo", body, sender, secret=sender.other_secret),
        receiver.deliver("gallery", body, sender),
        receiver.deliver("nobody", body, sender),
        receiver.deliver("echo", body, sender, headers=dict.fromkeys(sender.headers(body, 0), "")),
        *([receiver.deliver("echo", body, sender, at=at) for at in (-310, 310)] if sender.signs_time else []),
    ]
    assert [response.status_code for response in refused] == [401] * len(refused)
    assert len({response.json()["detail"] for response in refused}) == 1
    assert receiver.asked() == before_all


def test_without_secrets_there_is_no_such_path(receiver: Receiver) -> None:
    before = receiver.asked()
    assert receiver.deliver("echo", "{}", hook="without").status_code == 404
    assert receiver.asked() == before


def test_one_that_has_failed_runs_again_and_is_told_as_its_operator_wants(receiver: Receiver) -> None:
    for alias, expected in (("broken", (502, "application/problem+json")), ("failing", (200, "text/plain"))):
        for _ in range(2):
            response = receiver.deliver(alias, "{}")
            assert (response.status_code, response.headers["Content-Type"].partition(";")[0]) == expected
        assert [run["state"] for run in receiver.runs(alias)][-2:] == ["ended", "ended"]
    assert receiver.deliver("failing", "{}").text == "sorry"
    assert receiver.deliver("nowhere", "{}").status_code == 502


def test_replies_are_as_the_operator_has_said(receiver: Receiver) -> None:
    fixed, steps = receiver.deliver("fixed", "{}"), receiver.deliver("steps", "{}")
    assert (fixed.status_code, fixed.headers["Content-Type"]) == (200, "application/json")
    assert isinstance(fixed.json(), str)
    assert (steps.status_code, steps.text) == (201, "Done in 3 steps.")
    paused = receiver.deliver("paused", "{}")
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    assert told(receiver.deliver("paused", "{}")) == DUPLICATE


def test_slacks_challenge_is_answered_and_its_retries_run_nothing(receiver: Receiver) -> None:
    slack, before = SENDERS["slack"], receiver.asked()
    challenge = '{"type": "url_verification", "challenge": "3eZbrw1a", "token": "t"}'
    assert told(receiver.deliver("slow", challenge, slack)) == (200, {"challenge": "3eZbrw1a"})
    assert receiver.asked() == before
    body = '{"type": "event_callback", "event_id": "Ev_left", "text": "hi"}'
    headers = {"Content-Type": "application/json", **slack.headers(body, time.time())}
    lines = [f"{name}: {value}".encode() for name, value in headers.items()]
    first: socket.socket = sent(receiver.url(), "POST /hooks/slow", *lines, body=body.encode())
    receiver.until_runs("slow", 1)
    first.close()  # as Slack does after 3 s
    retry = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    assert told(receiver.deliver("slow", body, slack, headers=retry, at=1)) == RUNNING
    assert len(receiver.runs("slow")) == 1


def test_two_equal_deliveries_at_once_run_once(receiver: Receiver) -> None:
    known = len(receiver.runs("slow"))
    with ThreadPoolExecutor(4) as pool:
        replies = [told(reply) for reply in pool.map(lambda _: receiver.deliver("slow", '{"n": "twice"}'), range(4))]
    assert sorted(status for status, _ in replies) == [200, 202, 202, 202]
    assert [reply for reply in replies if reply[0] == 202] == [RUNNING] * 3
    assert len(receiver.runs("slow")) == known + 1
    assert told(receiver.deliver("slow", '{"n": "twice"}')) == DUPLICATE


def test_a_run_that_is_given_up_is_told_and_runs_again(receiver: Receiver) -> None:
    for _ in range(2):
        status, problem = told(receiver.deliver("slow", "{}", hook="hurried"))
        assert (status, problem["code"]) == (504, "run_timeout")


MULTIPART: Final = "multipart/form-data; boundary=x"


def _form(*parts: tuple[str, str]) -> str:
    bodies = "".join(f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n" for head, content in parts)
    return f"{bodies}--x--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json", '{"text": "JSON"}', "JSON"),
        ("application/x-www-form-urlencoded", "text=a+form", "a form"),
        ("application/x-www-form-urlencoded", "payload=%7B%22text%22%3A%22payload%22%7D", "payload"),
        ("text/plain", "plain text", "plain text"),
        ("application/xml", "<a/>", "<a/>"),
        (MULTIPART, _form(('name="text"', "multipart")), "multipart"),
    ],
)
def test_a_body_of_any_kind_reaches_the_workflow(receiver: Receiver, content_type: str, body: str, text: str) -> None:
    status, reply = told(receiver.deliver("workflow", body, headers={"Content-Type": content_type}))
    assert (status, reply["outputs"]) == (200, {"text": f"You wrote: {text}"})


def test_a_file_reaches_an_app_with_a_key_of_its_own_and_no_other(receiver: Receiver) -> None:
    body = _form(('name="query"', "look"), ('name="f"; filename="a.png"\r\nContent-Type: image/png', "no real image"))
    status, reply = told(receiver.deliver("mirror", body, hook="keyed", headers={"Content-Type": MULTIPART}))
    assert (status, reply["status"]) == (200, "succeeded"), reply
    assert "image" in reply["answer"]
    status, problem = told(receiver.deliver("mirror", body, headers={"Content-Type": MULTIPART}))
    assert (status, problem["code"]) == (400, "files_not_supported")


def test_what_a_form_does_not_take_is_a_400_that_says_what(receiver: Receiver) -> None:
    body = '{"user": {"name": "Ann"}}'
    status, problem = told(receiver.deliver("form", body, headers={"X-About": "me"}))
    assert (status, problem["code"]) == (400, "invalid_input")
    assert "age" in problem["detail"]  # what the hook fills, name and about, came through


def test_what_has_succeeded_is_known_to_the_next_process_too(receiver: Receiver) -> None:
    assert receiver.deliver("fixed", '{"n": "kept"}').status_code == 200
    receiver.restart()
    before = len(receiver.runs("fixed"))
    assert told(receiver.deliver("fixed", '{"n": "kept"}')) == DUPLICATE
    assert len(receiver.runs("fixed")) == before
