"""The largest elements of the windows of adaptive pooling, and their places. He et al. 2014, arXiv:1406.4729."""

from __future__ import annotations

import itertools
import math

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.kernel import kernel
from gpudl.ops.pick import Put, largest_places, picked, put
from gpudl.ops.pool_launch import PLANE, plane_grid
from gpudl.ops.pool_windows import flat_places
from gpudl.ops.windows import Lengths

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/planes.cuh",
    "math/segments.cuh",
    "cuda/adaptive_max.cu",
    kernels=("segment_largest", "segment_largest_backward"),
)


def segments(size: int, out: int) -> list[tuple[int, int]]:
    """The first element of each window and the first one after it."""
    return [(q * size // out, -(-(q + 1) * size // out)) for q in range(out)]


@kernel
def segment_largest_forward(x: Array, out: Lengths) -> tuple[Array, Array]:
    """Of each window of x (n, c, *size) the largest element, the first of equals, the last nan; and its place."""
    cuts = [segments(size, count) for size, count in zip(x.shape[2:], out)]
    longest = [max((last - first for first, last in each), default=0) for each in cuts]
    # A window shorter than others sees its last element again, which changes nothing.
    at = largest_places(
        x,
        (
            flat_places(
                x,
                [[min(first + tap, last - 1) for first, last in each] for tap, each in zip(taps, cuts)],
                x.shape[2:],
            )[None, None]
            for taps in itertools.product(*map(range, longest))
        ),
        out,
    )
    return picked(x, at), at


@segment_largest_forward.cuda("float32", "float64", "float16", "bfloat16")
def segment_largest_forward_cuda(x: Array, out: Lengths) -> tuple[Array, Array]:
    if max(math.prod(x.shape[2:]), math.prod(out)) >= PLANE:
        return segment_largest_forward.reference(x, out)  # type: ignore[no-any-return]
    xp, planes = xp_of(x), math.prod(x.shape[:2])
    y, at = xp.empty((*x.shape[:2], *out), x.dtype), xp.empty((*x.shape[:2], *out), "int64")
    sizes = *_three(x.shape[2:]), *_three(out)
    if not y.size:
        return y, at
    _TEXT.launch("segment_largest", *plane_grid(planes, math.prod(out)), dense(x), y, at, planes, *sizes)
    return y, at


@kernel
def segment_largest_backward(dy: Array, at: Array, size: Lengths) -> Array:
    """dx, (n, c, *size): the sums of dy at the places."""
    return put(dy, at, size)


@segment_largest_backward.cuda("float32", "float64", "float16", "bfloat16")
def segment_largest_backward_cuda(dy: Array, at: Array, size: Lengths) -> Array:
    if max(math.prod(size), math.prod(dy.shape[2:])) >= PLANE:
        return segment_largest_backward.reference(dy, at, size)
    planes = math.prod(dy.shape[:2])
    dx = xp_of(dy).empty((*dy.shape[:2], *size), dy.dtype)
    sizes = *_three(size), *_three(dy.shape[2:])
    grid = plane_grid(planes, math.prod(size))
    _TEXT.launch("segment_largest_backward", *grid, dense(dy), dense(at), dx, planes, *sizes)
    return dx


def _three(lengths: Lengths) -> Lengths:
    return (1,) * (3 - len(lengths)) + lengths


class AdaptiveMax(ReadsHalf):
    """The largest element of each window of an adaptive pooling, and its place."""

    __slots__ = ("size",)
    fills = False
    size: Lengths

    def forward(ctx, x: Array, out: Lengths) -> tuple[Array, Array]:
        ctx.size = x.shape[2:]
        y, at = segment_largest_forward(x, out)
        ctx.save(at)
        return y, at

    def backward(ctx, dy: Array, _: None) -> Array:
        (at,) = ctx.saved
        return (Put.apply if isinstance(dy, Tensor) else segment_largest_backward)(dy, at, ctx.size)
