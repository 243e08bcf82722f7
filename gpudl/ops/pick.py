"""Elements of planes by their places, counted over all spatial dimensions: what max pooling with indices is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.accumulate import put_rows_, sums_at
from gpudl.ops.operands import widened


class Pick(Primitive):
    """y[n, c, q] = x[n, c, at[n, c, q]]."""

    __slots__ = ("size",)
    widens = False
    size: tuple[int, ...]

    def forward(ctx, x: Array, at: Array) -> Array:
        ctx.size = x.shape[2:]
        ctx.save(at)
        return picked(x, at)

    def backward(ctx, dy: Array) -> tuple[Any, None]:
        (at,) = ctx.saved
        return (Put.apply if isinstance(dy, Tensor) else put)(dy, at, ctx.size), None


class Put(Primitive):
    """Zeros of planes of `size` with x added at the places: the adjoint of Pick."""

    __slots__ = ()
    widens = False

    def forward(ctx, x: Array, at: Array, size: tuple[int, ...]) -> Array:
        ctx.save(at)
        return put(x, at, size)

    def backward(ctx, dy: Array) -> tuple[Any, None]:
        (at,) = ctx.saved
        return (Pick.apply if isinstance(dy, Tensor) else picked)(dy, at), None


class Unpool(Primitive):
    """Zeros of planes of `size` with x written to the places; of several at one place the last stays."""

    __slots__ = ()
    widens = False

    def forward(ctx, x: Array, at: Array, size: tuple[int, ...]) -> Array:
        ctx.save(at)
        y = xp_of(x).zeros(math.prod((*x.shape[:2], *size)), x.dtype)
        put_rows_(y, _flat(at, math.prod(size)), x.reshape(-1))
        return y.reshape((*x.shape[:2], *size))

    backward = Put.backward


def largest_places(x: Array, taps: Iterable[Array], out: tuple[int, ...]) -> Array:
    """Which of the places that the taps give is that of the largest element: the first of equals, the last nan.

    Args:
        x: (n, c, *size).
        taps: the place that each tap has in all windows, int64, (n, c, *out), or (1, 1, *out) for all planes alike.
        out: how many windows there are.
    """
    xp = xp_of(x)
    planes, best = x.reshape((*x.shape[:2], math.prod(x.shape[2:]))), None
    which = xp.zeros((*x.shape[:2], *out), "int64")
    for at in taps:
        seen = planes[:, :, at[0, 0]] if at.shape[:2] == (1, 1) else picked(x, at)
        if best is None:
            best, which = seen, which + at
        else:
            better = (seen > best) | (seen != seen)
            best, which = xp.where(better, seen, best), xp.where(better, at, which)
    return which


def picked(x: Array, at: Array) -> Array:
    """x[n, c, at[n, c, q]] for each q."""
    return x.reshape(-1)[_flat(at, math.prod(x.shape[2:]))].reshape(at.shape)


def put(x: Array, at: Array, size: tuple[int, ...]) -> Array:
    """Zeros of planes of `size` with x added at the places."""
    shape = (*x.shape[:2], *size)
    # Counting with weights sums in float64, in one order, and many times faster than add.at.
    sums = sums_at(widened(x).reshape(-1), _flat(at, math.prod(size)), math.prod(shape))
    return sums.astype(x.dtype).reshape(shape)


def _flat(at: Array, area: int) -> Array:
    """The places in planes of this area as places in all of them, 1-d."""
    planes = xp_of(at).arange(at.shape[0] * at.shape[1]) * area
    return (at.reshape((len(planes), math.prod(at.shape[2:]))) + planes[:, None]).reshape(-1)
