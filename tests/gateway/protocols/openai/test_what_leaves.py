"""What leaves at `detail: answer` on OpenAI's routes, of every recording: nothing but what is documented.

Three questions to each whole reply of the one way through. Are all its members in the lists below (protocols.md,
sections 3 and 4, and what DESIGN section 3 lets every level show)? Is there any text in it that was planted into a
member of Dify's events that no caller may see? And does Dify's own conversation id stay inside?
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from gateway.events import Kind, Raw
from tests.gateway.fake_dify import FakeApp, FakeDify
from tests.gateway.protocols.openai.calls import CHAT, ONE_APP, Reply, ask, respond
from tests.gateway.protocols.openai.replies import data_lines, sequence
from tests.gateway.recorded import RECORDINGS, RUNS, Recording

PLANTED: Final = "PLANTED"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies end at once; the pauses at their end are tests' of the streaming."""
    monkeypatch.setattr("gateway.streaming.MIN_STREAM", 0.0)
    monkeypatch.setattr("gateway.streaming.HOLD_SHARE", 0.0)


# -- The lists -----------------------------------------------------------------------------------------------------


def _below(path: str, names: str) -> set[str]:
    return {f"{path}.{name}" for name in names.split()}


_HEAD: Final = {"id", "object", "created", "model", "conversation_id"}
_CHAT_USAGE: Final = _below("usage", "prompt_tokens completion_tokens total_tokens")
_ERROR: Final = _below("error", "message type param code")

CHUNK: Final = (
    _HEAD
    | {"usage"}
    | _below("choices[]", "index finish_reason")
    | _below("choices[].delta", "role content reasoning_content")
    | _CHAT_USAGE
    | _ERROR
)
COMPLETION: Final = (
    _HEAD
    | _below("choices[]", "index finish_reason logprobs")
    | _below("choices[].message", "role content refusal reasoning_content")
    | _CHAT_USAGE
    | _ERROR
)
_ITEM: Final = "id type status role"
_PART: Final = "type text"
RESPONSE: Final = (
    _HEAD - {"created"}
    | set(
        """
        created_at completed_at status background error incomplete_details instructions max_output_tokens max_tool_calls
        parallel_tool_calls previous_response_id prompt_cache_key reasoning.effort reasoning.summary safety_identifier
        service_tier store temperature text.format.type tool_choice top_logprobs top_p presence_penalty
        frequency_penalty truncation usage user
        """.split()
    )
    | _below("usage", "input_tokens output_tokens total_tokens output_tokens_details.reasoning_tokens")
    | _below("usage.input_tokens_details", "cached_tokens cache_write_tokens")
    | _below("output[]", _ITEM)
    | _below("output[].content[]", _PART)
    | _below("output[].summary[]", _PART)
    | _ERROR
)
EVENT: Final = (
    set("type sequence_number output_index content_index summary_index item_id delta text".split())
    | {f"response.{path}" for path in RESPONSE}
    | _below("item", _ITEM)
    | _below("item.content[]", _PART)
    | _below("item.summary[]", _PART)
    | _below("part", _PART)
    | _ERROR
)

# -- What comes out ------------------------------------------------------------------------------------------------

FORMS: Final[Mapping[str, tuple[Callable[..., Reply], dict[str, Any], set[str]]]] = {
    "chat, streamed": (ask, {"stream": True, "stream_options": {"include_usage": True}}, CHUNK),
    "chat": (ask, {}, COMPLETION),
    "response, streamed": (respond, {"stream": True}, EVENT),
    "response": (respond, {}, RESPONSE),
}
"""How a reply is asked for, and the members that it may have."""

_KINDS: Final = {
    "chat": Kind.CHAT,
    "agent-chat": Kind.AGENT,
    "advanced-chat": Kind.CHATFLOW,
    "workflow": Kind.WORKFLOW,
    "completion": Kind.COMPLETION,
}


def reply_of(run: Recording, form: str, plant: "Plant | None" = None, detail: str = "") -> Reply:
    dicts = tuple(planted(raw, plant) for raw in run.dicts) if plant else run.dicts
    failure = (Exception(run.exception),) if run.exception else ()
    dify = FakeDify({CHAT: FakeApp(_KINDS.get(run.mode, Kind.CHAT), dicts=(*dicts, *failure))})
    asks, members, _ = FORMS[form]
    return asks(dify=dify, settings={**ONE_APP, "detail": detail}, **members)


def objects(form: str, reply: Reply) -> list[dict[str, Any]]:
    if not reply.headers["Content-Type"].startswith("text/event-stream"):
        return [reply.json()]
    if form.startswith("response"):
        return sequence(reply.body)
    return [json.loads(line) for line in data_lines(reply.body) if line != "[DONE]"]


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


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_every_member_that_leaves_is_documented(run: Recording) -> None:
    for form, (_, _, documented) in FORMS.items():
        found = {path for shown in objects(form, reply_of(run, form)) for path, _ in leaves(shown)}
        assert (form, found - documented) == (form, set())


# -- What is planted -----------------------------------------------------------------------------------------------

type Plant = Callable[[str], str]

PLANTS: Final[Mapping[str, Plant]] = {
    "instead": lambda _: PLANTED,
    "behind": lambda text: f"{text} {PLANTED}",
    "before": lambda text: f"{PLANTED} {text}",
}

