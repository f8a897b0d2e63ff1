import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import table
from benchmarks.app_run import AppRun, app_run, workflow_run
from benchmarks.contenders import CONTENDERS, PASSTHROUGH, ROOT, SSE, WORKFLOW, Contender, Mangled, against
from benchmarks.driver import Stream
from benchmarks.measurement import Load, Measurement, check, load

pytestmark = pytest.mark.alone

TOKENS = 4
MEASURED = Measurement(rate=100.0, cpu=1e-5, first_byte=0.01, memory=50e6, joined=1.0)


def _bodies(run: AppRun) -> dict[str, list[bytes]]:
    """What each contender sends for a run, chunk by chunk."""
    texts = [json.loads(event)["answer"] for event in run.events[:-1]]
    sse = [b"event: text\ndata: %b\n\n" % json.dumps({"text": text}).encode() for text in texts]
    ndjson = [json.dumps({"event": "text", "text": text}).encode() + b"\n" for text in texts]
    deltas = [{"choices": [{"delta": {"content": text}}]} for text in texts]
    passed = [b"data: %b\n\n" % event for event in run.events]
    return {
        "pass-through": passed,
        "driver alone": passed,
        "/chat, SSE": [b": ping\n\n", *sse, b'event: end\ndata: {"answer":""}\n\n'],
        "/v1/chat/completions": [
            *(b"data: %b\n\n" % json.dumps(delta).encode() for delta in deltas),
            b"data: [DONE]\n\n",
        ],
        "/chat, NDJSON": [*ndjson, b'{"event":"end"}\n'],
        "/chat, text": [text.encode() for text in texts],
        "/duck": [b"\n", *(event + b" <br>" for event in run.events)],
    }


def _stream(run: AppRun, chunks: list[bytes], status: int = 200) -> Stream:
    return Stream(run, status=status, chunks=[chunk.hex() for chunk in chunks])


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_a_stream_that_arrived_whole_passes(contender: Contender) -> None:
    run = app_run(7, TOKENS)
    check(contender, [_stream(run, _bodies(run)[contender.name])])


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_a_stream_that_lost_repeated_or_swapped_a_chunk_is_an_error(contender: Contender) -> None:
    run = app_run(7, TOKENS)
    chunks = [chunk for chunk in _bodies(run)[contender.name] if chunk not in (b"\n", b": ping\n\n")]
    for place in range(len(chunks)):
        lost = chunks[:place] + chunks[place + 1 :]
        with pytest.raises(Mangled):
            check(contender, [_stream(run, lost)])
    for place in range(TOKENS - 1):
        repeated = chunks[: place + 1] + chunks[place:]
        swapped = [*chunks[:place], chunks[place + 1], chunks[place], *chunks[place + 2 :]]
        for broken in (repeated, swapped):
            with pytest.raises(Mangled):
                check(contender, [_stream(run, broken)])


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_another_streams_answer_a_cut_chunk_and_an_error_status_are_errors(contender: Contender) -> None:
    run, other = app_run(7, TOKENS), app_run(8, TOKENS)
    chunks = _bodies(run)[contender.name]
    broken = [_stream(other, chunks), _stream(run, [*chunks[:-1], chunks[-1][:-6]]), _stream(run, chunks, status=502)]
    for stream in broken:
        with pytest.raises(Mangled):
            check(contender, [stream])


@pytest.mark.parametrize(
    ("streams", "events", "expected"),
    [
        pytest.param(1, None, Load(1, 1000, 10), id="one stream is run several times"),
        pytest.param(20, None, Load(20, 1000, 1), id="twenty are run once"),
        pytest.param(200, None, Load(200, 50, 1), id="many have fewer events"),
        pytest.param(200, 80, Load(200, 80, 1), id="what is asked for is run once"),
    ],
)
def test_a_measurement_has_enough_events_and_not_too_many(streams: int, events: int | None, expected: Load) -> None:
    assert load(streams, events) == expected


@pytest.mark.parametrize(
    ("streams", "contender", "rate", "falls_short"),
    [
        (20, SSE, 99.4, True),
        (20, SSE, 99.6, False),
        (20, SSE, 150.0, False),
        (1, SSE, 50.0, False),
        (20, CONTENDERS[-1], 50.0, False),
    ],
)
def test_only_a_route_with_a_required_ratio_falls_short_and_only_at_20_streams(
    streams: int, contender: Contender, rate: float, *, falls_short: bool
) -> None:
    rounds = [{PASSTHROUGH.name: MEASURED, contender.name: replace(MEASURED, rate=rate)}]
    rows = table.rows(Load(streams, 1000, 1), (PASSTHROUGH, contender), rounds)
    assert [row.falls_short for row in rows] == [False, falls_short]
    assert (table.MISSED in table.text(rows)) is falls_short
    assert (table.MISSED in table.summary(rows)) is falls_short


