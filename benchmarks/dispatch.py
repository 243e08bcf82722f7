"""What a kernel's dispatch costs: Kernel.__call__ over a call of the body that it picks.

    python -m benchmarks.dispatch [--json FILE] [--check NANOSECONDS]

The bodies do nothing, so that what is left is the dispatch. One row for each way through it. One thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from benchmarks import timing


class Way(NamedTuple):
    """A kernel, the arguments of a call, and the body that the call ends in."""

    name: str
    kernel: Callable[..., Any]
    args: tuple[Any, ...]
    body: Callable[..., Any]


def ways() -> list[Way]:
    """The ways through Kernel.__call__."""
    import numpy as np

    from gpudl.backend.kernel import kernel

    @kernel
    def benchmark_plain(*args: Any) -> None:
        return None

    @kernel
    def benchmark_with_bodies(*args: Any) -> None:
        return None

    @benchmark_with_bodies.cpu("float32", "float64")
    def optimized(*args: Any) -> None:
        return None

    single, double = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float64)
    labels = np.zeros(8, np.int64)
    reference = benchmark_with_bodies.reference
    adam = (*(np.zeros((8, 8), np.float32) for _ in range(4)), None, 1, 1e-3, 0.9, 0.999, 1e-8, 0.0, False)
    return [
        Way("no optimized body, 1 array", benchmark_plain, (single,), benchmark_plain.reference),
        Way("optimized, 1 array", benchmark_with_bodies, (single,), optimized),
        Way("optimized, 2 arrays", benchmark_with_bodies, (single, single.copy()), optimized),
        Way("optimized, as cross_entropy", benchmark_with_bodies, (single, labels, None, -100, 0.0), optimized),
        Way("optimized, as Adam: 4 arrays, 8 others", benchmark_with_bodies, adam, optimized),
        Way("no body for the dtype", benchmark_with_bodies, (labels,), reference),
        Way("dtypes differ", benchmark_with_bodies, (single, double), reference),
    ]


def measure(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row for every way."""
    rows = []
    for way in ways():
        calls = {"kernel": partial(way.kernel, *way.args), "body": partial(way.body, *way.args)}
        samples = {name: timing.loop(call) for name, call in calls.items()}
        times = timing.alternate(samples, rounds=rounds, seconds=seconds)
        cost = timing.spread(1e9 * (whole - bare) for whole, bare in zip(times["kernel"], times["body"]))
        row: dict[str, Any] = {"case": way.name, "body_ns": round(1e9 * timing.spread(times["body"]).median)}
        rows.append(row | timing.columns("dispatch_ns", cost, digits=0))
    return rows


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, 1 if a check failed."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--check", type=float, metavar="NS", help="fail if a dispatch takes more nanoseconds")
    args = parser.parse_args(argv)
    timing.restart_clean(threads=1)
    clock = timing.Clock()
    args.rounds = args.rounds or (2 if args.quick else 41)
    rows = measure(args.rounds, seconds=1e-4 if args.quick else 4e-3)
    head = ("way through the dispatch", "dispatch ns", "quartiles", "empty body ns")
    lines = [
        (row["case"], f"{row['dispatch_ns']}", timing.quartiles(row, "dispatch_ns"), f"{row['body_ns']}")
        for row in rows
    ]
    print(timing.table(head, lines))
    timing.report("dispatch", rows, timing.environment(clock, threads=1), args)
    slow = [row for row in rows if args.check is not None and row["dispatch_ns"] > args.check]
    for row in slow:
        print(f"{row['case']}: the dispatch takes {row['dispatch_ns']} ns, more than {args.check:g}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
