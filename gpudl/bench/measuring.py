"""Measure cases on devices, into a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, nullcontext
from functools import partial
from typing import Any, NamedTuple, TypeVar

import gpudl
from gpudl.backend.clocks import is_emulated
from gpudl.backend.device import require
from gpudl.backend.surroundings import device_name
from gpudl.bench.case import CannotMeasure, Case, Make, Part, sizes_text
from gpudl.bench.crossover import crossovers
from gpudl.bench.environment import environment
from gpudl.bench.library import Library, gpudl_on, seeded
from gpudl.bench.limits import Limits, best_clock, limits
from gpudl.bench.others import Others
from gpudl.bench.record import SCHEMA, VERSION, Record, Row, failures
from gpudl.bench.rival import Elsewhere, Rival, rival_on
from gpudl.bench.suites import cases
from gpudl.bench.timing import FULL, QUICK, Effort, Spread, Times, alone, is_steady, ratio, take

KINDS = ("cpu", "cuda", "sim")
DTYPES = ("float32", "float16", "bfloat16", "float64")
_FLOAT32 = ("start-up", "end-to-end")
_SPINNING = 0.05  # seconds after which threads of a math library have gone to sleep: OpenBLAS' spin for 2**26 ticks
_BESIDE = "not beside gpudl"
_Built = TypeVar("_Built")
_QUICK_COPY, _QUICK_SIDES = 1 << 20, (256,)


def measure(
    suites: Iterable[str] = ("ops",),
    devices: Sequence[str] | None = None,
    *,
    only: Sequence[str] = (),
    versus_torch: bool = False,
    quick: bool = False,
    seed: int = 0,
    dtype: str = "float32",
    tell: Callable[[str], None] = lambda line: None,
) -> Record:
    """Run the cases of some suites on some devices.

    Args:
        suites: their names, of gpudl.bench.suites.SUITES.
        devices: their names; None for all that can be used here in one process.
        only: patterns that choose cases, see gpudl.bench.suites.cases.
        versus_torch: take times of PyTorch too, in turn with gpudl's, where it is installed.
        quick: small sizes and three samples, which show that all runs and hardly more.
        seed: of weights, data and dropout.
        dtype: of weights and data, of DTYPES. Start-up and end-to-end are measured in float32 alone.
        tell: gets a line for each case, before it is measured.
    Returns: the record, see gpudl.bench.record. An interrupt ends the measuring, and what was measured is kept.
    Raises: ValueError for wrong names, DeviceError for devices that cannot be used here, KeyboardInterrupt where
        nothing was measured yet.
    """
    suites = list(suites)
    chosen = cases(suites, only)
    fixed = [name for name in suites if name in _FLOAT32]
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if fixed and dtype != "float32":
        raise ValueError(f"{' and '.join(fixed)}: measured in float32 alone, got {dtype}")
    places, missing = _places(devices)
    effort = QUICK if quick else FULL
    settings = {
        "suites": suites,
        "only": list(only),
        "quick": quick,
        "versus_torch": versus_torch,
        "effort": effort._asdict(),
    }
    record: Record = {
        "schema": SCHEMA,
        "version": VERSION,
        "environment": environment(places, seed, dtype),
        "settings": settings,
        "missing": missing,
        "devices": [],
        "rows": [],
    }
    begin, others = time.perf_counter(), Others()
    try:
        for place in places:
            _measure_on(place, chosen, record, effort, tell)
    except KeyboardInterrupt:
        if not record["rows"]:
            raise
        record["interrupted"] = True
        missing.append("interrupted: what was measured until then is here")
    if "crossover" in suites:
        record["crossovers"] = crossovers(record["rows"])
    record["failures"] = failures(record["rows"])
    settings |= {"seconds": round(time.perf_counter() - begin, 1), "others_share": others.share()}
    return record


def _measure_on(
    place: gpudl.Device, chosen: Sequence[Case], record: Record, effort: Effort, tell: Callable[[str], None]
) -> None:
    """Add what is measured on one device to the record."""
    settings, seed, dtype = record["settings"], record["environment"]["seed"], record["environment"]["dtype"]
    mine, quick = gpudl_on(place), settings["quick"]
    emulated, found = is_emulated(place), None
    if not emulated:
        tell(f"{place}: its limits")
        few = {"copied": _QUICK_COPY, "sides": _QUICK_SIDES} if quick else {}
        found = limits(mine, effort, dtype=dtype, **few)  # type: ignore[arg-type]
    record["devices"].append(
        {
            "device": str(place),
            "name": device_name(place),
            "emulated": emulated,
            "limits": None if found is None else found._asdict(),
        }
    )
    rival = _rival(place, record) if settings["versus_torch"] else None
    with nullcontext() if rival is None else closing(rival):
        for case in chosen:
            tell(f"{place}: {case.label}")
            sizes = case.small if quick or emulated else case.sizes
            rows = _rows(case, sizes, _Where(mine, rival, found), effort, (seed, dtype), record["missing"])
            record["rows"] += rows


class _Where(NamedTuple):
    """A device: gpudl on it, perhaps PyTorch, and what it can do at most, None if it is emulated."""

    mine: Library
    rival: Rival | Elsewhere | None
    most: Limits | None


def _places(names: Sequence[str] | None) -> tuple[list[gpudl.Device], list[str]]:
    """The devices, and why others are not measured."""
    missing = []
    if names is None:
        names = []
        for kind in KINDS:
            try:
                require(gpudl.device(kind))
                names.append(kind)
            except gpudl.DeviceError as error:
                missing.append(f"not measured: {error}")
    places = list(dict.fromkeys(map(gpudl.device, names)))
    if not places:
        raise ValueError("name a device at least: " + ", ".join(KINDS))
    for place in places:
        require(place)
    return places, missing


def _rival(place: gpudl.Device, record: Record) -> Rival | Elsewhere | None:
    found = rival_on(place)
    if isinstance(found, str):
        record["missing"].append(f"not beside gpudl on {place}: {found}")
        return None
    record["environment"] |= found.about
    return found


def _rows(
    case: Case,
    sizes: tuple[tuple[int, ...], ...],
    where: _Where,
    effort: Effort,
    made: tuple[int, str],
    missing: list[str],
) -> list[Row]:
    """A row for each part of a case on one device, its inputs made of a seed in a dtype.

    Why there is none, or none of the rival, goes to `missing`.
    """
    head = {"suite": case.suite, "group": case.group, "case": case.name, "sizes": sizes_text(sizes)}
    mine, rival, most = where
    rows = []
    with seeded(mine.lib, made[0]):
        make = Make(mine.lib, mine.place, *made)
        parts = _built(lambda: case.build(make, *sizes), "not measured", missing) or {}
        theirs: Collection[str] = ()
        if rival is not None and parts:
            theirs = _built(lambda: rival.build(case, sizes, *made), _BESIDE, missing) or ()
        for name, part in parts.items():
            if part.says == "seconds" and most is None:
                continue
            row: Row = {**head, "device": str(mine.place), "part": name, "bytes": part.bytes, "flops": part.flops}
            if part.says == "memory":
                row["memory"] = part.program()
                if rival is not None and name in theirs:
                    told = _built(partial(rival.tells, name), _BESIDE, missing)
                    row |= {} if told is None else {"torch": told}
            elif most is None:
                row["counts"] = mine.counts(part.program)
            else:
                samples = {"gpudl": mine.sample(part)}
                if rival is not None and name in theirs:
                    samples["torch"] = rival.sample(name)
                how = alone(effort) if part.says else effort
                times = take(samples, how, pause=_SPINNING if how.sample > QUICK.sample else 0.0)
                row |= _timed(times["gpudl"], part, most, how)
                if "torch" in times:
                    row["torch"] = _spreads(times["torch"]) | rival.tells(name)  # type: ignore[union-attr]
                    row["ratio"] = ratio(times["gpudl"], times["torch"])._asdict()
            seconds = row["wall"]["median"] if "wall" in row else None
            if part.facts is not None:
                row |= part.facts(mine, seconds)
            rows.append(row)
            if seconds is not None and seconds > case.enough:
                break
    return rows


def _built(build: Callable[[], _Built], otherwise: str, missing: list[str]) -> _Built | None:
    """What a case gives; None, with the reason in `missing`, where that cannot be."""
    try:
        return build()
    except CannotMeasure as error:
        said = f"{otherwise}: {error}"
        if said not in missing:
            missing.append(said)
        return None


def _timed(times: Times, part: Part, most: Limits, effort: Effort) -> Row:
    """What a row says of times."""
    seconds = best_clock(times)
    limit: tuple[str, float] | None = None
    if part.flops:
        limit = "product", part.flops / seconds / most.products
    elif part.bytes is not None and not part.crosses:
        limit = "copy", part.bytes / seconds / most.bandwidth
    return {
        "runs": times.runs,
        "rounds": len(times.laps),
        "steady": is_steady(times, effort),
        **_spreads(times),
        "bytes_per_second": None if part.bytes is None else part.bytes / seconds,
        "flops_per_second": part.flops / seconds if part.flops else None,
        "items_per_second": part.items / seconds if part.items else None,
        "limit": None if limit is None else limit[0],
        "share": None if limit is None else limit[1],
    }


def _spreads(times: Times) -> dict[str, Any]:
    device: Spread | None = times.device
    return {
        "wall": times.wall._asdict(),
        "host": times.host._asdict(),
        "device_clock": None if device is None else device._asdict(),
    }
