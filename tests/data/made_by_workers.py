"""Datasets for the tests of workers, in a module that a spawned process can import."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.data import Dataset, IterableDataset, get_worker_info
from gpudl.data.draws import sample_draws
from gpudl.random import stream


class Drawn(Dataset[tuple[Any, int]]):
    """Sample i is (the draws of two augmentations and a large array of i, i)."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> tuple[Any, int]:
        if not -self.count <= index < self.count:
            raise IndexError(index)
        drawn = np.concatenate([sample_draws(1, 2)[0], sample_draws(1, 1)[0], np.full(200, index % self.count)])
        return drawn, index % self.count


class DrawnAtOnce(Drawn):
    """The same by whole batches."""

    def batch(self, indices: Any) -> tuple[Tensor, Tensor]:
        drawn = [sample_draws(len(indices), 2), sample_draws(len(indices), 1), np.tile(indices[:, None], 200)]
        return wrap(np.concatenate(drawn, axis=1), None), wrap(indices, None)


class Trouble(Dataset[int]):
    """Sample `at` is trouble of a kind."""

    def __init__(self, kind: str, at: int, path: str = ""):
        self.kind, self.at, self.path = kind, at, path

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int, /) -> int:
        if index == self.at:
            if self.kind == "child":
                child = os.fork()
                if not child:
                    time.sleep(60)
                    os._exit(0)
                with open(self.path, "w", encoding="ascii") as file:
                    file.write(str(child))
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "exit":
                os._exit(3)
            if self.kind == "hang":
                time.sleep(60)
            if self.kind == "stop":
                raise StopIteration
            if self.kind == "unpicklable":
                raise OddError(threading.Lock())
            raise OSError("cannot read the file")
        return index


class OddError(Exception):
    """An exception that cannot be pickled."""


class Numbers(IterableDataset[Any]):
    """0, 1, 2, ...; each worker gives every num_workers-th."""

    def __init__(self, count: int, draw: bool = False):
        self.count, self.draw, self.epoch = count, draw, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in itertools.islice(range(self.count), first, None, step):
            yield (number, float(sample_draws(1, 1)[0, 0])) if self.draw else number + 1000 * self.epoch


class Strings(Dataset[dict[str, Any]]):
    """Samples with more than arrays in them."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        return {"text": "x" * index, "image": np.full((30, 40), index, np.float32), "pair": (index, 0.5)}


class Where(Dataset[tuple[int, int, int]]):
    """Sample i is (process, worker's number, i)."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int, /) -> tuple[int, int, int]:
        worker = get_worker_info()
        return os.getpid(), -1 if worker is None else worker.id, index


def remember(worker: int) -> None:
    """For worker_init_fn: leaves its number in the environment of the process."""
    os.environ["GPUDL_TEST_WORKER"] = str(worker)


def fail(worker: int) -> None:
    """For worker_init_fn."""
    raise ValueError(f"no worker {worker}")


def remembered(samples: list[Any]) -> list[str]:
    """For collate_fn: what `remember` left."""
    return [os.environ.get("GPUDL_TEST_WORKER", "")] * len(samples)


def plain(batches: Any) -> list[Any]:
    """Batches as lists of numbers, copied out of memory that is used again."""
    if isinstance(batches, Tensor):
        return batches.array.tolist()  # type: ignore[no-any-return]
    return [plain(batch) if isinstance(batch, (list, tuple, Tensor)) else batch for batch in batches]


def lock(samples: list[Any]) -> Any:
    """For collate_fn: a batch that cannot be pickled."""
    return threading.Lock()


class Unloadable(Drawn):
    """A dataset that can be pickled, but not unpickled."""

    def __init__(self) -> None:
        super().__init__(3)

    def __setstate__(self, state: Any) -> None:
        raise FileNotFoundError("not here")


class Own(Dataset[int]):
    """Sample i is the first number of a stream of its own."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int, /) -> int:
        return int(stream("own", index).integers(0, 1 << 40))
