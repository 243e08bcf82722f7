"""Softmax and its logarithm along one dimension: y = exp(x) / sum(exp(x)). Bridle 1990.

The largest element is subtracted first, which changes nothing but keeps exp from overflowing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import dtype_of
from gpudl.backend.kernel import kernel
from gpudl.ops.operands import narrowed, one_dim, total, widened
from gpudl.ops.parts import PART_BYTES, rows_in_part

__all__ = ["log_softmax", "softmax"]


@kernel
def softmax_forward(x: Array, dim: int) -> Array:
    """y = exp(x - max) / sum(exp(x - max)) along dim. x: floating, any shape."""
    xp = xp_of(x)
    wide = widened(x)
    y = xp.exp(wide - xp.amax(wide, axis=dim, keepdims=True))
    return narrowed(y / y.sum(axis=dim, keepdims=True), x.dtype)


@softmax_forward.cpu("float32", "float64")
def softmax_forward_cpu(x: Array, dim: int) -> Array:
    if not _goes_by_rows(x, dim):
        y = x - x.max(axis=dim, keepdims=True)
        np.exp(y, out=y)
        y /= y.sum(axis=dim, keepdims=True)
        return y
    y = np.empty(x.shape, x.dtype)
    for rows, out in _blocks(x, y):
        np.subtract(rows, rows.max(axis=1, keepdims=True), out=out)
        np.exp(out, out=out)
        out *= 1 / _row_sums(out)
    return y


@kernel
def softmax_backward(dy: Array, y: Array, dim: int) -> Array:
    """dx = y * (dy - sum(dy * y)) along dim."""
    return y * (dy - total(dy * y, dim, keepdims=True))


@softmax_backward.cpu("float32", "float64")
def softmax_backward_cpu(dy: Array, y: Array, dim: int) -> Array:
    if not _goes_by_rows(y, dim):
        dx = dy * y
        np.subtract(dy, dx.sum(axis=dim, keepdims=True), out=dx)
        dx *= y
        return dx
    dx = np.empty(y.shape, y.dtype)
    for of_dy, of_y, out in _blocks(dy, y, dx):
        np.subtract(of_dy, np.einsum("ij,ij->i", of_dy, of_y)[:, None], out=out)
        out *= of_y
    return dx


@kernel
def log_softmax_forward(x: Array, dim: int) -> Array:
    """y = x - max - log(sum(exp(x - max))) along dim."""
    xp = xp_of(x)
    wide = widened(x)
    shifted = wide - xp.amax(wide, axis=dim, keepdims=True)
    return narrowed(shifted - xp.log(xp.exp(shifted).sum(axis=dim, keepdims=True)), x.dtype)


@log_softmax_forward.cpu("float32", "float64")
def log_softmax_forward_cpu(x: Array, dim: int) -> Array:
    if not _goes_by_rows(x, dim):
        y = x - x.max(axis=dim, keepdims=True)
        y -= np.log(np.exp(y).sum(axis=dim, keepdims=True))
        return y
    y = np.empty(x.shape, x.dtype)
    powers = np.empty((rows_in_part(x.reshape(-1, x.shape[-1])), x.shape[-1]), x.dtype)
    for rows, out in _blocks(x, y):
        np.subtract(rows, rows.max(axis=1, keepdims=True), out=out)
        out -= np.log(_row_sums(np.exp(out, out=powers[: len(out)])))
    return y


@kernel
def log_softmax_backward(dy: Array, y: Array, dim: int) -> Array:
    """dx = dy - exp(y) * sum(dy) along dim."""
    return dy - xp_of(y).exp(y) * total(dy, dim, keepdims=True)


@log_softmax_backward.cpu("float32", "float64")
def log_softmax_backward_cpu(dy: Array, y: Array, dim: int) -> Array:
    if not _goes_by_rows(y, dim):
        dx = np.exp(y)
        dx *= dy.sum(axis=dim, keepdims=True)
        np.subtract(dy, dx, out=dx)
        return dx
    dx = np.empty(y.shape, y.dtype)
    for of_dy, of_y, out in _blocks(dy, y, dx):
        np.exp(of_y, out=out)
        out *= _row_sums(of_dy)
        np.subtract(of_dy, out, out=out)
    return dx


def _goes_by_rows(x: Array, dim: int) -> bool:
    """Whether `dim` lies along rows in memory, and they are so many that they should stay in the cache on the way."""
    return dim == x.ndim - 1 and x.nbytes > PART_BYTES and bool(x.flags.c_contiguous)


def _blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Arrays of one shape as blocks of rows, (rows, columns) each."""
    whole = [each.reshape(-1, each.shape[-1]) for each in arrays]
    count = rows_in_part(whole[0])
    for start in range(0, len(whole[0]), count):
        yield tuple(each[start : start + count] for each in whole)


def _row_sums(x: Array) -> Array:
    """(rows, 1)."""
    return np.einsum("ij->i", x)[:, None]  # twice as fast as x.sum(axis=1)


class Softmax(Primitive):
    __slots__ = ("dim",)
    dim: int

    def forward(ctx, x: Array, dim: int) -> Array:
        ctx.dim = dim
        y = softmax_forward(x, dim)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return softmax_backward(dy, y, ctx.dim)


class LogSoftmax(Primitive):
    __slots__ = ("dim",)
    dim: int

    def forward(ctx, x: Array, dim: int) -> Array:
        ctx.dim = dim
        y = log_softmax_forward(x, dim)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return log_softmax_backward(dy, y, ctx.dim)


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """Positive numbers that sum to 1 along `dim`, in the ratio of exp(input).

    Args:
        input: floating point (or any, with dtype), at least 1-d along dim.
        dim: the dimension that sums to 1; by default, as in PyTorch, 0 for 1 and 3 dimensions and 1 for others: say it.
        dtype: cast the input to this floating dtype first.
    Returns: the input's shape.
    Raises: RuntimeError for integers without dtype; IndexError if dim is out of range.
    Gradient: y * (dy - sum(dy * y)).
    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """
    return _apply(Softmax, "softmax", input, dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """log(softmax(input)), computed without taking the logarithm of a tiny number.

    Args:
        input, dim, dtype: as softmax.
    Returns: the input's shape.
    Raises: as softmax.
    Gradient: dy - exp(y) * sum(dy).
    Source: Bridle 1990.
    """
    return _apply(LogSoftmax, "log_softmax", input, dim, dtype)


def _apply(cls: type[Primitive], name: str, input: Tensor, dim: int | None, dtype: Any) -> Tensor:
    x = input if dtype is None else input.to(dtype_of(dtype))
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    place = one_dim(name, dim, x.ndim)
    if x.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {x.dtype}; give dtype=gpudl.float32 or another floating dtype")
    if not x.ndim:
        return cls.apply(x.reshape(1), 0).reshape(())  # type: ignore[no-any-return]
    if x.shape[place] == 0 or 0 in x.shape:
        return x.clone()
    return cls.apply(x, place)  # type: ignore[no-any-return]
