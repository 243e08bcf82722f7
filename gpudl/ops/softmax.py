"""Softmax and its logarithm along one dimension: y = exp(x) / sum(exp(x)). Bridle 1990.

The largest element is subtracted first, which changes nothing but keeps exp from overflowing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, PACK_BYTES, THREADS, CudaText, dense
from gpudl.backend.dtypes import dtype_of
from gpudl.backend.kernel import kernel
from gpudl.ops.operands import narrowed, one_dim, total, widened
from gpudl.ops.parts import PART_BYTES, rows_in_part

__all__ = ["log_softmax", "softmax"]

_FILES = "math/numbers.cuh", "math/packs.cuh", "math/reduce.cuh", "math/softmax.cuh", "cuda/softmax.cu"
# A module for the last dimension and one for the others, which few programs use: they are compiled apart.
_ROWS = CudaText(
    *_FILES,
    kernels=tuple(
        f"softmax_{way}{form}"
        for way, most in (("forward", 8), ("backward", 4))
        for form in ("<{T}, {A}, 0, 8>", "<{T}, {A}, 16, 2>", f"<{{T}}, {{A}}, 16, {most}>", "_long")
    ),
)
_COLUMNS = CudaText(
    *_FILES,
    kernels=tuple(
        f"softmax_{way}_columns<{{T}}, {{A}}, {lanes}>" for way in ("forward", "backward") for lanes in (0, 16)
    ),
)
_MOST_THREADS = 512


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


@softmax_forward.cuda("float32", "float64", "float16", "bfloat16")
def softmax_forward_cuda(x: Array, dim: int) -> Array:
    return _on_device("forward", dim, False, x)


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


@softmax_backward.cuda("float32", "float64", "float16", "bfloat16")
def softmax_backward_cuda(dy: Array, y: Array, dim: int) -> Array:
    return _on_device("backward", dim, False, dy, y)


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


@log_softmax_forward.cuda("float32", "float64", "float16", "bfloat16")
def log_softmax_forward_cuda(x: Array, dim: int) -> Array:
    return _on_device("forward", dim, True, x)


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


@log_softmax_backward.cuda("float32", "float64", "float16", "bfloat16")
def log_softmax_backward_cuda(dy: Array, y: Array, dim: int) -> Array:
    return _on_device("backward", dim, True, dy, y)


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


def _on_device(way: str, dim: int, by_log: bool, *given: Array) -> Array:
    """The kernels of one way, forward or backward, on what they read."""
    given = tuple(map(dense, given))
    x = given[0]
    result = xp_of(x).empty(x.shape, x.dtype)
    length, inner = x.shape[dim], math.prod(x.shape[dim + 1 :])
    aligned = not any(each.data.ptr % PACK_BYTES for each in given)
    if inner > 1:
        wide = aligned and inner * x.itemsize % PACK_BYTES == 0
        columns = x.size // length if length else 0
        packs = columns * x.itemsize // PACK_BYTES if wide else columns
        lines = _power_of_two(length // 4, THREADS // _power_of_two(packs, 32))
        across = THREADS // lines
        grid = (min(-(-packs // across), MOST_BLOCKS),)
        name = f"softmax_{way}_columns<{{T}}, {{A}}, {16 if wide else 0}>"
        _COLUMNS.launch(name, grid, (across, lines), *given, result, columns, length, inner, by_log)
        return result
    rows = x.size // length if length else 0
    packs = -(-length * x.itemsize // PACK_BYTES)
    most = 8 // len(given)  # packs that a thread keeps of each array
    if packs < 32 or (length <= 8 * 32 and not aligned):
        # Too short for a warp of packs: about four elements a thread, several rows a warp.
        form, threads = "<{T}, {A}, 0, 8>", _power_of_two(-(-length // (8 if length > 128 else 4)), 32)
    elif aligned and packs <= 2 * 32:
        form, threads = "<{T}, {A}, 16, 2>", 32
    elif aligned and packs <= most * _MOST_THREADS:
        form, threads = f"<{{T}}, {{A}}, 16, {most}>", max(_power_of_two(-(-packs // most), _MOST_THREADS), 32)
    else:
        form, threads = "_long", _MOST_THREADS
    lines = THREADS // threads if threads <= 32 else 1
    grid = (min(-(-rows // lines), MOST_BLOCKS),)
    _ROWS.launch(f"softmax_{way}{form}", grid, (threads, lines), *given, result, rows, length, by_log)
    return result


def _power_of_two(least: int, most: int) -> int:
    """The smallest power of two that is no smaller than `least`; at most `most`."""
    return min(1 << max(least - 1, 0).bit_length(), most)


class Softmax(ReadsHalf):
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


class LogSoftmax(ReadsHalf):
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
    Kernel: kernels/cuda/softmax.cu and kernels/math/softmax.cuh, a few threads, a warp or a block a row, which stays in
        registers up to 16,384 elements at least; other dimensions by columns.
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
    Kernel: kernels/cuda/softmax.cu, as softmax.
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
