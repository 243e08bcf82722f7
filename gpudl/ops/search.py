"""Distinct elements, and where elements belong in a sorted sequence. No result has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.order import stable_order
from gpudl.ops.operands import Number, one_dim, operand, promoted, widened

__all__ = ["bucketize", "searchsorted", "unique", "unique_consecutive"]


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in ascending order; or, along `dim`, the distinct slices in lexicographic order.

    Args:
        sorted: accepted for PyTorch's sake; the result is always sorted.
        return_inverse: also give, for every element (or slice), where it is in the result.
        return_counts: also give how often each stands in the input.
    Returns: (count,), or the input's shape with count at dim; with a flag a tuple of it, the inverse and the counts,
        those asked for. nan equals nothing, not even nan.
    """
    x, place = _slices("unique", input, dim)
    xp = xp_of(x)
    if x.ndim == 1:
        order = stable_order(x)
    else:
        order = xp.lexsort(xp.ascontiguousarray(widened(x).T[::-1])) if x.size else xp.arange(len(x))
    return _grouped(input, x, order, place, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The input without elements (or, along `dim`, slices) that equal the one before; arguments as in unique."""
    x, place = _slices("unique_consecutive", input, dim)
    return _grouped(input, x, xp_of(x).arange(len(x)), place, return_inverse, return_counts)


def _slices(name: str, input: Tensor, dim: int | None) -> tuple[Array, int | None]:
    """The elements in a line, or the slices along dim as rows."""
    if dim is None:
        return input.array.reshape(-1), None
    if not input.ndim:
        raise IndexError(f"{name}: a 0-d tensor has no slices along dim {dim}")
    place = one_dim(name, dim, input.ndim)
    array = input.array
    if not array.size and array.shape[place]:
        raise ShapeError(f"{name}: the slices of shape {input.shape} along dim {place} have no elements")
    rows = xp_of(array).moveaxis(array, place, 0)
    return rows.reshape((len(rows), -1)) if rows.size else rows.reshape((len(rows), 1)[: rows.ndim]), place


def _grouped(
    input: Tensor, x: Array, order: Array, place: int | None, return_inverse: bool, return_counts: bool
) -> Any:
    """The first of each run of equal elements or rows in an order, and what else was asked for."""
    xp = xp_of(x)
    line = x[order]
    differs = line[1:] != line[:-1]
    if line.ndim > 1:
        differs = differs.any(axis=1)
    first = xp.concatenate((xp.ones(min(len(line), 1), bool), differs))
    values = line[first]
    if place is not None:
        lengths = (len(values), *input.shape[:place], *input.shape[place + 1 :])
        values = xp.ascontiguousarray(xp.moveaxis(values.reshape(lengths), 0, place))
    results = [values]
    if return_inverse:
        inverse = xp.empty(len(line), "int64")
        inverse[order] = xp.cumsum(first) - 1
        results.append(inverse.reshape(input.shape) if place is None else inverse)
    if return_counts:
        results.append(xp.diff(xp.append(xp.flatnonzero(first), len(line))))
    tensors = tuple(wrap(each, None) for each in results)
    return tensors if len(tensors) > 1 else tensors[0]


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where to insert elements into ascending sequences so that they stay ascending.

    Args:
        sorted_sequence: (length,), or (..., length) with the input's leading dimensions.
        input: a Tensor (..., count), or any shape beside one sequence; or a number.
        out_int32: give int32 instead of int64.
        right: behind equal elements instead of before them.
        side: "left" | "right", another way to say so.
        sorter: int64, the sequence's shape: the order that sorts it, where it is not sorted.
    Returns: the input's shape.
    Raises: RuntimeError if shapes do not fit, right contradicts side, or the sorter is not int64 or out of range.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    if right and side == "left":
        raise RuntimeError("searchsorted: side is 'left' and right is True; give one of them")
    name = "searchsorted"
    return _search(name, sorted_sequence, input, out_int32, right or side == "right", sorter)


def bucketize(input: Tensor | Number, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the bucket of each element: searchsorted in 1-d ascending boundaries.

    Args:
        right: whether a boundary itself belongs to the bucket behind it.
        out_int32: give int32 instead of int64.
    Returns: the input's shape.
    Raises: RuntimeError unless the boundaries are 1-d.
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize: the boundaries must be 1-d, got shape {boundaries.shape}")
    return _search("bucketize", boundaries, input, out_int32, right, None)


def _search(
    name: str, sequence: Tensor, input: Tensor | Number, out_int32: bool, right: bool, sorter: Tensor | None
) -> Tensor:
    values = operand(name, input)
    if not isinstance(values, Tensor):
        values = wrap(xp_of(sequence.array).asarray(values), None)
    check_devices(name, (sequence, values, sorter))
    if sequence.dtype.kind == "b" or values.dtype.kind == "b":
        raise RuntimeError(f"{name}: bools have no order; cast them to a number first")
    if not sequence.ndim:
        raise RuntimeError(f"{name}: the sequence must have a dimension")
    if sequence.ndim > 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(f"{name}: sequences {sequence.shape} and input {values.shape} differ before the last dim")
    if sequence.ndim > 1 and values.ndim != sequence.ndim:
        raise RuntimeError(f"{name}: sequences {sequence.shape} and input {values.shape} differ in dimensions")
    lines = sequence.array
    if sorter is not None:
        lines = _in_order(name, sequence, sorter)
    elif sequence.dtype != values.dtype:
        sequence, values = promoted(name, sequence, values)
        lines = sequence.array
    lines, found = widened(lines), widened(values.array)
    xp = xp_of(lines)
    side, kind = "right" if right else "left", "int32" if out_int32 else "int64"
    if lines.ndim == 1:
        return wrap(xp.asarray(xp.searchsorted(lines, found, side=side)).astype(kind), None)
    rows = zip(lines.reshape((-1, lines.shape[-1])), found.reshape((-1, found.shape[-1]))) if found.size else ()
    placed = [xp.searchsorted(line, some, side=side) for line, some in rows]
    return wrap((xp.stack(placed) if placed else xp.zeros(0)).reshape(found.shape).astype(kind), None)


def _in_order(name: str, sequence: Tensor, sorter: Tensor) -> Array:
    if sorter.shape != sequence.shape:
        raise RuntimeError(f"{name}: the sorter {sorter.shape} must have the sequence's shape {sequence.shape}")
    if sorter.dtype != np.dtype(np.int64):
        raise RuntimeError(f"{name}: the sorter must be int64, got {sorter.dtype}")
    order = sorter.array
    if order.size and (order.min() < 0 or order.max() >= sequence.shape[-1]):
        raise RuntimeError(f"{name}: the sorter has an index out of range for length {sequence.shape[-1]}")
    return xp_of(order).take_along_axis(sequence.array, order, axis=-1)
