"""Events per second by streams at once, one line for each contender, as an SVG that reads on light and dark pages."""

import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree

from benchmarks.results import Results, median, names

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 30, 50
_COLORS: Final = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
"""Okabe and Ito's, which the colour-blind tell apart; with a dashed line for those beyond the last."""

_GREY: Final = "#808080"
_LABEL_HEIGHT: Final = 15

type Lines = Mapping[str, Sequence[float]]


def svg(results: Results) -> str:
    """The rate's axis is logarithmic: what is twice as fast is as far above wherever it stands."""
    streams = [load.streams for load in results.loads]
    rounds = list(results.loads.values())
    return _drawn(streams, {name: [median(one, name).rate for one in rounds] for name in names(rounds[0])})


def _drawn(streams: Sequence[int], lines: Lines) -> str:
    rates = [rate for line in lines.values() for rate in line]
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    root = ElementTree.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "font-family": "sans-serif"},
    )
    _text(root, _LEFT, 16, "events per second, by streams at once (logarithmic)", _GREY)
    for power in range(low, high + 1):
        y = _y(10**power, low, high)
        _line(root, [(_LEFT, y), (_WIDTH - _RIGHT, y)], _GREY, {"stroke-width": "0.5", "opacity": "0.6"})
        _text(root, _LEFT - 8, y + 4, f"{10**power:,}", _GREY, "end")
    for place, number in enumerate(streams):
        _text(root, _x(place, len(streams)), _HEIGHT - _BOTTOM + 20, f"{number:,}", _GREY, "middle")
    label_y = math.inf
    for number, (name, line) in enumerate(sorted(lines.items(), key=lambda item: item[1][-1])):
        color = _COLORS[number % len(_COLORS)]
        points = [(_x(place, len(streams)), _y(rate, low, high)) for place, rate in enumerate(line)]
        _line(
            root,
            points,
            color,
            {"stroke-width": "2", **({"stroke-dasharray": "5 3"} if number >= len(_COLORS) else {})},
        )
        label_y = min(points[-1][1] + 4, label_y - _LABEL_HEIGHT)
        _text(root, points[-1][0] + 10, label_y, name, color)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode") + "\n"


def _x(place: int, places: int) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (place + 0.5) / places, 1)


def _y(rate: float, low: int, high: int) -> float:
    return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - math.log10(rate)) / (high - low), 1)


def _line(
    root: ElementTree.Element, points: Sequence[tuple[float, float]], color: str, style: Mapping[str, str]
) -> None:
    drawn = " ".join(f"{x},{y}" for x, y in points)
    ElementTree.SubElement(root, "polyline", {"points": drawn, "fill": "none", "stroke": color, **style})


def _text(root: ElementTree.Element, x: float, y: float, text: str, color: str, anchor: str = "start") -> None:
    place = {"x": f"{x}", "y": f"{y}", "fill": color, "text-anchor": anchor, "font-size": "12"}
    ElementTree.SubElement(root, "text", place).text = text
