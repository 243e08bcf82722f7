"""Line charts as SVG: curves that are told apart by dashes and marks as well as by color, ticks at round numbers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gpudl.train.report.numbers import Axis, count_axis, number, value_axis
from gpudl.train.report.record import Points

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 22, 12, 44
_MARKED = 40  # a curve of more points shows only the last and the best
_DRAWN = 600  # points of a curve; more are not to be told apart
_READ = 300  # places at which the pointer reads values


@dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        label: what it is, in the legend.
        look: "train" (solid, circles), "val" (dashed, squares), "third" (dotted, diamonds), "faint" (thin, without
            marks), "limit" (dashed, without marks).
        points: (x, y) with x rising; y None where it was not finite.
        best: the point to be marked as the best.
    """

    label: str
    look: str
    points: Points
    best: tuple[float, float] | None = None


def line_chart(
    title: str,
    lines: Sequence[Line],
    across: str = "epoch",
    text: Callable[[float | None], str] = number,
    *,
    along: Axis | None = None,
    up: Axis | None = None,
    mark: tuple[float, str] | None = None,
) -> str:
    """A figure with heading, legend (with last and best values) and chart.

    Args:
        title: plain text, as all that is given here; it is escaped.
        lines: those without points are left out.
        across: the name of x.
        text: how values are written.
        along, up: the axes of x and y; chosen by the points if not given.
        mark: an x at which something happens, and what.
    """
    lines = [line for line in lines if line.points]
    legend = "".join(_legend(line, across, text) for line in lines)
    if any(y is None for line in lines for _, y in line.points):
        legend += '<li><svg class="key" viewBox="0 0 28 12" aria-hidden="true"><path class="nonfinite" '
        legend += 'd="M10 2l8 8m0-8l-8 8"/></svg>not finite</li>'
    caption = f"<figcaption><h3>{escape(title)}</h3><ul class='legend'>{legend}</ul></figcaption>"
    return f'<figure class="card chart">{caption}{_svg(title, lines, across, text, along, up, mark)}</figure>'


def _legend(line: Line, across: str, text: Callable[[float | None], str]) -> str:
    last = line.points[-1][1]
    said = f"{escape(line.label)} <b>{text(last)}</b>"
    if line.best is not None:
        epoch, value = line.best
        said += f' <span class="muted">best {text(value)} at {escape(across)} {epoch:,.0f}</span>'
    mark = _mark(line.look, 14, 6)
    key = f'<svg class="key" viewBox="0 0 28 12" aria-hidden="true"><path class="{line.look}" d="M1 6H27"/>{mark}</svg>'
    return f"<li>{key}<span>{said}</span></li>"


def _svg(
    title: str,
    lines: Sequence[Line],
    across: str,
    text: Callable[[float | None], str],
    along: Axis | None,
    up: Axis | None,
    mark: tuple[float, str] | None,
) -> str:
    finite = [y for line in lines for _, y in line.points if y is not None]
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_spoken(title, lines, across))}"'
    if not finite:
        return f'{head}><text class="empty" x="{WIDTH / 2}" y="{HEIGHT / 2}">no finite value</text></svg>'
    x_axis, y_axis = along or count_axis([x for line in lines for x, _ in line.points]), up or value_axis(finite)
    frame = _Frame(x_axis, y_axis)
    reduced = [thinned(line.points) for line in lines]
    values = {"across": across, "ends": [x_axis.low, x_axis.high], "log": x_axis.log, **_values(lines, text)}
    parts = [
        f'{head} data-chart="{escape(json.dumps(values, separators=(",", ":")))}">',
        *frame.axes(across),
        *(part for line, points in zip(lines, reduced, strict=True) for part in frame.curve(line, points)),
        *(part for line in lines for part in frame.marks(line)),
        "" if mark is None else frame.happening(*mark),
        "</svg>",
    ]
    return "".join(parts)


