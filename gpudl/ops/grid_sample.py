"""Sampling images and volumes at the points of a grid. Jaderberg et al. 2015, arXiv:1506.02025."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.functional import grad as grad_of
from gpudl.autograd.grad_mode import enable_grad, no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.constants import constant
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText, Shape, dense
from gpudl.backend.device import is_on_host
from gpudl.backend.dtypes import float32, float64, int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.backend.scatter import sorted_keys
from gpudl.ops.grid_points import sampled
from gpudl.ops.pool_launch import PLANE

__all__ = ["affine_grid", "grid_sample"]

Gradients = tuple[Any, Any]

_STEPS = "sample_points", "sample_slopes", "gather_slopes"
_PADDINGS = ("zeros", "border", "reflection")


def _text(deep: int, taps: int) -> tuple[CudaText, tuple[str, ...]]:
    names = tuple(f"{step}<{{T}}, {{A}}, {deep}, {taps}>" for step in _STEPS)
    files = (f"math/{name}.cuh" for name in ("numbers", "packs", "accumulate", "grid_sample"))
    return CudaText(*files, "cuda/grid_sample.cu", kernels=names), names


# How many elements a point takes of the depth, and of height and width -> the text.
_TEXTS = {taps: _text(*taps) for taps in ((1, 1), (1, 2), (1, 4), (2, 2))}
_BLOCKS = 528  # four for each of 132 multiprocessors


@kernel
def grid_sample_forward(x: Array, grid: Array, mode: str, padding: str, aligned: bool) -> Array:
    """(n, c, *points): the values of x (n, c, *size) at the points of grid (n, *points, dims)."""
    with no_grad():
        return sampled(wrap(x, None), wrap(grid, None), mode, padding, aligned).array


@grid_sample_forward.cuda("float32", "float64", "float16", "bfloat16")
def grid_sample_forward_cuda(x: Array, grid: Array, mode: str, padding: str, aligned: bool) -> Array:
    y = xp_of(x).empty((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    if not y.size:
        return y
    if math.prod(x.shape[2:]) >= PLANE:
        return grid_sample_forward.reference(x, grid, mode, padding, aligned)
    text, names = _TEXTS[_taps(x, mode)]
    points = y.size // math.prod(x.shape[:2])
    given = dense(x), dense(grid), y
    text.launch(names[0], *_spread(x.shape[0] * points, x.shape[1]), *given, *_sizes(x, points, padding, aligned))
    return y


@kernel
def grid_sample_backward(
    dy: Array, x: Array, grid: Array, wants: tuple[bool, bool], mode: str, padding: str, aligned: bool
) -> Gradients:
    """dx and dgrid, those that are wanted."""
    with enable_grad():
        leaves = wrap(x, None).requires_grad_(), wrap(grid, None).requires_grad_()
        found = grad_of(sampled(*leaves, mode, padding, aligned), leaves, wrap(dy, None))
    return tuple(each.array if wanted and each is not None else None for each, wanted in zip(found, wants))  # type: ignore[return-value]


@grid_sample_backward.cuda("float32", "float64", "float16", "bfloat16")
def grid_sample_backward_cuda(
    dy: Array, x: Array, grid: Array, wants: tuple[bool, bool], mode: str, padding: str, aligned: bool
) -> Gradients:
    if math.prod(x.shape[2:]) >= PLANE:
        return grid_sample_backward.reference(dy, x, grid, wants, mode, padding, aligned)  # type: ignore[no-any-return]
    xp, batch = xp_of(x), x.shape[0]
    if not dy.size:
        return tuple(xp.zeros(each.shape, each.dtype) if want else None for each, want in zip((x, grid), wants))  # type: ignore[return-value]
    taps = _taps(x, mode)
    text, names = _TEXTS[taps]
    points = dy.size // math.prod(x.shape[:2])
    count = batch * points * taps[0] * taps[1] ** 2
    wide = float64 if x.dtype == float64 else float32
    dgrid = xp.empty(grid.shape, grid.dtype) if wants[1] else None
    elements, weights = (xp.empty(count, int64), xp.empty(count, wide)) if wants[0] else (None, None)
    dy = dense(dy)
    given = dy, dense(x), dense(grid), dgrid, elements, weights
    text.launch(names[1], *_spread(batch * points, 1), *given, *_sizes(x, points, padding, aligned))
    if elements is None:
        return None, dgrid
    area = math.prod(x.shape[2:])
    dx = xp.empty(x.shape, x.dtype)
    keys, bits = sorted_keys(elements, batch * area, -1)
    numbers = keys.dtype == int64, count, bits, batch, x.shape[1], points, area
    text.launch(names[2], *_spread(batch * area, x.shape[1]), dy, keys, weights, dx, *numbers)
    return dx, dgrid


def _taps(x: Array, mode: str) -> tuple[int, int]:
    taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}[mode]
    return (taps if x.ndim == 5 else 1), taps


def _spread(count: int, channels: int) -> tuple[Shape, Shape]:
    """The grid and block of threads with one of `count` places each, and all channels or, where they are few, some."""
    across = min(-(-count // THREADS), MOST_BLOCKS)
    return (across, min(channels, -(-_BLOCKS // across))), (THREADS,)


def _sizes(x: Array, points: int, padding: str, aligned: bool) -> tuple[int | bool, ...]:
    three = (1, *x.shape[2:])[-3:]
    return *x.shape[:2], points, x.ndim - 2, *three, _PADDINGS.index(padding), aligned


class GridSample(ReadsHalf):
    """The values at the points of a grid, on a device."""

    __slots__ = ("settings",)
    settings: tuple[str, str, bool]

    def forward(ctx, x: Array, grid: Array, mode: str, padding: str, aligned: bool) -> Array:
        ctx.settings = mode, padding, aligned
        ctx.save(x, grid)
        return grid_sample_forward(x, grid, *ctx.settings)

    def backward(ctx, dy: Array) -> Gradients:
        wants = ctx.edges[0] is not None, ctx.edges[1] is not None
        if not isinstance(dy, Tensor):
            return grid_sample_backward(dy, *ctx.saved, wants, *ctx.settings)  # type: ignore[no-any-return]
        wanted = [each for each, want in zip(ctx.saved, wants) if want]
        x, grid = ctx.saved
        mode, padding, aligned = ctx.settings
        found = iter(grad_of(sampled(x, grid, mode, padding, aligned), wanted, dy, create_graph=True))
        return tuple(next(found) if want else None for want in wants)  # type: ignore[return-value]


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The input's values at the points of a grid, between its elements interpolated.

    Args:
        input: (batch, channels, height, width) or (batch, channels, depth, height, width), floating.
        grid: (batch, out height, out width, 2) of (x, y), or (batch, out depth, out height, out width, 3) of (x, y, z):
            -1 is the left, upper and front end of the input, 1 the other; dtype of input.
        mode: "bilinear" (trilinear for volumes) | "nearest" | "bicubic" (images only).
        padding_mode: what lies outside: "zeros" | "border" (the nearest edge) | "reflection" (the image mirrored).
        align_corners: whether -1 and 1 are the centers of the corners, or their outer edges (the default).
    Returns: (batch, channels, out height, out width), or with out depth before; dtype of input.
    Raises: ValueError for another mode or padding_mode; ShapeError for shapes that do not fit together, or an empty
        input; RuntimeError if the dtypes differ, or for "bicubic" on volumes; DeviceError if the devices differ.
    Gradient: to the input, dy spread over the elements in the proportions of the interpolation; to the grid, dy times
        the slope there ("nearest": 0).
    Kernel: kernels/cuda/grid_sample.cu, one launch; backward one for the grid, and for the input a sort of the elements
        by their places and one launch that gathers.
    Source: Jaderberg et al. 2015, arXiv:1506.02025; the cubic: Keys 1981.
    """
    _check(input, grid, mode, padding_mode)
    settings = mode, padding_mode, bool(align_corners)
    if is_on_host(input.array):  # the graph keeps what backward needs
        return sampled(input, grid, *settings)
    return GridSample.apply(input, grid, *settings)  # type: ignore[no-any-return]


