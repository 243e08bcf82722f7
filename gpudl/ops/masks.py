"""Choosing by mask, and where the nonzero elements are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.primitive import as_array, check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.dims import broadcast_to
from gpudl.ops.index import getitem
from gpudl.ops.rows import Read, WriteAt

__all__ = ["argwhere", "masked_scatter", "masked_select", "nonzero", "unravel_index"]


def _spread(name: str, input: Tensor, mask: Any) -> tuple[Tensor, Tensor]:
    """Input and mask broadcast to one shape."""
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name}: the mask must be a bool Tensor, got {type(mask).__name__}")
    check_devices(name, (input, mask))
    if mask.dtype != bool:
        raise RuntimeError(f"{name}: the mask must be bool, got {mask.dtype}")
    if input.shape == mask.shape:
        return input, mask
    lead = max(input.ndim, mask.ndim)
    pairs = zip((1,) * (lead - input.ndim) + input.shape, (1,) * (lead - mask.ndim) + mask.shape)
    shape = tuple(other if mine == 1 else mine for mine, other in pairs)
    try:
        return broadcast_to(input, shape), broadcast_to(mask, shape)
    except ShapeError as error:
        raise ShapeError(f"{name}: input {input.shape} and mask {mask.shape} do not broadcast") from error


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, 1-d, in memory order; input and mask broadcast.

    Raises: RuntimeError for a mask that is not bool; ShapeError if the shapes do not broadcast.
    Gradient: dy where the mask holds.
    """
    return getitem(*_spread("masked_select", input, mask))


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements where the mask holds replaced by the first ones of source, in memory order.

    Args:
        mask: bool; input and mask broadcast.
        source: the input's dtype, at least as many elements as the mask has True.
    Raises: RuntimeError for other dtypes, or too few elements; ShapeError if the shapes do not broadcast.
    Gradient: dy where the mask does not hold, to input; the others, in order, to source.
    """
    if source.dtype != input.dtype:
        raise RuntimeError(f"masked_scatter: input is {input.dtype} and source {source.dtype}; cast one with to()")
    check_devices("masked_scatter", (input, source))
    x, where = _spread("masked_scatter", input, mask)
    xp = xp_of(where.array)
    positions = xp.flatnonzero(where.array)
    if positions.size > source.array.size:
        raise RuntimeError(f"masked_scatter: the mask holds {positions.size} times, source has {source.array.size}")
    values = Read.apply(source, xp.arange(positions.size), 1, positions.shape)
    return WriteAt.apply(x, values, positions, 1)  # type: ignore[no-any-return]


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where the elements are not 0, in memory order.

    Args:
        as_tuple: give one index tensor for each dimension, fit for indexing, instead of one row for each element.
    Returns: (count, ndim) int64, or a tuple of (count,) int64.
    """
    array = input.array
    xp = xp_of(array)
    if as_tuple and not array.ndim:
        array = array.reshape(1)
    if array.ndim == 0:
        return wrap(xp.zeros((int(array != 0), 0), "int64"), None)
    found = xp.nonzero(array)
    if as_tuple:
        return tuple(wrap(each.copy(), None) for each in found)
    return wrap(xp.stack(found, axis=1), None)


def argwhere(input: Tensor) -> Tensor:
    """Where the elements are not 0: (count, ndim) int64, in memory order."""
    return nonzero(input)  # type: ignore[no-any-return]


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of some shape, of elements counted as if it were flat.

    Args:
        indices: integers of any shape, 0 <= index < elements of the shape.
    Returns: for each dimension of `shape` an int64 tensor like the indices.
    Raises: TypeError for indices that are not integers; ValueError for an index out of range, or a negative length.
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if not isinstance(indices, Tensor) or indices.dtype.kind not in "iu":
        raise IntegersError(
            f"unravel_index: the indices must be an integer Tensor, got {getattr(indices, 'dtype', indices)}"
        )
    if any(length < 0 for length in lengths):
        raise ValueError(f"unravel_index: a shape has no negative lengths, got {lengths}")
    left = indices.array.astype("int64")
    count = math.prod(lengths)
    if left.size and (left.min() < 0 or left.max() >= count):
        raise ValueError(f"unravel_index: indices must be in 0 to {count - 1} for shape {lengths}")
    found = []
    for length in reversed(lengths):
        found.append(wrap(as_array(left % length), None))
        left = left // length
    return tuple(reversed(found))


class IntegersError(TypeError, ValueError):
    """Indices that are not integers."""
