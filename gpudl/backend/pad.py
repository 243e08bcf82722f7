"""Edges around arrays, and their gradient, on CUDA devices: one launch each, where NumPy's way takes one an edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.constants import constant
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText, dense
from gpudl.backend.kernel import kernel
from gpudl.backend.strided_copy import BYTES, EVERY, SIZES, memory_of

Shape = tuple[int, ...]

_TEXT = CudaText("math/packs.cuh", "cuda/pad.cu", kernels=tuple(f"pad<{size}>" for size in SIZES), dtypes=BYTES)
_BACK = CudaText("math/packs.cuh", "cuda/pad.cu", kernels=("unpad<{T}, {A}>",))
_MODES = ("constant", "reflect", "replicate", "circular")
_DIMS = 5
_MOST = 1 << 31  # counted in 32 bits
_AT_ONCE = 4  # elements of a thread


@kernel
def pad_(y: Array, x: Array, lefts: Shape, mode: str, value: float) -> None:
    """y = x with edges; lefts: the elements before x's first, "circular" also negative ones. y: contiguous."""
    xp = xp_of(x)
    for dim, (length, left) in enumerate(zip(y.shape, lefts)):
        places = np.arange(length) - left
        there = _sources(places, x.shape[dim], mode)
        x = xp.take(x, constant(there, x), axis=dim)
        if mode == "constant":
            for place in np.flatnonzero(there != places).tolist():
                where = (*(slice(None),) * dim, place)
                x[where] = value
    y[...] = x


@pad_.cuda(*EVERY)
def pad_cuda(y: Array, x: Array, lefts: Shape, mode: str, value: float) -> None:
    dims = _dims(x.shape, y.shape, lefts)
    if not y.size:
        return
    if len(dims) > _DIMS or y.size >= _MOST or not y.flags.c_contiguous:
        pad_.reference(y, x, lefts, mode, value)
        return
    x, size = dense(x), x.itemsize
    if mode == "constant" or dims[0][0] == dims[0][1]:  # of the other modes, only whole elements can be turned
        widths = [each * size for each in dims[0]]
        limit = SIZES if not dims[0][2] or mode == "constant" else (size,)
        size = next(each for each in limit if not any(n % each for n in (*widths, y.data.ptr, x.data.ptr)))
        dims[0] = (widths[0] // size, widths[1] // size, widths[2] // size)
    bits = 0
    if value:
        bits = int(np.full(8 // x.itemsize, value, np.float64).astype(x.dtype).view(np.int64)[0])
    grid, block = _grid(y.size * x.itemsize // size, dims[0][1], _AT_ONCE)
    numbers = y.size * x.itemsize // size // dims[0][1], _MODES.index(mode), bits, *_table(dims)
    _TEXT.launch(f"pad<{size}>", grid, block, memory_of(y), memory_of(x), *numbers)


@kernel
def unpad_(dx: Array, dy: Array, lefts: Shape, mode: str) -> None:
    """dx = the adjoint of pad_: dy added where its elements were copied from. dx: contiguous."""
    xp = xp_of(dx)
    for dim, left in enumerate(lefts):
        length = dx.shape[dim]
        sums = xp.zeros((*dy.shape[:dim], length, *dy.shape[dim + 1 :]), dy.dtype)
        before = (slice(None),) * dim
        places = np.arange(dy.shape[dim]) - left
        for place, source in enumerate(_sources(places, length, mode).tolist()):
            if mode != "constant" or source == places[place]:
                to, here = (*before, source), (*before, place)
                sums[to] += dy[here]
        dy = sums
    dx[...] = dy


@unpad_.cuda("float32", "float64", "float16", "bfloat16")
def unpad_cuda(dx: Array, dy: Array, lefts: Shape, mode: str) -> None:
    dims = _dims(dx.shape, dy.shape, lefts)
    if not dx.size:
        return
    if len(dims) > _DIMS or dy.size >= _MOST or not dx.flags.c_contiguous:
        unpad_.reference(dx, dy, lefts, mode)
        return
    grid, block = _grid(dx.size, dims[0][0], 1)
    numbers = dx.size // dims[0][0], _MODES.index(mode), *_table(dims)
    _BACK.launch("unpad<{T}, {A}>", grid, block, dx, dense(dy), *numbers)


def _sources(places: Any, length: int, mode: str) -> Any:
    """Where elements come from that stand at these places, counted from the smaller array's first one."""
    if mode == "reflect":
        return np.where(places < 0, -places, np.where(places < length, places, 2 * (length - 1) - places))
    if mode == "circular":
        return places % max(length, 1)
    return np.clip(places, 0, max(length - 1, 0))


def _dims(small: Shape, large: Shape, lefts: Shape) -> list[tuple[int, int, int]]:
    """(length, length with edges, elements before), the last dimension first; neighbors without edges made one."""
    found: list[tuple[int, int, int]] = []
    for n, m, left in zip(reversed(small), reversed(large), reversed(lefts)):
        if n == m and not left and found and found[-1][0] == found[-1][1] and not found[-1][2]:
            found[-1] = (n * found[-1][0], n * found[-1][0], 0)
        else:
            found.append((n, m, left))
    return found or [(1, 1, 0)]


def _table(dims: list[tuple[int, int, int]]) -> list[int]:
    return [number for dim in (*dims, *((1, 1, 0),) * (_DIMS - len(dims))) for number in dim]


def _grid(count: int, columns: int, at_once: int) -> tuple[Shape, Shape]:
    """The grid and block for rows of so many columns, of which a thread takes a few."""
    across = min(1 << (-(-columns // at_once) - 1).bit_length(), THREADS)
    rows, down = count // columns, THREADS // across
    return (min(-(-rows // down), MOST_BLOCKS * 16), min(-(-columns // (across * at_once)), 65535)), (across, down)


def padded(x: Array, widths: tuple[Shape, ...], mode: str, value: float) -> Array:
    """x with (left, right) elements more along each dimension."""
    y = xp_of(x).empty([length + sum(each) for length, each in zip(x.shape, widths)], x.dtype)
    pad_(y, x, tuple(left for left, _ in widths), mode, value)
    return y


def unpadded(dy: Array, widths: tuple[Shape, ...], mode: str) -> Array:
    """The adjoint of padded."""
    dx = xp_of(dy).empty([length - sum(each) for length, each in zip(dy.shape, widths)], dy.dtype)
    unpad_(dx, dy, tuple(left for left, _ in widths), mode)
    return dx


def rolled(x: Array, shifts: Shape, dims: Shape) -> Array:
    """x moved on along dimensions, as np.roll does."""
    if type(x) is np.ndarray or not x.size:
        return xp_of(x).roll(x, shifts, dims)
    lefts = [0] * x.ndim
    for shift, dim in zip(shifts, dims):
        lefts[dim] = (lefts[dim] + shift) % x.shape[dim]
    y = xp_of(x).empty(x.shape, x.dtype)
    pad_(y, x, tuple(lefts), "circular", 0)
    return y
