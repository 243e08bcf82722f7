"""Making one batch of a dataset: in the program's own thread, in a worker thread, or in a worker process."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpudl.data.collate import collate, default_collate, default_convert
from gpudl.data.dataset import IterableDataset
from gpudl.data.draws import making
from gpudl.data.workers import get_worker_info, note

Report = Callable[[int], None]
"""Told the place of the sample that is being made in its batch, or COLLATING; may raise Stale."""

COLLATING = -1


class Recipe(NamedTuple):
    """What batches are made of, and how.

    Attributes:
        dataset: by index, or an IterableDataset.
        size: samples in a batch; None for samples without a batch dimension.
        drop_last: leave out a batch that is not full; asked for an IterableDataset only.
        collate_fn: as DataLoader has it.
    """

    dataset: Any
    size: int | None
    drop_last: bool
    collate_fn: Callable[[Any], Any] | None

    @property
    def iterable(self) -> bool:
        """True if samples have no indices and come in the dataset's own order."""
        return isinstance(self.dataset, IterableDataset)

    def fetcher(self, epoch: int, seed: int, report: Report) -> Fetcher:
        """What makes the batches of an epoch."""
        kind = StreamFetcher if self.iterable else IndexFetcher
        return kind(self, epoch, seed, report)


class Fetcher:
    """Makes the batches of an epoch."""

    def __init__(self, recipe: Recipe, epoch: int, seed: int, report: Report):
        self._recipe, self._epoch, self._seed, self._report = recipe, epoch, seed, report
        self._dataset = recipe.dataset
        standard = recipe.collate_fn is None or recipe.collate_fn is default_collate
        self._collate_fn = None if standard and recipe.size is not None else recipe.collate_fn

    def make(self, chunk: Any, skip: bool = False) -> Any:
        """The next batch.

        Args:
            chunk: the indices of its samples, or the index where there is no batch dimension; of an IterableDataset,
                nothing.
            skip: go past it; of an IterableDataset only.
        Returns: the batch; END if there is none.
        """
        raise NotImplementedError(f"{type(self).__name__} has no make method")

    def _finished(self, samples: list[Any], indices: Sequence[Any]) -> Any:
        self._report(COLLATING)
        if self._recipe.size is None:
            return (self._collate_fn or default_convert)(samples[0])
        if self._collate_fn is None:
            return collate(samples, indices)
        try:
            return self._collate_fn(samples)
        except Exception as error:
            note(error, f"DataLoader: while collating samples {listed(indices)}")
            raise

    def _blame(self, error: Exception, index: Any) -> None:
        worker = get_worker_info()
        where = "" if worker is None else f" in worker {worker.id}"
        note(error, f"DataLoader: while loading sample {index!r} of {type(self._dataset).__name__}{where}")


END = object()
"""In place of a batch: the dataset has no more."""


class IndexFetcher(Fetcher):
    """Batches of a dataset with `__getitem__`."""

    def make(self, chunk: Any, skip: bool = False) -> Any:
        if self._recipe.size is None:
            chunk = (chunk,)
        elif self._collate_fn is None:
            at_once = getattr(self._dataset, "batch", None)
            if callable(at_once):
                return self._whole(at_once, chunk)
        indices: Sequence[Any] = chunk.tolist() if isinstance(chunk, np.ndarray) else chunk
        samples, dataset, report = [], self._dataset, self._report
        with making(self._epoch, self._keys(indices), self._seed) as made:
            for place, index in enumerate(indices):
                report(place)
                made.one = place
                try:
                    samples.append(dataset[index])
                except Exception as error:
                    self._blame(error, index)
                    raise
            made.one = None
            return self._finished(samples, indices)

    def _whole(self, at_once: Callable[[Any], Any], chunk: Any) -> Any:
        self._report(COLLATING)
        indices = self._checked(chunk)
        with making(self._epoch, indices, self._seed):
            try:
                return list(at_once(indices))
            except Exception as error:
                note(error, f"DataLoader: while loading samples {listed(indices)} of {type(self._dataset).__name__}")
                raise

    def _keys(self, indices: Sequence[Any]) -> Sequence[Any]:
        """The indices, with those that count from the end as what they stand for, so that draws are the same."""
        if isinstance(indices, range) or not any(isinstance(index, int) and index < 0 for index in indices):
            return indices
        count = len(self._dataset)
        return [index % count if isinstance(index, int) and -count <= index < 0 else index for index in indices]

    def _checked(self, chunk: Any) -> np.ndarray[Any, Any]:
        """The indices as int64 in [0, len). A sampler's are checked, since CuPy wraps wrong ones silently."""
        if isinstance(chunk, range):
            return np.arange(chunk.start, chunk.stop, dtype=np.int64)
        count = len(self._dataset)
        whole = isinstance(chunk, np.ndarray) and chunk.dtype == np.int64 and chunk.size
        if whole and chunk.min() >= 0 and chunk.max() < count:
            return chunk  # type: ignore[no-any-return]
        found = np.empty(len(chunk), np.int64)
        for place, given in enumerate(chunk):
            index = integer(given)
            if index is None:
                name = type(self._dataset).__name__
                raise TypeError(f"DataLoader: the sampler gave {given!r}; {name} needs integers")
            if not -count <= index < count:
                raise IndexError(f"DataLoader: the sampler gave index {index}, the dataset has {count} samples")
            found[place] = index % count
        return found


class StreamFetcher(Fetcher):
    """Batches of an IterableDataset. Sample n of worker w of W is number n W + w."""

    def __init__(self, recipe: Recipe, epoch: int, seed: int, report: Report):
        super().__init__(recipe, epoch, seed, report)
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        self._numbers = itertools.count(first, step)
        self._samples: Iterator[Any] | None = None

    def make(self, chunk: Any, skip: bool = False) -> Any:
        if self._samples is None:
            set_epoch = getattr(self._dataset, "set_epoch", None)
            if callable(set_epoch):
                set_epoch(self._epoch)
            self._samples = iter(self._dataset)
        size = self._recipe.size or 1
        numbers = list(itertools.islice(self._numbers, size))
        samples: list[Any] = []
        with making(self._epoch, numbers, self._seed) as made:
            for place, number in enumerate(numbers):
                self._report(number)
                made.one = place
                try:
                    samples.append(next(self._samples))
                except StopIteration:
                    del numbers[place:]
                    break
                except Exception as error:
                    self._blame(error, number)
                    raise
            made.one = None
            if not samples or (self._recipe.drop_last and len(samples) < size):
                return END
            return None if skip else self._finished(samples, numbers)


def integer(value: Any) -> int | None:
    """`value` as an int; None if it is no integer, or a bool."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def listed(chunk: Any) -> str:
    """Indices as text, not too many of them."""
    known = [str(index) for index in (chunk if hasattr(chunk, "__len__") else [chunk])]
    return ", ".join(known) if len(known) <= 8 else f"{', '.join(known[:7])}, ... {known[-1]}"
