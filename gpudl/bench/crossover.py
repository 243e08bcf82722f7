"""From which batch on a device is faster than the CPU, and where the time of a step goes until then."""

from __future__ import annotations

import statistics
from typing import Any

import gpudl
from gpudl.bench.case import Program
from gpudl.bench.library import Library
from gpudl.bench.record import Record, Row
from gpudl.bench.units import percent

_LAPS = 5


def shares(library: Library, copy: Program, work: Program, seconds: float) -> dict[str, float] | None:
    """The parts of a training step that are no computing.

    Args:
        library: where it runs.
        copy: copies the batch to the device.
        work: the step without that.
        seconds: that the two take together, many steps being given to the device one after the other.
    Returns: "transfer", the share that is copies, and "launch", that in which the device has nothing to do and waits
        for the host; both 0 to 1. None without a clock of the device's own, or if the step waits for the device.
    """
    busy = library.busy(work)
    if busy is None:
        return None
    copied = library.busy(copy)
    if copied is None:  # memory that the device cannot read by itself: the host waits for its turn, and copies too
        copied = statistics.median(library.lap(copy, 1).device or 0.0 for _ in range(_LAPS))
    transfer = min(1.0, copied / seconds)
    return {"launch": max(0.0, 1.0 - transfer - busy / seconds), "transfer": transfer}


def crossovers(rows: list[Row]) -> list[dict[str, Any]]:
    """For each network and device beside the CPU the smallest batch from which on the device is the faster.

    Args:
        rows: of a record; those with "batch" and times count.
    Returns: {"case", "device", "over": the CPU's name, "measured": batches on both, in order, "batch": the smallest of
        them from which on all are faster on the device, or None, "shares": at that batch, or None}.
    """
    known: dict[tuple[str, str], dict[int, Row]] = {}
    for row in rows:
        if "batch" in row and "wall" in row:
            known.setdefault((row["case"], row["device"]), {})[row["batch"]] = row
    found = []
    for (case, device), own in known.items():
        base = next((name for of, name in known if of == case and gpudl.device(name).index is None), None)
        if base is None or base == device:
            continue
        beside = known[case, base]
        measured = sorted(own.keys() & beside.keys())
        if not measured:
            continue
        batch = None
        for count in reversed(measured):
            if own[count]["wall"]["median"] >= beside[count]["wall"]["median"]:
                break
            batch = count
        there = None if batch is None else own[batch].get("shares")
        found.append(
            {"case": case, "device": device, "over": base, "measured": measured, "batch": batch, "shares": there}
        )
    return found


def crossover_lines(record: Record) -> list[str]:
    """What `crossovers` found, in words; [] for a record without that suite."""
    if "crossovers" not in record:
        return []
    lines = []
    for each in record["crossovers"]:
        start, there = f"{each['case']}: {each['device']} is", each["shares"]
        if each["batch"] is None:
            lines.append(f"{start} not faster than {each['over']} up to batch {each['measured'][-1]}")
        else:
            line = f"{start} faster than {each['over']} from batch {each['batch']}"
            if there is not None:
                launch, transfer = percent(there["launch"]), percent(there["transfer"])
                line += f"; there {launch} of a step is launch overhead, {transfer} transfers"
            lines.append(line)
    return lines or ["no crossover: it takes times of the cpu and of a GPU in the same run"]
