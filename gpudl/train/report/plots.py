"""Plots of runs as PNG files, with matplotlib: curves, confusion matrix, sample predictions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpudl.train.errors import WriteError
from gpudl.train.files import write_whole
from gpudl.train.report.chart import gaps, smoothed
from gpudl.train.report.curves import by_step, learning_rate, title_of
from gpudl.train.report.figures import BAD, BLUE, COLORS, MARKS, Draw, file_name, png_of, short, styled
from gpudl.train.report.numbers import count_axis, number, setting, value_axis
from gpudl.train.report.panels import draw_confusion, draw_predictions
from gpudl.train.report.reading import read_run
from gpudl.train.report.record import Points, RunRecord

_VAL = COLORS[1]
_DASHES = (0, (4, 2))
_MARKED, _NAME = 40, 48  # points of a curve that all have marks; letters of a name


class Curve(NamedTuple):
    """A curve of a plot; without a mark it is thin and pale."""

    label: str
    points: Points
    color: str = BLUE
    mark: str = "o"
    dashed: bool = False
    best: tuple[float, float] | None = None


def draw_plots(
    folders: Iterable[str | os.PathLike[str]] | str | os.PathLike[str], out: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Draw runs: a PNG file for each loss and metric, the learning rate, steps, confusion matrix, predictions.

    Args:
        folders: a run folder, or several, whose curves are then drawn over each other, without the last two.
        out: where the files go, a folder, made if absent; plots/ in the run folder if there is one run.
    Returns: the files that were written; none if there is nothing finite to draw yet.
    Raises: RunError for a folder that is none of a run, ValueError for no folder, or several without `out`,
        ImportError where matplotlib is not installed, WriteError.
    """
    given = [folders] if isinstance(folders, (str, os.PathLike)) else [*folders]
    if not given:
        raise ValueError("draw_plots: no run folder is given")
    if out is None and len(given) > 1:
        raise ValueError("draw_plots: say with out= where the plots of several runs go")
    runs = [read_run(folder) for folder in given]
    place = runs[0].path / "plots" if out is None else Path(out)
    with styled():
        drawn = {name: png_of(draw) for name, draw in (_one(runs[0]) if len(runs) == 1 else _several(runs))}
    try:
        if drawn:
            place.mkdir(parents=True, exist_ok=True)
        for name, content in drawn.items():
            write_whole(place / name, content)
    except OSError as error:
        raise WriteError(place, error) from error
    return [place / name for name in drawn]


def _one(run: RunRecord) -> Iterator[tuple[str, Draw]]:
    """The file name and the drawing of each plot of a run."""
    for name, file in _files(run.metrics):
        own, other = run.points(name), run.points(f"val_{name}")
        training = Curve("training", own, best=None if other else run.best(name))
        others = Curve(run.held_out, other, _VAL, "s", True, run.best(f"val_{name}"))
        yield from _curves(file, title_of(name), [_told(training), _told(others)])
    rate, across = learning_rate(run)
    if rate:
        label = f"last: {setting(rate[-1][1])}"
        yield from _curves("learning_rate.png", "Learning rate", [Curve(label, rate)], across)
    steps = by_step(run, "loss")
    smooth = [Curve("smoothed", smoothed(steps))] if len(steps) > 20 else []
    each = Curve("each step", steps, mark="" if smooth else "o")
    yield from _curves("steps.png", "Loss by step", [each, *smooth], "step")
    if run.confusion is not None:
        yield "confusion_matrix.png", lambda figure: draw_confusion(figure, run)
    if run.samples:
        yield "predictions.png", lambda figure: draw_predictions(figure, run)


def _told(curve: Curve) -> Curve:
    """A curve whose label says its last and its best value."""
    if not curve.points:
        return curve
    label = f"{curve.label}: {number(curve.points[-1][1])}"
    if curve.best is not None:
        label += f", best {number(curve.best[1])} at epoch {curve.best[0]:,.0f}"
    return curve._replace(label=label)


