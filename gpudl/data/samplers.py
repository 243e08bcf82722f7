"""Samplers: in which order a DataLoader takes the samples, drawn from the seed and the epoch alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from gpudl.backend.device import to_host
from gpudl.random import stream
from gpudl.random.laws import exponential

Index = TypeVar("Index", covariant=True)


class Sampler(Generic[Index]):
    """The indices of an epoch, iterated anew for each.

    Each `iter()` gives those of the next epoch; a DataLoader says which one by `set_epoch`. For a sampler of your own,
    give `__iter__` and, if batches are to be counted, `__len__`; `self.epoch` is what `set_epoch` said.

    Args:
        data_source: not used; PyTorch has it.
        seed: None for that of gpudl.manual_seed when an epoch starts.
    Attributes:
        epoch: of the next `iter()`.
    """

    epoch: int
    seed: int | None

    def __init__(self, data_source: Any = None, *, seed: int | None = None):
        self.epoch = 0
        self.seed = seed

    def set_epoch(self, epoch: int) -> None:
        """Make the next `iter()` that of an epoch, 0 or more."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Index]:
        epoch = self.epoch
        self.epoch += 1
        return iter(self._indices(epoch))

    def _indices(self, epoch: int) -> Iterable[Index]:
        raise NotImplementedError(f"{type(self).__name__} needs __iter__")


class SequentialSampler(Sampler[int]):
    """The samples in the dataset's own order.

    Args:
        data_source: anything with a length.
    """

    def __init__(self, data_source: Sized):
        super().__init__()
        self.data_source = data_source

    def __len__(self) -> int:
        return len(self.data_source)

    def _indices(self, epoch: int) -> Iterable[int]:
        return range(len(self.data_source))


class RandomSampler(Sampler[int]):
    """The samples in random order; `shuffle=True` of a DataLoader is this.

    Args:
        data_source: anything with a length.
        replacement: draw each one from all of them.
        num_samples: how many; by default as many as there are. Beyond that, without replacement, all of them come
            before one comes again.
        seed: None for that of gpudl.manual_seed when an epoch starts.
    Raises: ValueError for num_samples that is no positive integer.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        *,
        seed: int | None = None,
    ):
        super().__init__(seed=seed)
        if num_samples is not None:
            _positive("RandomSampler: num_samples", num_samples)
        self.data_source, self.replacement, self._num_samples = data_source, replacement, num_samples

    @property
    def num_samples(self) -> int:
        """How many samples there are in an epoch."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __len__(self) -> int:
        return self.num_samples

    def _indices(self, epoch: int) -> list[int]:
        count, wanted = len(self.data_source), self.num_samples
        draws = stream("shuffle", epoch, seed=self.seed)
        if count == 0 and wanted:
            raise ValueError(f"RandomSampler: cannot draw {wanted} samples from none")
        if self.replacement:
            return draws.integers(0, max(count, 1), wanted).tolist()  # type: ignore[no-any-return]
        rounds = math.ceil(wanted / count) if count else 0
        return [index for _ in range(rounds) for index in draws.permutation(count).tolist()][:wanted]


class SubsetRandomSampler(Sampler[int]):
    """Some of the samples, in random order.

    Args:
        indices: which, integers.
        seed: None for that of gpudl.manual_seed when an epoch starts.
    """

    def __init__(self, indices: Sequence[int], *, seed: int | None = None):
        super().__init__(seed=seed)
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def _indices(self, epoch: int) -> list[int]:
        order = stream("shuffle", epoch, seed=self.seed).permutation(len(self.indices))
        return [self.indices[place] for place in order.tolist()]


