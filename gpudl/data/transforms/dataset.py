"""A dataset seen through transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpudl.data.dataset import Dataset

_Function = Callable[[Any], Any]


class MapDataset(Dataset[Any]):
    """Another dataset, each sample of which is transformed when it is read.

    Of samples that are tuples, the first entry goes through `transform` and the second through `target_transform`;
    others go through `transform` as a whole. Where the dataset makes whole batches (see Dataset), a DataLoader takes
    them from here, transformed at once; with the transforms of gpudl.data.transforms they come out as the samples one
    by one would.

    Args:
        dataset: anything with `__getitem__` and `__len__`.
        transform: of images or other inputs; None for none.
        target_transform: of labels; None for none.
        batched: whether the transforms take batches too. Functions of your own may not, and then see one sample at a
            time.
    Raises: TypeError for a dataset without those methods, or a transform that cannot be called; IndexError for a
        target_transform of samples without a second entry.
    """

    def __init__(
        self,
        dataset: Any,
        transform: _Function | None = None,
        target_transform: _Function | None = None,
        *,
        batched: bool = True,
    ):
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise TypeError(f"MapDataset: a dataset needs __getitem__ and __len__; {type(dataset).__name__} lacks one")
        for name, function in (("transform", transform), ("target_transform", target_transform)):
            if function is not None and not callable(function):
                raise TypeError(f"MapDataset: {name} must be callable or None, got {function!r}")
        self.dataset, self.transform, self.target_transform = dataset, transform, target_transform
        self.batched = batched

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int, /) -> Any:
        """Sample `index`, transformed."""
        return self._mapped(self.dataset[index])

    @property
    def batch(self) -> Callable[[Sequence[int] | np.ndarray[Any, Any]], Any] | None:
        """Makes whole batches for DataLoader; None if the dataset does not, or the transforms take samples only."""
        return self._batch if self.batched and callable(getattr(self.dataset, "batch", None)) else None

    def _batch(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> Any:
        return self._mapped(self.dataset.batch(indices))

    def _mapped(self, sample: Any) -> Any:
        if not isinstance(sample, (tuple, list)):
            if self.target_transform is not None:
                raise IndexError("MapDataset: samples are no tuples and have no target to transform")
            return sample if self.transform is None else self.transform(sample)
        entries = list(sample)
        for place, function in enumerate((self.transform, self.target_transform)):
            if function is not None:
                if place >= len(entries):
                    raise IndexError(f"MapDataset: samples have {len(entries)} entries and no target to transform")
                entries[place] = function(entries[place])
        return tuple(entries)

    def __repr__(self) -> str:
        return f"MapDataset({self.dataset!r}, {self.transform!r}, {self.target_transform!r})"
