"""A record beside an older one: what has become slower, takes more memory, or asks the device for more."""

from __future__ import annotations

from typing import Any

from gpudl.bench.record import Record, RecordError, Row, key_of, kind_of

COUNTED = ("launches", "library_calls", "graph_launches", "host_to_device", "device_to_host", "synchronizations")
"""Counts that must not grow. They do not vary, so no tolerance is needed."""

_MATTERS = ("cpu", "processors", "blas", "threads", "gpus", "float32_products", "dtype")
"""Of the environment: where these differ, so may all times."""


def against(record: Record, older: Record, tolerance: float = 0.1) -> Record:
    """The record, with "baseline" in its rows and as a whole.

    Times: a row is a regression if its median is more than the tolerance above the older one's, and the quartiles of
    the two do not overlap, so that noise alone does not count. Memory: if its peak is more than the tolerance above
    the older one's. Counts: any of COUNTED that has grown.

    Args:
        record, older: of gpudl.bench.measure.
        tolerance: 0.1 for 10 %.
    Returns: a new record.
    Raises: ValueError for a tolerance below 0, RecordError if no row is in both.
    """
    if not tolerance >= 0:
        raise ValueError(f"the tolerance must be 0 or more, got {tolerance}")
    known = {key_of(row): row for row in older["rows"]}
    rows = [_compared(row, known.pop(key_of(row), None), tolerance) for row in record["rows"]]
    compared = [row for row in rows if "baseline" in row]
    if not compared:
        raise RecordError("the baseline has none of the rows that were measured: other suites, devices or sizes")
    now, then = record["environment"], older["environment"]
    whole = {
        "tolerance": tolerance,
        "date": then.get("date"),
        "commit": then.get("commit"),
        "compared": len(compared),
        "not_in_baseline": len(rows) - len(compared),
        "regressions": sum(row["baseline"]["regression"] for row in compared),
        "faster": sum(row["baseline"]["faster"] for row in compared),
        "differs": [
            f"{name}: {then.get(name)!r} in the baseline, {now.get(name)!r} now"
            for name in _MATTERS
            if then.get(name) != now.get(name)
        ],
    }
    return {**record, "rows": rows, "baseline": whole}


def _compared(row: Row, old: Row | None, tolerance: float) -> Row:
    if old is None or (kind := kind_of(row)) != kind_of(old):
        return row
    found: dict[str, Any]
    if kind == "memory":
        ratio = row["memory"]["peak"] / old["memory"]["peak"] if old["memory"]["peak"] else 1.0
        found = {
            "peak": old["memory"]["peak"],
            "ratio": ratio,
            "regression": ratio > 1 + tolerance,
            "faster": ratio < 1 / (1 + tolerance),
        }
    elif kind == "counts":
        more = {
            name: [old["counts"].get(name, 0), row["counts"][name]]
            for name in COUNTED
            if row["counts"][name] > old["counts"].get(name, 0)
        }
        fewer = any(row["counts"][name] < old["counts"].get(name, 0) for name in COUNTED)
        found = {"more": more, "regression": bool(more), "faster": fewer and not more}
    else:
        now, then = _clocked(row), _clocked(old)
        ratio = now["median"] / then["median"] if then["median"] else 1.0
        found = {
            "median": then["median"],
            "ratio": ratio,
            "regression": ratio > 1 + tolerance and now["low"] > then["high"],
            "faster": ratio < 1 / (1 + tolerance) and now["high"] < then["low"],
        }
    return {**row, "baseline": found}


def _clocked(row: Row) -> dict[str, float]:
    found: dict[str, float] = row.get("device_clock") or row["wall"]
    return found
