"""A training step, forward, backward and Adam: gpudl beside PyTorch.

    python -m benchmarks.train_step [--cases small lenet5 ...] [--threads 1 2] [--json FILE]

An MLP in two sizes: small, 784-128-64-10 with a batch of 64, and big, 784-1024-1024-10 with a batch of 256; LeNet-5,
28 x 28, batch 64; ResNet-8, 32 x 32, batch 32; a language model of two LSTM layers, 256 wide, 16 x 35 words of 1,000;
and one of two transformer encoder layers, 128 wide, 16 x 64 characters of 65. The program is the same in both
libraries, line for line, from the same weights. PyTorch runs its default Adam, and once more with fused=True, its
fastest on a CPU. Ratios are to the default.

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
from typing import Any, NamedTuple

from benchmarks import timing
from benchmarks.worker import Worker


def mlp(*widths: int) -> Callable[[Any], Any]:
    """A maker of an MLP."""

    def make(lib: Any) -> Any:
        layers = []
        for inputs, outputs in pairwise(widths):
            layers += [lib.nn.Linear(inputs, outputs), lib.nn.ReLU()]
        return lib.nn.Sequential(*layers[:-1])

    return make


def named(file: str, name: str) -> Callable[[Any], Any]:
    """A maker of a model of gpudl.models, or of the same source in PyTorch."""

    def make(lib: Any) -> Any:
        from gpudl.bench.twin import models  # reads the environment, which is set by now

        return getattr(models(lib, file), name)()

    return make


def lstm(lib: Any) -> Any:
    """A language model of LSTM layers."""

    class Model(lib.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = lib.nn.Embedding(1000, 128)
            self.rnn = lib.nn.LSTM(128, 256, 2, batch_first=True)
            self.decoder = lib.nn.Linear(256, 1000)

        def forward(self, tokens: Any) -> Any:
            return self.decoder(self.rnn(self.encoder(tokens))[0])

    return Model()


def transformer(lib: Any) -> Any:
    """A model of sequences of characters."""
    nn = lib.nn
    layer = nn.TransformerEncoderLayer(128, 4, 512, 0.0, "gelu", batch_first=True, norm_first=True)
    return nn.Sequential(
        nn.Embedding(65, 128), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(128, 65)
    )


class Case(NamedTuple):
    """A maker of a model, the shape of a batch, of how many kinds its tokens are (0: it is of numbers), and classes."""

    make: Callable[[Any], Any]
    shape: tuple[int, ...]
    kinds: int
    classes: int


CASES = {
    "small": Case(mlp(784, 128, 64, 10), (64, 784), 0, 10),
    "big": Case(mlp(784, 1024, 1024, 10), (256, 784), 0, 10),
    "lenet5": Case(named("lenet", "LeNet5"), (64, 1, 28, 28), 0, 10),
    "resnet8": Case(named("resnet", "resnet8"), (32, 3, 32, 32), 0, 10),
    "lstm": Case(lstm, (16, 35), 1000, 1000),
    "transformer": Case(transformer, (16, 64), 65, 65),
}
OPPONENTS = {"torch": {}, "torch, fused Adam": {"fused": True}}
PROGRAMS: dict[str, dict[str, Any]] = {"gpudl": {}, **OPPONENTS}
COMPARED = 5  # steps, after which the losses are compared


def training_step(lib: Any, name: str, **settings: Any) -> Callable[[], Any]:
    """The program: a function that trains one step on random numbers and returns the loss."""
    import numpy as np

    case = CASES[name]
    generator = np.random.default_rng(0)
    model = case.make(lib)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            bound = np.prod(parameter.shape[1:]) ** -0.5
            parameter.data = lib.from_numpy(generator.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32))
        elif (parameter != 1).any():  # a bias, where the weight of a norm begins with 1
            parameter.data = lib.zeros(parameter.shape)
    if case.kinds:
        inputs = lib.from_numpy(generator.integers(0, case.kinds, case.shape))
    else:
        inputs = lib.from_numpy(generator.standard_normal(case.shape).astype(np.float32))
    labels = lib.from_numpy(generator.integers(0, case.classes, case.shape if case.kinds else case.shape[:1])).flatten()
    criterion = lib.nn.CrossEntropyLoss()
    optimizer = lib.optim.Adam(model.parameters(), lr=0.001, **settings)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(inputs).flatten(0, -2), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def work(program: str, case: str, threads: int) -> None:
    """The process of one program: say the losses of the first steps, then for each number read run so many steps."""
    timing.restart_clean(threads)
    lib = timing.library(program.split(",")[0])
    if lib.__name__ == "torch":
        lib.set_num_threads(threads)
    step = training_step(lib, case, **PROGRAMS[program])
    print(*(f"{step().item():.5f}" for _ in range(COMPARED)), flush=True)
    sample = timing.loop(step)
    for line in sys.stdin:
        print(sample(int(line)), flush=True)


def sample(worker: Worker, number: int) -> float:
    """The seconds that so many steps take in a worker."""
    return float(worker.ask(number))


def measure(case: str, threads: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each opponent."""
    print(f"{case}, {threads} threads ...", file=sys.stderr)
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker("train_step", name, case, str(threads))) for name in PROGRAMS}
        losses = {name: list(map(float, worker.greeting.split())) for name, worker in workers.items()}
        for name in OPPONENTS:
            if any(abs(mine - its) > 1e-3 * its for mine, its in zip(losses["gpudl"], losses[name], strict=True)):
                raise RuntimeError(f"the programs do not compute the same: losses {losses}")
        samples = {name: partial(sample, worker) for name, worker in workers.items()}
        times = timing.alternate(samples, rounds=rounds, seconds=seconds, pause=min(0.05, 10 * seconds))
    rows = []
    for name in OPPONENTS:
        row: dict[str, Any] = {"case": case, "threads": threads, "opponent": name}
        for key, program in (("gpudl_us", "gpudl"), ("torch_us", name)):
            row[key] = round(1e6 * timing.spread(times[program]).median, 1)
        rows.append(row | timing.columns("ratio", timing.ratio(times, "gpudl", name), digits=3))
    return rows


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", metavar="N", help="thread counts (1, and 2 if there are)")
    parser.add_argument("--cases", nargs="+", choices=CASES, metavar="NAME", help=f"which ({', '.join(CASES)})")
    parser.add_argument("--work", nargs=3, metavar=("PROGRAM", "CASE", "THREADS"), help="used by the benchmark itself")
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
    chosen = [(case, threads) for case in args.cases or CASES for threads in args.threads]
    rows = [row for pair in chosen for row in measure(*pair, args.rounds, seconds)]
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
