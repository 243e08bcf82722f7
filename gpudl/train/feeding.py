"""What a Trainer is fed with: loaders of whatever data it is given, and batches moved and cut."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import Device
from gpudl.backend.errors import ShapeError
from gpudl.data import DataLoader, IterableDataset, Subset, TensorDataset
from gpudl.ops.create import as_tensor
from gpudl.random import stream


def loader_of(data: Any, batch_size: int, shuffle: bool = False) -> Iterable[Any]:
    """An iterable of batches.

    Args:
        data: a DataLoader, or any other iterable of batches, given back as it is; a tuple of Tensors or arrays, alike
            in their first length; one Tensor or array; or a dataset, with __getitem__ and __len__.
        batch_size: samples of a batch, where the data has none.
        shuffle: in another order each epoch, where the data has none.
    Raises: TypeError for what is none of these; ShapeError for arrays of different lengths; ValueError for no samples.
    """
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, IterableDataset):
        return DataLoader(data, batch_size)
    data = dataset_of(data)
    if not _is_dataset(data):
        if not isinstance(data, Iterable):
            raise TypeError(
                f"expected a DataLoader, a dataset, arrays (x, y) or an iterable of batches, got {type(data).__name__}"
            )
        return data
    if len(data) == 0:
        raise ValueError(f"there are no samples in the {type(data).__name__}")
    return DataLoader(data, batch_size, shuffle)


def dataset_of(data: Any) -> Any:
    """Arrays as a TensorDataset; anything else as it is."""
    if isinstance(data, (Tensor, np.ndarray)):
        data = (data,)
    return TensorDataset(*map(_tensor, data)) if isinstance(data, tuple) else data


def _is_dataset(data: Any) -> bool:
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, (list, dict, str))


def _tensor(values: Any) -> Tensor:
    """A Tensor without history; what else NumPy reads as an array, float64 as float32, the dtype of layers."""
    if isinstance(values, Tensor):
        return values.detach()
    array = np.asarray(values)
    return as_tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


def split(data: Any, share: float, seed: int | None) -> tuple[Subset[Any], Subset[Any]]:
    """A dataset, or arrays, in two parts, drawn from a seed: to train on, and to validate on.

    Args:
        data: a dataset, or a tuple of arrays.
        share: of the samples to validate on, in (0, 1).
        seed: None for that of gpudl.manual_seed.
    Raises: ValueError for a share out of range or that leaves no sample in a part; TypeError for batches, which cannot
        be split.
    """
    if not 0 < share < 1:
        raise ValueError(f"fit: validation, as a share of the samples, must be in (0, 1), got {share}")
    data = dataset_of(data)
    if isinstance(data, DataLoader) or not _is_dataset(data):
        raise TypeError(
            f"fit: a share to validate on is taken from a dataset or arrays; a {type(data).__name__} gives batches. "
            "Split the dataset before, and give both parts"
        )
    count = round(len(data) * share)
    if not 0 < count < len(data):
        raise ValueError(f"fit: a share of {share} of {len(data)} samples leaves none for one of the parts")
    order = stream("split", seed=seed).permutation(len(data))
    return Subset(data, np.sort(order[count:])), Subset(data, np.sort(order[:count]))


def batches_from(loader: Iterable[Any], epoch: int, start: int, limit: int | None = None) -> Iterator[Any]:
    """The batches of an epoch, from one on.

    Args:
        loader: where it has set_epoch(epoch, batch), the batches before are not made; else they are passed over.
        epoch: from 0.
        start: number of the first batch, from 0.
        limit: number of the last batch plus one; None for all.
    """
    skipped = start
    if hasattr(loader, "set_epoch"):
        if "batch" in inspect.signature(loader.set_epoch).parameters:
            loader.set_epoch(epoch, batch=start)
            skipped = 0
        else:
            loader.set_epoch(epoch)
    stop = None if limit is None else limit - start + skipped
    return itertools.islice(iter(loader), skipped, stop)


def first_of(loader: Iterable[Any], limit: int) -> Iterable[Any]:
    """The first batches, made once; all of them, as they are, for a limit of 0."""
    return list(itertools.islice(loader, limit)) if limit else loader


def length_of(loader: Any) -> int | None:
    """How many batches an epoch has; None if that is not known."""
    try:
        return len(loader)
    except TypeError:
        return None


def moved(batch: Any, device: Device) -> Any:
    """A batch with its Tensors, and arrays, on a device; tuples, lists and dicts are gone through."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, (list, tuple)):
        return _like(batch, [moved(part, device) for part in batch])
    if isinstance(batch, dict):
        return {name: moved(part, device) for name, part in batch.items()}
    return _tensor(batch).to(device) if isinstance(batch, np.ndarray) else batch


def samples_in(batch: Any) -> int:
    """How many samples a batch has: the first length of its first Tensor. Raises: TypeError if there is none."""
    if isinstance(batch, (list, tuple)):  # nearly always the first of two Tensors
        for part in batch:
            if isinstance(part, Tensor) and part.ndim:
                return int(part.array.shape[0])
    tensor = next((part for part in _tensors(batch) if part.ndim), None)
    if tensor is None:
        raise TypeError(f"there is no Tensor in the batch, a {type(batch).__name__}, to count its samples by")
    return int(tensor.array.shape[0])


def pieces_of(batch: Any, size: int) -> list[Any]:
    """A batch in pieces of at most `size` samples: every Tensor in it is cut along its first dimension.

    The pieces differ by one sample at most, so that none is much smaller than batch norm would like.

    Raises: ShapeError if the Tensors differ in their first lengths, since they cannot be cut alike.
    """
    count = samples_in(batch)
    if count <= size:
        return [batch]
    for tensor in _tensors(batch):
        if tensor.shape[:1] != (count,):
            raise ShapeError(
                f"micro_batch: the Tensors of a batch must have one first length, got {count} and {tensor.shape}"
            )
    parts = -(-count // size)
    bounds = [count * part // parts for part in range(parts + 1)]
    return [_cut(batch, start, stop) for start, stop in itertools.pairwise(bounds)]


def _cut(batch: Any, start: int, stop: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[start:stop]
    if isinstance(batch, (list, tuple)):
        return _like(batch, [_cut(part, start, stop) for part in batch])
    if isinstance(batch, dict):
        return {name: _cut(part, start, stop) for name, part in batch.items()}
    return batch


def _like(batch: Sequence[Any], parts: list[Any]) -> Any:
    """The parts as a list, a tuple or a named tuple, as the batch is."""
    return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)  # type: ignore[call-arg]


def _tensors(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, (list, tuple, dict)):
        for part in batch.values() if isinstance(batch, dict) else batch:
            yield from _tensors(part)
