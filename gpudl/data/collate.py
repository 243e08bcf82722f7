"""From a list of samples to one batch, by PyTorch's rules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, NoReturn

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import device_of
from gpudl.backend.dtypes import dtype_of, float64, get_default_dtype, promote_types
from gpudl.backend.errors import DeviceError, ShapeError

Join = Callable[[list[Array], Sequence[Any], str], Any]

_ARRAYS = (Tensor, np.ndarray, np.number, np.bool_)


def default_collate(batch: Sequence[Any]) -> Any:
    """Join samples along a new first dimension.

    What a sample may be, and what the batch is then:
        Tensor, NumPy array or scalar: a Tensor (count, ...); dtypes that differ are promoted by PyTorch's rules.
        float: float64, as in PyTorch. int: int64. bool: bool. int and float mixed: the default dtype.
        str, bytes: a list of them.
        tuple, list: a list with one entry per position. namedtuple: the same namedtuple of batches.
        mapping: the same mapping of batches, with the keys of the first sample.

    Args:
        batch: the samples, one or more, alike in structure.
    Returns: the batch; Tensors in it are new and carry no history.
    Raises: ShapeError if arrays differ in shape or sequences in length; DeviceError if they differ in device;
        KeyError if a mapping lacks a key; TypeError for samples of other types, or of different ones. The message
        says which sample (its position in `batch`; from a DataLoader, its index in the dataset).
    """
    return collate(batch, range(len(batch)))


def collate(batch: Sequence[Any], indices: Sequence[Any], place: str = "", join: Join | None = None) -> Any:
    """default_collate for samples that the messages call by `indices`; `place` is where in a sample we are.

    Where `join` makes something of arrays, with indices and place, that is taken; for None they are stacked.
    """
    if not batch:
        raise ValueError("default_collate needs one sample or more, got an empty batch")
    first = batch[0]
    if isinstance(first, _ARRAYS):
        _check_all(_ARRAYS, batch, indices, place)
        arrays = [_array(sample) for sample in batch]
        joined = None if join is None else join(arrays, indices, place)
        return wrap(_stack(arrays, indices, place), None) if joined is None else joined
    if isinstance(first, (bool, int, float)):
        return wrap(_numbers(batch, indices, place), None)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return _mapping(first, batch, indices, place, join)
    if isinstance(first, Sequence):
        _check_all((Sequence,), batch, indices, place)
        for sample, index in zip(batch, indices, strict=True):
            if len(sample) != len(first):
                refuse(ShapeError, place, f"sample {index} has {len(sample)} entries, {indices[0]} has {len(first)}")
        columns = enumerate(zip(*batch, strict=True))
        entries = [collate(column, indices, f"{place}[{position}]", join) for position, column in columns]
        return type(first)(*entries) if isinstance(first, tuple) and hasattr(first, "_fields") else entries
    fix = "give the DataLoader a collate_fn, or return tensors, arrays, numbers, strings, tuples, lists or mappings"
    refuse(TypeError, place, f"sample {indices[0]} is {type(first).__name__}; {fix}")


def default_convert(sample: Any) -> Any:
    """A sample without a batch dimension: NumPy arrays and scalars become Tensors that share their memory.

    Tuples and other sequences become lists, as in PyTorch; namedtuples and mappings are converted inside; all else
    stays as it is.

    Raises: TypeError for arrays of element types that gpudl does not have.
    """
    if isinstance(sample, Tensor):
        return sample
    if isinstance(sample, _ARRAYS):
        array = np.asarray(sample)
        dtype_of(array.dtype)
        return wrap(array, None)
    if isinstance(sample, Mapping):
        return rebuilt(sample, {key: default_convert(sample[key]) for key in sample})
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*map(default_convert, sample))
    if isinstance(sample, Sequence) and not isinstance(sample, (str, bytes)):
        return [default_convert(entry) for entry in sample]
    return sample


def refuse(kind: type[Exception], place: str, problem: str) -> NoReturn:
    """Raise an error that says where in a sample the problem is."""
    raise kind(f"default_collate: {f'at {place} ' if place else ''}{problem}")


def _check_all(kinds: tuple[type, ...], batch: Iterable[Any], indices: Sequence[Any], place: str) -> None:
    first: Any = None
    for sample, index in zip(batch, indices, strict=True):
        first = sample if first is None else first
        if not isinstance(sample, kinds):
            here, there = type(sample).__name__, type(first).__name__
            refuse(TypeError, place, f"sample {index} is {here}, sample {indices[0]} is {there}")


def _array(sample: Any) -> Array:
    return sample.array if isinstance(sample, Tensor) else np.asarray(sample)


def _stack(arrays: list[Array], indices: Sequence[Any], place: str) -> Array:
    shape = arrays[0].shape
    for array, index in zip(arrays, indices, strict=True):
        if array.shape != shape:
            fix = "bring samples to one shape, or give the DataLoader a collate_fn, such as pad_collate"
            refuse(ShapeError, place, f"sample {index} has shape {array.shape}, {indices[0]} has {shape}; {fix}")
    return xp_of(arrays[0]).stack(check_alike(arrays, indices, place))


def check_alike(arrays: list[Array], indices: Sequence[Any], place: str) -> list[Array]:
    """The arrays in one dtype. Raises: DeviceError if they are not on one device."""
    dtype, device, mixed = arrays[0].dtype, device_of(arrays[0]), False
    for array, index in zip(arrays, indices, strict=True):
        if device_of(array) is not device:
            refuse(DeviceError, place, f"sample {index} is on {device_of(array)}, sample {indices[0]} on {device}")
        if array.dtype != dtype:
            dtype, mixed = promote_types(dtype_of(dtype), dtype_of(array.dtype)), True
    dtype_of(dtype)
    return [array.astype(dtype) for array in arrays] if mixed else arrays


def _numbers(batch: Sequence[Any], indices: Sequence[Any], place: str) -> Array:
    _check_all((bool, int, float, np.number, np.bool_), batch, indices, place)
    if isinstance(batch[0], float):
        return np.array(batch, float64)
    if any(isinstance(number, (float, np.floating)) for number in batch):
        return np.array(batch, get_default_dtype())
    return np.array(batch, bool if all(isinstance(number, (bool, np.bool_)) for number in batch) else np.int64)


def _mapping(
    first: Mapping[Any, Any], batch: Sequence[Any], indices: Sequence[Any], place: str, join: Join | None
) -> Any:
    _check_all((Mapping,), batch, indices, place)
    joined = {}
    for key in first:
        for sample, index in zip(batch, indices, strict=True):
            if key not in sample:
                refuse(KeyError, place, f"sample {index} has no key {key!r}, sample {indices[0]} has")
        joined[key] = collate([sample[key] for sample in batch], indices, f"{place}[{key!r}]", join)
    return rebuilt(first, joined)


def rebuilt(original: Mapping[Any, Any], entries: dict[Any, Any]) -> Any:
    """A mapping of the same class, with what else it carries; a dict where the class allows neither way."""
    try:
        if isinstance(original, MutableMapping):
            clone = copy.copy(original)
            clone.update(entries)
            return clone
        return type(original)(entries)  # type: ignore[call-arg]
    except TypeError:
        return entries
