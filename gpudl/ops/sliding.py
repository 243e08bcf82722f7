"""Tensor.unfold: windows that slide along a dimension, as a view of the tensor's own memory."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.strided import strided
from gpudl.ops.operands import one_dim

__all__: list[str] = []  # torch has it as a method only


class Unfold(Primitive):
    """Windows along a dimension, which then counts them; what is in them is a new last dimension."""

    __slots__ = ("dim", "shape", "size", "step")
    is_view = True
    shape: tuple[int, ...]
    dim: int
    size: int
    step: int

    def forward(ctx, x: Array, dim: int, size: int, step: int) -> Array:
        ctx.shape, ctx.dim, ctx.size, ctx.step = x.shape, dim, size, step
        return _windows(x, dim, size, step)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return Fold.apply(dy, ctx.shape, ctx.dim, ctx.size, ctx.step)
        return _fold(dy, ctx.shape, ctx.dim, ctx.size, ctx.step)


class Fold(Primitive):
    """Windows added up where they came from: the adjoint of unfolding."""

    __slots__ = ("dim", "size", "step")
    dim: int
    size: int
    step: int

    def forward(ctx, x: Array, shape: tuple[int, ...], dim: int, size: int, step: int) -> Array:
        ctx.dim, ctx.size, ctx.step = dim, size, step
        return _fold(x, shape, dim, size, step)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return Unfold.apply(dy, ctx.dim, ctx.size, ctx.step)
        return _windows(dy, ctx.dim, ctx.size, ctx.step)


def _windows(x: Array, dim: int, size: int, step: int) -> Array:
    if not x.ndim:
        return x.reshape(1)[:size]
    count = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], count, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return strided(x, shape, strides)


def _fold(windows: Array, shape: tuple[int, ...], dim: int, size: int, step: int) -> Array:
    x = xp_of(windows).zeros(shape, windows.dtype)
    if not shape:
        return x + windows.sum()
    count = windows.shape[dim]
    before: tuple[Any, ...] = (slice(None),) * dim
    if size <= count:  # element k of all windows at once, or window by window: whatever is fewer additions
        for k in range(size):
            place = (*before, slice(k, k + (count - 1) * step + 1, step))
            x[place] += windows[..., k]
    else:
        moved = xp_of(x).moveaxis(x, dim, -1)
        for i in range(count):
            place = (*before, i)
            moved[..., i * step : i * step + size] += windows[place]
    return x


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` elements along a dimension, each `step` after the one before. A view.

    Args:
        dimension: along which they slide; in the result it counts the windows.
        size: of a window, the length of the result's new last dimension; 0 <= size <= the dimension's length.
        step: > 0.
    Raises: ShapeError for a size or step out of range; IndexError for a bad dimension.
    Gradient: each element the sum of dy over the windows that it is in.
    """
    place = one_dim("unfold", dimension, input.ndim)
    length = input.shape[place] if input.ndim else 1
    if not 0 <= size <= length:
        raise ShapeError(
            f"unfold: size must be in [0, {length}] for dimension {dimension} of {input.shape}, got {size}"
        )
    if step <= 0:
        raise ShapeError(f"unfold: step must be positive, got {step}")
    return Unfold.apply(input, place, size, step)  # type: ignore[no-any-return]
