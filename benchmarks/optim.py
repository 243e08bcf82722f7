"""Optimizer steps and what goes with them over 10 million parameters: gpudl beside PyTorch's defaults.

    python -m benchmarks.optim [--threads 1 2] [--json FILE]

The parameters are one tensor, or a hundred. Gradients are made once by backward and stay. Each program has a process of
its own, as in benchmarks.train_step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks import timing
from benchmarks.train_step import sample
from benchmarks.worker import Worker

ELEMENTS = 10_000_000
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
    "SGD": ("SGD", {}),
    "SGD momentum": ("SGD", {"momentum": 0.9}),
}
CASES = [*OPTIMIZERS, "clip_grad_norm_", "zero_grad"]
TENSORS = (1, 100)


def program(lib: Any, case: str, tensors: int, elements: int) -> Callable[[], Any]:
    """A function that does it once."""
    import numpy as np

    generator = np.random.default_rng(0)
    parameters = []
    for _ in range(tensors):
        numbers = generator.standard_normal((10, elements // tensors // 10)).astype(np.float32)
        parameters.append(lib.nn.Parameter(lib.from_numpy(numbers)))
    kind, settings = OPTIMIZERS.get(case, ("SGD", {}))
    optimizer = getattr(lib.optim, kind)(parameters, lr=1e-4, **settings)
    sum((p * p).sum() for p in parameters).backward()
    if case == "clip_grad_norm_":
        return lambda: lib.nn.utils.clip_grad_norm_(parameters, 1.0)  # scales at first, then has nothing to scale
    if case == "zero_grad":
        return lambda: optimizer.zero_grad(set_to_none=False)
    return optimizer.step  # type: ignore[no-any-return]


def work(name: str, case: str, tensors: int, threads: int, elements: int) -> None:
    """The process of one library: for each number read, run so many times."""
    timing.restart_clean(threads)
    lib = timing.library(name)
    if name == "torch":
        lib.set_num_threads(threads)
    timed = timing.loop(program(lib, case, tensors, elements))
    print("ready", flush=True)
    for line in sys.stdin:
        print(timed(int(line)), flush=True)


def measure(case: str, tensors: int, threads: int, args: Any) -> dict[str, Any]:
    """One row."""
    print(f"{case}, {tensors} tensors, {threads} threads ...", file=sys.stderr)
    with ExitStack() as stack:
        given = (case, str(tensors), str(threads), str(args.elements))
        workers = {name: stack.enter_context(Worker("optim", name, *given)) for name in ("gpudl", "torch")}
        samples = {name: partial(sample, worker) for name, worker in workers.items()}
        seconds = 0 if args.quick else 0.15
        times = timing.alternate(samples, rounds=args.rounds, seconds=seconds, pause=0 if args.quick else 0.05)
    row: dict[str, Any] = {"case": case, "tensors": tensors, "elements": args.elements, "threads": threads}
    for name in workers:
        row[f"{name}_us"] = round(1e6 * timing.spread(times[name]).median, 1)
    return row | timing.columns("ratio", timing.ratio(times, "gpudl", "torch"), digits=3)


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", metavar="N", help="thread counts (1, and 2 if there are)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="which to measure, default all")
    parser.add_argument("--work", nargs=5, help="used by the benchmark itself")
    args = parser.parse_args(argv)
    if args.work:
        name, case, *numbers = args.work
        work(name, case, *map(int, numbers))
        return 0
    timing.needs_torch(parser)
    args.elements = 10_000 if args.quick else ELEMENTS
    args.threads = args.threads or ([1] if args.quick or os.cpu_count() == 1 else [1, 2])
    args.rounds = args.rounds or (2 if args.quick else 21)
    timing.restart_clean(args.threads[0])
    clock = timing.Clock()
    rows = [
        measure(case, tensors, threads, args) for case in args.cases for tensors in TENSORS for threads in args.threads
    ]
    lines = [
        (
            f"{row['case']}, tensors {row['tensors']}, threads {row['threads']}",
            *(f"{row[key]:.0f}" for key in ("gpudl_us", "torch_us")),
            f"{row['ratio']:.2f}",
            timing.quartiles(row, "ratio"),
        )
        for row in rows
    ]
    print(timing.table(("10 million parameters", "gpudl us", "torch us", "ratio", "quartiles"), lines))
    timing.report("optim", rows, timing.environment(clock, args.threads), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
