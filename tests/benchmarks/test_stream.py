import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import table
from benchmarks.app_run import AppRun, app_run
from benchmarks.contenders import CONTENDERS, PASSTHROUGH, ROOT, SSE, Contender, Mangled
from benchmarks.driver import Stream
from benchmarks.measurement import Load, Measurement, check, load

TOKENS = 4
MEASURED = Measurement(rate=100.0, cpu=1e-5, first_byte=0.01, memory=50e6, joined=1.0)


def _bodies(run: AppRun) -> dict[str, list[bytes]]:
    """What each contender sends for a run, chunk by chunk."""
    texts = [json.loads(event)["answer"] for event in run.events[:-1]]
    sse = [b"event: text\ndata: %b\n\n" % json.dumps({"text": text}).encode() for text in texts]
    ndjson = [json.dumps({"event": "text", "text": text}).encode() + b"\n" for text in texts]
    passed = [b"data: %b\n\n" % event for event in run.events]
    return {
        "pass-through": passed,
        "driver alone": passed,
        "/chat, SSE": [b": ping\n\n", *sse, b'event: end\ndata: {"answer":""}\n\n'],
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
    ("streams", "name", "rate", "falls_short"),
    [
        (20, SSE.name, 99.4, True),
        (20, SSE.name, 99.6, False),
        (20, SSE.name, 150.0, False),
        (1, SSE.name, 50.0, False),
        (20, "/duck", 50.0, False),
    ],
)
def test_only_the_sse_route_at_20_streams_falls_short_below_1(
    streams: int, name: str, rate: float, *, falls_short: bool
) -> None:
    rounds = [{PASSTHROUGH.name: MEASURED, name: replace(MEASURED, rate=rate)}]
    rows = table.rows(Load(streams, 1000, 1), rounds)
    assert [row.falls_short for row in rows] == [False, falls_short]
    assert (table.MISSED in table.text(rows)) is falls_short
    assert (table.MISSED in table.summary(rows)) is falls_short


def test_every_ratio_is_better_when_it_is_more_and_is_the_median_of_its_rounds() -> None:
    costly = replace(MEASURED, rate=50.0, cpu=2e-5, first_byte=0.02, memory=100e6)
    slowest = replace(costly, rate=1.0)
    rounds = [{PASSTHROUGH.name: MEASURED, SSE.name: other} for other in (MEASURED, costly, slowest)]
    ratios = table.rows(Load(20, 1000, 1), rounds)[1].ratios
    assert ratios == Measurement(rate=0.5, cpu=0.5, first_byte=0.5, memory=0.5, joined=1.0)


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


@pytest.mark.parametrize("arguments", [["--streams", "0"], ["--streams", "1,x"], ["--events", "1"]], ids=" ".join)
def test_numbers_that_make_no_run_are_refused(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.stream", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is no whole number" in done.stderr
