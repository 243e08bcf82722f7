"""Zeros with numbers at some places: the gradient of picking those."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of


class Scatter(Primitive):
    """Zeros of a shape with x at an index that names no element twice."""

    __slots__ = ("index",)
    index: Any

    def forward(ctx, x: Array, index: Any, shape: tuple[int, ...]) -> Array:
        ctx.index = index
        return scattered(x, index, shape)

    def backward(ctx, dy: Array) -> Array:
        return dy[tuple(wrap(each, None) for each in ctx.index)] if isinstance(dy, Tensor) else dy[ctx.index]


def scattered(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    y = xp_of(x).zeros(shape, x.dtype)
    y[index] = x
    return y
