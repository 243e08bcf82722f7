"""Max pooling: y[q] = max over the taps t of x[stride q + dilation t - padding], padding left out. Riesenhuber and
Poggio 1999, "Hierarchical models of object recognition in cortex"; Scherer et al. 2010.

One pair of kernels serves any number of spatial dimensions. Among equals the gradient goes to the first of a window.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import dense
from gpudl.backend.kernel import kernel
from gpudl.ops.pick import Pick, Put
from gpudl.ops.pool_launch import MAX_POOL, fits, plane_grid, search, table
from gpudl.ops.pool_places import Places
from gpudl.ops.pool_windows import lowest, parts, pool_windows, taps_of, winners
from gpudl.ops.windows import Lengths, Windows, along, overlap

__all__ = ["max_pool2d"]


_BYTE = 256


@kernel
def max_pool2d_forward(x: Array, windows: Windows, with_winners: bool) -> tuple[Array, Array | None]:
    """y (n, c, *out) for x (n, c, *size), and the numbers of the taps with the largest elements where asked for."""
    xp = xp_of(x)
    y = xp.full((*x.shape[:2], *windows.out), lowest(x), x.dtype)
    for _, inside, place in taps_of(windows):
        y[inside] = xp.maximum(y[inside], x[place])
    return y, winners(x, windows).astype(_tap_dtype(windows)) if with_winners else None


@max_pool2d_forward.cpu("float32", "float64")
def max_pool2d_forward_cpu(x: Array, windows: Windows, with_winners: bool) -> tuple[Array, None]:
    y = np.empty((*x.shape[:2], *windows.out), x.dtype)
    planes, found = x.reshape(-1, *windows.size), y.reshape(-1, *windows.out)
    for part in parts(len(planes), math.prod(windows.size)):
        some = planes[part]
        # Along one dimension after the other; NumPy takes the last one's elements one by one, so it comes last.
        for axis, (size, taps, stride, padding, dilation, out) in enumerate(zip(*windows), 1):
            some = _along(some, axis, [overlap(size, out, stride, t * dilation - padding) for t in range(taps)], out)
        found[part] = some
    return y, None  # to find a winner by comparing with y costs less than to keep it


@max_pool2d_forward.cuda("float32", "float64", "float16", "bfloat16")
def max_pool2d_forward_cuda(x: Array, windows: Windows, with_winners: bool) -> tuple[Array, Array | None]:
    if not fits(windows):
        return max_pool2d_forward.reference(x, windows, with_winners)  # type: ignore[no-any-return]
    xp = xp_of(x)
    y = xp.empty((*x.shape[:2], *windows.out), x.dtype)
    which = xp.empty(y.shape, _tap_dtype(windows)) if with_winners else None
    search(x, windows, y, *_taps(which), None)
    return y, which


def _tap_dtype(windows: Windows) -> str:
    return "uint8" if math.prod(windows.kernel) <= _BYTE else "int32"


def _taps(which: Array | None) -> tuple[Array | None, Array | None]:
    """The arguments of the kernels for numbers of taps that are bytes, and for those that are ints."""
    return (which, None) if which is None or which.dtype.name == "uint8" else (None, which)


@kernel
def max_pool2d_backward(dy: Array, x: Array, y: Array, which: Array | None, windows: Windows) -> Array:
    """dx (n, c, *size) for dy and y (n, c, *out). which: the winners as forward gave them, or None."""
    xp = xp_of(dy)
    which = winners(x, windows) if which is None else which
    dx = xp.zeros(x.shape, dy.dtype)
    for number, inside, place in taps_of(windows):
        dx[place] += xp.where(which[inside] == number, dy[inside], 0)
    return dx


@max_pool2d_backward.cpu("float32", "float64")
def max_pool2d_backward_cpu(dy: Array, x: Array, y: Array, which: Array | None, windows: Windows) -> Array:
    if not y.size or np.isnan(y.max()):
        return max_pool2d_backward.reference(dy, x, y, None, windows)
    dx = np.zeros(x.shape, dy.dtype)
    if windows.is_one:
        winner = x.reshape(dy.size, -1).argmax(axis=1)
        dx.reshape(dy.size, -1)[np.arange(dy.size), winner] = dy.reshape(-1)
        return dx
    flat = [each.reshape(-1, *each.shape[2:]) for each in (dy, x, y, dx)]
    apart = (
        all(stride >= kernel for stride, kernel in zip(windows.stride, windows.kernel)) and max(windows.dilation) == 1
    )
    word = np.dtype(f"i{dy.itemsize}")
    for part in parts(len(flat[0]), math.prod(windows.size)):
        some_dy, some_x, some_y, some_dx = (each[part] for each in flat)
        bits = np.ascontiguousarray(some_dy).view(word)
        free = np.ones(some_y.shape, bool)
        for _, inside, place in taps_of(windows):
            hit = some_x[place] == some_y[inside]
            hit &= free[inside]
            free[inside] ^= hit
            # The bits of dy or of 0, as no multiplication can where dy is infinite.
            mask = hit.astype(word)
            np.negative(mask, out=mask)
            mask &= bits[inside]
            if apart:
                some_dx[place] = mask.view(dy.dtype)
            else:
                some_dx[place] += mask.view(dy.dtype)
    return dx


@max_pool2d_backward.cuda("float32", "float64", "float16", "bfloat16")
def max_pool2d_backward_cuda(dy: Array, x: Array, y: Array, which: Array | None, windows: Windows) -> Array:
    if not fits(windows):
        return max_pool2d_backward.reference(dy, x, y, which, windows)
    if which is None:
        which = max_pool2d_forward_cuda(x, windows, True)[1]
        assert which is not None
    dx, planes = xp_of(dy).empty(x.shape, dy.dtype), math.prod(x.shape[:2])
    grid = plane_grid(planes, math.prod(windows.size))
    MAX_POOL.launch("max_pool_backward", *grid, dense(dy), *_taps(dense(which)), dx, table(windows, dy), planes)
    return dx


def _along(x: Array, axis: int, pairs: list[tuple[slice, slice]], out: int) -> Array:
    """The maximum over the taps of one dimension, each given by the windows and the elements that it lies on."""
    whole = [x[along(axis, place)] for inside, place in pairs if inside == slice(0, out)]
    if len(whole) > 1:
        y = np.maximum(whole[0], whole[1])
    elif whole:
        y = whole[0] if len(pairs) == 1 else whole[0].copy()
    else:
        y = np.full((*x.shape[:axis], out, *x.shape[axis + 1 :]), -np.inf, x.dtype)
    for seen in whole[2:]:
        np.maximum(y, seen, out=y)
    for inside, place in pairs:
        if inside != slice(0, out):
            target = y[along(axis, inside)]
            np.maximum(target, x[along(axis, place)], out=target)
    return y


class MaxPool2d(ReadsHalf):
    __slots__ = ("windows",)
    windows: Windows

    @classmethod
    def of(
        cls,
        name: str,
        ndim: int,
        input: Tensor,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
        return_indices: bool,
    ) -> Any:
        """The result of the max pooling of this name for these arguments, which are checked."""
        x, has_batch, windows = pool_windows(name, ndim, input, kernel_size, stride, padding, dilation, ceil_mode)
        if x.dtype.kind == "b" or (ndim == 1 and x.dtype.kind in "iu" and not return_indices):
            raise RuntimeError(f"{name}: the input is {x.dtype}; cast it to a floating dtype first")
        if not return_indices:
            y: Tensor = cls.apply(x, windows)
            return y if has_batch else y.reshape(y.shape[1:])
        at = Places.apply(x, windows)
        found = Pick.apply(x, at), at
        return found if has_batch else tuple(each.reshape(each.shape[1:]) for each in found)

    def forward(ctx, x: Array, windows: Windows) -> Array:
        ctx.windows = windows
        y, which = max_pool2d_forward(x, windows, mode.enabled and ctx.edges[0] is not None)
        ctx.save(x, y, which)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y, which = ctx.saved
        if isinstance(dy, Tensor):
            return Put.apply(dy, Places.apply(x, ctx.windows), x.shape[2:])
        return max_pool2d_backward(dy, x, y, which, ctx.windows)


def max_pool2d(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    dilation: int | Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window; nan if there is one.

    Args:
        input: (batch, channels, height, width), or without the batch.
        kernel_size: the windows' lengths: one int, or two.
        stride: from one window to the next; default kernel_size.
        padding: how far windows may begin before the first element and end after the last, at most kernel_size / 2;
            there is nothing there to be the largest.
        dilation: from one tap of a window to the next.
        ceil_mode: also take the windows that reach over the end, if they begin before it.
        return_indices: give the places of the largest elements too, int64, height * width counted as one dimension.
    Returns: (batch, channels, ...), each length (length + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1,
        rounded down (up in ceil_mode); or that and the indices.
    Raises: ShapeError if no window fits into the input, or something else than the batch is empty; TypeError for
        arguments that are no ints; RuntimeError for bools.
    Gradient: dy to the largest element of each window, the first of equals.
    Kernel: kernels/cuda/max_pool2d.cu, a thread for each window, and for each element in backward.
    Source: Riesenhuber and Poggio 1999; Scherer et al. 2010.
    """
    return MaxPool2d.of("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
