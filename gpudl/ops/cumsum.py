"""Running sums along one dimension: y[k] = x[0] + ... + x[k]. Sums of blocks that are put together: Blelloch 1990,
"Prefix sums and their applications".

float32 is accumulated in float64 as PyTorch does on a CPU: a running sum in its own precision would lose a digit
for every few hundred elements.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float64, int64
from gpudl.backend.kernel import kernel
from gpudl.backend.running import Run
from gpudl.ops.along import along_dim
from gpudl.ops.operands import aliased
from gpudl.ops.reduce import cast_first

__all__ = ["cumsum"]

_BLOCK = 32  # elements that one matrix product sums; longer blocks cost more than they save
_TRIANGLE = np.triu(np.ones((_BLOCK, _BLOCK)))
_RUN = Run("Added<{T}, {A}, Itself, DividedBy>")


@kernel
def cumsum_forward(x: Array, dim: int, reverse: bool) -> Array:
    """y[k] = sum(x[:k + 1]) along dim, or sum(x[k:]) if reverse. x: any shape but 0-d."""
    flip = xp_of(x).flip
    wide = x.astype(float64) if x.dtype.kind in "fV" else x
    if reverse:
        return flip(flip(wide, dim).cumsum(axis=dim, dtype=wide.dtype), dim).astype(x.dtype)
    return wide.cumsum(axis=dim, dtype=wide.dtype).astype(x.dtype, copy=False)


@cumsum_forward.cuda("float32", "float64", "float16", "bfloat16", "int64")
def cumsum_forward_cuda(x: Array, dim: int, reverse: bool) -> Array:
    return _RUN.along(x, dim, reverse, x.dtype)


@cumsum_forward.cpu("float32", "float64")
def cumsum_forward_cpu(x: Array, dim: int, reverse: bool) -> Array:
    length, after = x.shape[dim], math.prod(x.shape[dim + 1 :])
    if x.size and after == 1 and length >= 2 * _BLOCK:
        y = _in_blocks(x.reshape(-1, length), reverse)
        if y is not None:
            return y.reshape(x.shape)
    rest = x.size // max(length, 1)
    if rest < 64:
        return cumsum_forward.reference(x, dim, reverse)
    y = np.empty(x.shape, x.dtype)
    lines, sums = x.swapaxes(0, dim), y.swapaxes(0, dim)
    so_far = np.zeros(lines.shape[1:], float64)
    for k in reversed(range(length)) if reverse else range(length):
        so_far += lines[k]
        sums[k] = so_far
    return y


@kernel
def cumsum_backward(dy: Array, dim: int, reverse: bool) -> Array:
    """dx[k] = sum(dy[k:]) along dim, or sum(dy[:k + 1]) if reverse."""
    return cumsum_forward(dy, dim, not reverse)


def _in_blocks(x: Array, reverse: bool) -> Array | None:
    """Running sums of rows: of short blocks as a matrix product, plus the sums of the blocks before, in float64.

    Returns: None if something is not finite, which the zeros of the matrix would spread to where it does not belong.
    """
    rows, length = x.shape
    count = length // _BLOCK
    split = length - count * _BLOCK if reverse else count * _BLOCK  # what makes no block comes last
    ends = slice(None, split) if reverse else slice(split, None)
    triangle = (_TRIANGLE.T if reverse else _TRIANGLE).astype(x.dtype)
    y = np.empty((rows, length), x.dtype)
    blocks = x[:, split:] if reverse else x[:, :split]
    sums = (blocks.reshape(-1, _BLOCK) @ triangle).reshape(rows, count, _BLOCK)
    totals = sums[:, :, 0 if reverse else -1].astype(float64)
    before = np.flip(np.flip(totals, 1).cumsum(1), 1) if reverse else totals.cumsum(1)
    if not np.isfinite(before).all():
        return None
    if reverse:
        sums[:, :-1] += before[:, 1:, None].astype(x.dtype)
        y[:, split:] = sums.reshape(rows, -1)
    else:
        sums[:, 1:] += before[:, :-1, None].astype(x.dtype)
        y[:, :split] = sums.reshape(rows, -1)
    if 0 < split < length:
        far = before[:, :1] if reverse else before[:, -1:]
        y[:, ends] = far + cumsum_forward.reference(x[:, ends], 1, reverse)
    return y


class Cumsum(ReadsHalf):
    """The running sum along dim, from the other end if `reverse`."""

    __slots__ = ("dim", "reverse")
    dim: int
    reverse: bool

    def forward(ctx, x: Array, dim: int, reverse: bool) -> Array:
        ctx.dim, ctx.reverse = dim, reverse
        return cumsum_forward(x, dim, reverse)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return Cumsum.apply(dy, ctx.dim, not ctx.reverse)
        return cumsum_backward(dy, ctx.dim, ctx.reverse)


def cumsum(input: Tensor, dim: int | None = None, *, dtype: Any = None, axis: int | None = None) -> Tensor:
    """The sums of the first 1, 2, ... elements along `dim`. bools and integers give int64.

    Args:
        input: any shape.
        dim, axis: the dimension to sum along, under either name.
        dtype: cast to this dtype first.
    Returns: the input's shape.
    Raises: IndexError if the dim is out of range; TypeError if it is missing.
    Gradient: for each element the sum of dy from there on.
    Kernel: kernels/cuda/cumsum.cu, a block a row or a thread a column, long ones in parts.
    Source: Blelloch 1990.
    """
    return along_dim("cumsum", Cumsum, cast_first(input, dtype, int64), aliased("cumsum", dim, axis))
