"""The scripts of the demo apps that are a workflow, with their forms."""

import json
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workbench.app import DifyEvent, Invocation
from workbench.apps.events import GraphEvents, new_id, unix_time
from workbench.apps.forms import Variable, read_form, schema_failure, validate
from workbench.apps.model_calls import ModelCall, tokens
from workbench.apps.parameters import Declaration
from workbench.apps.proofs import ticks
from workbench.apps.scripted import Script

NODE_ERROR: Final = "[Errno 111] Connection refused"
"""What an HTTP node says when nobody listens, word for word as recorded in `workflow-fail`."""

FIXED_TEXT: Final = "This is a simple text response for testing."
"""What the conformance suite of the Model Context Protocol expects of its tool `test_simple_text`, word for word."""

FORM_LIFETIME_SECONDS: Final = 36 * 3600
"""How long Dify 1.16.0 waits for a human by default (recorded in `workflow-human`)."""

FORM_TOKEN_BYTES: Final = 16
"""Gives the 22 characters of a real form token."""

_FORM_IN_EVENT: Final = (
    "form_id node_id node_title form_content inputs actions display_in_ui form_token approval_channels "
    "resolved_default_values expiration_time".split()
)
_FORM_IN_REASON: Final = (
    "TYPE form_id form_content inputs actions node_id node_title resolved_default_values form_token approval_channels "
    "expiration_time".split()
)
"""The same form has its members in another order where a paused run gives its reasons."""


def _declared(kind: str, name: str, *, required: bool = True, max_length: int = 48, **more: Any) -> Declaration:
    """A variable as a workflow declares it; every kind has a `max_length` and `options`, used or not."""
    members = {"label": name, "max_length": max_length, "options": [], "required": required, "type": kind}
    return {kind: {**members, "variable": name, **more}}


def _declared_file(kind: str, name: str, types: Sequence[str], max_length: int = 48) -> Declaration:
    return _declared(
        kind,
        name,
        max_length=max_length,
        allowed_file_extensions=[],
        allowed_file_types=list(types),
        allowed_file_upload_methods=["local_file", "remote_url"],
    )


TEXT_FORM: Final = (_declared("text-input", "text", max_length=20_000),)

NO_FORM: Final[tuple[Declaration, ...]] = ()

OPTIONAL_TEXT_FORM: Final = (_declared("text-input", "text", max_length=20_000, required=False),)

