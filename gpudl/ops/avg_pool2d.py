"""Average pooling: y[q] = sum over the taps t of x[stride q + t - padding] / divisor. LeCun et al. 1989 and 1998.

One pair of kernels serves any number of spatial dimensions. The divisor is how many elements a window has: padding
counts or not, but what a window of ceil_mode has beyond the padding never does. y is linear in x, so each kernel is the
other one's gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.constants import constant
from gpudl.backend.cuda_text import dense
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.kernel import kernel
from gpudl.ops.operands import narrowed, widened
from gpudl.ops.pool_launch import DIMS, fits, plane_grid, table, window_text
from gpudl.ops.pool_windows import parts, pool_windows, taps_of
from gpudl.ops.windows import Lengths, Windows, along, overlap

__all__ = ["avg_pool2d"]

Counts = tuple[tuple[int, ...], ...]

_TEXT = window_text("avg_pool2d", "avg_pool_forward", "avg_pool_backward")
_FEW = 64  # elements of a window that one thread adds up; a row's sum is shared by a warp


@kernel
def avg_pool2d_forward(x: Array, windows: Windows, counts: Counts) -> Array:
    """y (n, c, *out) for x (n, c, *size); a divisor is the product of each dimension's count there."""
    wide = widened(x)
    y = xp_of(x).zeros((*x.shape[:2], *windows.out), wide.dtype)
    for _, inside, place in taps_of(windows):
        y[inside] += wide[place]
    return narrowed(_divided(y, counts), x.dtype)


@avg_pool2d_forward.cpu("float32", "float64")
def avg_pool2d_forward_cpu(x: Array, windows: Windows, counts: Counts) -> Array:
    y = np.empty((*x.shape[:2], *windows.out), x.dtype)
    if windows.is_one:
        np.sum(x.reshape(*x.shape[:2], math.prod(windows.size)), axis=2, out=y.reshape(x.shape[:2]))
        return _divided(y, counts)
    planes, found = x.reshape(-1, *windows.size), y.reshape(-1, *windows.out)
    for part in parts(len(planes), math.prod(windows.size)):
        some = planes[part]
        for axis, (size, taps, stride, padding, dilation, out) in enumerate(zip(*windows), 1):
            total = np.zeros((*some.shape[:axis], out, *some.shape[axis + 1 :]), x.dtype)
            for tap in range(taps):
                inside, place = overlap(size, out, stride, tap * dilation - padding)
                total[along(axis, inside)] += some[along(axis, place)]
            some = total
        found[part] = _divided(some, counts)
    return y


@avg_pool2d_forward.cuda("float32", "float64", "float16", "bfloat16")
def avg_pool2d_forward_cuda(x: Array, windows: Windows, counts: Counts) -> Array:
    planes, area = math.prod(x.shape[:2]), math.prod(windows.size)
    if windows.is_one and area > _FEW:
        sums = widened(x).reshape((planes, area)).sum(axis=1)
        return narrowed(_divided(sums.reshape((*x.shape[:2], *windows.out)), counts), x.dtype)
    if not fits(windows):
        return avg_pool2d_forward.reference(x, windows, counts)
    y = xp_of(x).empty((*x.shape[:2], *windows.out), x.dtype)
    grid = plane_grid(planes, math.prod(windows.out))
    factors = _factors(windows, counts, x)
    _TEXT.launch("avg_pool_forward", *grid, dense(x), y, factors, table(windows, x), planes)
    return y


@kernel
def avg_pool2d_backward(dy: Array, windows: Windows, counts: Counts) -> Array:
    """dx (n, c, *size) for dy (n, c, *out)."""
    share = _divided(widened(dy), counts)
    dx = xp_of(dy).zeros((*dy.shape[:2], *windows.size), share.dtype)
    for _, inside, place in taps_of(windows):
        dx[place] += share[inside]
    return narrowed(dx, dy.dtype)


@avg_pool2d_backward.cpu("float32", "float64")
def avg_pool2d_backward_cpu(dy: Array, windows: Windows, counts: Counts) -> Array:
    dx = np.empty((*dy.shape[:2], *windows.size), dy.dtype)
    if windows.is_one:
        dx[...] = _divided(dy, counts)
        return dx
    shares, found = dy.reshape(-1, *windows.out), dx.reshape(-1, *windows.size)
    for part in parts(len(shares), math.prod(windows.size)):
        some = _divided(shares[part], counts)
        for axis, (size, taps, stride, padding, dilation, out) in reversed(list(enumerate(zip(*windows), 1))):
            spread = np.zeros((*some.shape[:axis], size, *some.shape[axis + 1 :]), dy.dtype)
            for tap in range(taps):
                inside, place = overlap(size, out, stride, tap * dilation - padding)
                spread[along(axis, place)] += some[along(axis, inside)]
            some = spread
        found[part] = some
    return dx


