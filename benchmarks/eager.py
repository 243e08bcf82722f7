"""What an operation costs on tiny tensors, where nothing but the framework's own work counts: gpudl beside PyTorch.

    python -m benchmarks.eager [--vs none] [--json FILE] [--check 0.8]

8 x 8 float32, both operands wanting gradients. A chain is h = op(h, y) twenty times; "forward" records it,
"no_grad" does not, "forward+backward" also takes its sum and goes back. Figures are nanoseconds per operation of the
chain, with the graph's disposal, so the sum and the walk's start are spread over twenty. One thread; medians over the
rounds of a process, and over three processes.
"""

from __future__ import annotations

import argparse
import operator
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from benchmarks import timing

LENGTH = 20
CHECKED = ("add", "mul", "matmul")
MODES = ("forward", "forward+backward", "no_grad")
Step = Callable[[Any, Any], Any]


class Chain(NamedTuple):
    """h = step(h, y), LENGTH times.

    Attributes:
        operations: how many a step has.
        step: makes it for a library and a (8, 8) tensor, `other`, that does not want gradients.
    """

    operations: int
    step: Callable[[Any, Any], Step]


CHAINS = {
    "add": Chain(1, lambda lib, other: operator.add),
    "sub": Chain(1, lambda lib, other: operator.sub),
    "mul": Chain(1, lambda lib, other: operator.mul),
    "div": Chain(1, lambda lib, other: operator.truediv),
    "mul by a number": Chain(1, lambda lib, other: lambda h, y: h * 1.01),
    "matmul": Chain(1, lambda lib, other: operator.matmul),
    "relu": Chain(1, lambda lib, other: lambda h, y, relu=lib.relu: relu(h)),
    "tanh": Chain(1, lambda lib, other: lambda h, y, tanh=lib.tanh: tanh(h)),
    "linear": Chain(1, lambda lib, other: partial(_linear, lib.nn.functional.linear, other[0])),
    "sum + broadcasting add": Chain(2, lambda lib, other: lambda h, y: y + h.sum(0)),
    "mean + broadcasting add": Chain(2, lambda lib, other: lambda h, y: y + h.mean(dim=1, keepdim=True)),
    "two reshapes": Chain(2, lambda lib, other: lambda h, y: h.reshape(4, 16).reshape(8, 8)),
    "transpose": Chain(1, lambda lib, other: lambda h, y: h.transpose(0, 1)),
}


def _linear(linear: Callable[..., Any], bias: Any, h: Any, y: Any) -> Any:
    return linear(h, y, bias)


def _values(name: str) -> tuple[Any, Any]:
    """x and y, with which chains neither overflow nor fade: y is orthogonal for products, else close to 1."""
    import numpy as np

    generator = np.random.default_rng(0)
    x = generator.standard_normal((8, 8))
    y = np.linalg.qr(generator.standard_normal((8, 8)))[0]
    if name not in ("matmul", "linear"):
        y = generator.uniform(0.9, 1.1, (8, 8))
    return x.astype(np.float32), y.astype(np.float32)


def chain_programs(lib: Any, name: str) -> dict[str, timing.Sample]:
    """The three modes of a chain in one library."""
    x, y = (lib.from_numpy(values.copy()).requires_grad_() for values in _values(name))
    step = CHAINS[name].step(lib, lib.from_numpy(_values(name)[0]))

    def forward() -> Any:
        h = x
        for _ in range(LENGTH):
            h = step(h, y)
        return h

    def both() -> None:
        x.grad = y.grad = None
        forward().sum().backward()

    return _in_all_modes(lib, forward, both)


def _in_all_modes(lib: Any, forward: Callable[[], Any], both: Callable[[], Any]) -> dict[str, timing.Sample]:
    samples = timing.loop(forward), timing.loop(both), timing.loop(forward, lib.no_grad)
    return dict(zip(MODES, samples, strict=True))


def loss_programs(lib: Any) -> dict[str, timing.Sample]:
    """Cross-entropy of (8, 10)."""
    import numpy as np

    generator = np.random.default_rng(0)
    x = lib.from_numpy(generator.standard_normal((8, 10)).astype(np.float32)).requires_grad_()
    target = lib.from_numpy(generator.integers(0, 10, 8))
    cross_entropy = lib.nn.functional.cross_entropy

    def forward() -> Any:
        return cross_entropy(x, target)

    def both() -> None:
        x.grad = None
        forward().backward()

    return _in_all_modes(lib, forward, both)


