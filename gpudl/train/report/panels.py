"""The confusion matrix and the sample predictions of a run as matplotlib figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.train.report.confusion import NUMBERED, RIGHT, WRONG, shades
from gpudl.train.report.figures import BAD, BLUE, FAINT, GOOD, INK, MUTED, short
from gpudl.train.report.pictures import picture_of, value_text
from gpudl.train.report.record import RunRecord, Sample

_SHOWN, _COLUMNS = 20, 5


def draw_confusion(figure: Any, run: RunRecord) -> None:
    """The matrix of a run that has one: with numbers and names for few classes, as a picture for many."""
    counts = run.confusion
    assert counts is not None
    classes, numbered = len(counts), len(counts) <= NUMBERED
    side = max(5.2, 0.46 * classes + 1.8) if numbered else 8.0
    figure.set_size_inches(side, side)
    axes = figure.add_subplot()
    dark = 0.92 * shades(counts)[..., None]
    color = np.where(np.eye(classes, dtype=bool)[..., None], RIGHT, WRONG) / 255
    axes.imshow(1 - dark * (1 - color), interpolation="nearest")
    axes.grid(False)
    if numbered:
        axes.spines[:].set_visible(False)
        for row, column in np.ndindex(counts.shape):
            count = counts[row, column]
            axes.text(
                column, row, f"{count}", ha="center", va="center", fontsize=8 if count < 1000 else 6.5,
                color="white" if dark[row, column, 0] > 0.5 else INK if count else FAINT,
                fontweight="bold" if row == column else "normal",
            )  # fmt: skip
        names = [short(run.class_name(index), 18) for index in range(classes)]
        axes.set_xticks(range(classes), names, rotation=90 if max(map(len, names)) > 3 else 0)
        axes.set_yticks(range(classes), names)
    else:
        axes.spines[:].set_visible(True)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    right = 100 * np.trace(counts) / max(counts.sum(), 1)
    _title(figure, f"Confusion matrix: {right:.2f}% right of {counts.sum():,}")


def draw_predictions(figure: Any, run: RunRecord) -> None:
    """Some samples with what was made of them; for numbers that are predicted of features, these over the true ones."""
    shown = run.samples[:_SHOWN]
    pairs = [(sample.target, sample.predicted) for sample in run.samples if sample.right is None]
    numbers = bool(pairs) and all(isinstance(value, (int, float)) for pair in pairs for value in pair)
    if numbers and all(picture_of(sample, run) is None for sample in shown):
        _scatter(figure, pairs)
        return
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure.set_size_inches(max(1.75 * columns, 4.0) + 0.3, 2.05 * rows + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, sample in zip(grid, shown, strict=False):
        _draw_input(axes, sample, run)
        text, color = _verdict(sample, run)
        axes.set_title(text, color=color, fontsize=9, fontweight="normal", loc="center")
    judged = [sample.right for sample in shown if sample.right is not None]
    title = "Sample predictions" + (f": {sum(judged)} of {len(judged)} right" if judged else "")
    _title(figure, title)


def _title(figure: Any, text: str) -> None:
    """A heading over the whole figure, which may be wider than its axes."""
    figure.suptitle(text, x=0.02, ha="left", fontsize=12, fontweight="bold")


def _draw_input(axes: Any, sample: Sample, run: RunRecord) -> None:
    picture = picture_of(sample, run)
    if picture is not None:
        axes.imshow(picture, cmap="gray" if picture.ndim == 2 else None, vmin=0, vmax=255, interpolation="nearest")
    elif isinstance(sample.input, str):
        axes.text(0.5, 0.5, textwrap.fill(short(sample.input, 110), 20), ha="center", va="center", fontsize=7)
    elif sample.input is not None:
        values = sample.input.ravel()
        axes.plot(np.arange(values.size), values, color=MUTED, linewidth=1, marker="o" if values.size == 1 else "")


def _verdict(sample: Sample, run: RunRecord) -> tuple[str, str]:
    predicted, target = (short(value_text(value, run.class_name), 16) for value in (sample.predicted, sample.target))
    chance = "" if sample.probability is None else f" {100 * sample.probability:.0f}%"
    if sample.right is None:
        return f"{predicted}{chance}" + ("" if sample.target is None else f"\ntrue {target}"), INK
    # The empty second line keeps the pictures of a row at one height.
    return (f"✓ {predicted}{chance}\n", GOOD) if sample.right else (f"✗ {predicted}{chance}\nis {target}", BAD)


def _scatter(figure: Any, pairs: Sequence[tuple[float, float]]) -> None:
    figure.set_size_inches(5.4, 5.4)
    axes = figure.add_subplot()
    targets, predictions = zip(*pairs, strict=True)
    low, high = min(*targets, *predictions), max(*targets, *predictions)
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="predicted = true")
    axes.plot(targets, predictions, "o", color=BLUE, alpha=0.75, markersize=5)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("true value")
    axes.set_ylabel("predicted value")
    axes.set_title(f"Predictions of {len(pairs)} samples")
    axes.legend(loc="upper left")
