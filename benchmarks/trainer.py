"""Trainer.fit beside the bare loop that it stands for.

    python -m benchmarks.trainer [--cases small resnet8 ...] [--threads N] [--json FILE]

Both train the same model with Adam on the same batches, the models of benchmarks.train_step, and sum the losses on the
device, to read the mean once an epoch. The loop is what one would write: move the batch, zero_grad, forward, backward,
step. A sample is one epoch or more, of 64 steps each; the overhead is the median of the ratios within a round, less 1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from benchmarks import timing
from benchmarks.train_step import CASES

STEPS = 64
DEFAULT = ("small", "big", "lenet5")


def programs(name: str) -> dict[str, Callable[[], float]]:
    """Functions that train an epoch and return the mean of its losses: `loop` and `fit`, from the same weights."""
    import numpy as np

    import gpudl
    from gpudl import nn, optim
    from gpudl.train import Trainer

    case = CASES[name]
    generator = np.random.default_rng(0)
    batches = []
    for _ in range(STEPS):
        drawn = generator.integers(0, case.kinds, case.shape) if case.kinds else generator.standard_normal(case.shape)
        inputs = gpudl.from_numpy(drawn if case.kinds else drawn.astype(np.float32))
        labels = generator.integers(0, case.classes, case.shape if case.kinds else case.shape[:1])
        batches.append([inputs, gpudl.from_numpy(labels.reshape(-1))])

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = case.make(gpudl)

        def forward(self, inputs: Any) -> Any:
            return self.inner(inputs).flatten(0, -2)

    def make() -> tuple[Any, Any]:
        gpudl.manual_seed(0)
        model = Flat()
        return model, optim.Adam(model.parameters(), lr=0.001)

    criterion = nn.CrossEntropyLoss()
    device = gpudl.device("cpu")
    model, optimizer = make()
    trained, other = make()
    trainer = Trainer(trained, nn.CrossEntropyLoss(), other, device=device)

    def loop() -> float:
        total: Any = 0.0
        for inputs, labels in batches:
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            total = total + loss.detach()
        return float(total) / STEPS

    def fit() -> float:
        return trainer.fit(batches, quiet=True)[0]["loss"]

    return {"loop": loop, "fit": fit}


def measure(name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """The row of a case."""
    print(f"{name} ...", file=sys.stderr)
    functions = programs(name)
    losses = {key: function() for key, function in functions.items()}
    if abs(losses["loop"] - losses["fit"]) > 1e-4 * abs(losses["loop"]):
        raise RuntimeError(f"the programs do not compute the same: losses {losses}")
    samples = {key: timing.loop(function) for key, function in functions.items()}
    times = timing.alternate(samples, rounds=rounds, seconds=seconds)
    row: dict[str, Any] = {"case": name}
    for key in functions:
        row[f"{key}_us"] = round(1e6 * timing.spread(times[key]).median / STEPS, 1)
    return row | timing.columns("ratio", timing.ratio(times, "fit", "loop"), digits=4)


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, metavar="NAME", help=f"which ({', '.join(DEFAULT)})")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the math libraries (1)")
    args = parser.parse_args(argv)
    timing.restart_clean(args.threads)
    clock = timing.Clock()
    rounds, seconds = args.rounds or (2 if args.quick else 15), 1e-3 if args.quick else 0.2
    rows = [measure(name, rounds, seconds) for name in args.cases or (["small"] if args.quick else DEFAULT)]
    lines = [
        (row["case"], f"{row['loop_us']:.0f}", f"{row['fit_us']:.0f}", f"{100 * (row['ratio'] - 1):+.1f} %",
         timing.quartiles(row, "ratio"))
        for row in rows
    ]  # fmt: skip
    print(timing.table(("a step", "loop us", "fit us", "overhead", "quartiles of fit / loop"), lines))
    timing.report("trainer", rows, timing.environment(clock, [args.threads]), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
