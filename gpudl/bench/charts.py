"""What a record is drawn as: the values, axes and words of each chart, for the page and for PNG files alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from gpudl.bench.figures import Bar, BarChart, Chart, CurveChart, Piece
from gpudl.bench.record import Record, Row, key_of
from gpudl.bench.units import bytes_rate, flops_rate, percent, ratio_text, seconds_text
from gpudl.train.report.numbers import Axis, count_axis, log_axis, size, value_axis

LARGEST = 40
"""Changes against a baseline that are drawn; the tables have them all."""

_CLIPPED = 1.5  # the share at which an axis ends: what comes out of a cache may have 20 times the copy's bandwidth


def charts(record: Record) -> list[Chart]:
    """The charts that a record has values for, in the order in which they are shown."""
    timed = [each["device"] for each in record["devices"] if not each["emulated"]]
    plain = [row for row in record["rows"] if "batch" not in row]
    rows = {each["device"]: [row for row in plain if row["device"] == each["device"]] for each in record["devices"]}
    suites = dict.fromkeys(row["suite"] for row in plain)
    first = next((device for device in timed if any("wall" in row for row in rows[device])), "")
    found = [
        *(_baseline(device, record["rows"]) for device in timed),
        *(_share(each, rows[each["device"]]) for each in record["devices"]),
        *(_torch(device, rows[device]) for device in timed),
        *(_speed_up(device, rows[device], first, rows.get(first, [])) for device in timed if device != first),
        *_crossovers(record),
        *(_launches(device, suite, rows[device]) for device in rows for suite in suites),
        *(_memory(device, rows[device]) for device in rows),
    ]
    return [chart for chart in found if chart is not None]


def _share(device: dict[str, Any], rows: list[Row]) -> BarChart | None:
    label, bars = _labels(rows), []
    for row in rows:
        if row.get("share") is not None:
            look = "hatched" if row["limit"] == "product" else "solid"
            bars.append(_bar(row, label, ((0.0, row["share"], look),), percent(row["share"]), _took(row)))
    if not bars:
        return None
    most, largest = device["limits"], max(bar.pieces[0][1] for bar in bars)
    high = min(max(1.0, 1.02 * largest), _CLIPPED)
    return BarChart(
        "share",
        device["device"],
        "What each case reaches of what the device can do, measured in the same run: of the bandwidth of a plain copy, "
        "or, where there are products of matrices, of the rate of the best one. More than 100 % of the copy: the data "
        "stays in a cache." + f" A bar with an arrow goes on beyond {percent(high)}." * (largest > high),
        "share of the limit",
        Axis(0.0, high, False, [(value / 100, f"{value} %") for value in (0, 50, 100)]),
        {"solid": f"of a copy, {bytes_rate(most['bandwidth'])}",
         "hatched": f"of a product, {flops_rate(most['products'])}"},
        1.0,
        tuple(bars),
    )  # fmt: skip


def _torch(device: str, rows: list[Row]) -> BarChart | None:
    label, bars = _labels(rows), []
    for row in rows:
        ratio = row.get("ratio")
        if ratio is not None and ratio["low"] > 0:
            hint = f"gpudl {_took(row)}, PyTorch {_took(row['torch'])}"
            bars.append(_from_one(row, label, ratio["median"], hint, (ratio["low"], ratio["high"])))
    faster = sum(bar.pieces[0][2] == "solid" for bar in bars)
    return _ratios(
        "torch",
        device,
        "The time of gpudl over that of PyTorch, taken in turn; the thin line spans the quartiles. Left of 1 gpudl is "
        f"the faster: in {faster} of {len(bars)}.",
        "time of gpudl / time of PyTorch",
        ("gpudl is the faster", "PyTorch is the faster"),
        bars,
    )


def _speed_up(device: str, rows: list[Row], first: str, others: list[Row]) -> BarChart | None:
    base = {_without_device(row): row for row in others if "wall" in row}
    label, bars = _labels(rows), []
    for row in rows:
        other = base.get(_without_device(row))
        if other is not None and "wall" in row and min(row["wall"]["median"], other["wall"]["median"]) > 0:
            ratio = other["wall"]["median"] / row["wall"]["median"]
            hint = f"{first} {_took(other)}, {device} {_took(row)}"
            bars.append(_from_one(row, label, ratio, hint, good_below=False))
    return _ratios(
        "speed-up",
        f"{device} over {first}",
        f"The time on {first} over that on {device}, until the device is done. Right of 1 {device} is the faster.",
        f"time on {first} / time on {device}",
        (f"{device} is the faster", f"{first} is the faster"),
        bars,
    )


def _baseline(device: str, rows: list[Row]) -> BarChart | None:
    rows = [row for row in rows if row["device"] == device and "wall" in row]
    rows = [row for row in rows if row.get("baseline", {}).get("ratio", 0) > 0]
    rows.sort(key=lambda row: -abs(math.log(row["baseline"]["ratio"])))
    label, bars = _labels(rows), []
    for row in rows:
        found = row["baseline"]
        hint = f"{seconds_text(found['median'])} then, {seconds_text(found['median'] * found['ratio'])} now"
        bar = _from_one(row, label, found["ratio"], hint)
        verdict = " SLOWER" if found["regression"] else " faster" if found["faster"] else ""
        bars.append(replace(bar, group="", label=f"{bar.group}: {bar.label}", text=bar.text + verdict))
    order = f"The {LARGEST} largest changes of {len(rows)}" if len(rows) > LARGEST else "Largest changes first"
    return _ratios(
        "baseline",
        device,
        f"The time now over that of the baseline. {order}; right of 1 it has become slower. SLOWER and faster stand "
        "where the change is more than the tolerance and the quartiles are apart.",
        "time now / time of the baseline",
        ("less time than then", "more time than then"),
        bars,
    )


def _ratios(
    kind: str, subject: str, said: str, across: str, sides: tuple[str, str], bars: list[Bar]
) -> BarChart | None:
    """Bars to the left and the right of 1; what it means if they are solid, and hatched."""
    if not bars:
        return None
    mean = math.exp(sum(math.log(bar.pieces[0][0] * bar.pieces[0][1]) for bar in bars) / len(bars))  # one of both is 1
    bars = bars[:LARGEST] if kind == "baseline" else bars
    along = log_axis([0.5, 2.0, *(end for bar in bars for end in (*bar.pieces[0][:2], *(bar.whisker or ())))])
    key = dict(zip(("solid", "hatched"), sides))
    return BarChart(kind, subject, said, f"{across}, log scale", along, key, 1.0, tuple(bars), mean)


def _launches(device: str, suite: str, rows: list[Row]) -> BarChart | None:
    rows = [row for row in rows if row["suite"] == suite and "counts" in row]
    label, bars = _labels(rows), []
    for row in rows:
        kernels = row["counts"]["launches"] + row["counts"].get("graph_launches", 0)
        both = kernels + row["counts"]["library_calls"]
        bars.append(_bar(row, label, ((0, kernels, "solid"), (kernels, both, "hatched")), f"{both:,}"))
    if not bars:
        return None
    return BarChart(
        "launches",
        f"{suite}, {device}",
        "What one run asks the device for. The device is emulated, and its times say nothing of a GPU.",
        "launches of one run",
        count_axis([0, max(1, *(bar.pieces[1][1] for bar in bars))], 3),
        {"solid": "kernels and graphs", "hatched": "calls of a library, such as cuBLAS"},
        None,
        tuple(bars),
    )


def _memory(device: str, rows: list[Row]) -> BarChart | None:
    rows = [row for row in rows if "memory" in row]
    label, bars = _labels(rows), []
    for row in rows:
        for look, found in (("solid", row), ("hatched", row.get("torch", {}))):
            if "memory" in found:
                peak = found["memory"]["peak"]
                bar = _bar(row, label, ((0.0, peak / 1e6, look),), size(peak))
                bars.append(bar if found is row else replace(bar, part=f"{bar.part}, PyTorch"))
    if not bars:
        return None
    return BarChart(
        "memory",
        device,
        "The most memory in use at one time.",
        "peak, MB",
        value_axis([0.0, *(bar.pieces[0][1] for bar in bars)], 3),
        {"solid": "gpudl", "hatched": "PyTorch"},
        None,
        tuple(bars),
    )


def _crossovers(record: Record) -> Iterator[CurveChart]:
    """A chart for each case that was run in several batch sizes."""
    found: dict[str, dict[str, dict[float, float]]] = {}
    for row in record["rows"]:
        if "batch" in row and row.get("items_per_second"):
            curves = found.setdefault(row["case"], {})
            curves.setdefault(row["device"], {})[row["batch"]] = row["items_per_second"]
    for case, curves in found.items():
        batches = sorted({batch for points in curves.values() for batch in points})
        won = [each for each in record.get("crossovers", ()) if each["case"] == case and each["batch"] is not None]
        yield CurveChart(
            "crossover",
            case,
            "The upper line is the faster device." * (len(curves) > 1),
            "batch size",
            replace(log_axis(batches), ticks=[(batch, f"{batch:,}") for batch in batches[:: -(-len(batches) // 8)]]),
            "samples per second",
            log_axis([rate for points in curves.values() for rate in points.values()]),
            {device: sorted(points.items()) for device, points in curves.items()},
            "; ".join(f"{each['device']} is faster than {each['over']} from batch {each['batch']:,}" for each in won),
        )


def _without_device(row: Row) -> tuple[str, ...]:
    return key_of({**row, "device": ""})


def _took(row: Row) -> str:
    return seconds_text(row["wall"]["median"])


def _labels(rows: list[Row]) -> Callable[[Row], str]:
    """Names of cases; with their sizes where a case comes in several."""
    times = Counter((row["group"], row["case"], row["part"]) for row in rows)

    def label(row: Row) -> str:
        alone = times[row["group"], row["case"], row["part"]] == 1
        return str(row["case"]) if alone else f"{row['case']}, {row['sizes']}"

    return label


def _bar(
    row: Row,
    label: Callable[[Row], str],
    pieces: tuple[Piece, ...],
    text: str,
    hint: str = "",
    whisker: tuple[float, float] | None = None,
) -> Bar:
    hint = ": ".join(part for part in (row["sizes"], hint) if part)
    return Bar(row["group"], label(row), row["part"], hint, pieces, text, whisker)


def _from_one(
    row: Row,
    label: Callable[[Row], str],
    ratio: float,
    hint: str,
    whisker: tuple[float, float] | None = None,
    good_below: bool = True,
) -> Bar:
    """A bar between 1 and a ratio; solid on the side that is the good one."""
    piece = (min(ratio, 1.0), max(ratio, 1.0), "solid" if (ratio < 1) == good_below else "hatched")
    return _bar(row, label, (piece,), ratio_text(ratio), hint, whisker)
