"""Convolution over any number of spatial dimensions: a sum over the taps of a small window that slides over the input.

    y[n, o, q] = b[o] + sum over c, t of w[o, c, t] x[n, c, stride q + dilation t - padding]

Fukushima 1980, "Neocognitron"; LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition".

The sum is linear in x and in w, so three maps make all gradients of any order: y from x and w, dx from dy and w, dw
from dy and x. Each one's gradients are the other two. dx is what is called a transposed convolution.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.conv_windows import check_dtype, check_operands, conv_windows, transposed_windows
from gpudl.ops.convolve import convolve, convolve_back, convolve_weights, fits
from gpudl.ops.convolve_parts import sum_channels
from gpudl.ops.correlate import correlate, correlate_back, grouped
from gpudl.ops.gemm import product
from gpudl.ops.operands import narrowed, total, widened
from gpudl.ops.windows import Lengths, Windows, batched

__all__ = ["convolution"]


@kernel
def convolution_forward(x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    """y (n, o, *out) for x (n, c, *size), w (o, c / groups, *kernel) and b (o,), or None for 0."""
    xp = xp_of(x)
    wide, weights = widened(x), grouped(widened(w), groups)
    y = xp.zeros((x.shape[0], w.shape[0], *windows.out), wide.dtype)
    for taps, inside, place in _taps(windows):
        seen = wide[place]
        columns = seen.reshape((x.shape[0], groups, weights.shape[2], math.prod(seen.shape[2:])))
        y[inside] += product(weights[taps], columns).reshape((*y.shape[:2], *seen.shape[2:]))
    if b is not None:
        y += _beside(b, windows)
    return narrowed(y, x.dtype)


@convolution_forward.cpu("float32", "float64")
def convolution_forward_cpu(x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    y = np.empty((x.shape[0], w.shape[0], *windows.out), x.dtype)
    if y.size and x.size:
        correlate(x, grouped(w, groups), y, windows.stride, windows.offsets(), b, groups=groups)
    else:
        y[...] = 0 if b is None else _beside(b, windows)
    return y


@convolution_forward.cuda("float32", "float64", "float16", "bfloat16")
def convolution_forward_cuda(x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    if not fits(x.shape[0], x.shape[1], w.shape[0], windows, groups):
        return convolution_forward.reference(x, w, b, windows, groups)
    return convolve(x, w, b, windows, groups)


@kernel
def convolution_backward(
    dy: Array, x: Array | None, w: Array | None, b: Array | None, sums: bool, windows: Windows, groups: int
) -> tuple[Array, ...]:
    """If w is given, dx (n, c, *size), plus b (c,); if x is given, dw (o, c / groups, *kernel); if `sums`, db (o,)."""
    xp = xp_of(dy)
    wide = widened(dy)
    n, results = dy.shape[0], dy.shape[1] // groups
    found = []
    if w is not None:
        weights = grouped(widened(w), groups)
        dx = xp.zeros((n, groups * weights.shape[2], *windows.size), wide.dtype)
        for taps, inside, place in _taps(windows):
            seen = wide[inside]
            columns = seen.reshape((n, groups, results, math.prod(seen.shape[2:])))
            moved = product(weights[taps].swapaxes(1, 2), columns)
            dx[place] += moved.reshape((*dx.shape[:2], *seen.shape[2:]))
        if b is not None:
            dx += _beside(b, windows)
        found.append(narrowed(dx, dy.dtype))
    if x is not None:
        # Images side by side, so that one product a tap adds them up.
        outputs, inputs = wide.swapaxes(0, 1), widened(x).swapaxes(0, 1)
        dw = xp.zeros((groups, results, x.shape[1] // groups, *windows.kernel), wide.dtype)
        for taps, inside, place in _taps(windows):
            left, right = outputs[inside], inputs[place]
            count = math.prod(left.shape[1:])
            left = left.reshape((groups, results, count))
            right = right.reshape((groups, dw.shape[2], count))
            dw[taps] = product(left, right.swapaxes(1, 2))
        found.append(narrowed(dw.reshape((dy.shape[1], *dw.shape[2:])), dy.dtype))
    if sums:
        found.append(_sum_of_channels(dy))
    return tuple(found)


@convolution_backward.cpu("float32", "float64")
def convolution_backward_cpu(
    dy: Array, x: Array | None, w: Array | None, b: Array | None, sums: bool, windows: Windows, groups: int
) -> tuple[Array, ...]:
    if not dy.size or (x is not None and not x.size):
        return convolution_backward.reference(dy, x, w, b, sums, windows, groups)  # type: ignore[no-any-return]
    found = () if x is w is None else correlate_back(dy, x, w, windows, groups)
    if b is not None:
        found[0][...] += _beside(b, windows)
    return (*found, _sum_of_channels(dy)) if sums else found


@convolution_backward.cuda("float32", "float64", "float16", "bfloat16")
def convolution_backward_cuda(
    dy: Array, x: Array | None, w: Array | None, b: Array | None, sums: bool, windows: Windows, groups: int
) -> tuple[Array, ...]:
    channels = w.shape[1] * groups if w is not None else x.shape[1] if x is not None else dy.shape[1]
    if not fits(dy.shape[0], channels, dy.shape[1], windows, groups):
        return convolution_backward.reference(dy, x, w, b, sums, windows, groups)  # type: ignore[no-any-return]
    found = () if w is None else (convolve_back(dy, w, b, windows, groups),)
    if x is not None:
        found = (*found, convolve_weights(dy, x, windows, groups))
    return (*found, sum_channels(dy)) if sums else found


def _beside(b: Array, windows: Windows) -> Array:
    """(channels,) so that it can be added to images."""
    return b.reshape((-1, *(1 for _ in windows.out)))


def _sum_of_channels(dy: Array) -> Array:
    """The gradient of the bias."""
    return total(dy, (0, *range(2, dy.ndim)))


def _taps(windows: Windows) -> Iterator[tuple[Any, Any, Any]]:
    """Each tap, the windows for which it lies on an element, and those elements; as indices."""
    for taps in itertools.product(*map(range, windows.kernel)):
        inside, place = windows.overlap(taps)
        if all(each.stop > each.start for each in inside):
            yield (..., *taps), (..., *inside), (..., *place)


class Convolution(ReadsHalf):
    """y from x, w and b."""

    __slots__ = ("groups", "windows")
    windows: Windows
    groups: int

    @classmethod
    def of(
        cls,
        name: str,
        ndim: int,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> Tensor:
        """The convolution that an operation of this name gives for these arguments, which are checked."""
        x, has_batch = batched(name, input, ndim)
        check_operands(name, ndim, x, weight, bias, weight.shape[0] if weight.ndim else 0)
        windows = conv_windows(name, input.shape, weight.shape, stride, padding, dilation, groups)
        check_dtype(name, x.dtype, max(windows.dilation) == 1)
        y: Tensor = cls.apply(x, weight, bias, windows, groups)
        return y if has_batch else y.reshape(y.shape[1:])

    @classmethod
    def transposed_of(
        cls,
        name: str,
        ndim: int,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Any,
        padding: Any,
        output_padding: Any,
        groups: int,
        dilation: Any,
    ) -> Tensor:
        """The transposed convolution that an operation of this name gives for these arguments, which are checked."""
        x, has_batch = batched(name, input, ndim)
        results = weight.shape[1] * groups if weight.ndim > 1 else 0
        check_operands(name, ndim, x, weight, bias, results)
        windows = transposed_windows(name, input.shape, weight.shape, stride, padding, output_padding, dilation, groups)
        check_dtype(name, x.dtype, False)
        y: Tensor = _Transposed.apply(x, weight, bias, windows, groups)
        return y if has_batch else y.reshape(y.shape[1:])

    def forward(ctx, x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
        ctx.windows, ctx.groups = windows, groups
        ctx.save(x if ctx.edges[1] else None, w if ctx.edges[0] else None)
        return convolution_forward(x, w, b, windows, groups)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, w = ctx.saved
        if isinstance(dy, Tensor):
            dx = None if w is None else _Transposed.apply(dy, w, None, ctx.windows, ctx.groups)
            dw = None if x is None else _WeightGradient.apply(dy, x, ctx.windows, ctx.groups)
            return dx, dw, _sum_of_channels(dy) if ctx.edges[2] else None
        wanted = w is not None, x is not None, ctx.edges[2] is not None
        found = iter(convolution_backward(dy, x, w, None, wanted[2], ctx.windows, ctx.groups))
        return tuple(next(found) if each else None for each in wanted)


class _Transposed(ReadsHalf):
    """dx + b from dy and w: the gradient of Convolution, and an operation by itself."""

    __slots__ = ("groups", "windows")
    windows: Windows
    groups: int

    def forward(ctx, dy: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
        ctx.windows, ctx.groups = windows, groups
        ctx.save(dy if ctx.edges[1] else None, w if ctx.edges[0] else None)
        return convolution_backward(dy, None, w, b, False, windows, groups)[0]

    def backward(ctx, ddx: Array) -> tuple[Any, ...]:
        dy, w = ctx.saved
        if isinstance(ddx, Tensor):
            db = _sum_of_channels(ddx) if ctx.edges[2] else None
            ddy = None if w is None else Convolution.apply(ddx, w, None, ctx.windows, ctx.groups)
            return ddy, None if dy is None else _WeightGradient.apply(dy, ddx, ctx.windows, ctx.groups), db
        ddy = None if w is None else convolution_forward(ddx, w, None, ctx.windows, ctx.groups)
        dw = None if dy is None else convolution_backward(dy, ddx, None, None, False, ctx.windows, ctx.groups)[0]
        (db,) = convolution_backward(ddx, None, None, None, True, ctx.windows, ctx.groups) if ctx.edges[2] else (None,)
        return ddy, dw, db


class _WeightGradient(ReadsHalf):
    """dw from dy and x: the other gradient of Convolution."""

    __slots__ = ("groups", "windows")
    windows: Windows
    groups: int

    def forward(ctx, dy: Array, x: Array, windows: Windows, groups: int) -> Array:
        ctx.windows, ctx.groups = windows, groups
        ctx.save(dy if ctx.edges[1] else None, x if ctx.edges[0] else None)
        return convolution_backward(dy, x, None, None, False, windows, groups)[0]

    def backward(ctx, ddw: Array) -> tuple[Any, Any]:
        dy, x = ctx.saved
        if isinstance(ddw, Tensor):
            ddy = None if x is None else Convolution.apply(x, ddw, None, ctx.windows, ctx.groups)
            return ddy, None if dy is None else _Transposed.apply(dy, ddw, None, ctx.windows, ctx.groups)
        ddy = None if x is None else convolution_forward(x, ddw, None, ctx.windows, ctx.groups)
        return ddy, None if dy is None else convolution_backward(dy, None, ddw, None, False, ctx.windows, ctx.groups)[0]


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Lengths,
    padding: Lengths,
    dilation: Lengths,
    transposed: bool,
    output_padding: Lengths,
    groups: int,
) -> Tensor:
    """Convolution or transposed convolution over any number of spatial dimensions: conv2d and the like in general.

    Args:
        input: (batch, channels, ...) with at least one spatial dimension.
        weight: (out_channels, channels / groups, *kernel); transposed, (channels, out_channels / groups, *kernel).
        bias: (out_channels,), or None.
        stride, padding, dilation, output_padding: one int, or one for each spatial dimension; output_padding counts
            only if transposed.
        transposed: whether to compute what would be the gradient of a convolution's input.
        groups: into how many the channels are split, each convolved by itself.
    Returns: (batch, out_channels, ...).
    Raises: ShapeError if the shapes do not fit together; RuntimeError if the dtypes differ or are bool; DeviceError
        if the devices differ.
    Gradient: of the input, the transposed convolution of dy; of the weight, the products of dy with the input under
        each tap; of the bias, the sum of dy.
    Kernel: kernels/cuda/convolution.cu, a tile of channels and pixels a block, and convolution_weights.cu, slices of
        pixels; with large products cuBLAS, and convolution_columns.cu; for groups of few channels
        convolution_depthwise.cu, a few elements a thread; for the bias convolution_sums.cu.
    Source: LeCun et al. 1989; transposed: Zeiler et al. 2010, "Deconvolutional networks".
    """
    ndim = input.ndim - 2
    if ndim < 1:
        raise ShapeError(f"convolution: expected (batch, channels, ...) with spatial dimensions, got {input.shape}")
    if transposed:
        return Convolution.transposed_of(
            "convolution", ndim, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return Convolution.of("convolution", ndim, input, weight, bias, stride, padding, dilation, groups)
