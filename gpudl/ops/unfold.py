"""unfold (im2col), which lays out windows as columns, and fold (col2im), which adds columns up again.

Each is the gradient of the other. Chellapilla et al. 2006 made convolutions of it: w @ unfold(x) is one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import dense
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.pool_launch import plane_grid, table, window_text
from gpudl.ops.windows import Lengths, Windows, batched, lengths

__all__ = ["fold", "unfold"]


_TEXT = window_text("unfold", "unfold_columns", "fold_columns")


@kernel
def unfold_forward(x: Array, windows: Windows) -> Array:
    """The windows of x (n, c, *size) as columns (n, c * taps, windows)."""
    y = xp_of(x).zeros((*x.shape[:2], *windows.kernel, *windows.out), x.dtype)
    for inside, place in _taps(windows):
        y[inside] = x[place]
    return y.reshape(_columns(x.shape[0], x.shape[1], windows))


@unfold_forward.cuda("float32", "float64", "float16", "bfloat16")
def unfold_forward_cuda(x: Array, windows: Windows) -> Array:
    y = xp_of(x).empty(_columns(x.shape[0], x.shape[1], windows), x.dtype)
    planes = math.prod(x.shape[:2])
    grid = plane_grid(planes, math.prod(windows.out))
    _TEXT.launch("unfold_columns", *grid, dense(x), y, table(windows, x), planes)
    return y


@kernel
def fold_forward(x: Array, windows: Windows) -> Array:
    """Columns x (n, c * taps, windows) added up to (n, c, *size)."""
    channels = x.shape[1] // math.prod(windows.kernel)
    columns = x.reshape((x.shape[0], channels, *windows.kernel, *windows.out))
    y = xp_of(x).zeros((x.shape[0], channels, *windows.size), x.dtype)
    for inside, place in _taps(windows):
        y[place] += columns[inside]
    return y


@fold_forward.cuda("float32", "float64", "float16", "bfloat16")
def fold_forward_cuda(x: Array, windows: Windows) -> Array:
    channels = x.shape[1] // math.prod(windows.kernel)
    y = xp_of(x).empty((x.shape[0], channels, *windows.size), x.dtype)
    grid = plane_grid(x.shape[0] * channels, math.prod(windows.size))
    _TEXT.launch("fold_columns", *grid, dense(x), y, table(windows, x), x.shape[0] * channels)
    return y


def _columns(batch: int, channels: int, windows: Windows) -> tuple[int, int, int]:
    return batch, channels * math.prod(windows.kernel), math.prod(windows.out)


def _taps(windows: Windows) -> Iterator[tuple[Any, Any]]:
    """For each tap, where its elements lie among columns (n, c, *kernel, *out) and in the image; as indices."""
    for taps in itertools.product(*map(range, windows.kernel)):
        inside, place = windows.overlap(taps)
        yield (slice(None), slice(None), *taps, *inside), (..., *place)


class Unfold(Primitive):
    """(n, c, *size) as (n, c * taps, windows)."""

    __slots__ = ("windows",)
    widens = False
    windows: Windows

    def forward(ctx, x: Array, windows: Windows) -> Array:
        ctx.windows = windows
        return unfold_forward(x, windows)

    def backward(ctx, dy: Array) -> Array:
        return (Fold.apply if isinstance(dy, Tensor) else fold_forward)(dy, ctx.windows)


class Fold(ReadsHalf):
    """(n, c * taps, windows) added up to (n, c, *size)."""

    __slots__ = ("windows",)
    windows: Windows

    def forward(ctx, x: Array, windows: Windows) -> Array:
        ctx.windows = windows
        return fold_forward(x, windows)

    def backward(ctx, dy: Array) -> Array:
        return (Unfold.apply if isinstance(dy, Tensor) else unfold_forward)(dy, ctx.windows)


def _windows(name: str, size: Lengths, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Windows:
    taps, gaps = lengths(name, "kernel_size", kernel, 2, 1), lengths(name, "dilation", dilation, 2, 1)
    before, steps = lengths(name, "padding", padding, 2, 0), lengths(name, "stride", stride, 2, 1)
    out = tuple(
        (length + 2 * pad - gap * (tap - 1) - 1) // step + 1
        for length, pad, gap, tap, step in zip(size, before, gaps, taps, steps)
    )
    if min(out) < 1:
        raise ShapeError(f"{name}: windows of {taps} with dilation {gaps} do not fit into {size} with padding {before}")
    return Windows(size, taps, steps, before, gaps, out)


def unfold(
    input: Tensor,
    kernel_size: int | Lengths,
    dilation: int | Lengths = 1,
    padding: int | Lengths = 0,
    stride: int | Lengths = 1,
) -> Tensor:
    """The windows of an image as columns: row (c * height + i) * width + j of column q has tap (i, j) of window q.

    Args:
        input: (batch, channels, height, width), or without the batch; floating point or bool.
        kernel_size: the windows' height and width: one int, or two.
        dilation: from one tap of a window to the next.
        padding: zeros on both sides.
        stride: from one window to the next.
    Returns: (batch, channels * taps, windows).
    Raises: ShapeError if no window fits, or something else than the batch is empty; TypeError for arguments that are
        no ints; RuntimeError for integers.
    Gradient: fold of dy.
    Kernel: kernels/cuda/unfold.cu, a thread a window.
    Source: Chellapilla et al. 2006, "High performance convolutional neural networks for document processing".
    """
    x, has_batch = batched("unfold", input, 2)
    if 0 in x.shape[1:]:
        raise ShapeError(f"unfold: the input {input.shape} has no elements; only the batch may be empty")
    if x.dtype.kind in "iu":
        raise RuntimeError(f"unfold: the input is {x.dtype}; cast it to a floating dtype first")
    y: Tensor = Unfold.apply(x, _windows("unfold", x.shape[2:], kernel_size, dilation, padding, stride))
    return y if has_batch else y.reshape(y.shape[1:])


def fold(
    input: Tensor,
    output_size: int | Lengths,
    kernel_size: int | Lengths,
    dilation: int | Lengths = 1,
    padding: int | Lengths = 0,
    stride: int | Lengths = 1,
) -> Tensor:
    """An image made of columns: what unfold took from several windows is added up.

    Args:
        input: (batch, channels * taps, windows), or without the batch; floating point or bool.
        output_size: the height and width of the image: one int, or two.
        kernel_size, dilation, padding, stride: as in unfold.
    Returns: (batch, channels, *output_size).
    Raises: ShapeError if the columns are not those that unfold makes of such an image; TypeError for arguments that
        are no ints; RuntimeError for integers.
    Gradient: unfold of dy.
    Kernel: kernels/cuda/unfold.cu, a thread an element, which gathers from the windows that cover it.
    Source: Chellapilla et al. 2006.
    """
    x, has_batch = batched("fold", input, 1)
    size = lengths("fold", "output_size", output_size, 2, 1)
    windows = _windows("fold", size, kernel_size, dilation, padding, stride)
    taps, count = math.prod(windows.kernel), math.prod(windows.out)
    if x.shape[1] == 0 or x.shape[1] % taps or x.shape[2] != count:
        raise ShapeError(
            f"fold: an image of {size} has {count} windows of {taps} elements a channel; expected (batch, channels * "
            f"{taps}, {count}), got {input.shape}"
        )
    if x.dtype.kind in "iu":
        raise RuntimeError(f"fold: the input is {x.dtype}; cast it to a floating dtype first")
    y: Tensor = Fold.apply(x, windows)
    return y if has_batch else y.reshape(y.shape[1:])
