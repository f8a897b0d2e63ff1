"""Dify's stream of dicts, decoded to typed events; pure: no I/O, no clock.

Policy: an unknown event passes through as `Passed`; a malformed one never raises, its missing or ill-typed members
count as absent. Every dict of Dify gives one event that carries it as `raw`; what else it tells comes as further
events with `raw=None`, so that a writer which passes Dify's dicts on sees each of them once, in order. Only an `error`
that comes before anything else is not passed on: `Failed` is then the first event, and decides the HTTP status.

Two things that only the Service API sends are no events either (wire 14.9, 14.13): a run that ends before its first
step because its form refuses the inputs, which is such a failure; and a run behind the end of a chat that does not
belong to it, which comes out of an error of Dify's own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from gateway.diagnosis import from_error_event, from_run_error, readable, refused_inputs, without_traceback
from gateway.errors import DuckError
from gateway.events import (
    TALKING,
    Ending,
    Event,
    Failed,
    File,
    Finished,
    Form,
    Kind,
    Passed,
    Paused,
    Raw,
    Reasoning,
    Source,
    Sources,
    Started,
    Step,
    Text,
    TextReplaced,
    Tool,
    Usage,
)

_NOTHING: Final[Raw] = MappingProxyType({})

_DIFYS_INPUT: Final = "sys."
"""How the names of Dify's own inputs begin (`sys.user_id`, `sys.workflow_run_id`)."""


def decode(dicts: Iterable[Raw]) -> Iterator[Event]:
    """A run's events, from what Dify sends.

    A `DuckError` that `dicts` raises ends the run as `Failed`, unless Dify had already told how it ended: a break after
    the last word is still a success. Raises nothing else than what `dicts` raises beside that.
    """
    run = _Reading()
    failure = None
    try:
        for raw in _begun(dicts):
            text = raw.get("answer") if run.is_under_way and raw.get("event") == "message" else None
            if text and text.__class__ is str:  # nearly every dict; the long way takes three times as long
                yield Text(text, raw)
            else:
                yield from run.read(raw)
    except DuckError as error:
        failure = error
    yield run.ending(failure)


def _begun(dicts: Iterable[Raw]) -> Iterator[Raw]:
    """The dicts as they come. Raises `invalid_input` in place of a run whose form refuses the inputs."""
    coming = iter(dicts)
    first = next(coming, None)
    if first is None:
        return
    if _may_be_refused(first):
        yield from _if_begun(first, coming)
    else:
        yield first
    yield from coming


def _if_begun(first: Raw, coming: Iterator[Raw]) -> Iterator[Raw]:
    """The first dict and the second, which tells whether there is a run at all."""
    try:
        second = next(coming, None)
    except DuckError:
        yield first
        raise
    finished = _dict(second or _NOTHING, "data")
    refusal = refused_inputs(_str(finished, "error")) if finished.get("total_steps") == 0 else None
    if refusal:
        raise refusal
    yield first
    if second is not None:
        yield second


def _may_be_refused(raw: Raw) -> bool:
    """Whether a first dict lacks the inputs that Dify itself adds to every run that begins, so that it has to wait."""
    inputs = _dict(_dict(raw, "data"), "inputs")
    return (
        raw.get("event") == "workflow_started"
        and not _str(raw, "conversation_id")
        and not any(str(name).startswith(_DIFYS_INPUT) for name in inputs)
    )


