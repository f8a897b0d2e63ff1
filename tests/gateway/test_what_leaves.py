"""What leaves at `detail: answer`, of every recording and in every form: nothing but what is documented.

Two questions to each whole reply of the one way through. Are all its members in the lists below, which say again what
docs/native.md's "The reply" and "Errors" and the table of DESIGN section 3 say? And is there any text in it that was
planted into a member of Dify's events, or into a text of the platform's, that no caller may see?
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from werkzeug import Request, Response
from werkzeug.test import EnvironBuilder

from gateway import serve
from gateway.events import Kind, Raw
from tests.gateway.fake_dify import FakeApp, FakeDify
from tests.gateway.recorded import RUNS, Recording

APP: Final = "11111111-1111-4111-8111-111111111111"
KEY: Final = "a-long-enough-key"
PLANTED: Final = "PLANTED"
OK: Final = 200

# -- The lists -----------------------------------------------------------------------------------------------------

_FILE: Final = {"id", "type", "url", "filename", "mime_type", "size"}
_RUN: Final = {"conversation_id", "message_id", "run_id", "task_id"}


def _below(path: str, names: set[str]) -> set[str]:
    return {f"{path}.{name}" for name in names}


NATIVE: Final[Mapping[str, set[str]]] = {
    "start": {"kind", "created_at", *_RUN},
    "text": {"text"},
    "replace": {"text"},
    "reasoning": {"text"},
    "file": _FILE,
    "sources": _below("items[]", {"position", "title", "url"}),
    "paused": {"run_id"},
    "end": {
        "answer",
        "status",
        "reasoning",
        *(_RUN - {"task_id"}),
        *_below("usage", {"prompt_tokens", "completion_tokens", "total_tokens", "latency"}),
        *_below("files[]", _FILE),
        *_below("sources[]", {"position", "title", "url"}),
    },
    "error": {"code", "status", "message"},
    "ping": set(),
}
"""Events and members at `answer` (docs/native.md, "The reply"). A workflow's `outputs` are its author's, whatever is in
them."""

PROBLEM: Final = {"type", "title", "status", "detail", "code", "request_id", *_RUN}
"""Members of an error before the reply (docs/native.md, "Errors"; RFC 9457)."""

PAGE_PROBLEM: Final = {"event", "code", "status", "message", "request_id", *_RUN}
"""The same on the page."""

_ENVELOPE: Final = {"event", "conversation_id", "message_id", "task_id", "workflow_run_id", "id", "created_at"}
"""What names the run, on each of Dify's events."""

_DIFY_FILE: Final = {*_FILE, "related_id", "extension", "transfer_method"}
"""A file as Dify writes it (wire section 2)."""

_COUNTED: Final = {"id", "status", "created_at", "finished_at", "elapsed_time", "total_tokens"}
"""What Dify says of a run as a whole: its ids, state, times and size."""

PAGE: Final[Mapping[str, set[str]]] = {
    "message": {"answer"},
    "agent_message": {"answer"},
    "message_replace": {"answer", "reason"},
    "message_file": {"answer", "type", "url", "belongs_to"},
    "text_chunk": {"data.text"},
    "text_replace": {"data.text"},
    "reasoning_chunk": _below("data", {"reasoning", "is_final", "message_id"}),
    "tts_message": {"audio"},
    "tts_message_end": set(),
    "workflow_started": _below("data", {"id", "created_at", "reason"}),
    "workflow_paused": _below("data", {"workflow_run_id", "status", "created_at", "elapsed_time", "total_tokens"}),
    "workflow_finished": _below("data", _COUNTED) | _below("data.files[]", _DIFY_FILE),
    "message_end": _below("files[]", _DIFY_FILE)
    | _below("metadata.usage", {"prompt_tokens", "completion_tokens", "total_tokens", "latency"})
    | _below("metadata.usage", {"time_to_first_token", "time_to_generate"})
    | _below("metadata.retriever_resources[]", {"position", "title", "document_name"})
    | {"metadata.reasoning.1"},
    "error": {"code", "status", "message"},
}
"""Members of the page's events beside the envelope that are not empty at `answer`."""

