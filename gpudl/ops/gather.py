"""gather and scatter: reading and writing along one dimension, each element at an index of its own."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.errors import ShapeError
from gpudl.ops.accumulate import check_indices, from_front
from gpudl.ops.dims import broadcast_to
from gpudl.ops.index import getitem
from gpudl.ops.operands import Number, fitted, one_dim, operand
from gpudl.ops.row_reduce import reduce_at
from gpudl.ops.rows import AddAt, Read, WriteAt, check_room, element_positions, index_array
from gpudl.ops.shape import reshape

__all__ = ["gather", "scatter", "scatter_add", "scatter_reduce", "take_along_dim"]


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """result[i, j, k] = input[index[i, j, k], j, k] for dim 0; along another dim likewise.

    Args:
        index: int64 or int32, as many dimensions as the input, and no longer than it but along dim.
        sparse_grad: accepted for PyTorch's sake; gradients are dense.
    Returns: the index's shape.
    Raises: ShapeError if the shapes do not fit; OutOfRangeError for an index below 0 or beyond the end (on the CPU);
        RuntimeError for an index of another dtype.
    Gradient: dy added at the index.
    """
    place = one_dim("gather", dim, input.ndim)
    if isinstance(index, Tensor) and not index.array.size:
        return Read.apply(input, index.array.reshape(-1).astype("int64"), 1, index.shape)  # type: ignore[no-any-return]
    where = index_array("gather", input, index, int64_only=False)
    check_room("gather", where.shape, input.shape, place, "input")
    positions = element_positions("gather", input.shape, place, where)
    return Read.apply(input, positions, 1, where.shape)  # type: ignore[no-any-return]


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Number | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
) -> Tensor:
    """`input` with result[index[i, j, k], j, k] = src[i, j, k] for dim 0; along another dim likewise.

    Args:
        index: int64 or int32, as many dimensions as the input, no longer than src, nor than the input but along dim.
        src: a Tensor of the input's dtype, or a number; `value` is another name for the number.
        reduce: None, or "add" or "multiply" to combine with what is there.
    Returns: the input's shape. Where an index stands twice, one of the values is kept.
    Raises: as gather; RuntimeError if the dtypes differ, and for another reduce.
    Gradient: dy where nothing was written, to input; dy at the index, to src. With reduce, as scatter_reduce.
    """
    given = src if value is None else value
    if given is None:
        raise TypeError("scatter: give src, a Tensor or a number")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce must be 'add' or 'multiply', got {reduce!r}")
    given, positions = _source("scatter", input, dim, index, given)
    if reduce is not None:
        return reduce_at(input, given, positions, 1, "sum" if reduce == "add" else "prod", True)
    return WriteAt.apply(input, given, positions, 1)  # type: ignore[no-any-return]


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with src[i, j, k] added to result[index[i, j, k], j, k] for dim 0; along another dim likewise.

    Args, Raises: as scatter.
    Returns: the input's shape.
    Gradient: dy to input; dy at the index, to src.
    """
    given, positions = _source("scatter_add", input, dim, index, src)
    return AddAt.apply(input, given, positions, 1)  # type: ignore[no-any-return]


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with the elements of src that go to one place, as in scatter, combined there.

    Args:
        reduce: "sum" | "prod" | "mean" | "amax" | "amin".
        include_self: whether the input's own element counts among them.
    Returns: the input's shape; where no index leads, the input's elements.
    Raises: as scatter; RuntimeError for another reduce.
    Gradient: of the sum, product or mean; equal largest (smallest) elements share dy evenly.
    """
    given, positions = _source("scatter_reduce", input, dim, index, src)
    return reduce_at(input, given, positions, 1, reduce, include_self)


def _source(name: str, input: Tensor, dim: int, index: Tensor, src: Any) -> tuple[Tensor, Any]:
    """The elements to be scattered, as many as there are indices, and where they go."""
    place = one_dim(name, dim, input.ndim)
    where = index_array(name, input, index, int64_only=False)
    src = operand(name, src)
    if isinstance(src, Tensor):
        check_devices(name, (input, src))
        if src.dtype != input.dtype:
            raise RuntimeError(f"{name}: input is {input.dtype} and src {src.dtype}; cast one with to()")
    else:
        src = input.new_full((), fitted(name, src, input.dtype), dtype=input.dtype)
        src = broadcast_to(src, where.shape)
    if where.size:
        check_room(name, where.shape, input.shape, place, "input")
        check_room(name, where.shape, src.shape, None, "src")
    if not where.size:
        return src.new_full(where.shape, 0), where.reshape(-1).astype("int64")
    if src.shape != where.shape and src.ndim == where.ndim:
        src = getitem(src, tuple(slice(0, length) for length in where.shape))
    return src, element_positions(name, input.shape, place, where)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """gather whose shapes broadcast but along `dim`; of the flattened tensor without dim.

    Args:
        indices: int64, as many dimensions as the input; negative ones count from the end.
    Raises: as gather; IndexError for a dim of a 0-d input.
    Gradient: dy added at the indices.
    """
    where = index_array("take_along_dim", input, indices)
    if dim is None:
        return take_along_dim(reshape(input, (-1,)), reshape(indices, (-1,)), 0)
    if input.ndim != indices.ndim:
        raise RuntimeError(f"take_along_dim: input {input.shape} and indices {where.shape} differ in dimensions")
    if not input.ndim:
        raise IndexError(f"take_along_dim: a 0-d input has no dim {dim}; leave dim out")
    place = one_dim("take_along_dim", dim, input.ndim)
    length = input.shape[place]
    check_indices(where, -length, length, "take_along_dim", place)
    indices = wrap(from_front(where, length), None)
    pairs = list(zip(input.shape, where.shape))
    shape = [other if mine == 1 else mine for mine, other in pairs]
    if any(i != place and other not in (1, n) for i, ((_, other), n) in enumerate(zip(pairs, shape))):
        raise ShapeError(f"take_along_dim: input {input.shape} and indices {where.shape} do not broadcast")
    input = broadcast_to(input, (*shape[:place], length, *shape[place + 1 :]))
    indices = broadcast_to(indices, (*shape[:place], where.shape[place], *shape[place + 1 :]))
    return gather(input, place, indices)
