"""The arguments of pooling, checked: how its windows lie, which element of each is the largest, and its place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.constants import constant
from gpudl.backend.errors import ShapeError
from gpudl.ops.windows import Lengths, Windows, batched, lengths, overlap

Taps = Iterator[tuple[int, Any, Any]]
PART = 1 << 16
"""Elements of the input at a time: what they pass through fits the cache."""


def pool_windows(
    name: str, ndim: int, input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Tensor, bool, Windows]:
    """The input with a batch dimension, whether it had one, and the windows.

    Raises: ShapeError and TypeError where an argument is wrong or no window fits into the input.
    """
    x, has_batch = batched(name, input, ndim)
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: the input {input.shape} has no elements; only the batch may be empty")
    taps, gaps = lengths(name, "kernel_size", kernel, ndim, 1), lengths(name, "dilation", dilation, ndim, 1)
    steps = taps if stride is None or stride in ((), []) else lengths(name, "stride", stride, ndim, 1)
    before = lengths(name, "padding", padding, ndim, 0)
    if any(2 * pad > tap for pad, tap in zip(before, taps)):
        raise ShapeError(f"{name}: padding {before} must be at most half of kernel_size {taps}")
    size = x.shape[2:]
    out = []
    for length, tap, step, pad, gap in zip(size, taps, steps, before, gaps):
        free = length + 2 * pad - gap * (tap - 1) - 1
        count = (free + (step - 1 if ceil_mode else 0)) // step + 1
        if ceil_mode and (count - 1) * step >= length + pad:
            count -= 1  # a window that would start in the padding behind
        out.append(count)
    if min(out) < 1:
        raise ShapeError(f"{name}: windows of {taps} with dilation {gaps} do not fit into an input of {size}")
    for length, tap, step, pad, gap, count in zip(size, taps, steps, before, gaps, out):
        if gap == 1:
            continue
        inside = [overlap(length, count, step, at * gap - pad)[0] for at in range(tap)]
        if len({q for each in inside for q in range(each.start, each.stop)}) < count:
            raise ShapeError(
                f"{name}: a window of kernel_size {taps}, padding {before} and dilation {gaps} lies between elements "
                f"of {size}; make the dilation smaller"
            )
    return x, has_batch, Windows(size, taps, steps, before, gaps, tuple(out))


def taps_of(windows: Windows) -> Taps:
    """The number of each tap, the windows for which it lies on an element, and those elements; as indices."""
    for number, taps in enumerate(itertools.product(*map(range, windows.kernel))):
        inside, place = windows.overlap(taps)
        yield number, (..., *inside), (..., *place)


def winners(x: Array, windows: Windows) -> Array:
    """The number of the tap with the largest element of each window: the first of equals, the last nan. int64."""
    xp = xp_of(x)
    # Where all are -inf, and none is larger than what a search starts with, it is the first that is no padding.
    firsts = [
        [max(0, -((q * stride - padding) // dilation)) for q in range(out)]
        for stride, padding, dilation, out in zip(windows.stride, windows.padding, windows.dilation, windows.out)
    ]
    start = flat_places(x, firsts, windows.kernel)
    best = xp.full((*x.shape[:2], *windows.out), lowest(x), x.dtype)
    which = xp.zeros(best.shape, start.dtype) + start
    for number, inside, place in taps_of(windows):
        seen = x[place]
        better = (seen > best[inside]) | (seen != seen)
        best[inside] = xp.where(better, seen, best[inside])
        which[inside] = xp.where(better, number, which[inside])
    return which


def places(x: Array, windows: Windows) -> Array:
    """Where the winners lie, counted over the spatial dimensions of x; int64."""
    xp = xp_of(x)
    which = winners(x, windows)
    found, behind = xp.zeros_like(which), math.prod(windows.kernel)
    for axis, length in enumerate(windows.size):
        behind //= windows.kernel[axis]
        shape = [1] * (axis + 2) + [-1] + [1] * (len(windows.size) - axis - 1)
        first = xp.arange(windows.out[axis]).reshape(shape) * windows.stride[axis] - windows.padding[axis]
        tap = which // behind % windows.kernel[axis]
        found = found * length + first + tap * windows.dilation[axis]
    return found


def flat_places(like: Array, coordinates: Sequence[Any], size: Lengths) -> Array:
    """The places in a block of this size, counted over its dimensions, of all combinations of the coordinates.

    Returns: int64 where `like` is, with a dimension for each of `size`; nobody may change it.
    """
    found = np.zeros((1,) * len(size), np.int64)
    for axis, (each, length) in enumerate(zip(coordinates, size)):
        shape = [1] * axis + [-1] + [1] * (len(size) - axis - 1)
        found = found * length + np.asarray(each, np.int64).reshape(shape)
    return constant(found, like)


def lowest(x: Array) -> Any:
    """What no element of this dtype lies below."""
    return -math.inf if x.dtype.kind in "fV" else xp_of(x).iinfo(x.dtype).min


def parts(count: int, area: int) -> Iterator[slice]:
    """Slices of so many planes of this area, a part that fits the cache at a time."""
    step = max(1, PART // max(area, 1))
    return (slice(first, first + step) for first in range(0, count, step))
