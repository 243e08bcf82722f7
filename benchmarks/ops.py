"""Operations on about a million elements, forward and backward: gpudl beside PyTorch, on one and two threads.

    python -m benchmarks.ops [--only WORD ...] [--threads 1 2] [--json FILE] [--slower 3]

benchmarks/op_cases.py has the cases. "forward" runs under no_grad; "backward" is forward and backward, of all inputs
that are floating point, with a gradient of ones. Ratios are gpudl's time over PyTorch's, below 1 gpudl is the faster.

Each library has a process of its own for each number of threads, which waits at a pipe while the other runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks import timing
from benchmarks.op_cases import CASES, Make
from benchmarks.worker import Worker

LIBRARIES = ("gpudl", "torch")
MODES = ("forward", "backward")


def programs(lib: Any, name: str) -> dict[str, Callable[[], Any]]:
    """Mode -> what to time; no backward where the result has no gradient."""
    make = Make(lib)
    forward = CASES[name](lib, make)

    def quiet() -> None:
        with lib.no_grad():
            forward()

    made: dict[str, Callable[[], Any]] = {"forward": quiet}
    result = forward()
    result = result if hasattr(result, "requires_grad") else result[0]
    if result.requires_grad:
        ones = lib.ones_like(result).detach()

        def both() -> None:
            y = forward()
            y = y if hasattr(y, "requires_grad") else y[0]
            lib.autograd.grad([y], make.leaves, [ones])

        made["backward"] = both
    return made


def work(library: str, threads: int) -> None:
    """The process of one library: for each line "case, mode, number" say how long so many runs took."""
    timing.restart_clean(threads)
    lib = timing.library(library)
    if library == "torch":
        lib.set_num_threads(threads)
    ready: dict[str, dict[str, timing.Sample]] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        name, mode, number = line.rstrip("\n").split("\t")
        if name not in ready:
            ready = {name: {key: timing.loop(program) for key, program in programs(lib, name).items()}}
        print(ready[name][mode](int(number)) if mode in ready[name] else -1.0, flush=True)


def sample(worker: Worker, name: str, mode: str, number: int) -> float:
    """The seconds that so many runs take in a worker; -1 where there is no such mode."""
    return float(worker.ask(name, mode, number))


def measure(names: list[str], threads: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each case and mode."""
    rows = []
    with ExitStack() as stack:
        workers = {library: stack.enter_context(Worker("ops", library, str(threads))) for library in LIBRARIES}
        for name in names:
            print(f"{name}, threads {threads} ...", file=sys.stderr)
            for mode in MODES:
                samples = {key: partial(sample, worker, name, mode) for key, worker in workers.items()}
                if any(run(1) < 0 for run in samples.values()):
                    continue
                times = timing.alternate(samples, rounds=rounds, seconds=seconds, pause=min(0.03, seconds))
                row: dict[str, Any] = {"case": name, "mode": mode, "threads": threads}
                for library in LIBRARIES:
                    row[f"{library}_us"] = round(1e6 * timing.spread(times[library]).median, 1)
                rows.append(row | timing.columns("ratio", timing.ratio(times, *LIBRARIES), digits=3))
    return rows


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", metavar="N", help="thread counts (1, and 2 if there are)")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="cases with one of these in their name")
    parser.add_argument("--slower", type=float, default=3.0, metavar="R", help="list the cases above this ratio (3)")
    parser.add_argument("--work", nargs=2, metavar=("LIBRARY", "THREADS"), help="used by the benchmark itself")
    args = parser.parse_args(argv)
    if args.work:
        work(args.work[0], int(args.work[1]))
        return 0
    timing.needs_torch(parser)
    names = [name for name in CASES if any(word in name for word in args.only)]
    if not names:
        parser.error(f"no case has {' or '.join(args.only)} in its name")
    args.threads = args.threads or ([1] if args.quick or os.cpu_count() == 1 else [1, 2])
    args.rounds = args.rounds or (1 if args.quick else 9)
    timing.restart_clean(args.threads[0])
    clock = timing.Clock()
    rows = [row for n in args.threads for row in measure(names, n, args.rounds, 0.0 if args.quick else 0.03)]
    lines = [
        (
            f"{row['case']}, {row['mode']}, threads {row['threads']}",
            *(f"{row[key]:.0f}" for key in ("gpudl_us", "torch_us")),
            f"{row['ratio']:.2f}",
            timing.quartiles(row, "ratio"),
        )
        for row in rows
    ]
    print(timing.table(("operation", "gpudl us", "torch us", "ratio", "quartiles"), lines))
    slow = sorted((row for row in rows if row["ratio"] > args.slower), key=lambda row: -row["ratio"])
    told = [f"{row['case']} {row['mode']} ({row['threads']} thr) {row['ratio']:.1f}" for row in slow]
    print(f"slower than {args.slower:g} times PyTorch: {'; '.join(told) or 'none'}")
    timing.report("ops", rows, timing.environment(clock, args.threads), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