def model_programs(lib: Any) -> dict[str, timing.Sample]:
    """A tiny model, 8-8-10 with a batch of 8: Adam's step alone, and a whole training step."""
    import numpy as np

    generator = np.random.default_rng(0)
    model = lib.nn.Sequential(lib.nn.Linear(8, 8), lib.nn.ReLU(), lib.nn.Linear(8, 10))
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-6)
    x = lib.from_numpy(generator.standard_normal((8, 8)).astype(np.float32))
    target = lib.from_numpy(generator.integers(0, 10, 8))
    criterion = lib.nn.CrossEntropyLoss()

    def train() -> None:
        optimizer.zero_grad()
        criterion(model(x), target).backward()
        optimizer.step()

    train()
    return {"step": timing.loop(optimizer.step), "train": timing.loop(train)}


def cases() -> Iterator[tuple[str, int, Callable[[Any], dict[str, timing.Sample]]]]:
    """(name, operations per run, what makes the programs for a library)."""
    for name, chain in CHAINS.items():
        yield name, LENGTH * chain.operations, partial(chain_programs, name=name)
    yield "cross_entropy (8, 10)", 1, loss_programs
    yield "Adam, model 8-8-10", 1, model_programs


def measure(contenders: list[str], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row for every case and mode."""
    rows = []
    libraries = {name: timing.library(name) for name in contenders}
    for case, operations, programs in cases():
        print(f"{case} ...", file=sys.stderr)
        made = {name: programs(lib) for name, lib in libraries.items()}
        for mode in made["gpudl"]:
            times = timing.alternate({name: made[name][mode] for name in contenders}, rounds=rounds, seconds=seconds)
            row: dict[str, Any] = {"case": case, "mode": mode, "operations": operations}
            for name in contenders:
                row[f"{name}_ns"] = round(timing.spread(times[name]).median * 1e9 / operations)
            if "torch" in times:
                row |= timing.columns("ratio", timing.ratio(times, "gpudl", "torch"), digits=3)
            rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> str:
    """A line for every case and mode."""
    lines = []
    for row in rows:
        line = [row["case"], row["mode"], f"{row['gpudl_ns']}"]
        if "ratio" in row:
            line += [f"{row['torch_ns']}", f"{row['ratio']:.2f}", timing.quartiles(row, "ratio")]
        lines.append(line)
    head = ("case", "mode", "gpudl ns", "torch ns", "ratio", "quartiles")
    return timing.table(head[: max(map(len, lines))], lines)


def too_slow(rows: list[dict[str, Any]], bound: float) -> list[str]:
    """What the check finds: the operations whose forward+backward takes more than `bound` of PyTorch's."""
    return [
        f"{row['case']}: forward+backward takes {row['ratio']} of PyTorch's time, more than {bound}"
        for row in rows
        if row["case"] in CHECKED and row["mode"] == "forward+backward" and row["ratio"] > bound
    ]


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, 1 if a check failed."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--vs", choices=["torch", "none"], default="torch", help="the opponent")
    parser.add_argument("--processes", type=int, default=3, metavar="N", help="medians over so many (default: 3)")
    parser.add_argument("--check", type=float, metavar="RATIO", help=f"fail if {', '.join(CHECKED)} take more")
    args: argparse.Namespace = parser.parse_args(argv)
    if args.check is not None and args.vs == "none":
        parser.error("--check compares with PyTorch; it needs --vs torch")
    if args.vs == "torch":
        timing.needs_torch(parser)
    timing.restart_clean(threads=1)
    clock = timing.Clock()
    contenders = ["gpudl"] if args.vs == "none" else ["gpudl", args.vs]
    args.rounds = args.rounds or (2 if args.quick else 41)
    if args.processes > 1:
        same = ["--quick"] * args.quick + ["--vs", args.vs, "--rounds", str(args.rounds), "--processes", "1"]
        rows = timing.in_processes(args.processes, "eager", *same)
    else:
        rows = measure(contenders, args.rounds, seconds=1e-4 if args.quick else 4e-3)
    print(show(rows))
    timing.report("eager", rows, timing.environment(clock, threads=1), args)
    problems = [] if args.check is None else too_slow(rows, args.check)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