@dataclass(slots=True)
class _Reading:
    """What must be remembered between two dicts of one run. counted: tokens of its nodes, by Dify's names."""

    kind: Kind | None = None
    run_id: str = ""
    message_end: Raw | None = None
    finished: Raw | None = None
    paused: Raw | None = None
    error: Raw | None = None
    counted: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    forms: list[Form] = field(default_factory=list)

    @property
    def is_under_way(self) -> bool:
        """Whether it has begun, and no end was told yet."""
        return self.kind is not None and self.message_end is None

    def read(self, raw: Raw) -> Iterable[Event]:
        name = raw.get("event")
        if self.message_end is not None and self._is_behind_the_end(raw):
            return ()
        if self.kind is None:
            if name == "error":
                self.error = raw
                return ()
            if _names_a_run(raw):
                started = self._start(raw)
                return (started,) if name == "workflow_started" else (started, *self._read(name, raw))
        return self._read(name, raw)

    def _is_behind_the_end(self, raw: Raw) -> bool:
        """Whether a dict behind `message_end` is of a run that Dify makes up there, behind the answer to a moderated
        input (wire 14.13).
        """
        return self.kind in TALKING and "workflow_run_id" in raw and not _str(raw, "conversation_id")

    def _read(self, name: object, raw: Raw) -> Iterable[Event]:
        reader = _READERS.get(name) if isinstance(name, str) else None
        return reader(self, raw) if reader else (Passed(raw),)

    def _start(self, raw: Raw) -> Started:
        self.kind = _kind_of(raw)
        self.run_id = _str(raw, "workflow_run_id")
        return Started(
            self.kind,
            _str(raw, "conversation_id"),
            _str(raw, "message_id"),
            self.run_id,
            _str(raw, "task_id"),
            _int(raw.get("created_at")) or _int(_dict(raw, "data").get("created_at")) or 0,
            raw if raw.get("event") == "workflow_started" else None,
        )

    def new_files(self, listed: object) -> Iterator[File]:
        """Each file once, though Dify names it up to three times, its URL signed anew each time (wire 14.17)."""
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, Mapping) and self.is_new_file(item):
                yield _file(item, None)

    def is_new_file(self, raw: Raw) -> bool:
        url = _url(raw)
        known = (url.partition("?")[0] if "/files/" in url else url) or _str(raw, "id")
        is_new = bool(known) and known not in self.files
        self.files.add(known)
        return is_new

    def ending(self, failure: DuckError | None) -> Ending:
        """The one terminal event, from the most specific of what Dify said (DESIGN section 2)."""
        finished = _dict(self.finished or _NOTHING, "data")
        if self.paused is not None:
            return self._paused_ending()
        if self.error is not None:
            return Failed(from_error_event(self.error))
        if finished.get("status") == "failed":
            return Failed(from_run_error(_str(finished, "error")))
        if self.finished is None and self.message_end is None:
            return Failed(failure or _incomplete())
        return Finished(
            _str(finished, "status") or "succeeded",
            self._outputs(finished),
            self._usage(finished),
            "\n\n".join(
                text for text in _dict(self._metadata(), "reasoning").values() if isinstance(text, str) and text
            ),
        )

    def _paused_ending(self) -> Paused:
        data = _dict(self.paused or _NOTHING, "data")
        return Paused(self.run_id or _str(data, "workflow_run_id"), tuple(self.forms), self._usage(data))

    def _metadata(self) -> Raw:
        return _dict(self.message_end or _NOTHING, "metadata")

    def _outputs(self, finished: Raw) -> Raw | None:
        return dict(_dict(finished, "outputs")) if self.kind is Kind.WORKFLOW else None

    def _parts(self, total: int) -> tuple[int | None, int | None]:
        """The two parts of a workflow's total, which only its nodes tell; unknown unless they make up the total."""
        prompt, completion = (self.counted[name] for name in _PARTS)
        return (prompt, completion) if prompt + completion == total else (None, None)

    def _usage(self, finished: Raw) -> Usage | None:
        """Dify's numbers; a zero total is its way to say that it did not count (a stopped run, wire 14.18)."""
        usage = _dict(self._metadata(), "usage")
        total = _int(usage.get("total_tokens")) or _int(finished.get("total_tokens"))
        if not total:
            return None
        prices = {name: usage[name] for name in _PRICES if isinstance(usage.get(name), str)}
        prompt, completion = (
            (_int(usage.get("prompt_tokens")), _int(usage.get("completion_tokens"))) if usage else self._parts(total)
        )
        return Usage(prompt, completion, total, _float(usage.get("latency")), prices)


