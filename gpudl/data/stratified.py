"""Orders in which every stretch has the classes in proportion."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.backend.device import to_host
from gpudl.data.samplers import Sampler
from gpudl.random import Stream, stream


class StratifiedSampler(Sampler[int]):
    """All samples in random order, such that any run of them has the classes in proportion.

    Of a class with the share p of all samples, every batch has within 1 + p * classes of p * its length, whatever its
    size; with classes of one size and batches of a multiple of their number, exactly its share.

    Args:
        labels: (count,) the class of each sample: a sequence, array or Tensor; or a dataset with `targets` or `labels`.
        seed: None for that of gpudl.manual_seed when an epoch starts.
    Raises: ValueError for labels of another shape.
    """

    def __init__(self, labels: Any, seed: int | None = None):
        super().__init__(seed=seed)
        self.labels = labels_of("StratifiedSampler", labels, None)

    def __len__(self) -> int:
        return int(self.labels.size)

    def _indices(self, epoch: int) -> list[int]:
        return stratified_order(self.labels, stream("stratified", epoch, seed=self.seed)).tolist()  # type: ignore[no-any-return]


def stratified_order(labels: np.ndarray[Any, Any], draws: Stream) -> np.ndarray[Any, Any]:
    """A random order of samples with the classes spread evenly.

    Sample j of the n of its class, counted in random order, has the place (j + 1/2) / n; samples in the order of their
    places, ties at random, and turned by a random number of
    samples.

    Args:
        labels: (count,) of any type that can be sorted.
        draws: the random numbers.
    Returns: (count,) int64, each index once.
    """
    count = labels.size
    if count == 0:
        return np.empty(0, np.int64)
    shuffled = draws.permutation(count)
    _, kinds, sizes = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    by_class = np.argsort(kinds, kind="stable")
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = np.empty(count)
    places[by_class] = (np.arange(count) - starts + 0.5) / np.repeat(sizes, sizes)
    order = shuffled[np.argsort(places, kind="stable")]  # ties stay in the order of `shuffled`
    # Where classes are of one size, each stretch of one sample of every class stays whole.
    turned = sizes.size * int(draws.integers(0, count // sizes.size))
    return np.roll(order, turned)


def labels_of(caller: str, labels: Any, dataset: Any) -> np.ndarray[Any, Any]:
    """The class of each sample as a NumPy array, from labels or from what a dataset says of itself."""
    found = labels
    for source in (labels, dataset) if labels is None or hasattr(labels, "__getitem__") else (labels,):
        for name in ("targets", "labels"):
            if found is labels and hasattr(source, name):
                found = getattr(source, name)
    if found is None:
        raise ValueError(f"{caller}: {type(dataset).__name__} has neither targets nor labels; give the labels")
    array = to_host(found.array) if hasattr(found, "array") else np.asarray(found)
    if array.ndim != 1:
        raise ValueError(f"{caller}: labels must be (count,), one for each sample, got shape {array.shape}")
    if dataset is not None and array.size != len(dataset):
        raise ValueError(f"{caller}: there are {array.size} labels for {len(dataset)} samples")
    return array
