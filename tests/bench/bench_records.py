"""Records by hand, with the fields that a measured one has."""

from __future__ import annotations

from typing import Any

from gpudl.bench.baseline import COUNTED


def timed(median: float, low: float, high: float, case: str = "exp", **more: Any) -> dict[str, Any]:
    wall = {"median": median, "low": low, "high": high}
    head = {"suite": "ops", "group": "elementwise", "case": case, "sizes": "4", "device": "cpu", "part": "forward"}
    rates = {"bytes_per_second": 1e9, "flops_per_second": None, "items_per_second": None}
    limit = {"limit": "copy", "share": 0.5, "steady": True}
    return {**head, "wall": wall, "host": wall, "device_clock": None, **rates, **limit, **more}


def remembered(peak: int, kept: int = 1000, **more: Any) -> dict[str, Any]:
    row = {
        name: value for name, value in timed(0, 0, 0).items() if name in ("group", "case", "sizes", "part", "device")
    }
    return {**row, "suite": "memory", "memory": {"peak": peak, "kept": kept}, **more}


def counted(**counts: int) -> dict[str, Any]:
    row = {name: value for name, value in timed(0, 0, 0).items() if name in ("suite", "group", "case", "sizes", "part")}
    bytes = {"bytes_host_to_device": 0, "bytes_device_to_host": 0}
    return {**row, "device": "sim:0", "counts": {**dict.fromkeys(COUNTED, 2), **bytes, **counts}}


def record(*rows: dict[str, Any], **environment: Any) -> dict[str, Any]:
    known = {"cpu": "A", "threads": 2, "date": "2026-01-02", "commit": None, "gpudl": "0", "python": "3"}
    known |= {
        "packages": {"numpy": "2.4"},
        "processors": 2,
        "blas": "b",
        "gpus": [],
        "clocks": [],
        "float32_products": "highest",
    }
    limits = {"bandwidth": 1e10, "products": 1e11, "side": 512}
    devices = [
        {"device": name, "name": "N", "emulated": emulated, "limits": None if emulated else limits}
        for name, emulated in {"cpu": False, "sim:0": True}.items()
        if any(row["device"] == name for row in rows)
    ]
    return {
        "schema": "gpudl.bench",
        "version": 1,
        "environment": {**known, "seed": 0, "dtype": "float32", **environment},
        "settings": {"quick": False},
        "missing": [],
        "devices": devices,
        "rows": list(rows),
    }
