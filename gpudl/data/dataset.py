"""What a dataset is, and the one made of tensors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.backend.device import brought, device_of
from gpudl.backend.errors import ShapeError

Sample = TypeVar("Sample", covariant=True)


class Dataset(Protocol[Sample]):
    """Samples by number: anything with `__getitem__` and `__len__`, a subclass of this or not.

    A dataset that can make many samples at once may offer a third method, and DataLoader then calls it in place of
    one `__getitem__` per sample:

        batch(indices): indices is a NumPy int64 array (count,), each in [0, len); returns a tuple of Tensors, each
        with first length count, equal to collating the samples one by one. An attribute `batch` of None is as good
        as none.
    """

    @abstractmethod
    def __getitem__(self, index: int, /) -> Sample:
        """The sample with this number, 0 <= index < len."""
        raise NotImplementedError

    @abstractmethod
    def __len__(self) -> int:
        """How many samples there are."""
        raise NotImplementedError


class IterableDataset(Generic[Sample]):
    """Samples one after the other, for what cannot be reached by number: subclasses give `__iter__`.

    A DataLoader makes batches of them in the order in which they come. With workers each one calls `__iter__`, which
    must give it a part of its own:

        def __iter__(self):
            worker = get_worker_info()
            first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
            return itertools.islice(self.records(), first, None, step)

    and batches come from the workers in turn. A method `set_epoch(epoch)`, if there is one, is called before each
    `__iter__`.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Sample]:
        """The samples of this worker, from the first on."""
        raise NotImplementedError(f"{type(self).__name__} needs __iter__")

    def __add__(self, other: IterableDataset[Any]) -> IterableDataset[Any]:
        """The samples of both, one after the other."""
        from gpudl.data.combine import ChainDataset

        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """The rows of tensors, side by side: sample i is `(tensors[0][i], tensors[1][i], ...)`.

    Samples carry no history, whether the tensors require grad or not.

    Args:
        *tensors: each (count, ...), with one count for all; on any device.
    Raises: ValueError without tensors; TypeError for what is no Tensor; ShapeError if the first lengths differ.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor):
        if not tensors:
            raise ValueError("TensorDataset needs one tensor or more")
        for position, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise TypeError(f"TensorDataset: argument {position} must be a Tensor, got {type(tensor).__name__}")
        shapes = [tuple(tensor.array.shape) for tensor in tensors]
        if any(not shape or shape[:1] != shapes[0][:1] for shape in shapes):
            found = ", ".join(map(str, shapes))
            raise ShapeError(f"TensorDataset: the tensors must have equal first lengths, got shapes {found}")
        self.tensors = tensors

    def __len__(self) -> int:
        return int(self.tensors[0].array.shape[0])

    def __getitem__(self, index: Any, /) -> tuple[Tensor, ...]:
        """The rows at `index`: a number or slice (views of the tensors, as in PyTorch), or a list or Tensor of numbers.

        Raises: IndexError for a number out of range.
        """
        if isinstance(index, Tensor):
            index = index.array
        # The Ellipsis makes NumPy answer a 0-d array, not a scalar, where a row is one number.
        return tuple(wrap(tensor.array[index, ...], None, tensor._version) for tensor in self.tensors)

    def batch(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> tuple[Tensor, ...]:
        """The rows at `indices`, (count,) integers in [0, len), copied into new Tensors (count, ...)."""
        return tuple(wrap(take_rows(tensor.array, indices), None) for tensor in self.tensors)


def take_rows(array: Array, indices: Sequence[int] | np.ndarray[Any, Any]) -> Array:
    """A copy of the rows of `array` (of any device) at `indices`, integers in range: a NumPy array, list or range."""
    return array.take(brought(np.asarray(indices, np.int64), device_of(array)), axis=0)