_FORMAT: Final = frozenset(
    {"event", "code", "status", "conversation_id", "message_id", "task_id", "workflow_run_id", "id", "data.id"}
)
"""Members that say what an event is and which run it belongs to."""

_SHOWN: Final[Mapping[str, set[str]]] = {
    "message": {"answer"},
    "agent_message": {"answer"},
    "message_replace": {"answer"},
    "text_chunk": {"data.text"},
    "text_replace": {"data.text"},
    "reasoning_chunk": {"data.reasoning"},
    "message_file": {"answer", "type", "url", "filename"},
    "message_end": _below("files[]", "url remote_url filename type"),
    "workflow_finished": {"data.status", *_below("data.files[]", "url remote_url filename type")},
    "workflow_paused": {"data.status"},
    "node_finished": {"data.status"},
}
"""Members of Dify's events whose texts are the answer, or a file's name and link."""

TOLD: Final = frozenset({"provider_error", "rate_limit_exceeded", "invalid_input", "invalid_request"})
"""Codes whose message holds words of the platform's at every level: what a model provider said, and why Dify refused a
call's inputs; a caller can't guess them."""


PROVIDERS_WORDS: Final = "The app's model provider "
"""How a provider's failure begins, where the code inside a response is one of OpenAI's few."""


def _may_leave(raw: Raw, path: str) -> bool:
    if path.startswith("metadata.reasoning."):
        return True
    if path.startswith("data.outputs"):
        return raw["event"] == "workflow_finished" and not raw.get("conversation_id")
    return path in _FORMAT or path in _SHOWN.get(str(raw["event"]), set())


def planted(raw: Raw, plant: Plant) -> Raw:
    """The event with something planted into each text that may not leave."""

    def changed(value: Any, path: str) -> Any:
        match value:
            case dict():
                return {name: changed(item, f"{path}.{name}" if path else name) for name, item in value.items()}
            case list():
                return [changed(item, f"{path}[]") for item in value]
            case str() if value and not _may_leave(raw, path):
                return plant(value)
            case _:
                return value

    result: Raw = changed(raw, "")
    return result


def _without_told(value: Any) -> Any:
    """The reply without the sentences that may hold words of the platform's."""
    match value:
        case dict():
            is_told = value.get("code") in TOLD or str(value.get("message", "")).startswith(PROVIDERS_WORDS)
            return {name: "" if is_told and name == "message" else _without_told(item) for name, item in value.items()}
        case list():
            return [_without_told(item) for item in value]
        case _:
            return value


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_nothing_that_was_planted_where_nobody_may_look_leaves(run: Recording) -> None:
    for way, plant in PLANTS.items():
        for form in FORMS:
            reply = reply_of(run, form, plant)
            assert (way, form, PLANTED in str(reply.headers)) == (way, form, False)
            shown = [json.dumps(_without_told(item)) for item in objects(form, reply)]
            assert (way, form, [text for text in shown if PLANTED in text]) == (way, form, [])


@pytest.mark.parametrize("form", FORMS)
def test_prices_leave_at_full_and_are_seen_by_these_tests(form: str) -> None:
    run = RUNS["chat-echo-turn1"]
    found = {path for shown in objects(form, reply_of(run, form, detail="full")) for path, _ in leaves(shown)}
    prefix = "response." if form == "response, streamed" else ""
    assert found - FORMS[form][2] == {f"{prefix}usage.total_price", f"{prefix}usage.currency"}


@pytest.mark.parametrize("form", FORMS)
def test_an_apps_own_words_are_planted_and_seen_at_progress(form: str) -> None:
    """So that the plants above could be found."""
    reply = reply_of(RUNS["workflow-fail"], form, PLANTS["behind"], detail="progress")
    assert PLANTED in reply.body.decode()


# -- What never leaves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", ["answer", "progress", "full"])
@pytest.mark.parametrize("form", FORMS)
def test_no_conversation_id_of_difys_leaves(form: str, detail: str) -> None:
    for run in RECORDINGS.values():
        reply = reply_of(run, form, detail=detail)
        told = reply.body.decode() + str(reply.headers)
        ids = {str(raw["conversation_id"]) for raw in run.dicts if raw.get("conversation_id")}
        assert [id_ for id_ in ids if id_ in told or id_.replace("-", "") in told] == [], run.name


@pytest.mark.parametrize("form", FORMS)
def test_what_never_leaves_is_in_no_answer_that_is_made_of_outputs(form: str) -> None:
    """DESIGN, section 3: a file among the outputs names the tenant."""
    ids = {"workflow_run_id": "r", "task_id": "t"}
    outputs = {"file": {"tenant_id": PLANTED, "url": "https://x/y"}, "n": 1}
    dicts = (
        {"event": "workflow_started", **ids, "data": {"id": "r", "created_at": 1}},
        {"event": "workflow_finished", **ids, "data": {"id": "r", "status": "succeeded", "outputs": outputs}},
    )
    for detail in ("answer", "progress", "full"):
        reply = reply_of(Recording("outputs", "workflow", dicts), form, detail=detail)
        assert (reply.status, "https://x/y" in reply.body.decode()) == (200, True)
        assert PLANTED not in reply.body.decode()
