"""The charts of a record as PNG files, with matplotlib."""

from __future__ import annotations

import textwrap
from functools import partial
from typing import Any

from gpudl.bench.charts import charts
from gpudl.bench.figures import Bar, BarChart, Chart, CurveChart
from gpudl.bench.record import Record
from gpudl.train.report.figures import COLORS, INK, MARKS, MUTED, file_name, png_of, short, styled
from gpudl.train.report.numbers import Axis

_COLUMN, _LINE = 6.4, 0.21  # inches: the width of a column of bars, the height of a bar
_LENGTH, _MOST = 70, 3  # bars and headings that make a column full; columns
_LOOKS: dict[str, dict[str, Any]] = {
    "solid": {"facecolor": COLORS[0], "edgecolor": COLORS[0]},
    "hatched": {"facecolor": "#fde6d8", "edgecolor": COLORS[1], "hatch": "/////"},
}
_LABEL = 44  # letters of a bar's name


def as_png(record: Record) -> dict[str, bytes]:
    """The name and the content of a PNG file for each chart.

    Raises: ImportError where matplotlib is not installed.
    """
    taken: set[str] = set()
    with styled():
        return {
            f"{file_name(f'{chart.kind}-{chart.subject}', taken)}.png": png_of(partial(_draw, chart))
            for chart in charts(record)
        }


def _draw(chart: Chart, figure: Any) -> None:
    text = chart.said
    if isinstance(chart, CurveChart):
        _draw_curves(figure, chart)
        text += f" {chart.crossing}." if chart.crossing else ""
    elif isinstance(chart, BarChart):
        _draw_bars(figure, chart)
    width, height = figure.get_size_inches()
    said = textwrap.wrap(text, int(15 * width))
    figure.set_figheight(height + 0.17 * len(said))
    figure.suptitle(short(chart.title, int(7.5 * width)), x=0.02, ha="left", fontsize=12, fontweight="bold")
    figure.supxlabel("\n".join(said), x=0.02, ha="left", fontsize=8.5, color=MUTED)


def _draw_bars(figure: Any, chart: BarChart) -> None:
    from matplotlib.patches import Patch

    columns = _columns(chart.bars)
    lines = max(map(len, columns))
    figure.set_size_inches(max(7.2, _COLUMN * len(columns)), 1.8 + _LINE * lines)
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        axes.set_ylim(lines - 0.4, -0.6)
        _draw_column(axes, chart, column)
    key = [Patch(label=meaning, **_LOOKS[look]) for look, meaning in chart.key.items() if look in chart.looks]
    if key:
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0}
        figure.axes[0].legend(handles=key, ncols=2, fontsize=9, **place)


def _columns(bars: tuple[Bar, ...]) -> list[list[Bar | str]]:
    """The bars with the headings of their groups, in as many columns as make them readable, of much the same length."""
    groups: dict[str, list[Bar | str]] = {}
    for bar in bars:
        groups.setdefault(bar.group, [bar.group] if bar.group else []).append(bar)
    total = sum(map(len, groups.values()))
    count = min(_MOST, -(-total // _LENGTH))
    columns: list[list[Bar | str]] = [[]]
    for group in groups.values():
        if len(columns) < count and len(columns[-1]) + len(group) / 2 > total / count:
            columns.append([])
        columns[-1] += group
    return columns


def _draw_column(axes: Any, chart: BarChart, column: list[Bar | str]) -> None:
    along = chart.along
    for place, bar in enumerate(column):
        if isinstance(bar, str):
            continue
        for start, end, look in bar.pieces:
            if end > start or len(bar.pieces) == 1:
                length = min(end, along.high) - start
                axes.barh(place, length, left=start, height=0.62, linewidth=0.8, **_LOOKS[look])
            if end > along.high:
                color = "white" if look == "solid" else INK
                axes.text(along.high, place, "▸", ha="right", va="center_baseline", color=color)
        if bar.whisker is not None:
            axes.plot(bar.whisker, (place, place), color=INK, linewidth=1.1, solid_capstyle="butt")
        axes.text(1.012, place, bar.text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    names = [bar if isinstance(bar, str) else f"{bar.label}, {bar.part}" for bar in column]
    axes.set_yticks(range(len(column)), [short(name, _LABEL, middle=True) for name in names], fontsize=8.5)
    for bar, label in zip(column, axes.get_yticklabels(), strict=True):
        label.set(color=INK, fontweight="bold" if isinstance(bar, str) else "normal")
    axes.tick_params("y", length=0)
    axes.grid(False, axis="y")
    _scale(axes, "x", along)
    if chart.mark is not None:
        axes.axvline(chart.mark, color=INK, linewidth=1.2)
    axes.set_xlabel(chart.across)


def _scale(axes: Any, name: str, axis: Axis) -> None:
    axes.set(**{f"{name}scale": "log" if axis.log else "linear", f"{name}lim": (axis.low, axis.high)})
    getattr(axes, f"set_{name}ticks")([value for value, _ in axis.ticks], [label for _, label in axis.ticks])
    axes.minorticks_off()


def _draw_curves(figure: Any, chart: CurveChart) -> None:
    figure.set_size_inches(7.2, 4.4)
    axes = figure.add_subplot()
    for place, (device, points) in enumerate(chart.curves.items()):
        look = {"color": COLORS[place % len(COLORS)], "marker": MARKS[place % len(MARKS)], "markersize": 5}
        axes.plot(*zip(*points, strict=True), linestyle=("-", (0, (4, 2)), ":")[place % 3], label=device, **look)
    _scale(axes, "x", chart.along)
    _scale(axes, "y", chart.up)
    axes.set_xlabel(f"{chart.across}, log scale")
    axes.set_ylabel(f"{chart.upward}, log scale")
    axes.legend(loc="best")