EVERY_TYPE_FORM: Final = (
    _declared("text-input", "name"),
    _declared("paragraph", "about", max_length=500),
    _declared("number", "age"),
    _declared("select", "color", options=["red", "blue"]),
    _declared("checkbox", "agree"),
    _declared_file("file", "document", ["document", "image"]),
    _declared_file("file-list", "pictures", ["image"], max_length=3),
    _declared(
        "json_object",
        "config",
        json_schema={"properties": {"a": {"type": "number"}}, "required": ["a"], "type": "object"},
    ),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workflow: its events, its form and the values that passed it."""

    events: GraphEvents
    app_id: str
    form: tuple[Variable, ...]
    values: Mapping[str, Any]


def workflow(speak: Callable[[Run], Iterator[DifyEvent]], declarations: Sequence[Declaration]) -> Script:
    """The script of an app that checks its form and then says `speak`. The query is ignored, as Dify ignores it."""
    form = read_form(declarations)
    workflow_id = new_id()

    def run(call: Invocation) -> Iterator[DifyEvent]:
        values = validate(form, call.inputs, call.uploads)
        return speak(Run(GraphEvents(workflow_id, {"task_id": new_id()}, call.user), call.app_id, form, values))

    return run


def write_back(run: Run) -> Iterator[DifyEvent]:
    """Start, model, end: streams an answer to the text and gives it as the output `text`."""
    events = run.events
    yield from _begin(run)
    prompt = run.values["text"]
    text = f"You wrote: {prompt}"
    call = yield from _model_speaks(events, prompt, text)
    end = events.node("end1", "end")
    yield end.started()
    yield end.finished(inputs={"text": text}, outputs={"text": text})
    yield events.finished({"text": text}, tokens=call.total_tokens)


def say_inputs_back(run: Run) -> Iterator[DifyEvent]:
    """Start, end: every input is an output. All are streamed as text, before the first node starts (wire 14.15)."""
    events, values = run.events, run.values
    yield events.started(run.app_id, values)
    for position, variable in enumerate(run.form):
        if position:
            yield events.text_chunk("\n", ("end1", "answer"))
        yield events.text_chunk(_as_text(variable.type, values[variable.name]), ("start1", variable.name))
    start = events.node("start1", "start")
    yield start.started()
    failure = schema_failure(run.form, values)
    if failure:
        yield start.finished(error=failure)
        yield events.finished({}, error=failure)
        return
    files = _files_in(run)
    yield start.finished(inputs=values, outputs=values, files=files)
    end = events.node("end1", "end")
    yield end.started()
    yield end.finished(inputs=values, outputs=values, files=files)
    yield events.finished(values, files=files)


def say_the_same(run: Run) -> Iterator[DifyEvent]:
    """Start, end: takes nothing, and its output is always the same."""
    yield from _begin(run)
    yield from _ended(run.events, FIXED_TEXT)


def take_steps(run: Run) -> Iterator[DifyEvent]:
    """Start, three that compute, end: takes nothing, and says how many steps it took."""
    yield from _begin(run)
    for number in range(1, 4):
        yield from _passed(run.events, f"step{number}", "code", {"number": number})
    yield from _ended(run.events, "Done in 3 steps.")


def _ended(events: GraphEvents, text: str) -> Iterator[DifyEvent]:
    """The end of a run with one output, which is streamed before (wire 14.15)."""
    yield events.text_chunk(text, ("end1", "answer"))
    yield from _passed(events, "end1", "end", {"text": text})
    yield events.finished({"text": text})


def _passed(events: GraphEvents, node_id: str, node_type: str, outputs: Mapping[str, Any]) -> Iterator[DifyEvent]:
    """A node that does its work without a word."""
    node = events.node(node_id, node_type)
    yield node.started()
    yield node.finished(inputs={}, outputs=outputs)


def fail_midway(run: Run) -> Iterator[DifyEvent]:
    """Start, model, HTTP request: the last fails after the model has spoken."""
    events = run.events
    yield from _begin(run)
    call = yield from _model_speaks(events, run.values["text"] or "", "This much was done before it failed. ")
    request = events.node("http1", "http-request")
    yield request.started()
    sent = {"request": "GET /dead HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n"}
    yield request.finished(process_data=sent, error=NODE_ERROR)
    yield events.finished({}, tokens=call.total_tokens, error=NODE_ERROR)


def endless(run: Run) -> Iterator[DifyEvent]:
    """Start, and a model that never comes to an end."""
    yield from _begin(run)
    node = run.events.node("llm1", "llm")
    yield node.started()
    for tick in ticks():
        yield run.events.text_chunk(tick, (node.node_id, "text"))


def ask_a_human(run: Run) -> Iterator[DifyEvent]:
    """Start, human input: the stream ends with the run paused."""
    events = run.events
    yield from _begin(run)
    human = events.node("human1", "human-input")
    yield human.started()
    form = _human_form(human.node_id)
    yield events.event("human_input_required", **{name: form[name] for name in _FORM_IN_EVENT})
    yield events.paused(human.node_id, [{name: form[name] for name in _FORM_IN_REASON}])


def _begin(run: Run) -> Iterator[DifyEvent]:
    yield run.events.started(run.app_id, run.values)
    start = run.events.node("start1", "start")
    yield start.started()
    yield start.finished(inputs=run.values, outputs=run.values)


def _model_speaks(events: GraphEvents, prompt: str, text: str) -> Generator[DifyEvent, None, ModelCall]:
    node = events.node("llm1", "llm")
    yield node.started()
    start = time.monotonic()
    for token in [*tokens(text), "", ""]:
        yield events.text_chunk(token, (node.node_id, "text"))
    call = ModelCall(prompt, text, time.monotonic() - start)
    yield call.node_finished(node)
    return call


def _human_form(node_id: str) -> dict[str, Any]:
    comment = {
        "output_variable_name": "comment",
        "type": "paragraph",
        "default": {"type": "constant", "selector": [], "value": "Looks good"},
    }
    return {
        "TYPE": "human_input_required",
        "form_id": new_id(),
        "node_id": node_id,
        "node_title": node_id,
        "form_content": "Please approve {{#$output.comment#}}",
        "inputs": [comment],
        "actions": [
            {"id": "approve", "title": "Approve", "button_style": "primary"},
            {"id": "reject", "title": "Reject", "button_style": "default"},
        ],
        "display_in_ui": True,
        "form_token": secrets.token_urlsafe(FORM_TOKEN_BYTES),
        "approval_channels": ["console"],
        "resolved_default_values": {},
        "expiration_time": unix_time() + FORM_LIFETIME_SECONDS,
    }


def _as_text(kind: str, value: Any) -> str:
    """A value as Dify renders it in an answer: nothing for null, Markdown for files, indented JSON for objects."""
    if value is None:
        return ""
    if kind == "file":
        return _as_link(value)
    if kind == "file-list":
        return "\n".join(_as_link(file) for file in value)
    return json.dumps(value, indent=2, ensure_ascii=False) if kind == "json_object" else str(value)


def _as_link(file: Mapping[str, Any]) -> str:
    link = f"[{file['filename']}]({file['url']})"
    return f"!{link}" if file["type"] == "image" else link


def _files_in(run: Run) -> list[dict[str, Any]]:
    """The given files, in the form's order."""
    single = [[run.values[variable.name]] for variable in run.form if variable.type == "file"]
    lists = [run.values[variable.name] for variable in run.form if variable.type == "file-list"]
    return [file for group in [*single, *lists] for file in group]