def _values(lines: Sequence[Line], text: Callable[[float | None], str]) -> dict[str, Any]:
    """What the pointer reads off: at the same places for all lines, evenly chosen where there are many."""
    places = sorted({x for line in lines for x, _ in line.points})
    places = sorted({*places[:: -(-len(places) // _READ)], places[-1]})
    curves = [(line.label, dict(line.points)) for line in lines]
    return {
        "at": [int(x) if float(x).is_integer() else x for x in places],
        "lines": [[label, [text(known[x]) if x in known else None for x in places]] for label, known in curves],
    }


def _spoken(title: str, lines: Sequence[Line], across: str) -> str:
    """What a screen reader says instead of the picture."""
    ends = [(line.label, *line.points[-1]) for line in lines]
    said = [f"{label} {number(y)} at {across} {x:,.0f}".strip() for label, x, y in ends]
    return f"Line chart of {title}: {'; '.join(said)}"


@dataclass(frozen=True)
class _Frame:
    """Values to places in the picture, and what is drawn there."""

    x_axis: Axis
    y_axis: Axis

    def x(self, value: float) -> float:
        return round(LEFT + self.x_axis.place(value) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - self.y_axis.place(value) * (HEIGHT - TOP - BOTTOM), 1)

    def axes(self, across: str) -> Iterator[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value, label in self.y_axis.ticks:
            y = self.y(value)
            yield f'<path class="grid" d="M{LEFT} {y}H{right}"/>'
            yield f'<text class="tick y" x="{LEFT - 7}" y="{y}">{label}</text>'
        for value, label in self.x_axis.ticks:
            x = self.x(value)
            # The label of a tick at the very edge would be cut off there.
            edge = " last" if x > right - 14 and len(label) > 5 else ""
            yield f'<path class="axis" d="M{x} {bottom}v4"/>'
            yield f'<text class="tick x{edge}" x="{right if edge else x}" y="{bottom + 18}">{label}</text>'
        yield f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>'
        scale = ", log" if self.x_axis.log else ""
        yield f'<text class="name" x="{(LEFT + right) / 2}" y="{HEIGHT - 6}">{escape(across)}{scale}</text>'
        if self.y_axis.log:
            yield f'<text class="name log" x="{LEFT - 7}" y="{HEIGHT - 6}">log</text>'

    def curve(self, line: Line, points: Points) -> Iterator[str]:
        path = []
        pen = "M"
        for x, y in points:
            if y is None:
                pen = "M"
                continue
            # The h0 shows a point without neighbors, as the end of a line is round.
            path.append(f"{pen}{self.x(x)} {self.y(y)}" + ("h0" if pen == "M" else ""))
            pen = "L"
        yield f'<path class="{line.look}" d="{"".join(path)}"/>'

    def happening(self, value: float, what: str) -> str:
        """A line across the chart, with its name beside it."""
        x = self.x(value)
        side, end = (-5, " last") if x > (LEFT + WIDTH - RIGHT) / 2 else (5, "")
        return (
            f'<path class="happening" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>'
            f'<text class="tick happening{end}" x="{x + side:.1f}" y="{TOP + 10}">{escape(what)}</text>'
        )

    def marks(self, line: Line) -> Iterator[str]:
        known = [(x, y) for x, y in line.points if y is not None]
        if line.look not in ("faint", "limit"):
            for x, y in known if len(known) <= _MARKED else known[-1:]:
                yield _mark(line.look, self.x(x), self.y(y))
        if line.best is not None:
            x, y = line.best
            yield f'<circle class="best {line.look}" cx="{self.x(x)}" cy="{self.y(y)}" r="7"/>'
        for first, last in gaps(line.points):
            x = self.x(first)
            yield f'<path class="nonfinite" d="M{x - 4:.1f} {TOP}l8 8m0-8l-8 8M{x} {TOP + 4}H{self.x(last)}"/>'


def _mark(look: str, x: float, y: float) -> str:
    if look == "train":
        return f'<circle class="mark train" cx="{x}" cy="{y}" r="3"/>'
    if look == "third":
        return f'<path class="mark third" d="M{x - 4:.1f} {y}l4 -4l4 4l-4 4z"/>'
    return f'<rect class="mark val" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>' if look == "val" else ""


def gaps(points: Points) -> Iterator[tuple[float, float]]:
    """The first and last x of each stretch that is not finite."""
    for missing, stretch in itertools.groupby(points, lambda point: point[1] is None):
        if missing:
            places = [x for x, _ in stretch]
            yield places[0], places[-1]


def thinned(points: Points) -> Points:
    """At most about 600 points; of each stretch the smallest and the largest, so that no spike is lost."""
    stretch = -(-2 * len(points) // _DRAWN)
    if stretch <= 2:
        return points
    kept: Points = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        known = [point for point in part if point[1] is not None]
        low = min(known, key=lambda point: point[1] or 0.0, default=part[0])
        high = max(known, key=lambda point: point[1] or 0.0, default=part[-1])
        gap = [point for point in part if point[1] is None][:1]
        kept += sorted({low, high, *gap}, key=lambda point: point[0])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def smoothed(points: Points) -> Points:
    """The mean over a fiftieth of the points around each; fewer at the ends."""
    half = max(1, len(points) // 100)
    smooth: Points = []
    for place, (x, y) in enumerate(points):
        around = [value for _, value in points[max(0, place - half) : place + half + 1] if value is not None]
        smooth.append((x, None if y is None else sum(around) / len(around)))
    return smooth
