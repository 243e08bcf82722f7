"""Reading and writing whole slices along one dimension, and single elements of the flattened tensor, by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.accumulate import check_indices, from_front
from gpudl.ops.dims import broadcast_to
from gpudl.ops.index import getitem, setitem
from gpudl.ops.operands import Number, fitted, one_dim, operand
from gpudl.ops.row_reduce import reduce_at
from gpudl.ops.rows import AddAt, IndexDtypeError, Read, WriteAt, index_array, row_positions

__all__ = [
    "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "index_select", "put", "take",
]  # fmt: skip


def _line(name: str, input: Tensor, index: Any, int64_only: bool = False) -> Array:
    """The array of an index with one dimension or none."""
    where = index_array(name, input, index, int64_only)
    if where.ndim > 1:
        raise VectorError(f"{name}: the index must be 1-d, got shape {where.shape}")
    return where


class VectorError(ShapeError, IndexError):
    """An index that should be 1-d."""


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `input` along `dim` that the index names, in its order; a copy.

    Args:
        index: (k,) int64 or int32, 0 <= index < length.
    Returns: the input's shape with length k at dim.
    Raises: OutOfRangeError for an index out of range (on the CPU); RuntimeError for an index of another dtype.
    Gradient: dy added at the index.
    """
    place = one_dim("index_select", dim, input.ndim)
    where = _line("index_select", input, index)
    if not input.ndim:
        if where.size != 1:
            raise ShapeError(f"index_select: a 0-d tensor is selected from by one index, got {where.size}")
        shape: tuple[int, ...] = ()
    else:
        shape = (*input.shape[:place], where.size, *input.shape[place + 1 :])
    positions, columns = row_positions("index_select", input.shape, place, where)
    return Read.apply(input, positions, columns, shape)  # type: ignore[no-any-return]


def _slices(name: str, input: Tensor, dim: int, index: Tensor, source: Tensor, low: int = 0) -> tuple[Array, int]:
    """The places that slices go to, and their columns, checked."""
    place = one_dim(name, dim, input.ndim)
    where = _line(name, input, index)
    if not isinstance(source, Tensor):
        raise TypeError(f"{name}: the source must be a Tensor, got {type(source).__name__}")
    check_devices(name, (input, source))
    if source.dtype != input.dtype:
        raise RuntimeError(f"{name}: input is {input.dtype} and source {source.dtype}; cast one with to()")
    have, lead = source.shape or (1,), input.shape or (1,)
    want = (*lead[:place], where.size, *lead[place + 1 :])
    if have != want:
        raise IndexShapeError(f"{name}: input {input.shape} and index {where.shape} need a source {want}, got {have}")
    return row_positions(name, input.shape, place, where, low)


class IndexShapeError(ShapeError, IndexError):
    """A source that does not fit its index. PyTorch raises RuntimeError or IndexError by the operation: it is both."""


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`input` with alpha * source added, slice by slice along `dim`, at the index.

    Args:
        index: (k,) int64 or int32, 0 <= index < length; slices for one place add up.
        source: the input's dtype and its shape, but k along dim.
    Raises: ShapeError, OutOfRangeError (on the CPU) and RuntimeError for arguments that do not fit.
    Gradient: dy to input; alpha * dy at the index, to source.
    """
    positions, columns = _slices("index_add", input, dim, index, source)
    if alpha != 1 or isinstance(alpha, bool):
        source = source * fitted("index_add: alpha", operand("index_add", alpha), source.dtype)
    return AddAt.apply(input, source, positions, columns)  # type: ignore[no-any-return]


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with its slices along `dim` at the index replaced by those of source. Args, Raises: as index_add.

    Gradient: dy elsewhere, to input; dy at the index, to source.
    """
    if isinstance(index, Tensor) and index.dtype != int64:
        raise IndexDtypeError(f"index_copy: the index must be int64, got {index.dtype}; cast it with to()")
    positions, columns = _slices("index_copy", input, dim, index, source)
    return WriteAt.apply(input, source, positions, columns)  # type: ignore[no-any-return]


