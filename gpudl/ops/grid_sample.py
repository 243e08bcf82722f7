"""Sampling images and volumes at the points of a grid. Jaderberg et al. 2015, arXiv:1506.02025."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.backend.device import device_of, transfer
from gpudl.backend.dtypes import float32
from gpudl.backend.errors import ShapeError
from gpudl.ops.elementwise import where

__all__ = ["affine_grid", "grid_sample"]

_CUBIC = -0.75  # Keys 1981 leaves the cubic one parameter


class Pick(Primitive):
    """x[n, c, index[n, p]] where inside[n, p], else 0, as (n, c, p). The grid that said where gets a gradient of 0."""

    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def forward(ctx, x: Array, grid: Array | None, index: Array, inside: Array) -> Array:
        ctx.shape = x.shape
        ctx.save(index, inside, grid)
        return _pick(x, index, inside)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        index, inside, grid = ctx.saved
        dx = dgrid = None
        if ctx.edges[0]:
            dx = (Drop.apply if isinstance(dy, Tensor) else _drop)(dy, index, inside, ctx.shape)
        if ctx.edges[1]:
            dgrid = xp_of(grid).zeros_like(grid)
        return dx, dgrid, None, None


class Drop(Primitive):
    """The adjoint of Pick: zeros of `shape` with x added where Pick took its elements from."""

    __slots__ = ()

    def forward(ctx, x: Array, index: Array, inside: Array | None, shape: tuple[int, ...]) -> Array:
        ctx.save(index, inside)
        return _drop(x, index, inside, shape)

    def backward(ctx, dy: Array) -> Array:
        index, inside = ctx.saved
        return _pick(dy, index, inside) if not isinstance(dy, Tensor) else Pick.apply(dy, None, index, inside)


def _pick(x: Array, index: Array, inside: Array) -> Array:
    xp = xp_of(x)
    y = xp.empty((*x.shape[:2], index.shape[1]), x.dtype)
    for n in range(x.shape[0]):
        y[n] = xp.take(x[n], index[n], axis=1)
    xp.copyto(y, x.dtype.type(0), where=~inside[:, None])
    return y


def _drop(dy: Array, index: Array, inside: Array, shape: tuple[int, ...]) -> Array:
    xp = xp_of(dy)
    _, channels, length = shape
    dx = xp.empty(shape, dy.dtype)
    rows = xp.arange(channels)[:, None] * length
    for n in range(shape[0]):
        part = xp.where(inside[n], dy[n], xp.zeros_like(dy[n]))
        added = xp.bincount((rows + index[n]).ravel(), weights=part.ravel(), minlength=channels * length)
        dx[n] = added.reshape(channels, length)
    return dx


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
    Source: Jaderberg et al. 2015, arXiv:1506.02025; the cubic: Keys 1981.
    """
    _check(input, grid, mode, padding_mode)
    if input.dtype.itemsize == 2:  # rounded once, not after each operation
        return grid_sample(input.to(float32), grid.to(float32), mode, padding_mode, align_corners).to(input.dtype)
    sizes = input.shape[2:]
    batch, *points, _ = grid.shape
    count = math.prod(points)
    x = input.reshape((batch, input.shape[1], math.prod(sizes)))
    flat = grid.reshape((batch, count, len(sizes)))
    # The grid counts dimensions from the last: x goes along the width.
    places = [_place(flat[..., -1 - i], size, bool(align_corners)) for i, size in enumerate(sizes)]
    sampler = _cubic if mode == "bicubic" else _nearest if mode == "nearest" else _linear
    result = sampler(x, flat, places, sizes, padding_mode, bool(align_corners))
    return result.reshape((batch, input.shape[1], *points))


def _linear(x: Tensor, grid: Tensor, places: list[Tensor], sizes: Any, padding: str, aligned: bool) -> Tensor:
    places = [_padded(place, size, padding, aligned) for place, size in zip(places, sizes)]
    lows = [_floor(place) for place in places]
    parts = [place - wrap(low, None) for place, low in zip(places, lows)]
    near = [(1 - part, part) for part in parts]
    total: Any = None
    for corner in itertools.product((0, 1), repeat=len(sizes)):
        weight = near[0][corner[0]]
        for each, step in zip(near[1:], corner[1:]):
            weight = weight * each[step]
        value = _value(x, grid, [low + step for low, step in zip(lows, corner)], sizes) * weight.unsqueeze(1)
        total = value if total is None else total + value
    return total  # type: ignore[no-any-return]


