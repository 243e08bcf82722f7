"""The charts of a record as PNG: a file for each, none blank, nothing cut off."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from bench_records import counted, record, timed
from test_bench_charts import batches, beside, memory, on, two_devices

from gpudl.bench import against
from gpudl.bench.charts import charts
from gpudl.bench.figures import Bar, BarChart
from gpudl.bench.plots import _LENGTH, _columns, as_png

matplotlib: Any = pytest.importorskip("matplotlib", reason="plots are not tested: pip install 'gpudl[plot]'")
image: Any = pytest.importorskip("PIL.Image", reason="plots are not looked at: pip install pillow")


def pixels(content: bytes) -> Any:
    """A plot in gray, with something in it and nothing at its edges."""
    with image.open(io.BytesIO(content)) as opened:
        found = np.asarray(opened.convert("L"))
    assert min(found.shape) > 300 and (found < 250).mean() > 0.01
    assert all((edge == 255).all() for edge in (found[:4], found[-4:], found[:, :4], found[:, -4:]))
    return found


def test_each_chart_is_a_file() -> None:
    gpu = on("cuda:0", beside(0.02, 0.01, 0.03, "a"))
    made = two_devices(beside(2.0, 1.0, 3.0, "a"), counted(), *gpu, *batches("cpu", "GPT", {1: 5.0, 4: 6.0}))
    made = against(made, made)
    made["rows"].append(memory(5_000_000))
    drawn = as_png(made)
    assert list(drawn) == [
        "baseline-cpu.png", "baseline-cuda_0.png", "share-cpu.png", "share-cuda_0.png", "torch-cpu.png",
        "torch-cuda_0.png", "speed-up-cuda_0_over_cpu.png", "crossover-GPT.png", "launches-ops_sim_0.png",
        "memory-cpu.png",
    ]  # fmt: skip
    for content in drawn.values():
        pixels(content)


def test_longer_bars_have_more_ink() -> None:
    ink = [(pixels(as_png(record(timed(1, 1, 1, share=share)))["share-cpu.png"]) < 128).sum() for share in (0.1, 0.9)]
    assert ink[1] > ink[0] * 1.5


@pytest.mark.parametrize("name", ["<b>&", "$x$ 50% \\frac{", "_hidden", "\n", "漢字", "\ud800", "long " * 80, ""])
def test_names_of_any_kind_are_drawn_and_become_files(name: str) -> None:
    rows = [
        timed(1, 1, 1, name, group=name, part=name, sizes=name),
        *batches("cpu", name, {1: 2.0}),
        *batches("cpu", f"{name}?", {1: 3.0}),
    ]
    drawn = as_png(record(*rows))
    assert len(drawn) == 3 and all(not set(file) & set('/\\:*?"<>|\n ') and file.isascii() for file in drawn)
    for content in drawn.values():
        pixels(content)


def test_many_bars_stand_in_columns_of_whole_groups() -> None:
    rows = [timed(1, 1, 1, f"case {place}", group=f"group {place // 9}") for place in range(_LENGTH * 2)]
    (chart,) = charts(record(*rows))
    assert isinstance(chart, BarChart)
    columns = _columns(chart.bars)
    assert len(columns) == 3 and max(map(len, columns)) - min(map(len, columns)) <= 10
    assert all(isinstance(column[0], str) for column in columns)
    assert [bar for column in columns for bar in column if isinstance(bar, Bar)] == list(chart.bars)
    assert pixels(as_png(record(*rows))["share-cpu.png"]).shape[1] > 2000


def test_nothing_is_drawn_of_nothing() -> None:
    assert as_png(record()) == {}
