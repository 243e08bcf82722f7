"""Round ticks, numbers in words, PNG: what the report is drawn from."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest

from gpudl.train.report.chart import gaps, smoothed, thinned
from gpudl.train.report.numbers import count_axis, duration, number, setting, size, value_axis
from gpudl.train.report.png import encode_png, to_picture


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.975, "0.9750"), (0, "0"), (1.3, "1.300"), (-12.345, "-12.35"), (999.96, "1,000"), (1234, "1,234"),
        (1234.5, "1,234"), (3.1e-5, "3.1e-05"), (2.5e9, "2,500,000,000"), (1.5e13, "1.5e+13"), (None, "not finite"),
        (math.nan, "not finite"), (math.inf, "not finite"),
    ],
)  # fmt: skip
def test_numbers_have_about_four_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_settings_sizes_and_durations_are_short() -> None:
    assert [setting(value) for value in (0.01, 3, 2.5e-5, None)] == ["0.01", "3", "2.5e-05", "not finite"]
    assert [size(count) for count in (0, 999, 1000, 99_960, 123456, 999_600, 5_600_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "100 kB",
        "123 kB",
        "1.0 MB",
        "5.6 MB",
    ]
    assert [duration(s) for s in (0.042, 12.34, 59.99, 200, 7500)] == [
        "0.042 s", "12.3 s", "60.0 s", "3 min 20 s", "2 h 5 min",
    ]  # fmt: skip


@pytest.mark.parametrize("low", [-3.7, 0.0, 0.913, 1e-9, 12345.6])
@pytest.mark.parametrize("span", [0.0, 1e-6, 0.07, 1.0, 33.0, 1e9])
def test_ticks_are_round_within_the_axis_and_told_apart(low: float, span: float) -> None:
    axis = value_axis([low, low + span])
    assert axis.low <= low and low + span <= axis.high and axis.low < axis.high
    labels = [label for _, label in axis.ticks]
    assert len(set(labels)) == len(labels) and 1 <= len(labels) <= 8
    for value, label in axis.ticks:
        assert -1e-9 <= axis.place(value) <= 1 + 1e-9
        said = float(label.replace(",", ""))
        assert math.isclose(said, value, rel_tol=1e-9, abs_tol=(axis.high - axis.low) * 1e-6)
        if not axis.log and value:
            digits = f"{value - axis.ticks[0][0]:.6e}".split("e")[0].rstrip("0").replace(".", "")
            assert len(digits.lstrip("-")) <= 3  # a few steps of 1, 2 or 5


def test_positive_values_far_apart_are_on_a_logarithmic_axis() -> None:
    axis = value_axis([0.001, 0.5, 30])
    assert axis.log and math.isclose(axis.place(math.sqrt(axis.low * axis.high)), 0.5)
    assert [label for _, label in axis.ticks] == ["0.001", "0.01", "0.1", "1", "10"]
    assert not value_axis([0.0, 30]).log and not value_axis([-1.0, 30]).log and not value_axis([1.0, 40]).log
    assert 2 <= len(value_axis([1e-30, 1e30]).ticks) <= 12


def test_shares_end_at_one_and_counts_begin_at_zero() -> None:
    assert value_axis([0.3, 0.99]).high == 1.0 and value_axis([0.01, 0.2]).low == 0.0
    assert value_axis([1.0, 1.0]).low == pytest.approx(0.9) and value_axis([0.0, 0.0]).high > 0


@pytest.mark.parametrize("last", [1, 2, 3, 7, 12, 99, 1000, 123456])
def test_epochs_have_ticks_at_whole_numbers(last: int) -> None:
    axis = count_axis([1, last])
    assert all(float(value).is_integer() and 1 <= value <= last for value, _ in axis.ticks)
    assert 1 <= len(axis.ticks) <= 8 and axis.low < axis.high
    assert [label for _, label in axis.ticks] == [f"{value:,.0f}" for value, _ in axis.ticks]


def test_smoothing_stays_within_the_values_and_skips_what_is_not_finite() -> None:
    smooth = smoothed([(step, float(step % 2) if step != 5 else None) for step in range(150)])
    assert smooth[0] == (0, 0.5) and smooth[5] == (5, None) and len(smooth) == 150
    known = [value for _, value in smooth if value is not None]
    assert all(0 <= value <= 1 for value in known) and known[-2] == pytest.approx(2 / 3)
    assert smoothed([]) == []
    assert smoothed([(step, 1e30 if step == 3 else 1.0) for step in range(99)])[50] == (50, 1.0)  # none of it stays


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, 4, 1), (3, 4, 2), (6, 2, 3), (2, 9, 4)])
def test_png_is_read_back_by_pillow(shape: tuple[int, ...]) -> None:
    image: Any = pytest.importorskip("PIL.Image", reason="Pillow is the oracle for PNG: pip install pillow")
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    with image.open(io.BytesIO(encode_png(pixels))) as opened:
        opened.load()
        assert opened.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[shape[2] if len(shape) > 2 else 1]
        assert np.array_equal(np.asarray(opened), pixels.squeeze(2) if shape[2:] == (1,) else pixels)


def test_png_of_a_view_is_that_of_its_copy() -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)[::2, :, 1:4]
    assert encode_png(pixels) == encode_png(pixels.copy())


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 5), np.uint8), np.zeros((0, 3), np.uint8)])
def test_png_refuses_what_is_no_picture(pixels: Any) -> None:
    with pytest.raises(ValueError, match="encode_png: a picture is"):
        encode_png(pixels)


def test_values_become_gray_levels() -> None:
    picture = to_picture(np.array([[0.0, 0.5], [1.0, np.nan]]))
    assert picture is not None and picture.tolist() == [[0, 128], [255, 0]]
    normalized = to_picture(np.array([[[-2.0, 0.0], [2.0, 0.0]]]))
    assert normalized is not None and normalized.tolist() == [[0, 128], [255, 128]]
    colored = to_picture(np.random.default_rng(0).random((3, 4, 5)))
    assert colored is not None and colored.shape == (4, 5, 3)
    constant = to_picture(np.full((2, 2), 7.0))
    assert constant is not None and constant.tolist() == [[0, 0], [0, 0]]
    assert to_picture(np.zeros(9)) is None and to_picture(np.zeros((1, 9))) is None


@pytest.mark.parametrize("values", [[5e-324], [1e-320, 0.5], [-1e299, 1e299], [1e-320, 1e299], [-1e-320, 5e-324]])
def test_numbers_at_the_ends_of_what_there_is_have_an_axis(values: list[float]) -> None:
    axis = value_axis(values)
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values) and 0 < len(axis.ticks) < 15


def test_curves_of_many_points_keep_their_spikes_gaps_and_end() -> None:
    points = [(step, 1.0) for step in range(5000)]
    points[1234], points[2345], points[3456] = (1234, 9.0), (2345, -9.0), (3456, None)
    kept = thinned(points)
    assert len(kept) < 1000 and kept == sorted(kept, key=lambda point: point[0])
    assert {points[0], points[1234], points[2345], points[3456], points[-1]} <= set(kept)
    assert thinned(points[:600]) == points[:600]
    assert [*gaps([(1, None), (2, None), (3, 0.0), (4, None)])] == [(1, 2), (4, 4)]
