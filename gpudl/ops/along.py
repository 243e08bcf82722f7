"""Reading and writing along one dimension by index, each the other's adjoint: what picks elements is built on them."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.order import put_along_
from gpudl.ops.accumulate import sums_at
from gpudl.ops.operands import one_dim

__all__: list[str] = []


class TakeAlong(Primitive):
    """x[..., indices[..., i, ...], ...]; indices: an array that nobody changes, of x's shape except along dim."""

    __slots__ = ("dim", "indices", "length")
    widens = False
    dim: int
    indices: Array
    length: int

    def forward(ctx, x: Array, indices: Array, dim: int) -> Array:
        ctx.dim, ctx.indices, ctx.length = dim, indices, x.shape[dim]
        return xp_of(x).take_along_axis(x, indices, dim)

    def backward(ctx, dy: Array) -> Array:
        return put_along(dy, ctx.indices, ctx.dim, ctx.length)


class PutAlong(Primitive):
    """Zeros, `length` along dim, with x added at the indices."""

    __slots__ = ("dim", "indices")
    widens = False
    dim: int
    indices: Array

    def forward(ctx, x: Array, indices: Array, dim: int, length: int) -> Array:
        ctx.dim, ctx.indices = dim, indices
        return put_along(x, indices, dim, length)

    def backward(ctx, dy: Array) -> Array:
        return TakeAlong.apply(dy, ctx.indices, ctx.dim) if isinstance(dy, Tensor) else _taken(dy, ctx)


def _taken(dy: Array, ctx: PutAlong) -> Array:
    return xp_of(dy).take_along_axis(dy, ctx.indices, ctx.dim)


def put_along(x: Array, indices: Array, dim: int, length: int) -> Array:
    """PutAlong for a Tensor or an array. Elements put at one place are added up in float64."""
    if isinstance(x, Tensor):
        return PutAlong.apply(x, indices, dim, length)
    xp = xp_of(x)
    shape = (*x.shape[:dim], length, *x.shape[dim + 1 :])
    if x.shape[dim] == 1:
        y = xp.zeros(shape, x.dtype)
        y[_places(xp, indices, dim)] = x
        return y
    before, after = math.prod(shape[:dim]), math.prod(shape[dim + 1 :])
    lines = (xp.arange(before) * length).reshape(before, 1, 1) + indices.reshape(before, x.shape[dim], after)
    places = lines * after + xp.arange(after)
    y = sums_at(x.astype("float64").reshape(-1), places.reshape(-1), before * length * after)
    return y.astype(x.dtype).reshape(shape)


def spread_along(x: Array, indices: Array, dim: int, length: int) -> Array:
    """put_along for indices that differ along dim, so that nothing is added up."""
    if isinstance(x, Tensor):
        return PutAlong.apply(x, indices, dim, length)
    shape = (*x.shape[:dim], length, *x.shape[dim + 1 :])
    y = (xp_of(x).empty if indices.shape == shape else xp_of(x).zeros)(shape, x.dtype)
    put_along_(y, x, indices, dim)
    return y


def _places(xp: Any, indices: Array, dim: int) -> tuple[Any, ...]:
    """An index that reads or writes x along dim: the indices there, all positions in the other dimensions."""
    ndim = indices.ndim
    return tuple(
        indices if i == dim else xp.arange(length).reshape((length, *(1,) * (ndim - 1 - i)))
        for i, length in enumerate(indices.shape)
    )


def along_dim(name: str, cls: type[Primitive], x: Tensor, dim: Any) -> Tensor:
    """cls.apply(x, dim, False), with 0-d tensors as lines of one element.

    Raises: TypeError for no dim; IndexError if it is out of range.
    """
    if dim is None:
        raise TypeError(f"{name}: give the dimension to go along, dim")
    place = one_dim(name, dim, x.ndim)
    if x.ndim:
        return cls.apply(x, place, False)  # type: ignore[no-any-return]
    return cls.apply(x.reshape(1), 0, False).reshape(())  # type: ignore[no-any-return]
