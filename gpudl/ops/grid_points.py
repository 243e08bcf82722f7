"""What grid_sample computes, of Tensors: the places of a grid's points, and the elements and weights they take.

Jaderberg et al. 2015, arXiv:1506.02025; the cubic: Keys 1981, "Cubic convolution interpolation for digital image
processing".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.backend.dtypes import float32
from gpudl.ops.accumulate import sums_at
from gpudl.ops.elementwise import where

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
        added = sums_at(part.reshape(-1), (rows + index[n]).reshape(-1), channels * length)
        dx[n] = added.reshape(channels, length)
    return dx


def sampled(input: Tensor, grid: Tensor, mode: str, padding_mode: str, align_corners: bool) -> Tensor:
    """grid_sample of arguments that fit together."""
    if input.dtype.itemsize == 2:  # rounded once, not after each operation
        return sampled(input.to(float32), grid.to(float32), mode, padding_mode, align_corners).to(input.dtype)
    sizes = input.shape[2:]
    batch, *points, _ = grid.shape
    count = math.prod(points)
    x = input.reshape((batch, input.shape[1], math.prod(sizes)))
    flat = grid.reshape((batch, count, len(sizes)))
    # The grid counts dimensions from the last: x goes along the width.
    places = [_place(flat[..., -1 - i], size, align_corners) for i, size in enumerate(sizes)]
    sampler = _cubic if mode == "bicubic" else _nearest if mode == "nearest" else _linear
    result = sampler(x, flat, places, sizes, padding_mode, align_corners)
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
