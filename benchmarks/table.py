"""The results as people read them: plain tables, and each requirement with its verdict."""

from collections.abc import Iterable, Sequence

from benchmarks.contenders import SSE
from benchmarks.requirements import Requirement, summary
from benchmarks.results import BASE, Results, median, names, ratio


def text(results: Results, requirements: list[Requirement]) -> str:
    """The last line is the summary."""
    sections = (_loads(results), _idle(results), _delays(results), _soak(results))
    verdicts = "\n".join(map(str, requirements))
    return "\n\n".join([*sections, verdicts, summary(requirements)])


def _loads(results: Results) -> str:
    head = (
        "streams", "contender", "events/s", f"x {BASE}", "(rounds)", "CPU/event", "CPU/request", "first byte",
        "chunk p50", "chunk p99", "memory", "events/chunk", "driver busy",
    )  # fmt: skip
    rows = []
    for load, rounds in results.loads.items():
        for name in names(rounds):
            found = median(rounds, name)
            ratios = [one[name].rate / one[BASE].rate for one in rounds]
            rows.append(
                (
                    f"{load.streams}", name, f"{found.rate:,.0f}", f"{ratio(rounds, name, lambda one: one.rate):.2f}",
                    f"{min(ratios):.2f}-{max(ratios):.2f}", f"{found.cpu * 1e6:.1f} µs",
                    f"{found.request_cpu * 1e6:,.0f} µs", _ms(found.first_byte), _ms(found.gap_50), _ms(found.gap_99),
                    f"{found.memory / 1e6:.0f} MB", f"{found.joined:.1f}", f"{found.driver:.0%}",
                )
            )  # fmt: skip
    return "As fast as they can, medians of the rounds:\n" + _table(head, rows)


def _idle(results: Results) -> str:
    head = ("contender", "start-up", "first byte", f"x {BASE}", "memory per waiting stream")
    rows = []
    for name, found in results.idle.items():
        waited = sorted(one[name] for one in results.first_byte)
        rows.append(
            (
                name, f"{found.start_up:.2f} s", _ms(waited[len(waited) // 2]),
                f"{ratio(results.first_byte, name, float):.2f}", f"{found.per_stream / 1024:.1f} KiB",
            )
        )  # fmt: skip
    return "Idle:\n" + _table(head, rows)


def _delays(results: Results) -> str:
    head = ("streams at a model's pace", "contender", "token late p50", "p99", "chunk p50", "chunk p99")
    rows = [
        (what, name, _ms(found.delay_50), _ms(found.delay_99), _ms(found.gap_50), _ms(found.gap_99))
        for what, rounds in (("many", results.paced), ("some, beside an endless one", results.fair))
        for name in names(rounds)
        for found in (median(rounds, name),)
    ]
    return _table(head, rows)


def _soak(results: Results) -> str:
    hours = ", ".join(f"{held / 1024 / 1024:.1f}" for held in results.soaked)
    return f"Memory of {SSE.name} and Chat in one process, after each hour's worth of events, in MiB: {hours}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """As Markdown, so that it can go into a page as it is."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    cells = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths)
    return "\n".join(f"{line} |" if at != 1 else f"{line}|" for at, line in enumerate([cells[0], rule, *cells[1:]]))