def test_against_a_baseline_each_route_is_compared_with_itself() -> None:
    contenders = against(Path("elsewhere"))
    there, here = contenders[::2], contenders[1::2]
    assert [one.name for one in there] == [f"{one.name} (baseline)" for one in here]
    assert [one.base for one in there] == [one.base for one in here] == [one.name for one in there]
    assert {one.plugin.directory for one in there} == {Path("elsewhere")}
    assert {one.plugin.directory for one in here} == {ROOT}
    assert {one.required for one in contenders} == {None}


@pytest.mark.parametrize(("streams", "rate", "falls_short"), [(20, 94.4, True), (20, 94.6, False), (1, 50.0, False)])
def test_against_a_baseline_all_routes_together_may_lose_a_twentieth_at_20_streams(
    streams: int, rate: float, *, falls_short: bool
) -> None:
    contenders = against(Path("elsewhere"))
    rounds = [{one.name: MEASURED if one.name == one.base else replace(MEASURED, rate=rate) for one in contenders}]
    rounds[0][WORKFLOW.name] = replace(MEASURED, rate=10.0)
    *rows, together = table.rows_against(Load(streams, 1000, 1), contenders, rounds)
    assert [row.name for row in rows] == [one.name for one in contenders]
    assert (together.name, together.ratios.rate, together.spread) == ("all routes", rate / 100, (0.1, rate / 100))
    assert [row.falls_short for row in (*rows, together)] == [False] * len(rows) + [falls_short]
    assert (table.MISSED in table.summary([*rows, together])) is falls_short


def test_every_ratio_is_better_when_it_is_more_and_is_the_median_of_its_rounds() -> None:
    costly = replace(MEASURED, rate=50.0, cpu=2e-5, first_byte=0.02, memory=100e6)
    slowest = replace(costly, rate=1.0)
    rounds = [{PASSTHROUGH.name: MEASURED, SSE.name: other} for other in (MEASURED, costly, slowest)]
    row = table.rows(Load(20, 1000, 1), (PASSTHROUGH, SSE), rounds)[1]
    assert row.ratios == Measurement(rate=0.5, cpu=0.5, first_byte=0.5, memory=0.5, joined=1.0)
    assert row.spread == (0.01, 1.0)


def test_a_workflows_answer_is_read_back_as_a_chat_apps_is() -> None:
    run = workflow_run(7, TOKENS)
    sent = [json.loads(event)["data"] for event in run.events]
    texts = [data["text"] for data in sent if "text" in data]
    assert (len(texts), "".join(texts)) == (TOKENS, run.answer)
    frames = [b"event: text\ndata: %b\n\n" % json.dumps({"text": text}).encode() for text in texts]
    end = b"event: end\ndata: {}\n\n"
    check(WORKFLOW, [_stream(run, [*frames, end])])
    with pytest.raises(Mangled):
        check(WORKFLOW, [_stream(run, [*frames[1:], end])])


def test_a_small_run_prints_every_route_and_every_stream_arrives_whole(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "benchmarks.stream", "--streams", "1,3", "--events", "50", "--json", str(numbers)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for row in json.loads(numbers.read_text("utf-8")):
        assert row["values"]["rate"] > 0
        assert any(line.split()[0] == str(row["streams"]) and row["name"] in line for line in lines if line)
    assert len(json.loads(numbers.read_text("utf-8"))) == 2 * len(CONTENDERS)
    assert lines[-1] == "Not judged: the requirement is for 20 streams, which were not measured."


@pytest.mark.parametrize(
    "arguments", [["--streams", "0"], ["--streams", "1,x"], ["--events", "1"], ["--rounds", "0"]], ids=" ".join
)
def test_numbers_that_make_no_run_are_refused(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.stream", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is no whole number" in done.stderr


def test_a_small_run_against_a_baseline_measures_each_route_twice(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    options = ["--baseline", str(ROOT), "--streams", "2", "--events", "20", "--rounds", "1", "--json", str(numbers)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stream", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(numbers.read_text("utf-8"))
    assert [(row["name"], row["base"]) for row in rows] == [
        *((one.name, one.base) for one in against(ROOT)),
        ("all routes", "the baseline"),
    ]


def test_a_baseline_without_a_plugin_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.stream", "--baseline", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no plugin in" in done.stderr
