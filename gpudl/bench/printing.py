"""A record for people: tables, as text for a terminal and as Markdown."""

from __future__ import annotations

from typing import Any

from gpudl.bench.crossover import crossover_lines
from gpudl.bench.record import Record, Row, key_of, kind_of
from gpudl.bench.units import bytes_rate, flops_rate, percent, ratio_text, seconds_text
from gpudl.train.report.numbers import size
from gpudl.train.report.tables import Table, table_markdown, table_text

COUNTS = {
    "launches": "kernels",
    "library_calls": "library calls",
    "host_to_device": "copies to it",
    "device_to_host": "copies from it",
    "bytes_host_to_device": "bytes to it",
    "bytes_device_to_host": "bytes from it",
    "synchronizations": "waits",
}
"""Counts that are shown, with the heads of their columns."""

BUSY = 0.05
"""The share of the processors from which other programs are a reason to doubt times."""


def tables(record: Record) -> list[Table]:
    """The environment, for each device a table of times or counts and one of memory, and what is to be known."""
    found = [Table("", (), (), notes=_surroundings(record))]
    first: dict[tuple[str, ...], Row] = {}
    for device in record["devices"]:
        rows: dict[str, list[Row]] = {"wall": [], "counts": [], "memory": []}
        for row in record["rows"]:
            if row["device"] == device["device"]:
                rows[kind_of(row)].append(row)
        if rows["wall"]:
            found.append(_timed(device, rows["wall"], first))
            first = first or {_without_device(row): row for row in rows["wall"]}
        if rows["counts"]:
            found.append(_counted(device, rows["counts"]))
        if rows["memory"]:
            found.append(_memory(device, rows["memory"]))
    closing = [
        *(f"FAILED: {line}" for line in record.get("failures", ())),
        *crossover_lines(record),
        *record["missing"],
    ]
    if "baseline" in record:
        closing += _verdict(record)
    if closing:
        found.append(Table("", (), (), notes=closing))
    return found


def _surroundings(record: Record) -> list[str]:
    known, settings = record["environment"], record["settings"]
    commit = known["commit"]
    source = "" if commit is None else f", commit {commit['commit'][:12]}{' with changes' * commit['dirty']}"
    threads = f"{known['threads']} thread{'s' * (known['threads'] != 1)}"
    torch = f", PyTorch {known['torch']} with {known['torch_threads']} threads" if "torch" in known else ""
    lines = [
        f"gpudl {known['gpudl']}{source}, Python {known['python']}, NumPy {known['packages'].get('numpy')}{torch}",
        f"{known['cpu']}, {known['processors']} processors, {known['blas']}, {threads}",
        *(f"GPU {number}: {text}" for number, text in enumerate(known["gpus"])),
        *(", ".join(f"{name} {value}" for name, value in clock.items()) for clock in known["clocks"]),
        f"{known['dtype']}, float32 products in {known['float32_products']} precision, seed {known['seed']}, "
        f"{known['date']}",
    ]
    others = settings.get("others_share")
    if others is not None:
        doubt = ": the times are longer than they need be" if others > BUSY else ""
        lines.append(f"Other programs took {percent(others)} of the processors meanwhile{doubt}.")
    if settings["quick"]:
        lines.append("Quick: small sizes and three samples. This shows that all runs; its times say little.")
    return lines


def _timed(device: dict[str, Any], rows: list[Row], first: dict[tuple[str, ...], Row]) -> Table:
    """A device whose times are measured; `first` has the rows of the first such device."""
    has_torch = any("torch" in row for row in rows)
    has_clock = any(row["device_clock"] is not None for row in rows)
    has_baseline = any("baseline" in row for row in rows)
    has_shares = any(row.get("shares") for row in rows)
    head = ["case", "sizes", "part", "median", "quartiles", "rate", "of limit"]
    head += ["host", "device"] * has_clock + ["launches", "transfers"] * has_shares + ["speed-up"] * bool(first)
    head += ["PyTorch", "of its time"] * has_torch + ["of baseline"] * has_baseline
    cells = []
    for row in rows:
        wall = row["wall"]
        line = [
            f"{row['group']}: {row['case']}",
            row["sizes"],
            row["part"],
            seconds_text(wall["median"]) + ("" if row["steady"] else " ~"),
            f"{seconds_text(wall['low'])} to {seconds_text(wall['high'])}",
            _rate(row),
            "" if row["share"] is None else f"{percent(row['share'])} {row['limit']}",
        ]
        if has_clock:
            own = row["device_clock"]
            line += [seconds_text(row["host"]["median"]), "" if own is None else seconds_text(own["median"])]
        if has_shares:
            there = row.get("shares")
            line += ["", ""] if there is None else [percent(there["launch"]), percent(there["transfer"])]
        if first:
            other = first.get(_without_device(row))
            line.append("" if other is None else ratio_text(other["wall"]["median"] / wall["median"]))
        if has_torch:
            theirs = row.get("torch")
            beside = "" if theirs is None else seconds_text(theirs["wall"]["median"])
            line += [beside, "" if theirs is None else ratio_text(row["ratio"]["median"])]
        if has_baseline:
            line.append(_beside(row))
        cells.append(tuple(line))
    notes = _timed_notes(device, rows, has_torch, first)
    return Table(f"{device['device']}: {device['name']}", tuple(head), cells, 3, notes)


