"""Sample predictions as cards: what the model was given, what it made of it, and whether that is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np

from gpudl.train.report.numbers import number, setting
from gpudl.train.report.png import data_url, to_picture
from gpudl.train.report.record import RunRecord, Sample

CARDS = 48  # more would make the page long and say nothing new
_LISTED = 8  # features up to which their values are listed; more are drawn


def samples_section(run: RunRecord) -> str:
    """The cards, after a line that says how many are right."""
    shown = run.samples[:CARDS]
    judged = [sample.right for sample in shown if sample.right is not None]
    said = f"{len(shown)} samples of the {run.held_out} data" + (
        f", after epoch {run.evaluated}" if run.evaluated else ""
    )
    if judged:
        said += f": {sum(judged)} right (✓), {len(judged) - sum(judged)} wrong (✗)"
    cards = "".join(_card(sample, run) for sample in shown)
    return f'<p class="said">{said}.</p><ol class="samples">{cards}</ol>'


def picture_of(sample: Sample, run: RunRecord) -> np.ndarray[Any, Any] | None:
    """The input as gray or RGB pixels; None if it is no picture. Flattened square pictures are put right again."""
    values = sample.input
    if not isinstance(values, np.ndarray):
        return None
    side = math.isqrt(values.size)
    data = run.tables.get("data")
    if values.ndim == 1 and side * side == values.size and isinstance(data, dict) and data.get("flatten") is True:
        values = values.reshape(side, side)
    return to_picture(values)


def value_text(value: Any, class_name: Callable[[int], str]) -> str:
    """A class by its name, a number, or some numbers, as plain text."""
    if value is None:
        return "none"
    if isinstance(value, int):
        return class_name(value)
    if isinstance(value, list):
        return ", ".join(number(entry) for entry in value[:4]) + (", ..." if len(value) > 4 else "")
    return number(value)


def _card(sample: Sample, run: RunRecord) -> str:
    predicted, target = (escape(value_text(value, run.class_name)) for value in (sample.predicted, sample.target))
    if sample.right is None:
        look, verdict = "", f"<b>{predicted}</b>"
        if sample.target is not None:
            verdict += f"<span class='muted'>true {target}</span>"
            if isinstance(sample.target, (int, float)) and isinstance(sample.predicted, (int, float)):
                verdict += f"<span class='muted'>error {_signed(sample.predicted - sample.target)}</span>"
    elif sample.right:
        look, verdict = " right", f"<b><i>✓</i> {predicted}</b>"
    else:
        look, verdict = " wrong", f"<b><i>✗</i> {predicted}</b><span class='truth'>is {target}</span>"
    if sample.probability is not None:
        share = min(max(sample.probability, 0.0), 1.0)
        verdict += f"<span class='meter' style='--share:{share:.3f}'><span>{100 * share:.0f}%</span></span>"
    if sample.index is not None:
        verdict += f"<span class='muted'>sample {sample.index}</span>"
    return f"<li class='card{look}'>{_input(sample, run)}<p>{verdict}</p></li>"


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)


def _input(sample: Sample, run: RunRecord) -> str:
    picture = picture_of(sample, run)
    if picture is not None:
        wide = " class='wide'" if picture.shape[1] > 2 * picture.shape[0] else ""
        return f"<img{wide} alt='input' loading='lazy' src='{data_url(picture)}'>"
    if isinstance(sample.input, str):
        return f"<blockquote>{escape(sample.input[:200])}</blockquote>"
    if sample.input is None:
        return ""
    values = sample.input.ravel()
    if values.size <= _LISTED:
        return "<code>" + ", ".join(setting(float(value)) for value in values) + "</code>"
    return _sparkline(values)


def _sparkline(values: np.ndarray[Any, Any]) -> str:
    if values.size > 200:
        values = values[np.linspace(0, values.size - 1, 200).round().astype(int)]
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, span = float(values.min()), float(np.ptp(values)) or 1.0
    step = 100 / (values.size - 1)
    places = " ".join(f"{index * step:.1f},{38 - 36 * (value - low) / span:.1f}" for index, value in enumerate(values))
    return f"<svg class='spark' viewBox='0 0 100 40' preserveAspectRatio='none'><polyline points='{places}'/></svg>"
