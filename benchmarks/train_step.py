"""A training step of an MLP, forward, backward and Adam: gpudl beside PyTorch.

    python -m benchmarks.train_step [--threads 1 2] [--json FILE]

Two sizes: small, 784-128-64-10 with a batch of 64, and big, 784-1024-1024-10 with a batch of 256. The program is the
same in both libraries, line for line, from the same weights. PyTorch runs its default Adam, and once more with
fused=True, its fastest on a CPU. Ratios are to the default.

Each program has a process of its own, which waits at a pipe while the others run: the threads of one library spin for
a while after its work, and would slow the other's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks import timing
from benchmarks.worker import Worker

SIZES = {"small": ((784, 128, 64, 10), 64), "big": ((784, 1024, 1024, 10), 256)}
OPPONENTS = {"torch": {}, "torch, fused Adam": {"fused": True}}
PROGRAMS: dict[str, dict[str, Any]] = {"gpudl": {}, **OPPONENTS}
COMPARED = 5  # steps, after which the losses are compared


def training_step(lib: Any, size: str, **settings: Any) -> Callable[[], Any]:
    """The program: a function that trains one step on random numbers and returns the loss."""
    import numpy as np

    widths, batch = SIZES[size]
    generator = np.random.default_rng(0)
    layers = []
    for inputs, outputs in pairwise(widths):
        layers += [lib.nn.Linear(inputs, outputs), lib.nn.ReLU()]
    model = lib.nn.Sequential(*layers[:-1])
    for parameter in model.parameters():
        bound = parameter.shape[-1] ** -0.5
        parameter.data = lib.from_numpy(generator.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32))
    inputs = lib.from_numpy(generator.standard_normal((batch, widths[0])).astype(np.float32))
    labels = lib.from_numpy(generator.integers(0, widths[-1], batch))
    criterion = lib.nn.CrossEntropyLoss()
    optimizer = lib.optim.Adam(model.parameters(), lr=0.001, **settings)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def work(program: str, size: str, threads: int) -> None:
    """The process of one program: say the losses of the first steps, then for each number read run so many steps."""
    timing.restart_clean(threads)
    lib = timing.library(program.split(",")[0])
    if lib.__name__ == "torch":
        lib.set_num_threads(threads)
    step = training_step(lib, size, **PROGRAMS[program])
    print(*(f"{step().item():.5f}" for _ in range(COMPARED)), flush=True)
    sample = timing.loop(step)
    for line in sys.stdin:
        print(sample(int(line)), flush=True)


def sample(worker: Worker, number: int) -> float:
    """The seconds that so many steps take in a worker."""
    return float(worker.ask(number))


def measure(size: str, threads: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each opponent."""
    print(f"{size}, {threads} threads ...", file=sys.stderr)
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker("train_step", name, size, str(threads))) for name in PROGRAMS}
        losses = {name: list(map(float, worker.greeting.split())) for name, worker in workers.items()}
        for name in OPPONENTS:
            if any(abs(mine - its) > 1e-3 * its for mine, its in zip(losses["gpudl"], losses[name], strict=True)):
                raise RuntimeError(f"the programs do not compute the same: losses {losses}")
        samples = {name: partial(sample, worker) for name, worker in workers.items()}
        times = timing.alternate(samples, rounds=rounds, seconds=seconds, pause=min(0.05, 10 * seconds))
    rows = []
    for name in OPPONENTS:
        row: dict[str, Any] = {"case": size, "threads": threads, "opponent": name}
        for key, program in (("gpudl_us", "gpudl"), ("torch_us", name)):
            row[key] = round(1e6 * timing.spread(times[program]).median, 1)
        rows.append(row | timing.columns("ratio", timing.ratio(times, "gpudl", name), digits=3))
    return rows


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", metavar="N", help="thread counts (1, and 2 if there are)")
    parser.add_argument("--work", nargs=3, metavar=("PROGRAM", "SIZE", "THREADS"), help="used by the benchmark itself")
    args = parser.parse_args(argv)
    if args.work:
        work(args.work[0], args.work[1], int(args.work[2]))
        return 0
    timing.needs_torch(parser)
    args.threads = args.threads or ([1] if args.quick or os.cpu_count() == 1 else [1, 2])
    args.rounds = args.rounds or (2 if args.quick else 31)
    timing.restart_clean(args.threads[0])
    clock = timing.Clock()
    seconds = 1e-3 if args.quick else 0.1
    rows = [row for size in SIZES for threads in args.threads for row in measure(size, threads, args.rounds, seconds)]
    lines = [
        (
            f"{row['case']}, threads {row['threads']}, to {row['opponent']}",
            *(f"{row[key]:.0f}" for key in ("gpudl_us", "torch_us")),
            f"{row['ratio']:.2f}",
            timing.quartiles(row, "ratio"),
        )
        for row in rows
    ]
    print(timing.table(("training step", "gpudl us", "torch us", "ratio", "quartiles"), lines))
    timing.report("train_step", rows, timing.environment(clock, args.threads), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
