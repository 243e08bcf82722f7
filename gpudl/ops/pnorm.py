"""The p-norm of vectors: (sum |x|**p)**(1/p), p = 0: how many are not 0, p = inf and -inf: the extremes of |x|."""

from __future__ import annotations

import math

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.operands import narrowed, widened


class PNorm(Primitive):
    """The p-norm over dims, which are kept at length 1."""

    __slots__ = ("dims", "p")
    p: float
    dims: tuple[int, ...]

    def forward(ctx, x: Array, p: float, dims: tuple[int, ...]) -> Array:
        ctx.p, ctx.dims = p, dims
        norm = norm_of(x, p, dims, True)
        ctx.save(x, norm)
        return norm

    def backward(ctx, dy: Array) -> Array:
        x, norm = ctx.saved
        return dy * norm_slope(x, norm, ctx.p, ctx.dims)


def norm_of(x: Array, p: float, dims: tuple[int, ...], keepdims: bool) -> Array:
    """The p-norm along dims, in the dtype of x."""
    xp, wide = xp_of(x), widened(x)
    if p == 0:
        norm = (wide != 0).sum(axis=dims, keepdims=keepdims).astype(wide.dtype)
    elif math.isinf(p):
        norm = (xp.amax if p > 0 else xp.amin)(xp.abs(wide), axis=dims, keepdims=keepdims)
    elif p == 1:
        norm = xp.abs(wide).sum(axis=dims, keepdims=keepdims)
    elif p == 2:
        norm = xp.sqrt((wide * wide).sum(axis=dims, keepdims=keepdims))
    else:
        norm = (xp.abs(wide) ** p).sum(axis=dims, keepdims=keepdims) ** (1 / p)
    return narrowed(norm, x.dtype)


def norm_slope(x: Array, norm: Array, p: float, dims: tuple[int, ...]) -> Array:
    """The derivative of the p-norm with respect to x; 0 where the norm is 0. norm: with the dims at length 1."""
    xp = xp_of(x)
    zero = xp.zeros_like(x)
    if p == 0:
        return zero
    if p == 1:
        return _signs(x)
    if p == 2:
        return xp.where(norm == 0, zero, x / norm)
    if math.isinf(p):
        hit = ((xp.abs(x) == norm) | (x != x)).astype(x.dtype)
        return _signs(x) * (hit / hit.sum(axis=dims, keepdims=True))
    if p < 1:
        return xp.where(x == 0, zero, _signs(x) * xp.abs(x) ** (p - 1)) * norm ** (1 - p)
    bent = _signs(x) * xp.abs(x) ** (p - 1) if p < 2 else x * xp.abs(x) ** (p - 2)
    return bent * xp.where(norm == 0, xp.zeros_like(norm), 1 / norm ** (p - 1))


def _signs(x: Array) -> Array:
    """-1, 0 or 1, and 0 for nan."""
    if isinstance(x, Tensor):
        return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)
    return (x > 0).astype(x.dtype) - (x < 0)
