"""Samples a second of gpudl's DataLoader beside PyTorch's, on the same dataset and transforms.

    python -m benchmarks.data_loader [--cases arrays images ...] [--json FILE]

arrays: 20,000 rows of 784 numbers and labels in a TensorDataset, shuffled batches of 64. Then a dataset whose
`__getitem__` transforms one image after the other, shuffled batches of 64, with the workers that the name of the case
says: "images" is 2,000 uint8 images, 3 x 32 x 32, which are flipped, shifted and normalized by NumPy; "python" 1,000
records, 2,000 characters each, which pure Python tokenizes; "large" 64 images, 3 x 224 x 224, in batches of 16, where
most of the time goes into moving them.

An epoch is a run: with workers, those that stay are measured, since starting them is the operating system's work. The
program is one for both libraries. PyTorch has one kind of workers, processes, which it forks by default; that is what
it does here too, while gpudl's are spawned, or threads. One thread of each math library in every process.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

from benchmarks import timing
from benchmarks.worker import Worker


class Images:
    """uint8 images with an augmentation by NumPy; sample i is (float32 image, label)."""

    def __init__(self, count: int, size: int):
        import numpy as np

        generator = np.random.default_rng(0)
        self.images = generator.integers(0, 256, (count, 3, size, size), np.uint8)
        self.labels = generator.integers(0, 10, count)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import numpy as np

        image = self.images[index]
        if index % 2:
            image = image[:, :, ::-1]
        image = np.roll(image, index % 5 - 2, axis=1)
        return (image.astype(np.float32) / 255 - np.float32(0.5)) * np.float32(4), int(self.labels[index])


class Records:
    """Text that pure Python makes numbers of; sample i is (64 numbers, label)."""

    def __init__(self, count: int):
        words = ["data", "loader", "sample", "batch", "epoch", "worker", "index"]
        self.texts = [" ".join(words[(row * 7 + word * word) % 7] for word in range(330)) for row in range(count)]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import numpy as np

        counts = np.zeros(64, np.float32)
        for word in self.texts[index].split():
            counts[sum(map(ord, word)) % 64] += 1
        return counts, index % 2


def arrays(lib: Any, data: Any) -> Any:
    """A dataset of tensors in memory."""
    import numpy as np

    generator = np.random.default_rng(0)
    x = generator.random((20_000, 784), np.float32)
    return data.TensorDataset(lib.from_numpy(x), lib.from_numpy(generator.integers(0, 10, len(x))))


class Case(NamedTuple):
    """What makes the dataset from a library and its data module, the batch size, workers, and what gpudl's are."""

    make: Callable[[Any, Any], Any]
    batch_size: int
    workers: int = 0
    kind: str = "process"


CASES = {
    "arrays": Case(arrays, 64),
    "images": Case(lambda lib, data: Images(2_000, 32), 64),
    "images, 2 threads": Case(lambda lib, data: Images(2_000, 32), 64, 2, "thread"),
    "images, 2 processes": Case(lambda lib, data: Images(2_000, 32), 64, 2),
    "python": Case(lambda lib, data: Records(1_000), 64),
    "python, 2 processes": Case(lambda lib, data: Records(1_000), 64, 2),
    "large": Case(lambda lib, data: Images(64, 224), 16),
    "large, 2 threads": Case(lambda lib, data: Images(64, 224), 16, 2, "thread"),
    "large, 2 processes": Case(lambda lib, data: Images(64, 224), 16, 2),
}
PROGRAMS = ("gpudl", "torch")


def epoch(name: str, program: str) -> tuple[Callable[[], None], Any]:
    """The program, which goes through all batches, and its loader."""
    lib = timing.library(program)
    data = importlib.import_module({"gpudl": "gpudl.data", "torch": "torch.utils.data"}[program])
    case = CASES[name]
    dataset = case.make(lib, data)
    arguments: dict[str, Any] = {"num_workers": case.workers, "persistent_workers": case.workers > 0}
    if program == "gpudl" and case.workers:
        arguments["workers"] = case.kind
    loader = data.DataLoader(dataset, case.batch_size, shuffle=True, **arguments)

    def run() -> None:
        for inputs, labels in loader:
            del inputs, labels

    return run, loader


def work(program: str, case: str) -> None:
    """The process of one program: say what the samples sum up to, then run as often as each line says."""
    timing.restart_clean(1)
    import numpy as np

    run, loader = epoch(case, program)
    sums = np.sum([[np.sum(part.numpy(), dtype=np.float64) for part in batch] for batch in loader], axis=0)
    print(*(f"{each:.2f}" for each in sums), len(loader.dataset), flush=True)
    sample = timing.loop(run)
    for line in sys.stdin:
        print(sample(int(line)), flush=True)


def sample(worker: Worker, number: int) -> float:
    """The seconds that so many epochs take in a worker."""
    return float(worker.ask(number))


def measure(case: str, rounds: int, seconds: float) -> dict[str, Any]:
    """A row: samples a second of both, and gpudl's rate over PyTorch's."""
    print(f"{case} ...", file=sys.stderr)
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker("data_loader", name, case)) for name in PROGRAMS}
        greetings = {name: worker.greeting.split() for name, worker in workers.items()}
        if greetings["gpudl"] != greetings["torch"]:
            raise RuntimeError(f"the programs do not see the same samples: {greetings}")
        samples = {name: partial(sample, worker) for name, worker in workers.items()}
        times = timing.alternate(samples, rounds=rounds, seconds=seconds, pause=min(0.05, 10 * seconds))
    count = int(greetings["gpudl"][-1])
    row: dict[str, Any] = {"case": case, "workers": CASES[case].workers, "samples": count}
    for name in PROGRAMS:
        row[f"{name}_per_second"] = round(count / timing.spread(times[name]).median)
    return row | timing.columns("ratio", timing.ratio(times, "torch", "gpudl"), digits=3)


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, metavar="NAME", help=f"which ({', '.join(CASES)})")
    parser.add_argument(
        "--check", type=float, metavar="RATIO", help="exit with 1 if a rate is below RATIO of PyTorch's"
    )
    parser.add_argument("--work", nargs=2, metavar=("PROGRAM", "CASE"), help="used by the benchmark itself")
    args = parser.parse_args(argv)
    if args.work:
        work(*args.work)
        return 0
    timing.needs_torch(parser)
    args.rounds = args.rounds or (2 if args.quick else 15)
    timing.restart_clean(1)
    clock = timing.Clock()
    rows = [measure(case, args.rounds, 1e-3 if args.quick else 0.2) for case in args.cases or CASES]
    lines = [
        (row["case"], *(f"{row[f'{name}_per_second']:,}" for name in PROGRAMS), f"{row['ratio']:.2f}",
         timing.quartiles(row, "ratio"))
        for row in rows
    ]  # fmt: skip
    print(timing.table(("samples a second", *PROGRAMS, "ratio", "quartiles"), lines))
    timing.report("data_loader", rows, timing.environment(clock, 1), args)
    slow = [row["case"] for row in rows if args.check is not None and row["ratio"] < args.check]
    for case in slow:
        print(f"{case}: the rate is below {args.check} of PyTorch's", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
