"""Sorting, and the largest or smallest elements along a dimension. nan counts as larger than all numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.backend.order import KTH, ranked_forward, sorted_forward, stable_order
from gpudl.ops.along import spread_along
from gpudl.ops.operands import one_dim

__all__ = ["argsort", "kthvalue", "msort", "sort", "topk"]


class Sorted(NamedTuple):
    """What sort, topk and kthvalue return: the chosen elements, and where they stood, int64."""

    values: Tensor
    indices: Tensor


class Chosen(Primitive):
    """choose(rows) = (indices, values) of different elements of each row, (..., k), for x's lines along dim."""

    __slots__ = ("dim", "length")
    widens = False
    fills = False
    dim: int
    length: int

    def forward(ctx, x: Array, choose: Callable[[Array], Any], dim: int) -> tuple[Array, Array]:
        xp = xp_of(x)
        ctx.dim, ctx.length = dim, x.shape[dim]
        indices, values = (xp.ascontiguousarray(xp.moveaxis(each, -1, dim)) for each in choose(xp.moveaxis(x, dim, -1)))
        ctx.save(indices)
        return values, indices

    def backward(ctx, dy: Array, _: Array) -> Array:
        (indices,) = ctx.saved
        return spread_along(dy, indices.array if isinstance(indices, Tensor) else indices, ctx.dim, ctx.length)


def chosen(input: Tensor, choose: Callable[[Array], Any], dim: int, keep: bool = True) -> Sorted:
    """Chosen for a Tensor, of which a 0-d one is a line; without the dimension, unless it is kept."""
    if not input.ndim:
        values, indices = Chosen.apply(input.reshape(1), choose, 0)
        return Sorted(*(each.reshape(()) if each.array.size else each for each in (values, indices)))
    values, indices = Chosen.apply(input, choose, dim)
    return Sorted(values, indices) if keep else Sorted(values.squeeze(dim), indices.squeeze(dim))


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
    Kernel: kernels/cuda/order_sort.cu for rows that fit into a block, kernels/cuda/order_radix.cu for longer ones.
    """
    place = one_dim("sort", dim if axis is None else axis, input.ndim)
    count = input.shape[place] if input.ndim else 1
    return chosen(input, lambda x: sorted_forward(x, count, descending, True), place)


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False, axis: int | None = None
) -> Tensor:
    """The indices, int64, that sort along `dim`; as sort."""
    place = one_dim("argsort", dim if axis is None else axis, input.ndim)
    array = input.array
    xp = xp_of(array)
    with quiet():
        order = stable_order(xp.moveaxis(array.reshape(array.shape or 1), place, -1), descending)
    return wrap(xp.ascontiguousarray(xp.moveaxis(order, -1, place)).reshape(array.shape), None)


def msort(input: Tensor) -> Tensor:
    """The elements in ascending order along the first dimension; as sort."""
    return sort(input, 0).values


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """The k largest (or smallest) elements along `dim`.

    Args:
        k: 0 <= k <= length of dim.
        largest: False for the smallest.
        sorted: accepted for PyTorch's sake; they are always in order, the largest (smallest) first.
    Returns: a named tuple (values, indices) with length k at dim. Of equal elements the first are chosen.
    Raises: RuntimeError for k out of range, and for bools; IndexError if dim is out of range.
    Gradient: dy at the chosen elements.
    Kernel: kernels/cuda/order_pick.cu, which goes over a row once.
    """
    place = one_dim("topk", dim, input.ndim)
    if input.dtype.kind == "b":
        raise RuntimeError("topk: bools have no order; cast the input to a number first")
    count, k = input.shape[place] if input.ndim else 1, int(k)
    if not 0 <= k <= count:
        raise RuntimeError(f"topk: k is {k}, out of range for dim {place} of shape {input.shape}")
    return chosen(input, lambda x: sorted_forward(x, k, largest, True), place)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Sorted:
    """The k-th smallest element along `dim`, counted from 1.

    Returns: a named tuple (values, indices) without dim, or with it at length 1. Equal elements are ranked as they
        stand.
    Raises: RuntimeError for k out of range, and for bools; IndexError if dim is out of range, or empty.
    Gradient: dy at the chosen element.
    Kernel: kernels/cuda/order_rank.cu, or order_sort.cu for rows that fit into a block.
    """
    place = one_dim("kthvalue", dim, input.ndim)
    count = input.shape[place] if input.ndim else 1
    if not count:
        raise IndexError(f"kthvalue: dimension {place} of shape {input.shape} is empty")
    if not 1 <= k <= count:
        raise RuntimeError(f"kthvalue: k is {k}, out of range for dim {place} of shape {input.shape}, counted from 1")
    if input.dtype.kind == "b":
        raise RuntimeError("kthvalue: bools have no order; cast the input to a number first")
    return chosen(input, lambda x: ranked_forward(x, k - 1, KTH), place, keepdim)