_OUTPUTS: Final = re.compile(r"(?:data\.)?outputs\b.*")

TOLD: Final = frozenset({"provider_error", "invalid_input", "invalid_request"})
"""Codes whose message holds words of the platform's at every level: what a model provider said, and why Dify refused a
call's inputs; a caller can't guess them."""

# -- What is planted -----------------------------------------------------------------------------------------------

_SHOWN: Final[Mapping[str, set[str]]] = {
    **PAGE,
    "message_end": PAGE["message_end"]
    | _below("metadata.retriever_resources[].doc_metadata", {"url", "source_url", "source"}),
}
"""Members of Dify's events whose texts may leave; `metadata.reasoning` has any names in it."""

_FORMAT: Final = frozenset({"event", "code", "status", "data.status", "conversation_id"})
"""Members whose few words say what an event is."""


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Path and value of everything that is no container; `[]` stands for any place in a list."""
    match value:
        case dict():
            for name, item in value.items():
                yield from leaves(item, f"{path}.{name}" if path else name)
        case list():
            for item in value:
                yield from leaves(item, f"{path}[]")
        case _:
            yield path, value


def _may_leave(event: str, path: str, *, is_workflow: bool) -> bool:
    if path.startswith("metadata.reasoning."):
        return True
    if path.startswith("data.outputs"):
        return event == "workflow_finished" and is_workflow
    return path in _FORMAT or path in _ENVELOPE or path in _SHOWN.get(event, set()) - {"message"}


type Plant = Callable[[str], str]

PLANTS: Final[Mapping[str, Plant]] = {
    "instead": lambda _: PLANTED,
    "behind": lambda text: f"{text} {PLANTED}",
    "before": lambda text: f"{PLANTED} {text}",
    "inside": lambda text: re.sub(r'(\\*"(?:message|description|error)\\*": ?\\*")', rf"\1{PLANTED} ", text),
}
"""Ways to plant a text into another. The platform packs JSON in text in JSON; `inside` it stays readable."""


def _changed(value: Any, path: str, plant: Plant, is_planted: Callable[[str], bool]) -> Any:
    match value:
        case dict():
            return {
                name: _changed(item, f"{path}.{name}" if path else name, plant, is_planted)
                for name, item in value.items()
            }
        case list():
            return [_changed(item, f"{path}[]", plant, is_planted) for item in value]
        case str() if value and is_planted(path):
            return plant(value)
        case _:
            return value


def planted(raw: Raw, plant: Plant) -> Raw:
    """The event with something planted into each text that may not leave."""
    event, is_workflow = raw["event"], not raw.get("conversation_id")
    changed: Raw = _changed(raw, "", plant, lambda path: not _may_leave(event, path, is_workflow=is_workflow))
    return changed


def _exceptions(run: Recording, plant: Plant) -> Iterator[Exception]:
    if run.exception:
        yield Exception(plant(run.exception) if plant("") != PLANTED else run.exception)


# -- What comes out ------------------------------------------------------------------------------------------------

FORMS: Final[Mapping[str, str]] = {
    "SSE": "text/event-stream",
    "NDJSON": "application/x-ndjson",
    "text": "text/plain",
    "JSON": "application/json",
    "duck": "",
}
_KINDS: Final = {
    "chat": Kind.CHAT,
    "agent-chat": Kind.AGENT,
    "advanced-chat": Kind.CHATFLOW,
    "workflow": Kind.WORKFLOW,
    "completion": Kind.COMPLETION,
}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies end at once; the pauses at their end are tests' of the streaming."""
    monkeypatch.setattr("gateway.streaming.MIN_STREAM", 0.0)
    monkeypatch.setattr("gateway.streaming.HOLD_SHARE", 0.0)