def _rate(row: Row) -> str:
    if "accuracy" in row:
        return f"{row['accuracy']['epochs']} epochs, {100 * row['accuracy']['reached']:.1f} %"
    items = row["items_per_second"]
    if items is not None:
        return f"{items:.0f} samples/s"
    return flops_rate(row["flops_per_second"]) or bytes_rate(row["bytes_per_second"])


def _timed_notes(device: dict[str, Any], rows: list[Row], has_torch: bool, first: Any) -> list[str]:
    most = device["limits"]
    notes = [
        f"Limits, measured: a copy {bytes_rate(most['bandwidth'])}, a product of matrices of "
        f"{most['side']} x {most['side']} {flops_rate(most['products'])}. "
        "More than 100 % of the copy: the data stays in a cache.",
        "Medians of wall time, until the device is done; rates by the device's clock where it has one.",
    ]
    if any(not row["steady"] for row in rows):
        notes.append("~ the median was not steady yet when the time for it was over")
    if any(row.get("shares") for row in rows):
        notes.append("launches: the share of a step in which the device waits for the host; transfers: that is copies")
    if has_torch:
        notes.append("of its time: gpudl's over PyTorch's, taken in turn; below 1 gpudl is the faster")
    if first:
        notes.append(f"speed-up: over {next(iter(first.values()))['device']}")
    return notes


def _counted(device: dict[str, Any], rows: list[Row]) -> Table:
    has_baseline = any("baseline" in row for row in rows)
    head = ("case", "sizes", "part", *COUNTS.values(), *["against baseline"] * has_baseline)
    cells = [
        (
            f"{row['group']}: {row['case']}",
            row["sizes"],
            row["part"],
            *(f"{row['counts'][name]:,}" for name in COUNTS),
            *[_beside(row)] * has_baseline,
        )
        for row in rows
    ]
    notes = ["What one run asks the device for. It is emulated: its times say nothing of a GPU, and are not taken."]
    return Table(f"{device['device']}: {device['name']}", head, cells, 3, notes)


def _memory(device: dict[str, Any], rows: list[Row]) -> Table:
    has_torch = any("torch" in row for row in rows)
    has_baseline = any("baseline" in row for row in rows)
    head = ["case", "sizes", "part", "peak", "kept"]
    head += ["PyTorch", "of its peak"] * has_torch + ["of baseline"] * has_baseline
    cells = []
    for row in rows:
        own, theirs = row["memory"], row.get("torch", {}).get("memory")
        line = [
            f"{row['group']}: {row['case']}",
            row["sizes"],
            row["part"],
            *map(size, (own["peak"], own["kept"])),
        ]
        if has_torch:
            line += ["", ""] if theirs is None else [size(theirs["peak"]), ratio_text(own["peak"] / theirs["peak"])]
        cells.append((*line, *[_beside(row)] * has_baseline))
    notes = [
        "The most that a training step takes, and what stays from step to step: the batch, weights, gradients and the "
        "optimizer's state. Arrays are counted, on the CPU Python's objects too."
    ]
    return Table(f"{device['device']}: {device['name']}, memory", tuple(head), cells, 3, notes)


def _beside(row: Row) -> str:
    found = row.get("baseline")
    if found is None:
        return "new"
    if "peak" in found:
        return ratio_text(found["ratio"]) + (" MORE" if found["regression"] else " less" if found["faster"] else "")
    if "more" in found:
        grown = ", ".join(f"{COUNTS.get(name, name)} {old} -> {new}" for name, (old, new) in found["more"].items())
        return f"MORE: {grown}" if grown else "fewer" if found["faster"] else "same"
    return ratio_text(found["ratio"]) + (" SLOWER" if found["regression"] else " faster" if found["faster"] else "")


def _verdict(record: Record) -> list[str]:
    found = record["baseline"]
    lines = [f"The baseline is of another machine or setting: {line}" for line in found["differs"]]
    for row in record["rows"]:
        if row.get("baseline", {}).get("regression"):
            what = "MORE MEMORY" if kind_of(row) == "memory" else "SLOWER"
            name = f"{row['device']} {row['group']}: {row['case']}, {row['part']}"
            lines.append(f"{what} than the baseline: {name}: {_beside(row)}")
    new = f", {found['not_in_baseline']} are not in it" if found["not_in_baseline"] else ""
    lines.append(
        f"Baseline of {found['date']}: {found['compared']} rows compared{new}; {found['regressions']} slower by more "
        f"than {percent(found['tolerance'])} and outside the quartiles, or with so much more memory, or more launches, "
        f"copies or waits; {found['faster']} faster."
    )
    return lines


def _without_device(row: Row) -> tuple[str, ...]:
    return key_of({**row, "device": ""})


def as_text(found: list[Table]) -> str:
    """For a terminal."""
    return "\n\n".join(map(table_text, found))


def as_markdown(found: list[Table]) -> str:
    """As a document."""
    return "\n\n".join(["# gpudl bench", *map(table_markdown, found)]) + "\n"