def _incomplete() -> DuckError:
    return DuckError(
        "incomplete_run",
        "Dify's stream ended before it said how the run went.",
        "Dify's log has the run; a restart of Dify or of its plugin daemon does this.",
    )


def _names_a_run(raw: Raw) -> bool:
    """Whether a dict has the ids of a run; a ping that comes before it has none."""
    return bool(_str(raw, "conversation_id") or _str(raw, "message_id")) or "workflow_run_id" in raw


def _kind_of(raw: Raw) -> Kind:
    """The app's kind, from the first event alone (wire section 7)."""
    name = raw.get("event")
    if not _str(raw, "conversation_id"):
        return Kind.COMPLETION if _str(raw, "message_id") else Kind.WORKFLOW
    if name in ("agent_thought", "agent_message"):
        return Kind.AGENT
    return Kind.CHATFLOW if "workflow_run_id" in raw or raw.get("from_variable_selector") else Kind.CHAT


def _read_message(run: _Reading, raw: Raw) -> Iterable[Event]:
    """`message`, `agent_message`, and `message_file` where it carries an answer (wire section 2, quirk)."""
    if "answer" in raw:
        text = raw["answer"]
        return (Text(text, raw) if text and isinstance(text, str) else Passed(raw),)
    if raw.get("event") == "message_file" and run.is_new_file(raw):
        return (_file(raw, raw),)
    return (Passed(raw),)


def _read_text_chunk(_: _Reading, raw: Raw) -> Iterable[Event]:
    text = _str(_dict(raw, "data"), "text")
    return (Text(text, raw) if text else Passed(raw),)


def _read_message_replace(_: _Reading, raw: Raw) -> Iterator[Event]:
    yield TextReplaced(_str(raw, "answer"), raw)


def _read_text_replace(_: _Reading, raw: Raw) -> Iterator[Event]:
    yield TextReplaced(_str(_dict(raw, "data"), "text"), raw)


def _read_reasoning_chunk(_: _Reading, raw: Raw) -> Iterator[Event]:
    text = _str(_dict(raw, "data"), "reasoning")
    yield Reasoning(text, raw) if text else Passed(raw)


def _read_agent_thought(_: _Reading, raw: Raw) -> Iterator[Event]:
    """A thought is re-sent as it fills up; only one that names a tool says more than the text does."""
    name = _str(raw, "tool")
    if name:
        yield Tool(_str(raw, "id"), name, _str(raw, "tool_input"), without_traceback(_str(raw, "observation")), raw)
    else:
        yield Passed(raw)


def _read_step(kind: str, status: str | None) -> "_Reader":
    """A reader for steps. status: the one that the event's name tells; None when it is in the data."""

    def read(_: _Reading, raw: Raw) -> Iterator[Event]:
        data = _dict(raw, "data")
        yield Step(
            _str(data, "id"),
            kind,
            _str(data, "node_type"),
            _str(data, "title") or _str(data, "label"),
            status or _str(data, "status"),
            _int(data.get("index")),
            _str(data, "parent_id") or _str(data, "iteration_id") or _str(data, "loop_id"),
            readable(_str(data, "error")),
            _float(data.get("elapsed_time")),
            {name: data[name] for name in _DETAILS if data.get(name)},
            raw,
        )

    return read


_read_node_end: Final = _read_step("node", None)


def _read_node_finished(run: _Reading, raw: Raw) -> Iterator[Event]:
    data = _dict(raw, "data")
    usage = _dict(_dict(data, "outputs"), "usage") or _dict(_dict(data, "process_data"), "usage")
    for name in _PARTS:
        run.counted[name] += _int(usage.get(name)) or 0
    yield from _read_node_end(run, raw)


def _read_message_end(run: _Reading, raw: Raw) -> Iterator[Event]:
    run.message_end = raw
    yield Passed(raw)
    items = _dict(raw, "metadata").get("retriever_resources")
    found = tuple(_source(item) for item in items if isinstance(item, Mapping)) if isinstance(items, list) else ()
    if found:
        yield Sources(found, None)
    yield from run.new_files(raw.get("files"))


