import contextlib
from typing import Any, Final

import pytest
from hypothesis import given

from gateway.hooks.entry import Form, Hook, Outcome, Reply, Said
from gateway.hooks.paths import Path
from gateway.hooks.schemes import HeaderNames, Scheme
from gateway.settings import App, Fault, parse
from gateway.settings.hook_entry import BadHook, read_hook
from tests.gateway.mutations import json_values

ID: Final = "11111111-1111-4111-8111-111111111111"


def test_an_empty_hook_is_as_if_there_were_none() -> None:
    empty: dict[str, Any] = {
        "query": "",
        "body": None,
        "fields": "",
        "inputs": {},
        "headers": "",
        "signature": "",
        "reply": {},
    }
    assert read_hook(empty) == read_hook({}) == Hook()
    assert not Hook().is_mapped


@pytest.mark.parametrize(
    ("entry", "hook"),
    [
        ({"query": "a.b"}, Hook(query=Path.of("a.b"))),
        ({"body": "event"}, Hook(body="event")),
        ({"fields": "on"}, Hook(takes_fields=True)),
        ({"fields": "off"}, Hook()),
        ({"inputs": {"title": "issue.title"}}, Hook(inputs={"title": Path.of("issue.title")})),
        ({"headers": {"event": "X-GitHub-Event"}}, Hook(headers={"event": "X-GitHub-Event"})),
        ({"signature": {"header": "X-Sig"}}, Hook(signature=Scheme("generic", (HeaderNames("X-Sig"),), ("{body}",)))),
        (
            {
                "signature": {
                    "header": "X-Sig",
                    "prefix": "v1=",
                    "algorithm": "sha1",
                    "encoding": "base64",
                    "signed": "{timestamp}:{id}:{body}",
                    "timestamp": "X-Time",
                    "id": "X-Id",
                }
            },
            Hook(
                signature=Scheme(
                    "generic",
                    (HeaderNames("X-Sig", "X-Time", "X-Id"),),
                    ("{timestamp}", ":", "{id}", ":", "{body}"),
                    "sha1",
                    "base64",
                    "v1=",
                )
            ),
        ),
        (
            {"reply": {"form": "text", "output": "out", "succeeded": "204", "failed": {"status": "200", "body": "no"}}},
            Hook(reply=Reply(Form.TEXT, "out", {Outcome.SUCCEEDED: Said(204), Outcome.FAILED: Said(200, "no")})),
        ),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_hook_is_read_as(entry: dict[str, Any], hook: Hook) -> None:
    assert read_hook(entry) == hook


SIGNATURE_MEMBERS: Final = "hook.signature takes header, prefix, algorithm, encoding, signed, timestamp, id, in braces"
PATTERN: Final = "hook.signature.signed is made of {body}, once, and of {timestamp} and {id}, at most once each"
FENCE: Final = "hook.signature.signed needs a sign such as . between {id}, or {timestamp}, and what is beside it"


def signed(pattern: str, **more: str) -> dict[str, Any]:
    return {"signature": {"header": "X-Sig", "signed": pattern, **more}}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("text", "hook takes query, body, fields, inputs, headers, signature, reply, in braces"),
        ({"unknown": "x"}, "hook takes query, body, fields, inputs, headers, signature, reply, in braces"),
        ({"query": "a."}, "hook.query: a path is not valid JMESPath"),
        ({"query": ["a"]}, "hook.query must be a text"),
        ({"fields": "yes"}, "hook.fields must be one of off, on"),
        ({"inputs": "a"}, "hook.inputs takes names with a text each, in braces"),
        ({"inputs": {"a": {}}}, "hook.inputs takes names with a text each, in braces"),
        ({"inputs": {"": "a"}}, "hook.inputs takes names with a text each, in braces"),
        (
            {"inputs": {"a": "foo(@)"}},
            "hook.inputs: a path uses a function that JMESPath does not have, or a slice of step 0",
        ),
        ({"inputs": {"a": "b"}, "body": "a"}, "hook fills an input twice"),
        ({"inputs": {"a": "b"}, "headers": {"a": "X-A"}}, "hook fills an input twice"),
        *(
            (
                {"headers": {"a": name}},
                "hook.headers takes names of headers, of letters, digits and -, and none that holds a key",
            )
            for name in ("X_A", "Cookie", "authorization", "x-api-key", "X: a")
        ),
        ({"signature": "X-Sig"}, SIGNATURE_MEMBERS),
        ({"signature": {"secret": "x"}}, SIGNATURE_MEMBERS),
        (
            {"signature": {"prefix": "x"}},
            "hook.signature takes names of headers, of letters, digits and -, and needs header",
        ),
        (signed("{body}", algorithm="md5"), "hook.signature.algorithm must be one of sha256, sha1, sha512"),
        (signed("{body}", encoding="base32"), "hook.signature.encoding must be one of hex, base64"),
        *(
            (signed(pattern), PATTERN)
            for pattern in ("nothing", "{timestamp}", "{body}{body}", "{body}{url}", "{Body}")
        ),
        (
            signed("{timestamp}.{body}"),
            "hook.signature.timestamp names the header of {timestamp} in signed; one without the other is no use",
        ),
        (
            signed("{body}", timestamp="X-Time"),
            "hook.signature.timestamp names the header of {timestamp} in signed; one without the other is no use",
        ),
        (
            signed("{body}", id="X-Id"),
            "hook.signature.id names the header of {id} in signed; one without the other is no use",
        ),
        *(
            (signed(pattern, id="X-Id"), FENCE)
            for pattern in ("{id}{body}", "{body}{id}", "v1{id}.{body}", "{id}-{body}")
        ),
        *((signed(pattern, timestamp="X-T"), FENCE) for pattern in ("1{timestamp}.{body}", "{timestamp}0{body}")),
        ({"reply": "text"}, "hook.reply takes form, output, succeeded, paused, stopped, failed, in braces"),
        ({"reply": {"form": "html"}}, "hook.reply.form must be one of json, text"),
        *(
            ({"reply": {"failed": status}}, "hook.reply takes a status from 200 to 299 (but 205), or from 400 to 599")
            for status in ("301", "99", "600", "ok")
        ),
        ({"reply": {"failed": {"code": "200"}}}, "hook.reply takes status, body, in braces"),
        ({"reply": {"failed": {"body": "no"}}}, "hook.reply has a body that is not JSON; form: text takes any"),
    ],
)
def test_a_hook_is_refused(entry: object, problem: str) -> None:
    with pytest.raises(BadHook) as refusal:
        read_hook(entry)
    assert str(refusal.value) == problem


@pytest.mark.parametrize(
    "pattern", ["{timestamp}{body}", "{body}{timestamp}", "v0:{timestamp}:{body}", "{timestamp}.{body}"]
)
def test_a_time_may_touch_the_body(pattern: str) -> None:
    assert read_hook(signed(pattern, timestamp="X-Time")).signature


def test_a_fault_of_a_hook_is_the_hooks_alone() -> None:
    settings = parse({"apps": f"{{a: {{app_id: {ID}, query: q, hook: {{query: 'secret.'}}}}, b: {ID}}}"})
    fault = Fault("apps", 1, "hook.query: a path is not valid JMESPath")
    assert settings.apps == (App("a", ID, query="q", hook_fault=fault), App("b", ID))
    assert (settings.faults, settings.fatal) == ((fault,), ())


@given(json_values)
def test_any_json_is_read_or_refused(entry: Any) -> None:
    with contextlib.suppress(BadHook):
        read_hook(entry)