def _nearest(x: Tensor, grid: Tensor, places: list[Tensor], sizes: Any, padding: str, aligned: bool) -> Tensor:
    places = [_padded(place, size, padding, aligned) for place, size in zip(places, sizes)]
    with quiet():
        return _value(x, grid, [xp_of(place.array).rint(place.array) for place in places], sizes)


def _cubic(x: Tensor, grid: Tensor, places: list[Tensor], sizes: Any, padding: str, aligned: bool) -> Tensor:
    lows = [_floor(place) for place in places]
    parts = [place - wrap(low, None) for place, low in zip(places, lows)]
    weights = [(_far(part + 1), _near(part), _near(1 - part), _far(2 - part)) for part in parts]
    total: Any = None
    for i in range(4):
        line: Any = None
        for j in range(4):
            # The neighbors are padded one by one; their places are whole numbers and have no gradient.
            near = [wrap(low + (step - 1), None) for low, step in zip(lows, (i, j))]
            at = [_padded(place, size, padding, aligned).array for place, size in zip(near, sizes)]
            value = _value(x, grid, at, sizes) * weights[1][j].unsqueeze(1)
            line = value if line is None else line + value
        line = line * weights[0][i].unsqueeze(1)
        total = line if total is None else total + line
    return total  # type: ignore[no-any-return]


def _near(t: Tensor) -> Tensor:
    return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1


def _far(t: Tensor) -> Tensor:
    return ((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC


def _value(x: Tensor, grid: Tensor, at: list[Array], sizes: Sequence[int]) -> Tensor:
    """(batch, channels, points): the elements at whole-numbered places, 0 for those outside."""
    xp = xp_of(at[0])
    index, inside = None, None
    for place, size in zip(at, sizes):
        within = (place >= 0) & (place <= size - 1)
        whole = xp.where(within, place, xp.zeros_like(place)).astype(np.int64)
        index = whole if index is None else index * size + whole
        inside = within if inside is None else inside & within
    return Pick.apply(x, grid, index, inside)  # type: ignore[no-any-return]


def _place(coordinate: Tensor, size: int, aligned: bool) -> Tensor:
    """Where -1 to 1 lies among the elements 0 to size - 1."""
    return (coordinate + 1) * ((size - 1) / 2) if aligned else ((coordinate + 1) * size - 1) / 2


def _padded(place: Tensor, size: int, padding: str, aligned: bool) -> Tensor:
    """A place moved inside by the rule of padding_mode; as it is for "zeros"."""
    if padding == "zeros":
        return place
    if padding == "reflection":
        low, high = (0.0, size - 1.0) if aligned else (-0.5, size - 0.5)
        place = _reflected(place, low, high - low)
    bare = place.array
    xp = xp_of(bare)
    inside = (bare > 0) & (bare < size - 1)
    edge = xp.where(bare >= size - 1, xp.full_like(bare, size - 1), xp.zeros_like(bare))
    return where(wrap(inside, None), place, wrap(edge, None))


def _reflected(place: Tensor, low: float, span: float) -> Tensor:
    """Mirrored at low and low + span until it lies between them."""
    if span <= 0:
        return place * 0
    bare = place.array
    xp = xp_of(bare)
    with quiet():
        sign = xp.where(bare < low, xp.full_like(bare, -1), xp.ones_like(bare))
        flips = xp.floor(abs(bare - low) / span)
        odd = flips % 2
    inner = (place - low) * wrap(sign, None) - wrap(flips * span, None)
    return inner * wrap(1 - 2 * odd, None) + wrap(odd * span + low, None)


def _floor(place: Tensor) -> Array:
    with quiet():
        return xp_of(place.array).floor(place.array)


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
    base = wrap(transfer(host.reshape(-1, dims + 1), device_of(theta.array)), None).to(theta.dtype)
    return (base @ theta.transpose(1, 2)).reshape((size[0], *size[2:], dims))
