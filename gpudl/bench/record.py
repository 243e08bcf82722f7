"""The record of a run, of plain values: what --json prints, --out keeps and --baseline reads. Its form has a version.

    {"schema": "gpudl.bench", "version": 1,
     "environment": {...}, "settings": {...}, "missing": ["cuda: ..."],
     "devices": [{"device", "name", "emulated", "limits": {"bandwidth", "products", "side"} or null}],
     "rows": [{"suite", "group", "case", "sizes", "device", "part", ...}]}

A row of a device that is timed has "bytes", "flops", "runs", "rounds", "steady", the spreads "wall",
"host" and "device_clock" ({"median", "low", "high"} in seconds; the last is null without such a clock), and of rates
"bytes_per_second", "flops_per_second", "items_per_second" (samples of training), "limit" ("copy", "product" or null)
and "share" of it. With PyTorch beside it also "torch" (the same spreads) and "ratio". A row of an emulated device has
"counts" instead, and one of the suite memory on any device "memory": bytes "peak" at most during a step and "kept"
between steps, of PyTorch in "torch". A row of the suite crossover has "batch" and, if timed, "shares" ("launch" and
"transfer", 0 to 1, or null), and the record "crossovers", see crossover.py. A row of the suite end-to-end has
"accuracy": "target" and "reached", 0 to 1, and "epochs", of PyTorch in "torch"; "failures" says in words where the
target was not reached. A comparison adds "baseline", an interrupt "interrupted", true.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = "gpudl.bench"
VERSION = 1
"""Raised when a field changes its meaning or goes away; new fields do not change it."""

Record = dict[str, Any]
Row = dict[str, Any]


class RecordError(ValueError):
    """A file that is no record of `gpudl bench`, or none that can be compared."""


def key_of(row: Row) -> tuple[str, ...]:
    """What is measured in a row: rows of two records with the same key can be compared."""
    return tuple(row[name] for name in ("suite", "group", "case", "sizes", "device", "part"))


_NEEDED = {"counts": (), "memory": ("peak", "kept"), "wall": ("median", "low", "high")}


def kind_of(row: Row) -> str:
    """Which of its fields has what was measured: "counts", "memory", or "wall"."""
    return next((kind for kind in _NEEDED if kind in row), "wall")


def failures(rows: list[Row]) -> list[str]:
    """Trainings that have not reached their accuracy."""
    found = []
    for row in rows:
        for name, of in (("gpudl", row), ("PyTorch", row.get("torch", {}))):
            each = of.get("accuracy")
            if each is not None and each["reached"] < each["target"]:
                found.append(
                    f"{row['device']} {row['group']}: {row['case']}: {name} has {100 * each['reached']:.1f} % of the "
                    f"test set right after {each['epochs']} epochs; it must be {100 * each['target']:g} %"
                )
    return found


def read_record(path: str | Path) -> Record:
    """A record that was written before.

    Raises: RecordError if it is none, or one of another version; OSError if it cannot be read.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(f"{path}: no JSON: {error}") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise RecordError(f"{path}: not a record of gpudl bench")
    if record.get("version") != VERSION:
        raise RecordError(f"{path}: of version {record.get('version')!r}; this gpudl reads version {VERSION}")
    try:
        for row in record["rows"]:
            key_of(row)
            kind = kind_of(row)
            for name in _NEEDED[kind]:
                float(row[kind][name])
        dict(record["environment"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{path}: damaged: {type(error).__name__} {error}") from error
    return record
