"""What a record is drawn as: which bars, from where to where, in which look, on which axis."""

from __future__ import annotations

from typing import Any

import pytest
from bench_records import counted, record, timed

from gpudl.bench import against
from gpudl.bench.charts import LARGEST, charts
from gpudl.bench.figures import KINDS, BarChart, CurveChart


def on(device: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "device": device} for row in rows]


def two_devices(*rows: dict[str, Any]) -> dict[str, Any]:
    """A record of the CPU and of a GPU, which has rows of its own."""
    made = record(*rows)
    made["devices"].append({**made["devices"][0], "device": "cuda:0"})
    return made


def bars(made: dict[str, Any], kind: str) -> BarChart:
    (found,) = [chart for chart in charts(made) if chart.kind == kind]
    assert isinstance(found, BarChart)
    return found


def beside(median: float, low: float, high: float, case: str) -> dict[str, Any]:
    """A row that takes so many times as long as PyTorch."""
    ratio = {"median": median, "low": low, "high": high}
    return timed(median, low, high, case, torch={"wall": {"median": 1.0, "low": 1.0, "high": 1.0}}, ratio=ratio)


def test_shares_begin_at_0_and_tell_a_copy_from_a_product() -> None:
    rows = timed(1, 1, 1, "a", share=0.25), timed(1, 1, 1, "b", share=0.5, limit="product")
    chart = bars(record(*rows, timed(1, 1, 1, "c", share=None, limit=None)), "share")
    assert [bar.pieces for bar in chart.bars] == [((0.0, 0.25, "solid"),), ((0.0, 0.5, "hatched"),)]
    assert [bar.text for bar in chart.bars] == ["25 %", "50 %"] and chart.mark == 1.0
    assert (chart.along.low, chart.along.high) == (0.0, 1.0) and chart.looks == {"solid", "hatched"}
    assert chart.key == {"solid": "of a copy, 10.0 GB/s", "hatched": "of a product, 100 GFLOP/s"}
    assert chart.title == "Share of the limit: cpu" and chart.bars[0].hint == "4: 1.00 s"


@pytest.mark.parametrize(("share", "high"), [(0.01, 1.0), (1.0, 1.02), (1.2, 1.224), (30.0, 1.5)])
def test_the_axis_of_shares_has_all_of_the_limit_and_ends_where_caches_begin(share: float, high: float) -> None:
    chart = bars(record(timed(1, 1, 1, share=share)), "share")
    assert chart.along.high == pytest.approx(high) and ("arrow" in chart.said) == (share > 1.5)


def test_ratios_to_pytorch_are_logarithmic_around_1_and_solid_where_gpudl_is_faster() -> None:
    chart = bars(record(beside(0.5, 0.4, 0.6, "a"), beside(2.0, 1.9, 2.5, "b"), timed(1, 1, 1, "c")), "torch")
    assert [bar.pieces for bar in chart.bars] == [((0.5, 1.0, "solid"),), ((1.0, 2.0, "hatched"),)]
    assert [bar.whisker for bar in chart.bars] == [(0.4, 0.6), (1.9, 2.5)] and chart.mark == 1.0
    assert chart.along.log and chart.along.low < 0.4 and chart.along.high > 2.5
    assert chart.mean == pytest.approx(1.0) and "in 1 of 2." in chart.said
    assert chart.bars[0].hint == "4: gpudl 500 ms, PyTorch 1.00 s"


def test_a_second_device_is_solid_to_the_right_where_it_is_faster() -> None:
    gpu = on("cuda:0", timed(0.1, 0.1, 0.1, "a"), timed(4.0, 4, 4, "b"), timed(1, 1, 1, "only there"))
    chart = bars(two_devices(timed(1, 1, 1, "a"), timed(1, 1, 1, "b"), *gpu), "speed-up")
    assert chart.subject == "cuda:0 over cpu" and [bar.label for bar in chart.bars] == ["a", "b"]
    assert [bar.pieces for bar in chart.bars] == [((1.0, 10.0, "solid"),), ((0.25, 1.0, "hatched"),)]
    assert chart.mean == pytest.approx(2.5**0.5)


def test_one_timed_device_has_no_speed_up_and_an_emulated_one_neither() -> None:
    assert [chart.kind for chart in charts(record(timed(1, 1, 1), counted()))] == ["share", "launches"]


def test_the_largest_changes_against_a_baseline_come_first_whichever_way() -> None:
    names = [f"case {number}" for number in range(LARGEST + 5)]
    now = record(*(timed(1 + 0.001 * place, 1, 1, name) for place, name in enumerate(names)), timed(0.2, 0.2, 0.2, "x"))
    then = record(*(timed(1, 1, 1, name) for name in names), timed(1, 1, 1, "x"))
    chart = bars(against(now, then), "baseline")
    assert len(chart.bars) == LARGEST and f"The {LARGEST} largest changes of {LARGEST + 6}" in chart.said
    assert [bar.label for bar in chart.bars[:2]] == ["elementwise: x", f"elementwise: case {LARGEST + 4}"]
    assert chart.bars[0].text == "0.2 faster" and chart.bars[0].pieces == ((0.2, 1.0, "solid"),)
    assert chart.bars[1].pieces[0][2] == "hatched" and chart.mean is not None and chart.mean < 1.0


def test_slower_than_the_baseline_is_said_only_outside_the_quartiles() -> None:
    now = record(timed(2, 1.9, 2.1, "far"), timed(2, 0.9, 2.1, "near"))
    chart = bars(against(now, record(timed(1, 1, 1, "far"), timed(1, 1, 1, "near"))), "baseline")
    assert {bar.label: bar.text for bar in chart.bars} == {
        "elementwise: far": "2.00 SLOWER",
        "elementwise: near": "2.00",
    }


