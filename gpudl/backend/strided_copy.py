"""Copies between arrays of any strides on CUDA devices: transposes, permutations, slices, expanded arrays.

CuPy copies element by element in the order of the result: what is transposed is read one element from each line of
memory, and half floats two bytes at a time. Here dimensions that lie one after the other in both arrays are made one,
elements side by side are moved 16 bytes at a time, and matrices are turned in tiles.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText
from gpudl.backend.dtypes import DType, float32
from gpudl.backend.kernel import kernel

Shape = tuple[int, ...]

SIZES = (16, 8, 4, 2, 1)
BYTES = ("uint8",)  # what kernels are given that move memory whatever it holds, see memory_of
_TEXT = CudaText(
    "math/packs.cuh",
    "cuda/strided_copy.cu",
    kernels=tuple(f"{name}<{size}>" for name in ("move", "turn") for size in SIZES),
    dtypes=BYTES,
)
_HALVES = CudaText(
    "math/packs.cuh",
    "cuda/strided_copy.cu",
    kernels=("narrow<{T}>", "widen<{T}>"),
    dtypes=("float16", "bfloat16"),
)
_OUTER = 5  # dimensions besides those that a block goes through
_THIN = 16  # lengths below which a tile would be nearly empty
_ROWS = 4  # of a thread, in flight at a time
_MOST_ROWS = 1 << 31  # counted in 32 bits
EVERY = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


class Plan(NamedTuple):
    """How to copy: a kernel, its grid and block, and what it is given besides the arrays."""

    name: str
    grid: Shape
    block: Shape
    numbers: Shape


@kernel
def copy_(y: Array, x: Array) -> None:
    """y[...] = x, of y's shape and dtype; the arrays share no memory."""
    y[...] = x


@copy_.cuda(*EVERY)
def copy_cuda(y: Array, x: Array) -> None:
    if y.dtype != x.dtype or (y.flags.c_contiguous and x.flags.c_contiguous):
        y[...] = x  # a cast, or one stretch of memory
        return
    plan = planned(x.shape, y.strides, x.strides, x.itemsize, (y.data.ptr | x.data.ptr) & 15)
    if plan is None:
        y[...] = x
    else:
        _TEXT.launch(plan.name, plan.grid, plan.block, memory_of(y), memory_of(x), *plan.numbers)


@lru_cache(4096)
def planned(shape: Shape, to: Shape, source: Shape, itemsize: int, misaligned: int) -> Plan | None:
    """How to copy an array; None for what the kernels cannot count.

    Args:
        shape: of both arrays.
        to, source: their strides, in bytes.
        itemsize: of an element.
        misaligned: the last four bits of the places where the arrays begin, taken together.
    """
    if 0 in shape:
        return Plan("move<1>", (0,), (1,), ())
    dims = _collapsed(sorted(zip(shape, to, source), key=lambda dim: (-abs(dim[1]), -abs(dim[2]))))
    if any(each % itemsize for dim in dims for each in dim[1:]):
        return None
    length, y_step, x_step = dims[-1]
    size = itemsize
    if y_step == x_step == itemsize:
        whole = [length * itemsize, misaligned or 16, *(each for dim in dims[:-1] for each in dim[1:])]
        size = next(size for size in SIZES if size <= itemsize or not any(each % size for each in whole))
        dims[-1] = (length * itemsize // size, size, size)
    steps = [(n, y // size, x // size) for n, y, x in dims]
    (length, y_step, x_step), outer = steps[-1], steps[:-1]
    grid: Shape
    block: Shape
    numbers: Shape
    across = next((i for i, (n, _, x) in enumerate(outer) if x == 1 and n >= _THIN), None)
    if y_step == 1 and x_step != 1 and length >= _THIN and across is not None:
        length_b, b_step, _ = outer.pop(across)
        side = 64 if size < 4 else 32
        tiles = -(-length // side), -(-length_b // side)
        blocks = math.prod(tiles) * math.prod(n for n, _, _ in outer)
        name, grid, block = f"turn<{size}>", (blocks,), (32, 8)
        numbers = (length, length_b, x_step, b_step, *tiles)
    else:
        rows = math.prod(n for n, _, _ in outer)
        width = min(1 << (length - 1).bit_length(), THREADS)
        height = THREADS // width
        blocks = -(-rows // (height * _ROWS))
        name, grid = f"move<{size}>", (blocks, min(-(-length // width), 65535))
        block = (width, height)
        numbers = (rows, length, y_step, x_step)
        if rows >= _MOST_ROWS:
            return None
    if blocks >= _MOST_ROWS or len(outer) > _OUTER or any(n >= _MOST_ROWS for n, _, _ in outer):
        return None
    outer = [*reversed(outer), *((1, 0, 0),) * (_OUTER - len(outer))]
    flat = [number for dim in outer for number in dim]
    del flat[-3]  # nobody divides by the length of the outermost
    return Plan(name, grid, block, (*numbers, *flat))


def _collapsed(dims: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(length, stride, stride) of dimensions, those made one of which one step is all steps of the next."""
    found: list[tuple[int, int, int]] = []
    for n, y, x in dims:
        if n == 1:
            continue
        if found and found[-1][1] == n * y and found[-1][2] == n * x:
            found[-1] = (found[-1][0] * n, y, x)
        else:
            found.append((n, y, x))
    return found or [(1, 1 << 4, 1 << 4)]


def memory_of(x: Array) -> Array:
    """The memory where x begins, as what all dtypes have in common: one module serves them all."""
    return xp_of(x).ndarray((), np.uint8, x.data)


def copied(x: Array) -> Array:
    """A copy in C order."""
    if type(x) is np.ndarray or x.flags.c_contiguous:
        return x.copy()
    y = xp_of(x).empty(x.shape, x.dtype)
    copy_(y, x)
    return y


def written(y: Array, x: Array) -> None:
    """y[...] = x, for arrays on a CUDA device of one shape and dtype, which may be views of one memory."""
    if (y.base is not None or x.base is not None) and xp_of(y).may_share_memory(y, x):
        y[...] = x  # as if x were copied first
    else:
        copy_(y, x)


def reshaped(x: Array, shape: Any) -> Array:
    """x.reshape(shape): a view where the memory allows it, else a copy."""
    if type(x) is np.ndarray or x.flags.c_contiguous:
        return x.reshape(shape)
    view = x.view()
    try:
        view.shape = shape
    except (AttributeError, ValueError):
        return copied(x).reshape(shape)
    return view


def converted(x: Array, dtype: DType) -> Array:
    """x as another dtype, a copy; float32 and half floats on CUDA devices four elements a thread."""
    if isinstance(x, (np.ndarray, np.generic)) or not x.flags.c_contiguous or not x.size:
        return x.astype(dtype)
    half = dtype if x.dtype == float32 else x.dtype if dtype == float32 else None
    if half is None or half.char not in "eE":
        return x.astype(dtype)
    y = xp_of(x).empty(x.shape, dtype)
    grid = (min(-(-x.size // (4 * THREADS)), MOST_BLOCKS),)
    name, given = ("narrow<{T}>", (y, x)) if dtype == half else ("widen<{T}>", (x, y))
    _HALVES.launch(name, grid, (THREADS,), *given, x.size)
    return y
