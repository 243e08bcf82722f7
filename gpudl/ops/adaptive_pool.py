"""Adaptive pooling: output q of a dimension pools elements floor(q size / out) to ceil((q + 1) size / out) - 1.

He et al. 2014, arXiv:1406.4729, made outputs of one length from inputs of any.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.avg_pool2d import AvgPool2d
from gpudl.ops.max_pool2d import MaxPool2d
from gpudl.ops.operands import total
from gpudl.ops.pick import Pick, largest_places
from gpudl.ops.pool_windows import flat_places
from gpudl.ops.windows import Lengths, Windows, along, batched, lengths

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices",
]  # fmt: skip

Wanted = int | None | Sequence[int | None]


class SegmentMeans(Primitive):
    """The means of segments of one dimension, which may overlap."""

    __slots__ = ("axis", "size")
    axis: int
    size: int

    def forward(ctx, x: Array, axis: int, out: int) -> Array:
        ctx.axis, ctx.size = axis, x.shape[axis]
        return _segment_means(x, axis, out)

    def backward(ctx, dy: Array) -> Array:
        return (_SegmentSpread.apply if isinstance(dy, Tensor) else _segment_spread)(dy, ctx.axis, ctx.size)


class _SegmentSpread(Primitive):
    """The adjoint of SegmentMeans."""

    __slots__ = ("axis", "out")
    axis: int
    out: int

    def forward(ctx, dy: Array, axis: int, size: int) -> Array:
        ctx.axis, ctx.out = axis, dy.shape[axis]
        return _segment_spread(dy, axis, size)

    def backward(ctx, ddx: Array) -> Array:
        return (SegmentMeans.apply if isinstance(ddx, Tensor) else _segment_means)(ddx, ctx.axis, ctx.out)


class AdaptivePlaces(Primitive):
    """Where the largest element of each window of an adaptive pooling lies: the first of equals, the last nan."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, out: Lengths) -> Array:
        segments = [_segments(size, count) for size, count in zip(x.shape[2:], out)]
        longest = [max((last - first for first, last in each), default=0) for each in segments]
        xp = xp_of(x)
        # A window shorter than others sees its last element again, which changes nothing.
        return largest_places(
            x,
            (
                flat_places(
                    xp,
                    [[min(first + tap, last - 1) for first, last in each] for tap, each in zip(taps, segments)],
                    x.shape[2:],
                )[None, None]
                for taps in itertools.product(*map(range, longest))
            ),
            out,
        )


def _segments(size: int, out: int) -> list[tuple[int, int]]:
    """The first element of each window and the first one after it."""
    return [(q * size // out, -(-(q + 1) * size // out)) for q in range(out)]


def _segment_means(x: Array, axis: int, out: int) -> Array:
    y = xp_of(x).empty((*x.shape[:axis], out, *x.shape[axis + 1 :]), x.dtype)
    for q, (first, last) in enumerate(_segments(x.shape[axis], out)):
        y[along(axis, q)] = total(x[along(axis, slice(first, last))], axis) / (last - first)
    return y


def _segment_spread(dy: Array, axis: int, size: int) -> Array:
    dx = xp_of(dy).zeros((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
    for q, (first, last) in enumerate(_segments(size, dy.shape[axis])):
        dx[along(axis, slice(first, last))] += dy[along(axis, slice(q, q + 1))] / (last - first)
    return dx


def adaptive_avg_pool1d(input: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """The mean of each of `output_size` windows, as equal as they can be; neighbors may share an element.

    Args:
        input: (batch, channels, length), or without the batch, floating point.
        output_size: how many windows.
    Returns: (batch, channels, output_size).
    Raises: ShapeError if the shape does not fit, or is empty; TypeError for what is no int; RuntimeError for integers.
    Gradient: dy / length of the window to each of its elements.
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
    at = AdaptivePlaces.apply(x, out)
    found = Pick.apply(x, at), at
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