@avg_pool2d_backward.cuda("float32", "float64", "float16", "bfloat16")
def avg_pool2d_backward_cuda(dy: Array, windows: Windows, counts: Counts) -> Array:
    if not fits(windows):
        return avg_pool2d_backward.reference(dy, windows, counts)
    dx, planes = xp_of(dy).empty((*dy.shape[:2], *windows.size), dy.dtype), math.prod(dy.shape[:2])
    grid = plane_grid(planes, math.prod(windows.size))
    factors = _factors(windows, counts, dy)
    _TEXT.launch("avg_pool_backward", *grid, dense(dy), dx, factors, table(windows, dy), planes)
    return dx


def _factors(windows: Windows, counts: Counts, like: Array) -> Array:
    """The divisors as the kernels read them: a factor for each window of each of three dimensions."""
    rows = [np.ones(1)] * (DIMS - len(counts))
    rows += [np.broadcast_to(np.asarray(each, float), out) for each, out in zip(counts, windows.out)]
    return constant(np.concatenate(rows).astype(float64 if like.dtype == float64 else float32), like)


def _divided(y: Array, counts: Counts) -> Array:
    """Sums (..., *out) by the number of elements; those of integers are cut to integers, as in C."""
    by = np.ones((1,) * len(counts), np.int64)
    for axis, each in enumerate(counts):
        by = by * np.asarray(each, np.int64).reshape((-1, *(1 for _ in counts[axis + 1 :])))
    if y.dtype.kind in "fV":
        return y / constant(by.astype(y.dtype), y)
    xp, by = xp_of(y), constant(by, y)
    return xp.sign(y) * (abs(y) // abs(by)) * xp.sign(by)


class AvgPool2d(ReadsHalf):
    __slots__ = ("counts", "windows")
    windows: Windows
    counts: Counts

    @classmethod
    def of(
        cls,
        name: str,
        ndim: int,
        input: Tensor,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Tensor:
        """The result of the average pooling of this name for these arguments, which are checked."""
        x, has_batch, windows = pool_windows(name, ndim, input, kernel_size, stride, padding, 1, ceil_mode)
        if x.dtype.kind in "bu" or (x.dtype.kind == "i" and x.dtype.itemsize < 8):
            raise RuntimeError(f"{name}: the input is {x.dtype}; cast it to a floating dtype first")
        if divisor_override == 0:
            raise RuntimeError(f"{name}: divisor_override must not be 0; leave it out for the number of elements")
        if divisor_override is None:
            counts = tuple(_counts(count_include_pad, *each) for each in zip(*windows))
        else:
            counts = ((divisor_override,), *(((1,),) * (ndim - 1)))
        y: Tensor = cls.apply(x, windows, counts)
        return y if has_batch else y.reshape(y.shape[1:])

    def forward(ctx, x: Array, windows: Windows, counts: Counts) -> Array:
        ctx.windows, ctx.counts = windows, counts
        return avg_pool2d_forward(x, windows, counts)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return _Spread.apply(dy, ctx.windows, ctx.counts)
        return avg_pool2d_backward(dy, ctx.windows, ctx.counts)


class _Spread(ReadsHalf):
    """dx from dy: the adjoint of AvgPool2d."""

    __slots__ = ("counts", "windows")
    windows: Windows
    counts: Counts

    def forward(ctx, dy: Array, windows: Windows, counts: Counts) -> Array:
        ctx.windows, ctx.counts = windows, counts
        return avg_pool2d_backward(dy, windows, counts)

    def backward(ctx, ddx: Array) -> Array:
        if isinstance(ddx, Tensor):
            return AvgPool2d.apply(ddx, ctx.windows, ctx.counts)
        return avg_pool2d_forward(ddx, ctx.windows, ctx.counts)


def _counts(
    include_pad: bool, size: int, kernel: int, stride: int, padding: int, dilation: int, out: int
) -> tuple[int, ...]:
    """How many elements each window of a dimension has."""
    starts = [stride * q - padding for q in range(out)]
    if include_pad:
        return tuple(min(start + kernel, size + padding) - start for start in starts)
    return tuple(min(start + kernel, size) - max(start, 0) for start in starts)


def avg_pool2d(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        input: (batch, channels, height, width), or without the batch; floating point or int64.
        kernel_size: the windows' lengths: one int, or two.
        stride: from one window to the next; default kernel_size.
        padding: zeros on both sides, at most kernel_size / 2.
        ceil_mode: also take the windows that reach over the end, if they begin before it.
        count_include_pad: whether the padding counts as elements.
        divisor_override: divide every sum by this.
    Returns: (batch, channels, ...), each length (length + 2 padding - kernel_size) / stride + 1, rounded down (up in
        ceil_mode).
    Raises: ShapeError if no window fits into the input, or something else than the batch is empty; TypeError for
        arguments that are no ints; RuntimeError for other dtypes, and for a divisor of 0.
    Gradient: dy / divisor to every element of the window.
    Kernel: kernels/cuda/avg_pool2d.cu, a thread for each window, and for each element in backward.
    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """
    return AvgPool2d.of(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
