"""Datasets made of datasets: parts, sums, splits."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gpudl.backend.device import to_host
from gpudl.data.dataset import Dataset, IterableDataset, Sample
from gpudl.data.stratified import labels_of, stratified_order
from gpudl.random import stream


class Subset(Dataset[Sample]):
    """The samples of a dataset at chosen indices: sample i is `dataset[indices[i]]`.

    Args:
        dataset: with `__getitem__`; its `batch`, if it has one, is used.
        indices: a sequence of integers, or an array or Tensor (count,).
    """

    dataset: Dataset[Sample]
    indices: Sequence[Any]

    def __init__(self, dataset: Dataset[Sample], indices: Any):
        self.dataset = dataset
        self.indices = to_host(indices.array).tolist() if hasattr(indices, "array") else indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any, /) -> Sample:
        """The sample, or for a list of numbers what the dataset has for a list."""
        if isinstance(index, list):
            return self.dataset[[self.indices[each] for each in index]]  # type: ignore[index]
        return self.dataset[self.indices[index]]

    @property
    def batch(self) -> Callable[[Any], Any] | None:
        """Makes whole batches for DataLoader, if the dataset does."""
        return self._batch if callable(getattr(self.dataset, "batch", None)) else None

    def _batch(self, indices: np.ndarray[Any, Any]) -> Any:
        chosen = np.asarray(self.indices, np.int64)[indices]
        chosen[chosen < 0] += len(self.dataset)
        return self.dataset.batch(chosen)  # type: ignore[attr-defined]


class ConcatDataset(Dataset[Sample]):
    """Datasets one after the other.

    Args:
        datasets: one or more, each with `__getitem__` and `__len__`.
    Attributes:
        datasets: list of them.
        cumulative_sizes: how many samples there are up to the end of each.
    Raises: ValueError without datasets; TypeError for an IterableDataset.
    """

    datasets: list[Dataset[Sample]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[Sample]]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset needs one dataset or more")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise TypeError("ConcatDataset: samples are reached by number; chain IterableDatasets by ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int, /) -> Sample:
        """The sample; a negative number counts from the end. Raises: IndexError if it is out of range."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {count} samples")
        index %= count
        part = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[part][index - (self.cumulative_sizes[part - 1] if part else 0)]


class ChainDataset(IterableDataset[Sample]):
    """IterableDatasets one after the other.

    Args:
        datasets: an iterable of them, iterated each time.
    """

    datasets: Iterable[IterableDataset[Sample]]

    def __init__(self, datasets: Iterable[IterableDataset[Sample]]):
        self.datasets = datasets

    def __iter__(self) -> Iterator[Sample]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(f"ChainDataset chains IterableDatasets, got {type(dataset).__name__}")
            yield from dataset

    def __len__(self) -> int:
        return sum(map(len, self.datasets))  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Tell the datasets that want to know."""
        for dataset in self.datasets:
            if callable(getattr(dataset, "set_epoch", None)):
                dataset.set_epoch(epoch)  # type: ignore[attr-defined]


def random_split(
    dataset: Dataset[Sample], lengths: Sequence[int | float], seed: int | None = None
) -> list[Subset[Sample]]:
    """Disjoint parts of a dataset, drawn at random; the same ones for the same seed and number of samples.

    Args:
        dataset: with `__len__`.
        lengths: samples in each part, which add up to all; or fractions, which add up to 1: each part gets the whole
            samples of its share, and what is left over goes to the parts in turn.
        seed: None for that of gpudl.manual_seed.
    Raises: ValueError if lengths do not add up, or are negative.
    """
    counts = _counts("random_split", lengths, len(dataset))
    return _cut(dataset, stream("split", seed=seed).permutation(len(dataset)), counts)


def stratified_split(
    dataset: Dataset[Sample], lengths: Sequence[int | float], labels: Any = None, seed: int | None = None
) -> list[Subset[Sample]]:
    """As random_split, with each class in proportion in every part.

    Of a class with the share p of all samples, a part has within 1 + p * classes of p * its length.

    Args:
        dataset: with `__len__`.
        lengths: as in random_split.
        labels: (count,) the class of each sample, a sequence, array or Tensor; None for `dataset.targets`, or
            `dataset.labels`.
        seed: None for that of gpudl.manual_seed.
    Raises: ValueError as random_split, and for labels that are not one for each sample, or missing.
    """
    counts = _counts("stratified_split", lengths, len(dataset))
    classes = labels_of("stratified_split", labels, dataset)
    return _cut(dataset, stratified_order(classes, stream("stratified split", seed=seed)), counts)


def _cut(dataset: Dataset[Sample], order: np.ndarray[Any, Any], counts: list[int]) -> list[Subset[Sample]]:
    ends = list(itertools.accumulate(counts))
    return [Subset(dataset, order[end - count : end].tolist()) for end, count in zip(ends, counts, strict=True)]


def _counts(caller: str, lengths: Sequence[int | float], count: int) -> list[int]:
    """Samples in each part."""
    if any(not length >= 0 for length in lengths):
        raise ValueError(f"{caller}: lengths must not be negative, got {list(lengths)}")
    total = sum(lengths)
    if math.isclose(total, 1) and total <= 1 + 1e-9 and not (count == 1 and all(isinstance(n, int) for n in lengths)):
        counts = [math.floor(count * fraction) for fraction in lengths]
        for part in range(count - sum(counts)):
            counts[part % len(counts)] += 1
        return counts
    if total != count or any(length != int(length) for length in lengths):
        raise ValueError(f"{caller}: lengths must add up to {count} samples, or to 1, got {list(lengths)}")
    return [int(length) for length in lengths]
