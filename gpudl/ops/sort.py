"""Sorting, and the largest or smallest elements along a dimension. nan counts as larger than all numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.ops.gather import gather
from gpudl.ops.operands import one_dim, widened

__all__ = ["argsort", "kthvalue", "msort", "sort", "topk"]


class Sorted(NamedTuple):
    """What sort, topk and kthvalue return: the chosen elements, and where they stood, int64."""

    values: Tensor
    indices: Tensor


def _order(x: Array, dim: int, descending: bool) -> Array:
    """Indices that sort along dim; equal elements keep their order."""
    xp = xp_of(x)
    line = xp.moveaxis(widened(x), dim, -1)
    count = line.shape[-1]
    keys = _keys(line) if count < 2**31 else None
    if keys is not None:
        # A number and its position as one integer: sorting those is ten times faster than a stable argsort.
        keys = ~keys if descending else keys
        bits = max(count.bit_length(), 1)
        keys <<= bits
        keys |= xp.arange(count)
        keys.sort(axis=-1)
        keys &= (1 << bits) - 1
        order = keys
    elif descending:
        order = count - 1 - xp.argsort(line[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    else:
        order = xp.argsort(line, axis=-1, kind="stable")
    return xp.ascontiguousarray(xp.moveaxis(order, -1, dim))


def _keys(x: Array) -> Array | None:
    """int64 numbers of at most 32 bits in the order of the elements; None where their dtype has too many bits."""
    kind = x.dtype.kind
    if kind in "biu" and x.dtype.itemsize <= 4:
        return x.astype("int64")
    if kind != "f" or x.dtype.itemsize != 4:
        return None
    bits = (x + x.dtype.type(0)).view("int32")  # 0.0 for -0.0, which is its equal
    high = 0x7FFFFFFF
    ordered = bits ^ ((bits >> 31) & high)
    xp = xp_of(x)
    ordered = xp.where(x != x, xp.asarray(high, "int32"), ordered)
    return ordered.astype("int64")


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = False, *, axis: int | None = None
) -> Sorted:
    """The elements in order along `dim`.

    Args:
        dim: the dimension that is sorted; axis is another name for it.
        descending: the largest first.
        stable: accepted for PyTorch's sake; equal elements always keep their order.
    Returns: a named tuple (values, indices), the input's shape, indices int64.
    Raises: IndexError if dim is out of range.
    Gradient: dy at the element that came to stand there.
    """
    place = one_dim("sort", dim if axis is None else axis, input.ndim)
    indices = _argsort(input, place, descending)
    return Sorted(gather(input, place, indices), indices)


def _argsort(input: Tensor, place: int, descending: bool) -> Tensor:
    array = input.array
    with quiet():
        return wrap(_order(array.reshape(array.shape or 1), place, descending).reshape(array.shape), None)


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False, axis: int | None = None
) -> Tensor:
    """The indices, int64, that sort along `dim`; as sort."""
    return _argsort(input, one_dim("argsort", dim if axis is None else axis, input.ndim), descending)


def msort(input: Tensor) -> Tensor:
    """The elements in ascending order along the first dimension; as sort."""
    return sort(input, 0).values


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """The k largest (or smallest) elements along `dim`.

    Args:
        k: 0 <= k <= length of dim.
        largest: False for the smallest.
        sorted: give them in order, the largest (smallest) first; else in any.
    Returns: a named tuple (values, indices) with length k at dim. Which of equal elements is chosen is not promised.
    Raises: RuntimeError for k out of range, and for bools; IndexError if dim is out of range.
    Gradient: dy at the chosen elements.
    """
    place = one_dim("topk", dim, input.ndim)
    if input.dtype.kind == "b":
        raise RuntimeError("topk: bools have no order; cast the input to a number first")
    x = widened(input.array.reshape(input.shape or 1))
    count, k = x.shape[place], int(k)
    if not 0 <= k <= count:
        raise RuntimeError(f"topk: k is {k}, out of range for dim {place} of shape {input.shape}")
    xp = xp_of(x)
    line = xp.moveaxis(x, place, -1)
    with quiet():
        if 0 < k < count:
            cut = count - k if largest else k - 1
            found = xp.argpartition(line, cut, axis=-1)
            found = found[..., cut:] if largest else found[..., :k]
        else:
            found = xp.arange(count)[:k] + xp.zeros((*line.shape[:-1], 1), "int64")
        if sorted and found.size:
            found = xp.take_along_axis(
                found, _order(xp.take_along_axis(line, found, axis=-1), found.ndim - 1, largest), axis=-1
            )
    return _chosen(input, place, xp.moveaxis(found, -1, place), keep=True)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Sorted:
    """The k-th smallest element along `dim`, counted from 1.

    Returns: a named tuple (values, indices) without dim, or with it at length 1. Which of equal elements is chosen
        is not promised.
    Raises: RuntimeError for k out of range, and for bools; IndexError if dim is out of range, or empty.
    Gradient: dy at the chosen element.
    """
    place = one_dim("kthvalue", dim, input.ndim)
    x = widened(input.array.reshape(input.shape or 1))
    if not x.shape[place]:
        raise IndexError(f"kthvalue: dimension {place} of shape {input.shape} is empty")
    if not 1 <= k <= x.shape[place]:
        raise RuntimeError(f"kthvalue: k is {k}, out of range for dim {place} of shape {input.shape}, counted from 1")
    if x.dtype.kind == "b":
        raise RuntimeError("kthvalue: bools have no order; cast the input to a number first")
    with quiet():
        found = xp_of(x).argpartition(x, k - 1, axis=place)
    here: Any = (slice(None),) * place + (slice(k - 1, k),)
    return _chosen(input, place, found[here], keep=keepdim)


def _chosen(input: Tensor, place: int, found: Array, keep: bool) -> Sorted:
    """The elements at indices along a dimension, which goes unless it is kept; a 0-d input gives 0-d results."""
    xp = xp_of(found)
    indices = wrap(xp.ascontiguousarray(found).astype("int64"), None)
    if not input.ndim:
        indices = indices.reshape(()) if indices.array.size else indices
        return Sorted(
            gather(input, 0, indices) if indices.array.size else gather(input.reshape(1), 0, indices), indices
        )
    values = gather(input, place, indices)
    return Sorted(values, indices) if keep else Sorted(values.squeeze(place), indices.squeeze(place))