def _read_workflow_finished(run: _Reading, raw: Raw) -> Iterator[Event]:
    run.finished = raw
    yield Passed(raw)
    yield from run.new_files(_dict(raw, "data").get("files"))


def _read_workflow_paused(run: _Reading, raw: Raw) -> Iterator[Event]:
    run.paused = raw
    yield Passed(raw)


def _read_human_input_required(run: _Reading, raw: Raw) -> Iterator[Event]:
    data = _dict(raw, "data")
    actions = data.get("actions")
    titles = (
        (_str(action, "title") for action in actions if isinstance(action, Mapping))
        if isinstance(actions, list)
        else ()
    )
    run.forms.append(Form(_str(data, "node_title"), _str(data, "form_content"), tuple(titles)))
    yield Passed(raw)


def _read_error(run: _Reading, raw: Raw) -> Iterator[Event]:
    run.error = raw
    yield Passed(raw)


def _source(item: Raw) -> Source:
    metadata = _dict(item, "doc_metadata")
    links = (_str(metadata, name) for name in ("url", "source_url", "source"))
    return Source(
        _int(item.get("position")) or 0,
        _str(item, "title") or _str(item, "document_name"),
        next((link for link in links if link.startswith(("http://", "https://"))), ""),
        _str(item, "dataset_name"),
        _float(item.get("score")),
        _str(item, "content"),
    )


def _file(item: Raw, raw: Raw | None) -> File:
    return File(
        _str(item, "related_id") or _str(item, "id"),
        _str(item, "type"),
        _url(item),
        _str(item, "filename"),
        _str(item, "mime_type"),
        _size(item.get("size")),
        raw,
    )


def _size(value: object) -> int | None:
    """Bytes; Dify says 0 or -1 for a size that it does not know (wire 14.17 and section 6)."""
    size = _int(value)
    return size if size and size > 0 else None


def _url(item: Raw) -> str:
    return _str(item, "url") or _str(item, "remote_url")


def _dict(raw: Raw, name: str) -> Raw:
    value = raw.get(name)
    return value if isinstance(value, Mapping) else _NOTHING


def _str(raw: Raw, name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


type _Reader = Callable[[_Reading, Raw], Iterable[Event]]

_READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {
        "message": _read_message,
        "agent_message": _read_message,
        "message_file": _read_message,
        "text_chunk": _read_text_chunk,
        "message_replace": _read_message_replace,
        "text_replace": _read_text_replace,
        "reasoning_chunk": _read_reasoning_chunk,
        "agent_thought": _read_agent_thought,
        "agent_log": _read_step("agent", None),
        "node_started": _read_step("node", "started"),
        "node_finished": _read_node_finished,
        "node_retry": _read_step("node", "retry"),
        "iteration_started": _read_step("iteration", "started"),
        "iteration_next": _read_step("iteration", "next"),
        "iteration_completed": _read_step("iteration", None),
        "loop_started": _read_step("loop", "started"),
        "loop_next": _read_step("loop", "next"),
        "loop_completed": _read_step("loop", None),
        "message_end": _read_message_end,
        "workflow_finished": _read_workflow_finished,
        "workflow_paused": _read_workflow_paused,
        "human_input_required": _read_human_input_required,
        "error": _read_error,
    }
)
"""Dify's event names (wire section 2). Those that are not here pass through: `workflow_started` after the first event,
`human_input_form_filled`, `human_input_form_timeout`, `tts_message`, `tts_message_end`, `ping`, and what is yet to
come."""

_DETAILS: Final = ("inputs", "outputs", "process_data", "execution_metadata", "data", "metadata", "files")
"""Members of a step's `data` that hold its content rather than its state."""

_PARTS: Final = ("prompt_tokens", "completion_tokens")
_PRICES: Final = ("prompt_price", "completion_price", "total_price", "currency")
