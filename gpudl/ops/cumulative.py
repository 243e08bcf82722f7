"""Running extremes: the largest or smallest element so far, and where it is."""

from __future__ import annotations

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import backend_of
from gpudl.ops.along import put_along
from gpudl.ops.extreme import ValuesAndIndices
from gpudl.ops.operands import aliased, one_dim

__all__ = ["cummax", "cummin"]


class RunningExtreme(Primitive):
    """The extremes of the first 1, 2, ... elements along dim, and their indices; the last counts among equals."""

    __slots__ = ("dim", "indices", "length")
    dim: int
    indices: Array
    length: int

    def forward(ctx, x: Array, dim: int, largest: bool) -> tuple[Array, Array]:
        xp = xp_of(x)
        ctx.dim, ctx.length = dim, x.shape[dim]
        running = backend_of(x).running
        values = running("maximum" if largest else "minimum", x, dim)
        hit = (x >= values if largest else x <= values) | (x != x)  # a nan is the extreme of all before and after it
        positions = xp.arange(ctx.length).reshape((ctx.length, *(1,) * (x.ndim - 1 - dim)))
        ctx.indices = running("maximum", hit * positions, dim)
        return values, ctx.indices.copy()

    def backward(ctx, dy: Array, _: Array) -> Array:
        return put_along(dy, ctx.indices, ctx.dim, ctx.length)


def _running(name: str, input: Tensor, dim: int | None, largest: bool) -> ValuesAndIndices:
    if dim is None:
        raise TypeError(f"{name}: give the dimension to go along, dim")
    x = input if input.ndim else input.reshape(1)
    values, indices = RunningExtreme.apply(x, one_dim(name, dim, input.ndim), largest)
    return (
        ValuesAndIndices(values, indices) if input.ndim else ValuesAndIndices(values.reshape(()), indices.reshape(()))
    )


def cummax(input: Tensor, dim: int | None = None, *, axis: int | None = None) -> ValuesAndIndices:
    """The largest of the first 1, 2, ... elements along `dim`, and the index of each: (values, indices).

    The last counts among equals; a nan stays the largest.

    Raises: IndexError if the dim is out of range.
    Gradient: to the elements that the indices name.
    """
    return _running("cummax", input, aliased("cummax", dim, axis), True)


def cummin(input: Tensor, dim: int | None = None, *, axis: int | None = None) -> ValuesAndIndices:
    """The smallest of the first 1, 2, ... elements along `dim`, and the index of each. As cummax."""
    return _running("cummin", input, aliased("cummin", dim, axis), False)