def reply(run: Recording, form: str, plant: Plant | None = None, detail: str = "") -> Response:
    dicts = tuple(planted(raw, plant) for raw in run.dicts) if plant else run.dicts
    kind = _KINDS.get(run.mode, Kind.CHAT)
    dify = FakeDify({APP: FakeApp(kind, dicts=(*dicts, *_exceptions(run, plant or str)))})
    builder = EnvironBuilder(
        method="POST",
        path=f"/{'duck' if form == 'duck' else 'chat'}",
        json={} if kind is Kind.WORKFLOW else {"query": "hi"},
        headers=[("Authorization", f"Bearer {KEY}"), ("Accept", FORMS[form])],
    )
    settings = {"apps": APP, "access_keys": KEY, "detail": detail}
    return serve.handle(dify.session(), Request(builder.get_environ()), settings, None)


def body_of(response: Response) -> str:
    chunks: Any = response.response
    return b"".join(chunk if isinstance(chunk, bytes) else chunk.encode() for chunk in chunks).decode()


def objects(form: str, response: Response) -> list[tuple[str, dict[str, Any]]]:
    """Each object of a reply with the name of the event that it belongs to; `problem` for an error before the reply.

    Plain text has none.
    """
    body = body_of(response)
    if form == "duck":
        events = [json.loads(line) for line in body.split(" <br>") if line.strip()]
        return [("problem" if response.status_code != OK else event["event"], event) for event in events]
    if response.status_code != OK:
        return [("problem", json.loads(body))]
    match form:
        case "SSE":
            found = re.findall(r"event: (.*)\ndata: (.*)\n\n", body)
            assert "".join(f"event: {name}\ndata: {data}\n\n" for name, data in found) == body.replace(": ping\n\n", "")
            return [(name, json.loads(data)) for name, data in found]
        case "NDJSON":
            lines = [json.loads(line) for line in body.split("\n") if line]
            return [(line.pop("event"), line) for line in lines]
        case "JSON":
            return [("end", json.loads(body))]
        case _:
            return []


def documented(form: str, event: str) -> set[str]:
    if event == "problem":
        return PAGE_PROBLEM if form == "duck" else PROBLEM
    return PAGE.get(event, set()) | _ENVELOPE if form == "duck" else NATIVE.get(event, set())


def undocumented(form: str, response: Response) -> set[str]:
    """What leaves and is in no list. An unlisted event is named alone."""
    known = PAGE if form == "duck" else NATIVE
    return {
        f"{event}: {path}"
        for event, members in objects(form, response)
        for path, value in leaves(members)
        if (event not in known and event != "problem")
        or (value not in ("", None) and path not in documented(form, event) and not _OUTPUTS.fullmatch(path))
    }


def texts(form: str, response: Response) -> list[str]:
    """All of a reply, without the sentences that may hold words of the platform's."""
    if form == "text" and response.status_code == OK:
        body = body_of(response)
        return [re.sub(rf"\n\n\[error (?:{'|'.join(TOLD)}): [^\n]*\]\n\Z", "", body)]
    shown = objects(form if form != "text" else "JSON", response)
    return [json.dumps(_without_told(members), ensure_ascii=False) for _, members in shown]


def _without_told(members: dict[str, Any]) -> dict[str, Any]:
    return {**members, "message": "", "detail": ""} if members.get("code") in TOLD else members


# -- The tests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_every_member_that_leaves_is_documented(run: Recording) -> None:
    for form in FORMS:
        assert (form, undocumented(form, reply(run, form))) == (form, set())


@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_nothing_that_was_planted_where_nobody_may_look_leaves(run: Recording) -> None:
    for way, plant in PLANTS.items():
        for form in FORMS:
            response = reply(run, form, plant)
            assert (way, form, PLANTED in str(response.headers)) == (way, form, False)
            assert (way, form, [text for text in texts(form, response) if PLANTED in text]) == (way, form, [])


@pytest.mark.parametrize("form", FORMS)
def test_what_is_shown_of_more_is_seen_by_these_tests(form: str) -> None:
    """At `full` both questions are answered with no; in plain text there is nothing more."""
    run = RUNS["chatflow-kb"]
    assert (bool(undocumented(form, reply(run, form, detail="full"))), form == "text") in ((True, False), (False, True))
    body = body_of(reply(run, form, PLANTS["instead"], detail="full"))
    assert (PLANTED in body, form == "text") in ((True, False), (False, True))
