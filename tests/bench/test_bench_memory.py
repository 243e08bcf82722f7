"""Peaks of memory: what is counted, on each kind of device, and when it has grown."""

from __future__ import annotations

import tracemalloc
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from bench_records import counted, record, remembered, timed

import gpudl
from gpudl.bench import RecordError, against, as_text, measure, tables
from gpudl.bench.case import CannotMeasure, Make
from gpudl.bench.memory_cases import _of_a_step, of_torch, on_device, on_host
from gpudl.bench.net_cases import NETS
from gpudl.bench.suites import cases

SIZES = (64, 100), (100,), (200, 10)
WEIGHTS = 4 * (100 * 200 + 200 + 200 * 10 + 10)
BATCH = 64 * 100 * 4 + 64 * 8


def test_what_stays_is_the_batch_and_four_numbers_for_each_weight() -> None:
    try:
        found = on_host("MLP", SIZES, 0)
    finally:
        assert not tracemalloc.is_tracing()
    kept = 4 * WEIGHTS + BATCH  # weights, gradients, two moments
    assert kept <= found["kept"] < 1.2 * kept
    assert found["peak"] - found["kept"] >= 64 * 200 * 4  # the hidden layer, at the least


def test_an_emulated_device_counts_its_arrays_alone() -> None:
    try:
        place = gpudl.ones(1, device="sim").device
    except gpudl.DeviceError as error:
        pytest.skip(str(error))
    found = on_device(Make(gpudl, place), "MLP", SIZES)
    kept = 4 * WEIGHTS + BATCH
    assert kept <= found["kept"] < 1.05 * kept and found["peak"] >= found["kept"] + 64 * 200 * 4
    held = gpudl.ones(100_000, device=place)
    assert on_device(Make(gpudl, place), "MLP", SIZES) == found  # whatever is there before
    assert held.device == place


def test_the_peak_is_that_of_one_step_after_two_others() -> None:
    order: list[str] = []

    def said(name: str, value: int = 0) -> Any:
        return lambda: order.append(name) or value

    found = _of_a_step(said("step"), said("reset"), said("used", 3), said("peak", 7))
    assert found == {"peak": 7, "kept": 3} and order == ["step", "step", "reset", "used", "step", "peak"]


def test_every_network_has_its_memory_measured_and_a_process_tells_it() -> None:
    assert [case.name for case in cases(["memory"])] == list(NETS)
    made = measure(["memory"], ["cpu"], only=["MLP"], quick=True)
    (row,) = made["rows"]
    assert row["memory"]["peak"] >= row["memory"]["kept"] > 0 and "wall" not in row and "counts" not in row
    assert "cpu: " in as_text(tables(made)) and "memory: MLP  4x16, 16, 8x8x10  whole" in as_text(tables(made))


def test_of_pytorch_on_the_cpu_its_profiler_hears() -> None:
    pytest.importorskip("torch")
    made = measure(["memory"], ["cpu"], only=["MLP", "autoencoder"], quick=True, versus_torch=True)
    assert made["missing"] == []
    for row in made["rows"]:
        mine, theirs = row["memory"], row["torch"]["memory"]
        assert mine.keys() == theirs.keys() and 0 < theirs["kept"] < theirs["peak"]


def test_what_stays_of_pytorch_is_the_same() -> None:
    torch = pytest.importorskip("torch")
    found = of_torch(Make(torch, torch.device("cpu")), "MLP", SIZES)
    kept = 4 * WEIGHTS + 64 * 100 * 4  # the classes stay in NumPy's memory
    assert kept <= found["kept"] < 1.05 * kept and found["peak"] - found["kept"] >= 64 * 200 * 4


def test_another_profiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    profiler = SimpleNamespace(profile=lambda **_: nullcontext(object()), record_function=lambda _: nullcontext())
    monkeypatch.setattr(torch.autograd, "profiler", profiler)
    with pytest.raises(CannotMeasure, match=f"the profiler of PyTorch {torch.__version__[:4]}.* is another one"):
        of_torch(Make(torch, torch.device("cpu")), "MLP", ((4, 16), (16,), (8, 8, 10)))


@pytest.mark.parametrize(
    ("peak", "regression", "faster", "said"),
    [(1101, True, False, "1.10 MORE"), (1099, False, False, "1.10"), (900, False, True, "0.9 less")],
)
def test_more_memory_than_the_tolerance_is_a_regression(peak: int, regression: bool, faster: bool, said: str) -> None:
    found = against(record(remembered(peak)), record(remembered(1000)), 0.1)
    (row,) = found["rows"]
    assert row["baseline"] == {"peak": 1000, "ratio": peak / 1000, "regression": regression, "faster": faster}
    text = as_text(tables(found))
    assert any(line.endswith(said) for line in text.splitlines())
    assert ("MORE MEMORY than the baseline: cpu elementwise: exp, forward: 1.10 MORE" in text) is regression


def test_rows_of_another_kind_are_not_compared() -> None:
    with pytest.raises(RecordError, match="none of the rows"):
        against(record({**timed(1, 1, 1), "suite": "memory"}), record(remembered(1)))


def test_memory_has_a_table_of_its_own() -> None:
    mine = remembered(2_000_000, 999, torch={"memory": {"peak": 1_000_000, "kept": 10}})
    made = record(timed(1, 1, 1), mine, remembered(5, 1, case="b"), counted(), remembered(7, 1, device="sim:0"))
    titles = [table.title for table in tables(made)]
    assert titles == ["", "cpu: N", "cpu: N, memory", "sim:0: N", "sim:0: N, memory"]
    table = tables(made)[2]
    assert table.head[3:] == ("peak", "kept", "PyTorch", "of its peak")
    assert [row[3:] for row in table.rows] == [
        ("2.0 MB", "999 B", "1.0 MB", "2.00"),
        ("5 B", "1 B", "", ""),
    ]
