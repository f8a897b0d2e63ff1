import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.app import App, Broken, DifyEvent, Refused, Unreachable
from workbench.apps import recorded_apps
from workbench.apps.recorded import RecordedApp

type Outcome = tuple[list[DifyEvent], Exception | None]
type Run = Callable[..., Outcome]

RECORDINGS = Path(__file__).parents[3] / "recordings"
PLUGIN = sorted(path.stem for path in (RECORDINGS / "plugin").glob("*.jsonl") if ".blocking" not in path.name)
LONG = ["cf330_stream", "cf_silent300", "wf330_stream"]

# What the host puts before the text of each exception (workbench.app).
SAID_BY_THE_HOST = {Unreachable: "invoke app failed: ", Broken: "read app failed: "}


@pytest.fixture(scope="module")
def apps() -> dict[str, App]:
    return recorded_apps(RECORDINGS, speed=math.inf)


def _lines(alias: str) -> list[str]:
    if alias in LONG:
        text = (RECORDINGS / "long" / f"{alias}.jsonl").read_text("utf-8")
        return [line.partition("\t")[2] for line in text.split("\n") if "\t" in line]
    return (RECORDINGS / "plugin" / f"{alias}.jsonl").read_text("utf-8").rstrip("\n").split("\n")[1:]


def test_every_streamed_run_of_an_app_has_an_alias(apps: dict[str, App]) -> None:
    assert sorted(apps) == sorted(PLUGIN + LONG)


@pytest.mark.parametrize("alias", PLUGIN + LONG)
def test_a_replay_gives_the_recording_to_the_byte(apps: dict[str, App], outcome: Run, alias: str) -> None:
    events, error = outcome(apps[alias])
    replayed = [json.dumps(event, ensure_ascii=False) for event in events]
    if error:
        replayed.append(SAID_BY_THE_HOST[type(error)] + str(error))
    expected = [json.loads(line) for line in _lines(alias)]
    assert replayed == [
        event["_text"] if "_exception" in event else json.dumps(event, ensure_ascii=False) for event in expected
    ]


def test_events_of_a_short_recording_are_spread_evenly_over_its_seconds(apps: dict[str, App]) -> None:
    app = apps["chat-echo-turn1"]
    assert isinstance(app, RecordedApp)
    times = [moment.at for moment in app.recording.events]
    assert times == pytest.approx([0.143 * position / 6 for position in range(1, 7)])


def test_events_of_a_long_recording_keep_their_true_times(apps: dict[str, App]) -> None:
    app = apps["cf_silent300"]
    assert isinstance(app, RecordedApp)
    assert app.recording.failure
    assert (app.recording.events[0].at, app.recording.failure.at) == (0.62, 240.61)


def test_a_replay_takes_the_recorded_time_divided_by_speed(outcome: Run) -> None:
    app = recorded_apps(RECORDINGS, speed=2)["chat-echo-turn1"]
    start = time.monotonic()
    outcome(app)
    assert time.monotonic() - start >= 0.143 / 2


@pytest.mark.parametrize("speed", [0, math.inf])
def test_speed_0_and_infinity_leave_out_the_waits(outcome: Run, speed: float) -> None:
    app = recorded_apps(RECORDINGS, speed)["cf330_stream"]
    start = time.monotonic()
    _, error = outcome(app)
    assert isinstance(error, Broken)
    assert time.monotonic() - start < 60


def test_parameters_are_the_recorded_ones_where_there_are_any(apps: dict[str, App]) -> None:
    recorded = json.loads((RECORDINGS / "plugin" / "fetch_app.workflow-inputs.json").read_text("utf-8"))
    assert apps["workflow-inputs-flag-str"].parameters() == recorded


DERIVED: list[tuple[str, list[tuple[str, str]]]] = [
    ("workflow-fail", []),
    ("workflow-err0", [("paragraph", "query")]),
    ("workflow-iter", [("file-list", "files")]),
    ("chatflow-kb", []),
]


@pytest.mark.parametrize(("alias", "expected"), DERIVED)
def test_a_form_is_derived_from_the_recorded_inputs_otherwise(
    apps: dict[str, App], alias: str, expected: list[tuple[str, str]]
) -> None:
    form: list[dict[str, dict[str, Any]]] = apps[alias].parameters()["user_input_form"]
    assert [(kind, members["variable"]) for item in form for kind, members in item.items()] == expected
    assert [members["type"] for item in form for members in item.values()] == [kind for kind, _ in expected]


@pytest.mark.parametrize(
    ("alias", "call", "message"),
    [
        ("chat", {"query": ""}, "missing query"),
        ("chatflow", {"query": ""}, "missing query"),
        ("workflow", {"inputs": {"query": 0}}, "(type 'text-input') query in input form must be a string"),
        ("workflow-err0", {"inputs": {"query": 0}}, "(type 'paragraph') query in input form must be a string"),
    ],
)
def test_a_probe_of_the_apps_kind_is_refused_as_by_the_real_app(
    apps: dict[str, App], outcome: Run, alias: str, call: dict[str, Any], message: str
) -> None:
    events, error = outcome(apps[alias], **call)
    assert events == []
    assert isinstance(error, Refused)
    assert (error.status, error.message) == (400, message)
