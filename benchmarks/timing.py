"""Comparing programs that run in turn: short samples in alternating rounds, and medians of per-round ratios.

On a machine that does other things too, two times taken one after the other say little, but whatever slows one round
slows all programs in it. So each round takes one short sample of every program, in an order that turns around from
round to round, and what is reported is the median over the rounds, with quartiles, of the ratio within a round.

Nothing here imports NumPy: the environment of a benchmark is set before it is (`restart_clean`).
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = 1
"""Version of the JSON files' layout; raised when a field changes its meaning."""

Sample = Callable[[int], float]
"""Runs a program so many times and returns the seconds that it took."""

_UNSET = "GPUDL_BENCHMARK_UNSET"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Spread(NamedTuple):
    """The median of some numbers, and the quartiles around it."""

    median: float
    low: float
    high: float


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", metavar="FILE", type=Path, help="write the figures and the environment to this file")
    made.add_argument("--quick", action="store_true", help="a few tiny samples: shows that it runs, measures nothing")
    made.add_argument("--rounds", type=int, metavar="N", help="how many rounds of samples")
    return made


def needs_torch(parser: argparse.ArgumentParser) -> None:
    """End the program as for a wrong argument if PyTorch is not there."""
    if importlib.util.find_spec("torch") is None:
        parser.error("PyTorch is not installed")


def restart_clean(threads: int) -> None:
    """Run this program anew with `threads` threads in every math library and no OPENBLAS_* variable, and exit with it.

    Some machines pin OpenBLAS to kernels of older processors (OPENBLAS_CORETYPE), which a user's machine does not.
    Does nothing if the environment is like that already.
    """
    found = sorted(name for name in os.environ if name.startswith("OPENBLAS_") and name not in _THREADS)
    wanted = {name: value for name, value in os.environ.items() if name not in found}
    wanted.update(dict.fromkeys(_THREADS, str(threads)))
    wanted.setdefault(_UNSET, " ".join(found))
    if wanted != os.environ:
        assert "numpy" not in sys.modules, "NumPy has read the environment already"
        sys.exit(subprocess.run([sys.executable, *sys.orig_argv[1:]], env=wanted).returncode)


def library(name: str) -> Any:
    """gpudl or torch, whole. They have the same names, so one program measures both."""
    for part in ("nn", "nn.functional", "optim"):
        importlib.import_module(f"{name}.{part}")
    return importlib.import_module(name)