class WeightedRandomSampler(Sampler[int]):
    """Samples drawn with probabilities in proportion to weights.

    Args:
        weights: (count,) finite, 0 or more, a sequence, array or Tensor; they need not add up to 1.
        num_samples: how many to draw.
        replacement: draw each one from all of them; else one at a time from those that are left.
        seed: None for that of gpudl.manual_seed when an epoch starts.
    Raises: ValueError for num_samples that is no positive integer, for other weights, and if fewer weights are above 0
        than samples are drawn without replacement, or none.
    Source: without replacement, Efraimidis & Spirakis 2006.
    """

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True, *, seed: int | None = None):
        super().__init__(seed=seed)
        self.num_samples = _positive("WeightedRandomSampler: num_samples", num_samples)
        given = to_host(weights.array) if hasattr(weights, "array") else weights
        self.weights = np.asarray(given, np.float64)
        self.replacement = replacement
        if self.weights.ndim != 1 or not np.all(np.isfinite(self.weights)) or np.any(self.weights < 0):
            raise ValueError("WeightedRandomSampler: weights must be (count,), finite and not negative")
        possible = int(np.count_nonzero(self.weights))
        if possible < (1 if replacement else num_samples):
            raise ValueError(f"WeightedRandomSampler: {possible} weights are above 0, for {num_samples} samples")

    def __len__(self) -> int:
        return self.num_samples

    def _indices(self, epoch: int) -> list[int]:
        draws = stream("weighted", epoch, seed=self.seed)
        if self.replacement:
            ends = np.cumsum(self.weights)
            places = draws.uniform(self.num_samples, dtype=np.float64) * ends[-1]
            found = np.searchsorted(ends, places, side="right")
            # A product that was rounded up to the end belongs to the last sample that can be drawn.
            return np.minimum(found, np.flatnonzero(self.weights)[-1]).tolist()  # type: ignore[no-any-return]
        waits = np.full(self.weights.size, np.inf)
        some = self.weights > 0
        waits[some] = exponential(draws, int(np.count_nonzero(some))) / self.weights[some]
        return np.argsort(waits, kind="stable")[: self.num_samples].tolist()  # type: ignore[no-any-return]


class BatchSampler(Sampler[list[int]]):
    """Lists of the indices that a sampler gives.

    Args:
        sampler: an iterable of indices.
        batch_size: indices in a list.
        drop_last: leave out a last list that is not full.
    Raises: ValueError for a batch_size that is no positive integer.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False):
        super().__init__()
        self.sampler, self.drop_last = sampler, drop_last
        self.batch_size = _positive("BatchSampler: batch_size", batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Make the next `iter()` that of an epoch, 0 or more."""
        super().set_epoch(epoch)
        tell_epoch(self.sampler, epoch)

    def __iter__(self) -> Iterator[list[int]]:
        chunk: list[int] = []
        for index in self.sampler:
            chunk.append(index)
            if len(chunk) == self.batch_size:
                yield chunk
                chunk = []
        if chunk and not self.drop_last:
            yield chunk

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


class DistributedSampler(Sampler[int]):
    """Of each epoch's order the part of one of several processes: every num_replicas-th sample, from the rank-th on.

    Args:
        dataset: anything with a length.
        num_replicas: how many processes there are.
        rank: which one this is, 0 <= rank < num_replicas.
        shuffle: a new order for each epoch; else the dataset's own.
        seed: of the order, the same in all processes.
        drop_last: leave out the samples that are too many for equal parts; else some of the first come once more.
    Raises: ValueError for a rank that is not in range.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int,
        rank: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        super().__init__(seed=seed)
        _positive("DistributedSampler: num_replicas", num_replicas)
        if not 0 <= rank < num_replicas:
            raise ValueError(f"DistributedSampler: rank must be in [0, {num_replicas}), got {rank}")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.drop_last = shuffle, drop_last

    @property
    def num_samples(self) -> int:
        """How many samples this process gets in an epoch."""
        count = len(self.dataset)
        return count // self.num_replicas if self.drop_last else -(-count // self.num_replicas)

    @property
    def total_size(self) -> int:
        """How many samples all processes get together."""
        return self.num_samples * self.num_replicas

    def __len__(self) -> int:
        return self.num_samples

    def _indices(self, epoch: int) -> list[int]:
        count = len(self.dataset)
        order = stream("shuffle", epoch, seed=self.seed).permutation(count) if self.shuffle else np.arange(count)
        return np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist()  # type: ignore[no-any-return]


def tell_epoch(sampler: Any, epoch: int) -> None:
    """Call a sampler's set_epoch, if it has one."""
    set_epoch = getattr(sampler, "set_epoch", None)
    if callable(set_epoch):
        set_epoch(epoch)


def _positive(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{what} must be a positive integer, got {value!r}")
    return int(value)