def _several(runs: Sequence[RunRecord]) -> Iterator[tuple[str, Draw]]:
    looks = [(COLORS[place % len(COLORS)], MARKS[place % len(MARKS)]) for place in range(len(runs))]
    known = [*zip(runs, _labels(runs), looks, strict=True)]
    for name, file in _files([*dict.fromkeys(name for run in runs for name in run.metrics)]):
        curves = []
        for run, label, look in known:
            other = run.points(f"val_{name}")
            curves.append(Curve(f"{label}, training" if other else label, run.points(name), *look))
            curves.append(Curve(f"{label}, {run.held_out}", other, *look, dashed=True))
        yield from _curves(file, title_of(name), curves)
    rates = [Curve(label, run.points("lr"), *look) for run, label, look in known]
    yield from _curves("learning_rate.png", "Learning rate", rates)
    steps = [Curve(label, smoothed(by_step(run, "loss")), *look) for run, label, look in known]
    yield from _curves("steps.png", "Loss by step, smoothed", steps, "step")


def _labels(runs: Sequence[RunRecord]) -> list[str]:
    """The names of runs; where they are the same, with the folder; where that is too, with a number."""
    labels = [short(run.name, _NAME, middle=True) for run in runs]
    labels = [
        label if labels.count(label) == 1 else f"{label} ({short(run.path.absolute().name, _NAME, middle=True)})"
        for run, label in zip(runs, labels, strict=True)
    ]
    return [label if labels.count(label) == 1 else f"{place}: {label}" for place, label in enumerate(labels, 1)]


def _files(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Metrics with names of files that any system takes, each its own."""
    taken = {"learning_rate", "steps", "confusion_matrix", "predictions"}
    for name in names:
        yield name, f"{file_name(name, taken, 'metric')}.png"


def _curves(file: str, title: str, curves: Sequence[Curve], across: str = "epoch") -> Iterator[tuple[str, Draw]]:
    """A plot of curves; none where there is nothing finite to draw."""
    there = [curve for curve in curves if curve.points]
    if any(y is not None for curve in there for _, y in curve.points):
        yield file, lambda figure: _draw_curves(figure, title, there, across)


def _draw_curves(figure: Any, title: str, curves: Sequence[Curve], across: str) -> None:
    below = len(curves) > 3 or any(len(curve.label) > 48 for curve in curves)
    figure.set_size_inches(7.2, 4.2 + (0.22 * len(curves) if below else 0))
    axes = figure.add_subplot()
    up = value_axis([y for curve in curves for _, y in curve.points if y is not None])
    along = count_axis([x for curve in curves for x, _ in curve.points], 8)
    for curve in curves:
        _draw_curve(axes, curve)
    stretches = [gap for curve in curves for gap in gaps(curve.points)]
    for place, stretch in enumerate(stretches):
        label = "" if place else "not finite"
        axes.plot(stretch, [0.97, 0.97], "x-", color=BAD, label=label, transform=axes.get_xaxis_transform())
    room = 0.03 * (along.high - along.low)
    axes.set_xlim(along.low - room, along.high + room)
    axes.set_xticks([value for value, _ in along.ticks], [label for _, label in along.ticks])
    axes.set_yscale("log" if up.log else "linear")
    axes.set_ylim(up.low, up.high)
    axes.set_yticks([value for value, _ in up.ticks], [label for _, label in up.ticks])
    axes.minorticks_off()
    axes.set_xlabel(across)
    axes.set_title(short(title, _NAME, middle=True) + ("  (log scale)" if up.log else ""))
    spot: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.14)} if below else {"loc": "best"}
    axes.legend(**spot)


def _draw_curve(axes: Any, curve: Curve) -> None:
    xs = [x for x, _ in curve.points]
    ys = [np.nan if y is None else y for _, y in curve.points]
    style: dict[str, Any] = {"alpha": 0.35, "linewidth": 0.8}
    if curve.mark:
        style = {"marker": curve.mark, "markersize": 4, "linestyle": _DASHES if curve.dashed else "-"}
        if len(xs) > _MARKED:
            # Some, to tell the curve by; and points without neighbors, which no line would show.
            seen = np.isfinite([np.nan, *ys, np.nan])
            alone = np.flatnonzero(seen[1:-1] & ~seen[:-2] & ~seen[2:])
            style["markevery"] = sorted({*range(len(xs) - 1, -1, -(len(xs) // 8)), *alone.tolist()})
    # The legend leaves out labels that begin with an underscore.
    label = f" {curve.label}" if curve.label.startswith("_") else curve.label
    axes.plot(xs, ys, color=curve.color, label=label, **style)
    if curve.best is not None:
        axes.plot(*curve.best, "o", markersize=11, fillstyle="none", color=curve.color, markeredgewidth=1.5)