def test_launches_are_kernels_and_library_calls_one_after_the_other() -> None:
    chart = bars(record(counted(launches=1200, library_calls=34, graph_launches=0)), "launches")
    assert chart.bars[0].pieces == ((0, 1200, "solid"), (1200, 1234, "hatched")) and chart.bars[0].text == "1,234"
    assert chart.subject == "ops, sim:0" and chart.mark is None and chart.along.high == 1234


def test_launches_of_nothing_and_of_each_suite_have_axes_of_their_own() -> None:
    none = counted(launches=0, library_calls=0, graph_launches=0)
    first, second = [chart for chart in charts(record(none, {**none, "suite": "nets"})) if chart.kind == "launches"]
    assert (first.subject, second.subject) == ("ops, sim:0", "nets, sim:0")
    assert (first.along.low, first.along.high) == (0, 1)


def memory(peak: int, case: str = "GPT", **more: Any) -> dict[str, Any]:
    head = {"suite": "memory", "group": "memory", "case": case, "sizes": "4", "device": "cpu", "part": "step"}
    return {**head, "memory": {"peak": peak, "kept": 0}, **more}


def test_memory_has_no_times_and_is_drawn_in_bytes_beside_pytorch() -> None:
    made = record(memory(3_000_000, torch={"memory": {"peak": 6_000_000, "kept": 0}}), memory(0, "MLP"))
    (chart,) = charts(made)
    assert isinstance(chart, BarChart) and (chart.kind, chart.across) == ("memory", "peak, MB")
    assert [(bar.part, bar.pieces[0], bar.text) for bar in chart.bars] == [
        ("step", (0.0, 3.0, "solid"), "3.0 MB"),
        ("step, PyTorch", (0.0, 6.0, "hatched"), "6.0 MB"),
        ("step", (0.0, 0.0, "solid"), "0 B"),
    ]


def test_memory_against_a_baseline_is_no_change_of_time() -> None:
    made = record(timed(1, 1, 1), memory(5, baseline={"peak": 1, "ratio": 5.0, "regression": True, "faster": False}))
    assert "baseline" not in [chart.kind for chart in charts(made)]


def batches(device: str, case: str, rates: dict[int, float | None]) -> list[dict[str, Any]]:
    return [
        timed(
            1, 1, 1, case, suite="crossover", device=device, part=f"batch {batch}", batch=batch, items_per_second=rate
        )
        for batch, rate in rates.items()
    ]


def test_crossover_has_a_curve_for_each_device_and_a_chart_for_each_case() -> None:
    rows = [
        *batches("cpu", "GPT", {16: 90.0, 1: 80.0, 4: 85.0}),
        *batches("cuda:0", "GPT", {1: 10.0, 4: 40.0, 16: 160.0}),
        *batches("cpu", "MLP", {1: 5.0, 4: None}),
    ]
    made = two_devices(timed(1, 1, 1), *rows)
    made["crossovers"] = [
        {"case": "GPT", "device": "cuda:0", "over": "cpu", "batch": 16},
        {"case": "GPT", "device": "cuda:1", "over": "cpu", "batch": None},
    ]
    first, second = [chart for chart in charts(made) if isinstance(chart, CurveChart)]
    assert first.curves == {
        "cpu": [(1, 80.0), (4, 85.0), (16, 90.0)],
        "cuda:0": [(1, 10.0), (4, 40.0), (16, 160.0)],
    }
    assert first.along.log and first.up.log and [label for _, label in first.along.ticks] == ["1", "4", "16"]
    assert first.crossing == "cuda:0 is faster than cpu from batch 16" and second.crossing == ""
    assert second.subject == "MLP" and second.curves == {"cpu": [(1, 5.0)]}
    assert [bar.label for bar in bars(made, "share").bars] == ["exp"]  # the sizes of a crossover are in its own chart


def test_counts_of_a_crossover_are_no_curve() -> None:
    assert [chart.kind for chart in charts(record(timed(1, 1, 1), {**counted(), "batch": 4}))] == ["share"]


def test_a_case_in_several_sizes_is_named_with_them() -> None:
    chart = bars(record(timed(1, 1, 1, sizes="8"), timed(1, 1, 1, sizes="9"), timed(1, 1, 1, "tanh")), "share")
    assert [bar.label for bar in chart.bars] == ["exp, 8", "exp, 9", "tanh"]


def test_all_kinds_come_in_their_order_and_nothing_is_drawn_of_nothing() -> None:
    gpu = on("cuda:0", beside(0.5, 0.4, 0.6, "a"))
    now = two_devices(beside(2, 2, 2, "a"), counted(), *gpu, *batches("cpu", "GPT", {1: 1.0}))
    made = against(now, now)
    made["rows"] += [memory(7), *on("cuda:0", memory(9))]
    found = [chart.kind for chart in charts(made)]
    assert list(dict.fromkeys(found)) == list(KINDS) and sorted(found, key=list(KINDS).index) == found
    assert charts(record()) == [] and charts({**now, "rows": []}) == []


@pytest.mark.parametrize("median", [0.0, 1e-300])
def test_times_that_cannot_be_divided_are_left_out(median: float) -> None:
    rows = timed(median, median, median, "a"), *on("cuda:0", timed(0.0, 0.0, 0.0, "a"))
    assert [chart.kind for chart in charts(two_devices(*rows))] == ["share", "share"]