def _check(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"grid_sample: mode must be 'bilinear', 'nearest' or 'bicubic', got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"grid_sample: padding_mode must be 'zeros', 'border' or 'reflection', got {padding_mode!r}")
    dims = input.ndim - 2
    if dims not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != dims or grid.shape[0] != input.shape[0]:
        raise ShapeError(
            "grid_sample: expected input (batch, channels, height, width) with grid (batch, height, width, 2), or "
            f"both with a depth and 3 coordinates; got {input.shape} and {grid.shape}"
        )
    if 0 in input.shape[2:]:
        raise ShapeError(f"grid_sample: the input {input.shape} has nothing to sample")
    if input.dtype.kind not in "fV" or grid.dtype != input.dtype:
        raise RuntimeError(
            f"grid_sample: input and grid must be of one floating dtype, got {input.dtype}, {grid.dtype}"
        )
    if mode == "bicubic" and dims == 3:
        raise RuntimeError("grid_sample: 'bicubic' samples images of 4 dimensions only")


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid that makes grid_sample apply an affine map.

    Args:
        theta: (batch, 2, 3) for images, (batch, 3, 4) for volumes, floating.
        size: (batch, channels, height, width) or (batch, channels, depth, height, width) of the result of grid_sample.
        align_corners: as given to grid_sample.
    Returns: (batch, height, width, 2) or (batch, depth, height, width, 3): theta times (x, y, 1) or (x, y, z, 1).
    Raises: ValueError for a theta that is not floating or of another shape; NotImplementedError for a size of
        neither 4 nor 5 numbers; ShapeError for a size that is not positive.
    Gradient: to theta, dy times the coordinates, summed.
    Source: Jaderberg et al. 2015, arXiv:1506.02025.
    """
    size = tuple(int(each) for each in size)
    if theta.dtype.kind not in "fV":
        raise ValueError(f"affine_grid: theta must be floating point, got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid: size must have 4 or 5 numbers, got {size}")
    dims = len(size) - 2
    if theta.ndim != 3 or theta.shape[1:] != (dims, dims + 1):
        raise ValueError(f"affine_grid: theta must be (batch, {dims}, {dims + 1}) for size {size}, got {theta.shape}")
    if min(size) <= 0 or theta.shape[0] != size[0]:
        raise ShapeError(f"affine_grid: size must be positive, its batch that of theta {theta.shape}, got {size}")
    host = np.ones((*size[2:], dims + 1), np.float32 if theta.dtype.itemsize == 2 else theta.dtype)
    for i, length in enumerate(size[2:]):
        line = np.linspace(-1, 1, length) if length > 1 else np.zeros(1)
        if not align_corners:
            line = line * ((length - 1) / length)
        host[..., dims - 1 - i] = line.reshape((length, *(1,) * (dims - 1 - i)))
    base = wrap(constant(host.reshape(-1, dims + 1), theta.array), None).to(theta.dtype)
    return (base @ theta.transpose(1, 2)).reshape((size[0], *size[2:], dims))
