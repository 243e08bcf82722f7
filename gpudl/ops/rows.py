"""Reading, adding and writing at computed places: what all operations with index tensors are made of.

A tensor is seen as (places, columns), contiguous; `positions` name places, counted from 0 in that order. Whoever calls
has checked them and made them: they are nobody else's, and never changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive, as_array, check_devices
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.positions import positions_of
from gpudl.backend.strided_copy import copied, reshaped
from gpudl.backend.take_rows import taken
from gpudl.ops.accumulate import add_rows_, check_indices, from_front, put_rows_, summed_to

Shape = tuple[int, ...]


class Placed(Primitive):
    """Base of the primitives below.

    Attributes:
        positions: (k,) int64.
        columns: how many elements a place has.
        shape: of the tensor that is read, or of the values, as backward needs it.
    """

    __slots__ = ("columns", "positions", "shape")
    widens = False
    positions: Array
    columns: int
    shape: Shape


class Read(Placed):
    """The elements of x at positions, in a shape."""

    __slots__ = ()

    def forward(ctx, x: Array, positions: Array, columns: int, shape: Shape) -> Array:
        ctx.positions, ctx.columns, ctx.shape = positions, columns, x.shape
        return _read(x, positions, columns, shape)

    def backward(ctx, dy: Array) -> Array:
        given = (dy, ctx.positions, ctx.columns, ctx.shape)
        return Collect.apply(*given) if isinstance(dy, Tensor) else _collect(*given)


class Collect(Placed):
    """Zeros in a shape, with values added at positions: the adjoint of Read."""

    __slots__ = ()

    def forward(ctx, values: Array, positions: Array, columns: int, shape: Shape) -> Array:
        ctx.positions, ctx.columns, ctx.shape = positions, columns, values.shape
        return _collect(values, positions, columns, shape)

    def backward(ctx, dy: Array) -> Array:
        return read(dy, ctx.positions, ctx.columns, ctx.shape)


class AddAt(Placed):
    """x with values added at positions."""

    __slots__ = ()

    def forward(ctx, x: Array, values: Array, positions: Array, columns: int) -> Array:
        ctx.positions, ctx.columns, ctx.shape = positions, columns, values.shape
        y = as_array(copied(x))
        add_rows_(y.reshape((-1, columns)), positions, values.reshape((-1, columns)))
        return y

    def backward(ctx, dy: Array) -> tuple[Any, Any]:
        return dy, read(dy, ctx.positions, ctx.columns, ctx.shape) if ctx.edges[1] else None


class WriteAt(Placed):
    """x with the elements at positions replaced by values."""

    __slots__ = ()

    def forward(ctx, x: Array, values: Array, positions: Array, columns: int) -> Array:
        ctx.positions, ctx.columns, ctx.shape = positions, columns, values.shape
        return _written(x, values, positions, columns)

    def backward(ctx, dy: Array) -> tuple[Any, Any]:
        given = (dy, xp_of(dy).zeros_like(read(dy, ctx.positions, ctx.columns, ctx.shape)), ctx.positions, ctx.columns)
        dx = WriteAt.apply(*given) if isinstance(dy, Tensor) else _written(*given)
        return dx, read(dy, ctx.positions, ctx.columns, ctx.shape) if ctx.edges[1] else None


def _read(x: Array, positions: Array, columns: int, shape: Shape) -> Array:
    if isinstance(x, Tensor) or not x.size:
        return x.reshape((x.size // max(columns, 1), columns)).take(positions, axis=0).reshape(shape)
    rows = (x.size,) if columns == 1 else (x.size // columns, columns)
    return taken(reshaped(x, rows), positions).reshape(shape)


def _collect(values: Array, positions: Array, columns: int, shape: Shape) -> Array:
    count = 1
    for length in shape:
        count *= length
    rows = values.reshape((len(positions), columns))
    return summed_to(shape, count // max(columns, 1), positions, rows)


def _written(x: Array, values: Array, positions: Array, columns: int) -> Array:
    y = as_array(copied(x))
    put_rows_(y.reshape((y.size // max(columns, 1), columns)), positions, values.reshape((len(positions), columns)))
    return y


def read(x: Array, positions: Array, columns: int, shape: Shape) -> Array:
    """The elements of x, an array or a Tensor, at positions, in a shape."""
    given = (x, positions, columns, shape)
    return Read.apply(*given) if isinstance(x, Tensor) else _read(*given)


def index_array(name: str, input: Tensor, index: Any, int64_only: bool = True) -> Array:
    """The array of an index tensor, which is int64 or int32.

    Raises: TypeError for what is no Tensor; OutOfRangeError, which is a RuntimeError, for another dtype; DeviceError.
    """
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}: the index must be a Tensor, got {type(index).__name__}")
    check_devices(name, (input, index))
    kinds = ("int64",) if int64_only else ("int64", "int32")
    if index.dtype not in [np.dtype(kind) for kind in kinds]:
        raise IndexDtypeError(f"{name}: the index must be {' or '.join(kinds)}, got {index.dtype}; cast it with to()")
    return index.array


class IndexDtypeError(IndexError, RuntimeError):
    """An index tensor of the wrong dtype. PyTorch raises one or the other by the operation: it is both."""


def element_positions(name: str, shape: Shape, dim: int, index: Array) -> Array:
    """The places (columns=1) of x[..., index[...], ...] for gather and scatter, (index.size,) int64.

    Raises: OutOfRangeError for an index out of range.
    """
    count = shape[dim] if shape else 1
    check_indices(index, 0, count, name, dim)
    if not shape:
        return index.reshape(-1).astype("int64")
    xp = xp_of(index)
    strides = _strides(shape)
    if type(index) is not np.ndarray:
        steps = tuple(0 if i == dim else stride for i, stride in enumerate(strides))
        return positions_of(index, steps, count, strides[dim]).reshape(-1)
    places = index * strides[dim] if strides[dim] != 1 else index.astype("int64")
    for i, stride in enumerate(strides):
        if i != dim and index.shape[i] > 1:
            places += (xp.arange(index.shape[i]) * stride).reshape((-1, *(1,) * (index.ndim - 1 - i)))
    return places.reshape(-1)


def row_positions(name: str, shape: Shape, dim: int, index: Array, low: int = 0) -> tuple[Array, int]:
    """The places of index_select, index_add and their kin, and how many elements each has.

    Args:
        low: the smallest index allowed, below 0 where indices may count from the end.
    Raises: OutOfRangeError for an index out of range.
    """
    if not shape:
        shape = (1,)
    check_indices(index, low, shape[dim], name, dim)
    index = from_front(index, shape[dim]) if low else index.astype("int64")
    lead = columns = 1
    for length in shape[:dim]:
        lead *= length
    for length in shape[dim + 1 :]:
        columns *= length
    if lead == 1:
        return index.reshape(-1), columns
    if type(index) is not np.ndarray:
        spread = xp_of(index).broadcast_to(index.reshape(-1), (lead, index.size))
        return positions_of(spread, (shape[dim], 0), shape[dim]).reshape(-1), columns
    starts = xp_of(index).arange(lead) * shape[dim]
    return (starts[:, None] + index.reshape((1, -1))).reshape(-1), columns


def _strides(shape: Shape) -> list[int]:
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return strides[::-1]


def check_room(name: str, index: Shape, other: Shape, dim: int | None, what: str) -> None:
    """Raise ShapeError unless an index fits beside a tensor in every dimension but `dim`."""
    if len(index or (1,)) != len(other or (1,)):
        raise ShapeError(f"{name}: index {index} and {what} {other} must have the same number of dimensions")
    if any(i != dim and length > beside for i, (length, beside) in enumerate(zip(index, other))):
        but = "" if dim is None else f" (but for dim {dim})"
        raise ShapeError(f"{name}: index {index} must be no larger than {what} {other}{but}")
