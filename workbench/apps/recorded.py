"""Recordings of a real Dify, replayed with their timing.

`plugin/` recordings know only how long they took in all, so their events are spread evenly; `long/` ones have the
true time of each. Where a recorded run ended in an exception, the replay fails with the same text, to the last byte:
the host puts back the first words of the text that are taken off here.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from workbench.app import App, Broken, DifyEvent, Invocation, Unreachable
from workbench.apps.forms import Variable, read_form, validate
from workbench.apps.parameters import Declaration, prompt_app_parameters, workflow_parameters
from workbench.apps.refusals import invalid_param

GRAPH_MODES: Final = ("workflow", "advanced-chat")
CHAT_MODES: Final = ("chat", "agent-chat", "advanced-chat")

_FAILURES: Final[Mapping[str, type[Exception]]] = {
    # Also refusals: the order of members and the escapes in Dify's JSON survive only as text, which `Refused` is not.
    "invoke app failed: ": Unreachable,
    "read app failed: ": Broken,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that came `at` seconds after the call: an event, as the JSON text that was recorded."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded run. `mode` is None where there was no such app; `failure` is the text of its exception."""

    app: str
    mode: str | None
    request: Mapping[str, Any]
    events: tuple[Moment, ...]
    failure: Moment | None


def recorded_apps(directory: Path, speed: float) -> dict[str, App]:
    """Alias (the file's name) to app, one for each streamed run below `plugin/` and `long/`.

    `speed` divides the waits; 0 and infinity leave them out.
    """
    runs = {path.stem: _read_plugin(path) for path in sorted((directory / "plugin").glob("*.jsonl"))}
    runs = {alias: run for alias, run in runs.items() if not alias.endswith(".blocking")}
    for path in sorted((directory / "long").glob("*.jsonl")):
        run = _read_long(path)
        if run:
            runs[path.stem] = run
    if not runs:
        raise ValueError(f"{directory} holds no recordings: they stand in its folders plugin/ and long/")
    scale = 0.0 if speed in (0, math.inf) else 1 / speed
    return {alias: _replayed(run, directory, scale) for alias, run in runs.items()}


def _replayed(run: Recording, directory: Path, scale: float) -> "RecordedApp":
    recorded_form = directory / "plugin" / f"fetch_app.{run.app}.json"
    form = json.loads(recorded_form.read_text("utf-8")) if recorded_form.exists() else _derived_parameters(run)
    # A replay takes any inputs, or none; only what is of a wrong type is refused, so that the app can be probed.
    declared = read_form(form["user_input_form"])
    variables = tuple(replace(variable, required=False, default=None) for variable in declared)
    return RecordedApp(run, form, variables, scale)


@dataclass(frozen=True, slots=True)
class RecordedApp:
    """Replays one run for every call. `scale` multiplies its times."""

    recording: Recording
    form: dict[str, Any]
    variables: tuple[Variable, ...]
    scale: float

    async def run(self, call: Invocation) -> AsyncIterator[DifyEvent]:
        if self.recording.events:
            self._check(call)
        start = asyncio.get_running_loop().time()
        for moment in self.recording.events:
            await self._wait(start, moment)
            yield json.loads(moment.text)
        failure = self.recording.failure
        if failure:
            await self._wait(start, failure)
            raise _exception(failure.text)

    def parameters(self) -> dict[str, Any]:
        return self.form

    @property
    def mode(self) -> str:
        return self.recording.mode or ""

    def _check(self, call: Invocation) -> None:
        """What a probe of the app's kind relies on (facts: wire section 7): the query first, then the inputs' types."""
        if self.recording.mode in CHAT_MODES and not call.query:
            raise invalid_param("missing query")
        validate(self.variables, call.inputs)

    async def _wait(self, start: float, moment: Moment) -> None:
        passed = asyncio.get_running_loop().time() - start
        await asyncio.sleep(max(0.0, moment.at * self.scale - passed))


def _exception(text: str) -> Exception:
    for prefix, kind in _FAILURES.items():
        if text.startswith(prefix):
            return kind(text.removeprefix(prefix))
    raise ValueError(f"no app can fail with this text: {text!r}")


def _lines(path: Path) -> Iterator[str]:
    # Not splitlines(): recorded answers hold U+2028 and U+0085.
    return (line for line in path.read_text("utf-8").split("\n") if line)


def _read_plugin(path: Path) -> Recording:
    first, *lines = _lines(path)
    head = json.loads(first)
    step = head["_seconds"] / max(1, len(lines))
    moments = [Moment(step * position, line) for position, line in enumerate(lines, start=1)]
    return _recording(head["_app"], head["_mode"], head["_request"], moments)


def _read_long(path: Path) -> Recording | None:
    """None for what is no streamed run of an app: a blocking call, or an endpoint's own reply."""
    first, *lines = _lines(path)
    request = json.loads(first)["_request"]
    if request["app"].startswith("GET ") or request["body"].get("response_mode") == "blocking":
        return None
    moments = [Moment(float(at), text) for at, tab, text in (line.partition("\t") for line in lines) if tab]
    mode = "workflow" if request["body"]["kind"] == "workflow" else "advanced-chat"
    return _recording(request["app"], mode, request["body"], moments)


def _recording(app: str, mode: str | None, request: Mapping[str, Any], moments: list[Moment]) -> Recording:
    last = json.loads(moments[-1].text)
    if "_exception" not in last:
        return Recording(app, mode, request, tuple(moments), None)
    return Recording(app, mode, request, tuple(moments[:-1]), Moment(moments[-1].at, last["_text"]))


def _derived_parameters(run: Recording) -> dict[str, Any]:
    """A form that declares, as required, each input that the recorded call gave."""
    typed = run.mode in GRAPH_MODES
    form = [_declaration(name, value, typed=typed) for name, value in run.request.get("inputs", {}).items()]
    return workflow_parameters(form) if typed else prompt_app_parameters(form)


def _declaration(name: str, value: Any, *, typed: bool) -> Declaration:
    kind = _variable_type(value)
    members: dict[str, Any] = {"label": name, "required": True, "variable": name}
    if typed:
        members |= {"options": [], "type": kind}
    return {kind: members}


def _variable_type(value: Any) -> str:
    match value:
        case bool():
            return "checkbox"
        case int() | float():
            return "number"
        case {"transfer_method": _}:
            return "file"
        case dict():
            return "json_object"
        case list():
            return "file-list"
        case _:
            return "paragraph"
