"""Tables that can be read: units, columns, notes; the same as text and as Markdown."""

from __future__ import annotations

import pytest
from bench_records import counted, record, timed

from gpudl.bench import as_markdown, as_text, tables
from gpudl.bench.case import sizes_text
from gpudl.bench.units import bytes_rate, flops_rate, percent, ratio_text, seconds_text

SPREAD = {"median": 0.5, "low": 0.5, "high": 0.5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (seconds_text(1.234e-6), "1.23 us"),
        (seconds_text(12e-9), "0.012 us"),
        (seconds_text(999.4e-6), "999 us"),
        (seconds_text(999.6e-6), "1.00 ms"),
        (seconds_text(0.0456), "45.6 ms"),
        (seconds_text(0.9996), "1.00 s"),
        (seconds_text(1234.0), "1234 s"),
        (seconds_text(0.0), "0 us"),
        (bytes_rate(3.35e12), "3350 GB/s"),
        (bytes_rate(None), ""),
        (flops_rate(9.996e9), "10.0 GFLOP/s"),
        (flops_rate(None), ""),
        (percent(0.853), "85 %"),
        (percent(0.0123), "1.2 %"),
        (percent(0.0999), "10 %"),
        (ratio_text(0.999), "1.00"),
        (ratio_text(0.8512), "0.85"),
        (sizes_text(((4, 5), (5,))), "4x5, 5"),
        (sizes_text(((4, 5), (4, 5))), "4x5, 4x5"),
        (sizes_text(((4, 5), (5,)) * 3), "(4x5, 5) 3 times"),
        (sizes_text(((4,),) * 3), "(4) 3 times"),
        (sizes_text(((4,), (5,), (4,))), "4, 5, 4"),
    ],
)
def test_figures_have_three_digits_and_a_unit(text: str, expected: str) -> None:
    assert text == expected


def test_a_timed_device_has_rates_and_shares_and_its_limits() -> None:
    text = as_text(tables(record(timed(0.001, 0.0009, 0.0011, share=0.25))))
    head, rule, line = text.splitlines()[text.splitlines().index("cpu: N") + 1 :][:3]
    assert head.split() == ["case", "sizes", "part", "median", "quartiles", "rate", "of", "limit"]
    assert set(rule) == {"-"} and len(rule) == len(head)
    assert line.split("  ")[0] == "elementwise: exp" and line.endswith("1.00 GB/s  25 % copy")
    assert "1.00 ms  900 us to 1.10 ms" in line and "~" not in text
    assert "Limits, measured: a copy 10.0 GB/s, a product of matrices of 512 x 512 100 GFLOP/s." in text


def test_a_median_that_is_not_steady_is_marked() -> None:
    text = as_text(tables(record(timed(0.001, 0.0009, 0.0011, steady=False), timed(0.001, 0.001, 0.001, "tanh"))))
    assert text.count("1.00 ms ~") == 1 and "~ the median was not steady yet" in text


def test_products_and_samples_come_before_bytes() -> None:
    rows = timed(1, 1, 1, flops_per_second=5e9, limit="product"), timed(1, 1, 1, "b", items_per_second=123.4)
    bare = timed(1, 1, 1, "c", bytes_per_second=None, limit=None, share=None)
    text = as_text(tables(record(*rows, bare)))
    assert "5.00 GFLOP/s  50 % product" in text and "123 samples/s" in text and "None" not in text


def test_torch_stands_beside_where_it_was_measured() -> None:
    ours = timed(1, 1, 1, torch={"wall": SPREAD}, ratio={"median": 2.0, "low": 2.0, "high": 2.0})
    text = as_text(tables(record(ours, timed(1, 1, 1, "b"), torch="2.13", torch_threads=2)))
    assert "PyTorch 2.13 with 2 threads" in text and "500 ms         2.00" in text
    assert "below 1 gpudl is the faster" in text


def test_a_second_device_has_its_speed_up_and_its_own_clock() -> None:
    gpu = timed(0.1, 0.1, 0.1, device="cuda:0", device_clock={"median": 0.05, "low": 0.05, "high": 0.05})
    made = record(timed(1, 1, 1), gpu)
    made["devices"].append({**made["devices"][0], "device": "cuda:0"})
    text = as_text(tables(made))
    head = next(line for line in text.splitlines() if "speed-up" in line)
    line = text.splitlines()[text.splitlines().index(head) + 2]
    assert head.split()[-3:] == ["host", "device", "speed-up"] and line.endswith("100 ms  50.0 ms      10.0")
    assert "speed-up: over cpu" in text


def test_an_emulated_device_has_counts_and_no_times() -> None:
    (table,) = [each for each in tables(record(counted(launches=1234))) if each.title.startswith("sim:0")]
    text = as_text([table])
    assert "1,234" in text and "its times say nothing of a GPU" in text
    assert " ms" not in text and " us" not in text and "GB/s" not in text


def test_what_is_missing_is_said() -> None:
    made = {**record(timed(1, 1, 1)), "missing": ["not measured: device 'cuda' is not available: none"]}
    assert as_text(tables(made)).endswith("not measured: device 'cuda' is not available: none")


def test_quick_figures_are_called_so() -> None:
    made = record(timed(1, 1, 1))
    assert "Quick: " not in as_text(tables(made))
    made["settings"]["quick"] = True
    assert "Quick: small sizes and three samples." in as_text(tables(made))


@pytest.mark.parametrize(("share", "said"), [(None, 0), (0.01, 1), (0.68, 2)])
def test_other_programs_are_told_and_doubted(share: float | None, said: int) -> None:
    made = record(timed(1, 1, 1))
    made["settings"]["others_share"] = share
    text = as_text(tables(made))
    assert ("of the processors meanwhile" in text) + ("longer than they need be" in text) == said


def test_markdown_has_the_same_tables_with_equal_columns() -> None:
    made = record(timed(1, 1, 1, "a|b", steady=False), counted())
    lines = as_markdown(tables(made)).splitlines()
    assert lines[0] == "# gpudl bench" and "## cpu: N" in lines and "## sim:0: N" in lines
    assert any("elementwise: a\\|b" in line for line in lines) and any("1.00 s \\~" in line for line in lines)
    blocks = [line.replace("\\|", "").count("|") for line in lines if line.startswith("|")]
    assert blocks == [8] * 3 + [11] * 3