def loop(function: Callable[[], Any], within: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Sample:
    """Samples of a function of this process, called inside a context such as torch.no_grad."""

    def sample(number: int) -> float:
        with within():
            start = time.perf_counter()
            for _ in itertools.repeat(None, number):
                function()
            return time.perf_counter() - start

    return sample


def alternate(
    samples: Mapping[str, Sample], *, rounds: int, seconds: float, pause: float = 0
) -> dict[str, list[float]]:
    """One sample of each program in every round.

    Args:
        samples: name -> program.
        rounds: how many.
        seconds: about how long a sample takes; the number of runs for that is found in a warm-up. 0: one run.
        pause: seconds to wait before a sample, where threads of the one before may still be spinning.
    Returns: name -> seconds per run, one number for each round.
    """
    numbers = {name: _runs_in(sample, seconds) for name, sample in samples.items()}
    times: dict[str, list[float]] = {name: [] for name in samples}
    order = list(samples)
    for _ in range(rounds):
        for name in order:
            time.sleep(pause)
            times[name].append(samples[name](numbers[name]) / numbers[name])
        order.reverse()
    return times


def _runs_in(sample: Sample, seconds: float) -> int:
    number = 1
    sample(1)
    if not seconds:
        return 1
    while (took := sample(number)) < seconds / 4:
        number *= 2
    return max(1, round(number * seconds / took))


def in_processes(count: int, benchmark: str, *arguments: str) -> list[dict[str, Any]]:
    """The rows of a benchmark that is run in several processes, with the median of each figure.

    A process settles into one memory layout and one state of the interpreter's caches, which is worth some 10 % to a
    program of microseconds; more rounds in the same process do not average that out.
    """
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        for _ in range(count):
            command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--json", str(path), *arguments]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            runs.append(json.loads(path.read_text(encoding="utf-8"))["rows"])
    return [{key: _middle([row[key] for row in same]) for key in same[0]} for same in zip(*runs, strict=True)]


def _middle(values: list[Any]) -> Any:
    return values[0] if isinstance(values[0], str) else round(statistics.median(values), 3)


def spread(values: Iterable[float]) -> Spread:
    """The median and quartiles."""
    known = list(values)
    low, median, high = statistics.quantiles(known, n=4, method="inclusive") if len(known) > 1 else known * 3
    return Spread(median, low, high)


def ratio(times: Mapping[str, Sequence[float]], name: str, base: str) -> Spread:
    """How much longer `name` takes than `base`: below 1 it is the faster one."""
    return spread(mine / other for mine, other in zip(times[name], times[base], strict=True))


def columns(name: str, found: Spread, digits: int) -> dict[str, float]:
    """A spread as the fields `name`, `name_low` and `name_high` of a row."""
    return {f"{name}{suffix}": round(value, digits or None) for suffix, value in zip(("", "_low", "_high"), found)}


def quartiles(row: Mapping[str, Any], name: str) -> str:
    """The quartiles among a row's fields, as text."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{low:.2f} to {high:.2f}" if name == "ratio" else f"{low} to {high}"


class Clock:
    """Which part of the machine other processes took while this one measured. Children count once they have ended."""

    def __init__(self) -> None:
        self._start = self._read()

    @staticmethod
    def _read() -> tuple[float, float, float] | None:
        """Seconds of all processors, those of them busy, and those that this process and its children were."""
        try:
            fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        except OSError:
            return None
        ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
        return sum(ticks), sum(ticks) - ticks[3] - ticks[4], sum(os.times()[:4])

    def others(self) -> float | None:
        """Their share of all processors' time since this clock was made, 0 to 1; None where the system does not say."""
        start, end = self._start, self._read()
        if start is None or end is None or end[0] == start[0]:
            return None
        busy, own = end[1] - start[1], end[2] - start[2]
        return round(max(0.0, busy - own) / (end[0] - start[0]), 3)


def environment(clock: Clock, threads: int | Sequence[int]) -> dict[str, Any]:
    """What the figures depend on, for the record."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "commit": _commit(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "others_share_of_processors": clock.others(),
        "openblas_variables_unset": os.environ.get(_UNSET, "").split(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": _blas(),
        **{name: _version(name) for name in ("numpy", "torch")},
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    known = dict(tuple(map(str.strip, line.split(":", 1))) for line in reversed(lines) if ":" in line)
    numbers = ", ".join(f"{key} {known[key]}" for key in ("cpu family", "model") if key in known)
    return f"{known.get('model name', platform.processor())} ({numbers})" if numbers else platform.processor()


def _blas() -> dict[str, Any]:
    """NumPy's BLAS; with threadpoolctl, where that is installed, also the kernels that it chose on this processor."""
    import numpy as np

    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    found = {"name": built.get("name"), "version": built.get("version")}
    try:
        loaded = importlib.import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return found
    mine = next((pool for pool in loaded if pool.get("user_api") == "blas" and "numpy" in pool["filepath"]), {})
    return {**found, "kernels": mine.get("architecture"), "threads": mine.get("num_threads")}


def _commit() -> str | None:
    """The checkout's commit, marked where files differ from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[1]
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        status = [*git, "status", "--porcelain", "gpudl", "kernels", "examples"]
        changed = subprocess.run(status, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head} with changes" if changed else head


def report(
    benchmark: str, rows: list[dict[str, Any]], environment: Mapping[str, Any], args: argparse.Namespace
) -> None:
    """Print the environment, and write everything to the file that --json names, if it does."""
    unset = environment["openblas_variables_unset"]
    blas = environment["blas"]
    print(
        f"{environment['processor']}, {environment['cores']} cores, threads {environment['threads']}; "
        f"Python {environment['python']}, NumPy {environment['numpy']} ({blas['name']} {blas.get('kernels') or ''}), "
        f"torch {environment['torch']}\n"
        f"OPENBLAS_* variables are unset while measuring (found here: {', '.join(unset) or 'none'}); "
        f"other processes took {environment['others_share_of_processors']} of the machine"
    )
    settings = {name: value for name, value in vars(args).items() if name not in ("json", "work")}
    path = args.json
    if path is not None:
        head = {"schema": SCHEMA, "benchmark": benchmark, "settings": settings, "environment": environment}
        record = {**head, "rows": rows}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Columns of text, the first flush left, the others flush right."""
    cells = [list(head), *map(list, lines)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    edges = ["<", *(">" for _ in widths[1:])]
    return "\n".join(
        "  ".join(f"{cell:{edge}{width}}" for cell, edge, width in zip(row, edges, widths)) for row in cells
    )