def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with its slices along `dim` at the index filled with a number or a 0-d tensor.

    Args:
        index: (k,) int64, -length <= index < length.
    Raises: as index_select; RuntimeError for a value with dimensions, and one that the dtype cannot hold.
    Gradient: dy elsewhere, to input; the sum of the others, to value.
    """
    place = one_dim("index_fill", dim, input.ndim)
    where = _line("index_fill", input, index, int64_only=True)
    filler = operand("index_fill", value)
    if isinstance(filler, Tensor):
        check_devices("index_fill", (input, filler))
        if filler.ndim:
            raise ShapeError(f"index_fill: the value must be a number or a 0-d tensor, got shape {filler.shape}")
        filler = filler.to(input.dtype)
    else:
        filler = input.new_full((), filler, dtype=input.dtype)
    lead = input.shape or (1,)
    positions, columns = row_positions("index_fill", input.shape, place, where, -lead[place])
    positions = xp_of(positions).unique(positions)  # each counts once in the gradient of the value
    shape = (positions.size, columns)
    return WriteAt.apply(input, broadcast_to(filler, shape), positions, columns)  # type: ignore[no-any-return]


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with the slices of source that go to one place combined there.

    Args:
        index, source: as in index_add.
        reduce: "prod" | "mean" | "amax" | "amin".
        include_self: whether the input's own slice counts among them.
    Raises: as index_add; RuntimeError for another reduce.
    Gradient: as scatter_reduce.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce: reduce must be 'prod', 'mean', 'amax' or 'amin', got {reduce!r}")
    positions, columns = _slices("index_reduce", input, dim, index, source)
    return reduce_at(input, source, positions, columns, reduce, include_self)


def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with input[indices] = values, or, with accumulate, += values that add up where an index stands twice.

    Args:
        indices: integer and bool Tensors, and None for a whole dimension.
        values: the input's dtype, a shape that broadcasts to that of input[indices].
    Raises: as indexing does; RuntimeError if the dtypes differ.
    Gradient: to input, dy (elsewhere, without accumulate); to values, dy at the indices.
    """
    if not isinstance(values, Tensor):
        raise TypeError(f"index_put: the values must be a Tensor, got {type(values).__name__}")
    if values.dtype != input.dtype:
        raise RuntimeError(f"index_put: input is {input.dtype} and values {values.dtype}; cast one with to()")
    parts = tuple(slice(None) if each is None else each for each in indices)
    if accumulate:
        numbers = _numbered(input)
        positions = getitem(numbers, parts)
        return AddAt.apply(input, broadcast_to(values, positions.shape), positions.array.reshape(-1), 1)  # type: ignore[no-any-return]
    result = input.clone()
    setitem(result, parts, values)
    return result


def _numbered(input: Tensor) -> Tensor:
    """The number of each element in memory order, in the input's shape."""
    return wrap(xp_of(input.array).arange(input.array.size).reshape(input.shape), None)


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened input at an int64 index of any shape; negative ones count from the end.

    Raises: OutOfRangeError for an index out of range (on the CPU); RuntimeError for an index of another dtype.
    Gradient: dy added at the index.
    """
    where = index_array("take", input, index)
    return Read.apply(input, _flat_positions("take", input, where), 1, where.shape)  # type: ignore[no-any-return]


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with its elements, counted as if it were flat, at an index replaced by those of source, or added to.

    Args:
        index: int64, any shape; negative ones count from the end.
        source: the input's dtype, as many elements as the index.
        accumulate: add instead; elements for one place add up.
    Raises: as take; RuntimeError if dtypes or counts differ.
    Gradient: to input, dy (elsewhere, without accumulate); to source, dy at the index.
    """
    where = index_array("put", input, index)
    check_devices("put", (input, source))
    if source.dtype != input.dtype:
        raise RuntimeError(f"put: input is {input.dtype} and source {source.dtype}; cast one with to()")
    if source.array.size != where.size:
        raise IndexShapeError(f"put: index {where.shape} and source {source.shape} must have as many elements")
    positions = _flat_positions("put", input, where)
    return (AddAt if accumulate else WriteAt).apply(input, source, positions, 1)  # type: ignore[no-any-return]


def _flat_positions(name: str, input: Tensor, where: Array) -> Array:
    count = input.array.size
    check_indices(where, -count, count, name, None)
    return from_front(where, count).reshape(-1)
