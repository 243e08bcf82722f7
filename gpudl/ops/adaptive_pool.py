"""Adaptive pooling: output q of a dimension pools elements floor(q size / out) to ceil((q + 1) size / out) - 1.

He et al. 2014, arXiv:1406.4729, made outputs of one length from inputs of any.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, one_each
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.adaptive_max import AdaptiveMax, segments
from gpudl.ops.avg_pool2d import AvgPool2d
from gpudl.ops.max_pool2d import MaxPool2d
from gpudl.ops.operands import total
from gpudl.ops.windows import Lengths, Windows, along, batched, lengths

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices",
]  # fmt: skip

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/segments.cuh",
    "cuda/adaptive_pool.cu",
    kernels=("segment_means_forward", "segment_means_backward"),
)

Wanted = int | None | Sequence[int | None]


class SegmentMeans(ReadsHalf):
    """The means of segments of one dimension, which may overlap."""

    __slots__ = ("axis", "size")
    axis: int
    size: int

    def forward(ctx, x: Array, axis: int, out: int) -> Array:
        ctx.axis, ctx.size = axis, x.shape[axis]
        return segment_means_forward(x, axis, out)

    def backward(ctx, dy: Array) -> Array:
        return (_SegmentSpread.apply if isinstance(dy, Tensor) else segment_means_backward)(dy, ctx.axis, ctx.size)


class _SegmentSpread(ReadsHalf):
    """The adjoint of SegmentMeans."""

    __slots__ = ("axis", "out")
    axis: int
    out: int

    def forward(ctx, dy: Array, axis: int, size: int) -> Array:
        ctx.axis, ctx.out = axis, dy.shape[axis]
        return segment_means_backward(dy, axis, size)

    def backward(ctx, ddx: Array) -> Array:
        return (SegmentMeans.apply if isinstance(ddx, Tensor) else segment_means_forward)(ddx, ctx.axis, ctx.out)


@kernel
def segment_means_forward(x: Array, axis: int, out: int) -> Array:
    """The means of `out` segments of a dimension."""
    y = xp_of(x).empty((*x.shape[:axis], out, *x.shape[axis + 1 :]), x.dtype)
    for q, (first, last) in enumerate(segments(x.shape[axis], out)):
        y[along(axis, q)] = total(x[along(axis, slice(first, last))], axis) / (last - first)
    return y


@segment_means_forward.cuda("float32", "float64", "float16", "bfloat16")
def segment_means_forward_cuda(x: Array, axis: int, out: int) -> Array:
    y = xp_of(x).empty((*x.shape[:axis], out, *x.shape[axis + 1 :]), x.dtype)
    _TEXT.launch("segment_means_forward", *one_each(y.size), dense(x), y, *_lengths(x, axis, out))
    return y


@kernel
def segment_means_backward(dy: Array, axis: int, size: int) -> Array:
    """dx with `size` elements in a dimension that dy has the segments of."""
    dx = xp_of(dy).zeros((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
    for q, (first, last) in enumerate(segments(size, dy.shape[axis])):
        dx[along(axis, slice(first, last))] += dy[along(axis, slice(q, q + 1))] / (last - first)
    return dx


@segment_means_backward.cuda("float32", "float64", "float16", "bfloat16")
def segment_means_backward_cuda(dy: Array, axis: int, size: int) -> Array:
    dx = xp_of(dy).empty((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
    _TEXT.launch("segment_means_backward", *one_each(dx.size), dense(dy), dx, *_lengths(dx, axis, dy.shape[axis]))
    return dx


def _lengths(x: Array, axis: int, out: int) -> tuple[int, int, int, int]:
    """What lies before the dimension, its elements, its segments, and what lies behind it."""
    return math.prod(x.shape[:axis]), x.shape[axis], out, math.prod(x.shape[axis + 1 :])


def adaptive_avg_pool1d(input: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """The mean of each of `output_size` windows, as equal as they can be; neighbors may share an element.

    Args:
        input: (batch, channels, length), or without the batch, floating point.
        output_size: how many windows.
    Returns: (batch, channels, output_size).
    Raises: ShapeError if the shape does not fit, or is empty; TypeError for what is no int; RuntimeError for integers.
    Gradient: dy / length of the window to each of its elements.
    Kernel: kernels/cuda/adaptive_pool.cu, a thread for each element of the result, a launch for each dimension.
    Source: He et al. 2014, arXiv:1406.4729.
    """
    return _means("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Wanted) -> Tensor:
    """As adaptive_avg_pool1d, for inputs (batch, channels, height, width).

    output_size is one int or 2, None for as many as there are.
    """
    return _means("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Wanted) -> Tensor:
    """As adaptive_avg_pool1d, for inputs (batch, channels, depth, height, width).

    output_size is one int or 3, None for as many as there are.
    """
    return _means("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: int | Sequence[int], return_indices: bool = False) -> Any:
    """The largest element of each of `output_size` windows, as in adaptive_avg_pool1d; nan if there is one.

    Args:
        input: (batch, channels, length), or without the batch, floating point.
        output_size: how many windows.
        return_indices: give the places of the largest elements too, int64.
    Returns: (batch, channels, output_size); or that and the indices.
    Raises: as adaptive_avg_pool1d.
    Gradient: dy to the largest element of each window, the first of equals.
    Kernel: kernels/cuda/adaptive_max.cu, a thread a window, and backward an element.
    Source: He et al. 2014, arXiv:1406.4729.
    """
    return _largest("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: int | Sequence[int], return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """adaptive_max_pool1d and the places of the largest elements, whatever `return_indices` says."""
    return _largest("adaptive_max_pool1d", 1, input, output_size, True)  # type: ignore[no-any-return]


def adaptive_max_pool2d(input: Tensor, output_size: Wanted, return_indices: bool = False) -> Any:
    """As adaptive_max_pool1d, for inputs (batch, channels, height, width).

    output_size is one int or 2, None for as many as there are.
    """
    return _largest("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Wanted, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """adaptive_max_pool2d and the places of the largest elements, whatever `return_indices` says."""
    return _largest("adaptive_max_pool2d", 2, input, output_size, True)  # type: ignore[no-any-return]


def adaptive_max_pool3d(input: Tensor, output_size: Wanted, return_indices: bool = False) -> Any:
    """As adaptive_max_pool1d, for inputs (batch, channels, depth, height, width).

    output_size is one int or 3, None for as many as there are.
    """
    return _largest("adaptive_max_pool3d", 3, input, output_size, return_indices)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Wanted, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """adaptive_max_pool3d and the places of the largest elements, whatever `return_indices` says."""
    return _largest("adaptive_max_pool3d", 3, input, output_size, True)  # type: ignore[no-any-return]


def _means(name: str, ndim: int, input: Tensor, output_size: Any) -> Tensor:
    x, has_batch, out = _arguments(name, ndim, input, output_size, True)
    windows = _regular(x.shape[2:], out)
    if windows is not None:
        y: Tensor = AvgPool2d.apply(x, windows, tuple((length,) for length in windows.kernel))
    else:
        y = x
        for axis, length in enumerate(out, 2):
            y = SegmentMeans.apply(y, axis, length)
    return y if has_batch else y.reshape(y.shape[1:])


def _largest(name: str, ndim: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    x, has_batch, out = _arguments(name, ndim, input, output_size, False)
    windows = _regular(x.shape[2:], out)
    if windows is not None and not return_indices:
        y: Tensor = MaxPool2d.apply(x, windows)
        return y if has_batch else y.reshape(y.shape[1:])
    found = AdaptiveMax.apply(x, out)
    found = found if has_batch else tuple(each.reshape(each.shape[1:]) for each in found)
    return found if return_indices else found[0]


def _arguments(
    name: str, ndim: int, input: Tensor, output_size: Any, channels_may_lack: bool
) -> tuple[Tensor, bool, Lengths]:
    """The input with a batch dimension, whether it had one, and how many windows each dimension has."""
    x, has_batch = batched(name, input, ndim)
    if 0 in (x.shape[2:] if channels_may_lack else input.shape[1:]):
        raise ShapeError(f"{name}: the input {input.shape} has no elements to pool")
    if x.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {x.dtype}; cast it to a floating dtype first")
    if output_size is None:
        raise TypeError(f"{name}: output_size must be an int or {ndim} of them, got None")
    if isinstance(output_size, Sequence) and len(output_size) != ndim:
        raise ShapeError(f"{name}: output_size must be an int or {ndim} of them, got {output_size}")
    if isinstance(output_size, Sequence) and ndim > 1:
        output_size = [size if want is None else want for want, size in zip(output_size, x.shape[2:])]
    return x, has_batch, lengths(name, "output_size", output_size, ndim, 0)


def _regular(size: Lengths, out: Lengths) -> Windows | None:
    """The windows as those of plain pooling, if they are all alike."""
    if 0 in out or any(length % count for length, count in zip(size, out)):
        return None
    kernel, none = tuple(length // count for length, count in zip(size, out)), (0,) * len(size)
    return Windows(size, kernel, kernel, none, (1,) * len(size), out)
