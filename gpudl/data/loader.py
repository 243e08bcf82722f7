"""DataLoader: a dataset in batches, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gpudl.data.collate import collate, default_collate, default_convert
from gpudl.random import stream


class DataLoader:
    """Iterates over a dataset in batches; each `iter()` starts the next epoch.

    With `shuffle`, the order of an epoch depends on the seed and the epoch's number only: no other random call
    changes it, and it is the same for every device. It is fixed when `iter()` is called; iterators over one loader do
    not disturb each other, and leaving one early costs nothing.

    A batch is what `default_collate` makes of the samples, so for samples `(image, label)` a list
    `[images, labels]`. Where the dataset has a method `batch` (see Dataset), whole batches come from it at once.

    Args:
        dataset: anything with `__getitem__` and `__len__`.
        batch_size: samples per batch, 1 or more; None gives single samples, passed through `default_convert`.
        shuffle: draw a new order for each epoch; else the dataset's own.
        drop_last: leave out a last batch that is not full.
        collate_fn: makes a batch of a list of samples (of one sample if batch_size is None); None for the default.
        sampler: an iterable of indices, iterated anew for each epoch, in place of 0, 1, 2, ...; `len(loader)` needs
            its length.
        seed: of the order; None takes the seed of the last `gpudl.manual_seed` when an epoch starts.
    Attributes:
        epoch: number of the epoch that the next `iter()` starts, 0 at first.
    Raises: ValueError for a batch_size that is no positive integer, shuffle together with a sampler, drop_last
        without a batch size; TypeError for a dataset without `__getitem__`. While iterating, an error in the
        dataset's `__getitem__` passes as it is, with a note that names the sample.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        collate_fn: Callable[[Any], Any] | None = None,
        sampler: Iterable[Any] | None = None,
        seed: int | None = None,
    ):
        if not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader: a dataset needs __getitem__, which {type(dataset).__name__} lacks")
        size = None if batch_size is None else _integer(batch_size)
        if batch_size is not None and (size is None or size < 1):
            raise ValueError(f"DataLoader: batch_size must be a positive integer or None, got {batch_size!r}")
        if shuffle and sampler is not None:
            raise ValueError("DataLoader: shuffle and sampler both set the order; give one of them")
        if drop_last and batch_size is None:
            raise ValueError("DataLoader: drop_last needs a batch_size; with None there are no batches to drop")
        if seed is not None and not (_integer(seed) is not None and -(2**63) <= seed < 2**64):
            raise ValueError(f"DataLoader: seed must be an integer in [-2**63, 2**64) or None, got {seed!r}")
        self.dataset = dataset
        self.batch_size = size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.collate_fn = collate_fn
        self.sampler = sampler
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Make the next `iter()` start epoch `epoch`, 0 or more: the way to resume, or to see an epoch again.

        Raises: ValueError if it is no integer or negative.
        """
        number = _integer(epoch)
        if number is None or number < 0:
            raise ValueError(f"DataLoader: epoch must be an integer of 0 or more, got {epoch!r}")
        self.epoch = number

    def __len__(self) -> int:
        """Batches per epoch (samples, if batch_size is None).

        Raises: TypeError if the dataset, or the sampler, has no length.
        """
        count = self._count(self.dataset if self.sampler is None else self.sampler)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        self.epoch += 1
        return self._samples(order) if self.batch_size is None else self._batches(order, self.batch_size)

    def _count(self, sized: Any) -> int:
        try:
            return len(sized)
        except TypeError as error:
            name = type(sized).__name__
            raise TypeError(f"DataLoader: {name} has no length; it needs __len__ ({error})") from error

    def _order(self) -> Iterable[Any]:
        """The indices of the coming epoch: a range or an array, or an iterator where there is a sampler."""
        if self.sampler is not None:
            return iter(self.sampler)
        count = self._count(self.dataset)
        if not self.shuffle or count == 0:
            return range(count)
        return stream("shuffle", self.epoch, seed=self.seed).permutation(count)

    def _samples(self, order: Iterable[Any]) -> Iterator[Any]:
        finish = self.collate_fn or default_convert
        for index in order.tolist() if isinstance(order, np.ndarray) else order:
            yield finish(self._sample(index))

    def _batches(self, order: Iterable[Any], size: int) -> Iterator[Any]:
        for chunk in _chunks(order, size):
            if self.drop_last and len(chunk) < size:
                return
            yield self._batch(chunk)

    def _batch(self, chunk: Any) -> Any:
        """One batch; `chunk` holds its indices, in a range, a NumPy array or, from a sampler, a list."""
        standard = self.collate_fn is None or self.collate_fn is default_collate
        at_once = getattr(self.dataset, "batch", None) if standard else None
        if callable(at_once):
            return list(at_once(self._checked(chunk)))
        indices: Sequence[Any] = chunk.tolist() if isinstance(chunk, np.ndarray) else chunk
        samples = [self._sample(index) for index in indices]
        return collate(samples, indices) if standard or self.collate_fn is None else self.collate_fn(samples)

    def _sample(self, index: Any) -> Any:
        try:
            return self.dataset[index]
        except Exception as error:
            if hasattr(error, "add_note"):  # Python 3.11 and later
                error.add_note(f"DataLoader: while loading sample {index!r} of {type(self.dataset).__name__}")
            raise

    def _checked(self, chunk: Any) -> np.ndarray[Any, Any]:
        """The indices as int64 in [0, len). A sampler's are checked, since CuPy wraps wrong ones silently."""
        if isinstance(chunk, np.ndarray):
            return chunk
        if isinstance(chunk, range):
            return np.arange(chunk.start, chunk.stop, dtype=np.int64)
        count = self._count(self.dataset)
        found = np.empty(len(chunk), np.int64)
        for place, given in enumerate(chunk):
            index = _integer(given)
            if index is None:
                raise TypeError(f"DataLoader: the sampler gave {given!r}; {type(self.dataset).__name__} needs integers")
            if not -count <= index < count:
                raise IndexError(f"DataLoader: the sampler gave index {index}, the dataset has {count} samples")
            found[place] = index % count
        return found


def _integer(value: Any) -> int | None:
    """`value` as an int; None if it is no integer, or a bool."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _chunks(order: Iterable[Any], size: int) -> Iterator[Any]:
    if isinstance(order, (range, np.ndarray)):
        for start in range(0, len(order), size):
            yield order[start : start + size]
    else:
        pending = iter(order)
        while chunk := list(itertools.islice(pending, size)):
            yield chunk
